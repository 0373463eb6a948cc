/** Names and places of the rig; the scripts' side of it is settings.sh. */
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This folder, where the rig's scripts are. */
export const RIG_SCRIPTS = dirname(fileURLToPath(import.meta.url));

export interface RigSettings {
  /** What is slow to make and kept between runs: base file system, agent packages, Prometheus. ROLLOUT_RIG_DIR. */
  readonly cache: string;
  /**
   * Begins every name on this machine. At most 9 characters, so that link names fit. ROLLOUT_RIG_PREFIX, and a number from vitest's
   * second worker on: each has a rig of its own.
   */
  readonly prefix: string;
  /** First three numbers of the hosts' /24; `.1` is this machine, hosts from `.11`. ROLLOUT_RIG_NET, 32 further on for each worker. */
  readonly net: string;
  /** Where the cgroup v1 controllers cpu and cpuacct are apart: `acct` has CPUUsageNSec, `quota` has CPUQuota=. ROLLOUT_RIG_CGROUPS. */
  readonly cgroups: 'acct' | 'quota';
  /** State of the run: mounts, pids, cgroups. Goes when the rig goes down. */
  readonly state: string;
}

/** Reads the settings from the environment; throws at one that cannot be. */
export function rigSettings(env: NodeJS.ProcessEnv = process.env): RigSettings {
  const worker = Number(env['VITEST_POOL_ID'] ?? 1);
  const prefix = `${env['ROLLOUT_RIG_PREFIX'] ?? 'rollrig'}${worker > 1 ? worker : ''}`;
  const net = furtherOn(env['ROLLOUT_RIG_NET'] ?? '10.215.0', worker - 1);
  const cgroups = env['ROLLOUT_RIG_CGROUPS'] ?? 'acct';
  if (!/^[a-z][a-z0-9]{0,8}$/.test(prefix))
    throw new Error(`ROLLOUT_RIG_PREFIX is ${prefix}; expected up to 9 lower-case letters or digits`);
  if (!/^\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(net))
    throw new Error(`ROLLOUT_RIG_NET is ${net}; expected three numbers such as 10.215.0`);
  if (cgroups !== 'acct' && cgroups !== 'quota')
    throw new Error(`ROLLOUT_RIG_CGROUPS is ${cgroups}; expected acct or quota`);
  return {
    cache: env['ROLLOUT_RIG_DIR'] ?? '/var/tmp/rollout-rig',
    prefix,
    net,
    cgroups,
    state: `/run/${prefix}`,
  };
}

/** Another /24, so far away that neighbours by hand do not meet it. */
export function furtherOn(net: string, steps: number): string {
  const [first, second, third = ''] = net.split('.');
  return /^\d+$/.test(third) ? `${first}.${second}.${(Number(third) + 32 * steps) % 256}` : net;
}

/** What the scripts find in their environment. */
export function scriptEnvironment(settings: RigSettings): NodeJS.ProcessEnv {
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C.UTF-8',
    RIG_PREFIX: settings.prefix,
    RIG_NET: settings.net,
    RIG_CGROUPS: settings.cgroups,
  };
}
