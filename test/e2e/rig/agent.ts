/** The stand-in agent: packages whose behaviour is set by version, and layers of hosts that have one installed. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { must } from './command.ts';
import { RIG_SCRIPTS, type RigSettings, scriptEnvironment } from './settings.ts';

/** How a version behaves. */
export interface AgentBehaviour {
  /** Of one core; default 0.3: dozens of hosts share two cores with the programs under test. */
  readonly cpuPercent?: number;
  /** On top of it, for a while or in some places only; default none. */
  readonly burn?: {
    /** Of one core. */
    readonly percent: number;
    /** Fine for so long after each start; default 0. */
    readonly afterMs?: number;
    /** And fine again after so long; default never. */
    readonly forMs?: number;
    /** Only on hosts of this role; default everywhere. */
    readonly role?: string;
  };
  /** Default 16. */
  readonly memoryMib?: number;
  /** So much more each second; default 0. */
  readonly leakKibPerS?: number;
  /** How often it adds a line to /var/log/osquery/osqueryd.results.log; default 1000. 0: runs, but writes nothing. */
  readonly resultsEveryMs?: number;
  /** Of its database; default 2. Where the host's is newer it exits with 78, as the real one does. */
  readonly databaseVersion?: number;
  /** No sshd on the host gets to run while it lives: connections are taken, nothing is said. */
  readonly starvesSshd?: boolean;
  /** CPUQuota= of its unit; default 20. Holds on hosts with `cgroups: 'quota'` only. */
  readonly cpuQuotaPercent?: number;
  /** Aborts so long after each start; default never. 0 is more often than systemd's start limit of 5 in 10 s allows: the unit fails. */
  readonly crashAfterMs?: number;
  /** Exits with 1 at once. */
  readonly failStart?: boolean;
  /** The package's postinst exits with 1. */
  readonly failPostinst?: boolean;
  /** Makes the package so much bigger, incompressibly; default 0. */
  readonly paddingKib?: number;
}

/** A version of each kind, for scenarios that need nothing special. 5.9.1 is what hosts have at boot unless told otherwise. */
export const AGENT_VERSIONS = {
  '5.9.1': {},
  '5.10.2': {},
  '5.11.0': { cpuPercent: 60 },
  '5.11.1': { crashAfterMs: 0 },
  '5.11.2': { failPostinst: true },
  '5.11.3': { failStart: true },
  /** Runs long enough to be proven after its restart, then crashes, again and again. */
  '5.11.4': { crashAfterMs: 5000 },
} as const satisfies Readonly<Record<string, AgentBehaviour>>;

export interface AgentPackage {
  readonly version: string;
  readonly environment: string;
  /** The `.deb`; shared with other runs: copy it before changing it. */
  readonly file: string;
  readonly sha256: string;
  /** Full Debian version. */
  readonly packageVersion: string;
  /** sha256 of /opt/osquery/bin/osqueryd in it. */
  readonly executableSha256: string;
}

function sha256(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}

function fingerprint(...scripts: readonly string[]): string {
  return sha256(scripts.map((script) => readFileSync(join(RIG_SCRIPTS, script), 'utf8')).join('\0')).slice(
    0,
    12,
  );
}

/** Makes the base file system unless it is there (50 s the first time); gives its folder. */
export async function buildBase(settings: RigSettings): Promise<string> {
  const folder = join(settings.cache, `base-${fingerprint('build-base.sh')}`);
  await must(join(RIG_SCRIPTS, 'build-base.sh'), [folder], {
    env: scriptEnvironment(settings),
    timeoutMs: 600_000,
  });
  return folder;
}

/** Makes one package unless it is there (under a second). Each environment's file differs, as upstream's do. */
export async function buildAgent(
  settings: RigSettings,
  version: string,
  environment: string,
  behaviour: AgentBehaviour,
): Promise<AgentPackage> {
  const values = {
    AGENT_VERSION: version,
    AGENT_ENVIRONMENT: environment,
    AGENT_CPU_PERCENT: String(behaviour.cpuPercent ?? 0.3),
    AGENT_BURN_PERCENT: String(behaviour.burn?.percent ?? 0),
    AGENT_BURN_AFTER_MS: String(behaviour.burn?.afterMs ?? 0),
    AGENT_BURN_FOR_MS: String(behaviour.burn?.forMs ?? -1),
    AGENT_BURN_ROLE: behaviour.burn?.role ?? '',
    AGENT_MEMORY_MIB: String(behaviour.memoryMib ?? 16),
    AGENT_LEAK_KIB_PER_S: String(behaviour.leakKibPerS ?? 0),
    AGENT_CRASH_AFTER_MS: String(behaviour.crashAfterMs ?? -1),
    AGENT_FAIL_START: behaviour.failStart === true ? '1' : '0',
    AGENT_RESULTS_EVERY_MS: String(behaviour.resultsEveryMs ?? 1000),
    AGENT_DATABASE_VERSION: String(behaviour.databaseVersion ?? 2),
    AGENT_STARVE_SSHD: behaviour.starvesSshd === true ? '1' : '0',
    AGENT_CPU_QUOTA_PERCENT: String(behaviour.cpuQuotaPercent ?? 20),
    AGENT_FAIL_POSTINST: behaviour.failPostinst === true ? '1' : '0',
    AGENT_PADDING_KIB: String(behaviour.paddingKib ?? 0),
  };
  const key = sha256(`${fingerprint('build-agent.sh', 'agent.c')}${JSON.stringify(values)}`).slice(0, 12);
  const folder = join(settings.cache, 'packages', key);
  const file = join(folder, `osquery_${version}-1.linux_amd64.${environment}.deb`);
  if (!existsSync(file)) {
    await mkdir(folder, { recursive: true });
    await must(join(RIG_SCRIPTS, 'build-agent.sh'), [file], {
      env: { ...scriptEnvironment(settings), ...values },
    });
  }
  const executable = await must('/bin/sh', [
    '-c',
    'dpkg-deb --fsys-tarfile "$1" | tar -xO ./opt/osquery/bin/osqueryd | sha256sum',
    'sh',
    file,
  ]);
  return {
    version,
    environment,
    file,
    sha256: sha256(await readFile(file)),
    packageVersion: `${version}-1.linux`,
    executableSha256: executable.slice(0, 64),
  };
}

/** Gives the lower layers, in overlay's syntax, of a host that has this package installed and its service enabled. */
export async function layAgent(settings: RigSettings, base: string, agent: AgentPackage): Promise<string> {
  const rootfs = join(base, 'rootfs');
  const folder = join(
    settings.cache,
    'layers',
    `${fingerprint('build-base.sh', 'lay-agent.sh')}-${agent.sha256.slice(0, 12)}`,
  );
  await must(join(RIG_SCRIPTS, 'lay-agent.sh'), [folder, rootfs, agent.file], {
    env: scriptEnvironment(settings),
  });
  return `${join(folder, 'upper')}:${rootfs}`;
}

/** Gives the lower layers of a host like that of `lower`, but under sysvinit. */
export async function laySysvinit(settings: RigSettings, lower: string): Promise<string> {
  const key = sha256(`${fingerprint('build-base.sh', 'lay-sysvinit.sh')}${lower}`).slice(0, 12);
  const folder = join(settings.cache, 'layers', `sysvinit-${key}`);
  await must(join(RIG_SCRIPTS, 'lay-sysvinit.sh'), [folder, lower], { env: scriptEnvironment(settings) });
  return `${join(folder, 'upper')}:${lower}`;
}
