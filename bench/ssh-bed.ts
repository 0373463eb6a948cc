/** One real sshd that answers for all of 127.0.0.0/8: a fleet of addresses, with what OpenSSH's client and rollout need to log in. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system-clock.ts';
import type { HostPrograms } from '../src/adapters/ssh/programs.ts';
import { createSshRemote } from '../src/adapters/ssh/remote.ts';
import type { HostOrder } from '../src/domain/host-order.ts';
import type { Remote, RemoteAnswer, RemoteHost } from '../src/ports/remote.ts';
import { type RealSshd, startRealSshd } from '../test/fakes/real-sshd.ts';
import { measure } from './row.ts';

export interface SshBed {
  readonly folder: string;
  /** ssh_config of the peers. */
  readonly config: string;
  readonly identity: string;
  readonly sshd: RealSshd;
  /** Addresses, each of which the sshd answers for. */
  readonly addresses: readonly string[];
  remote(options: { readonly atOnce: number; readonly programs: HostPrograms }): Remote;
  stop(): Promise<void>;
}

export async function openSshBed(hosts: number): Promise<SshBed> {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-bench-ssh-'));
  const identity = join(folder, 'id');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', identity]);
  const sshd = await startRealSshd({
    authorized: [readFileSync(`${identity}.pub`, 'utf8').trim()],
    config: ['MaxStartups 1000', 'LogLevel ERROR'],
    listen: '0.0.0.0',
  });
  const knownHosts = join(folder, 'known_hosts');
  writeFileSync(knownHosts, sshd.hostKeyLine('127.0.*'));
  const config = join(folder, 'config');
  const lines = [
    `Port ${sshd.port}`,
    `User ${sshd.user}`,
    `IdentityFile ${identity}`,
    'IdentitiesOnly yes',
    'BatchMode yes',
    `UserKnownHostsFile ${knownHosts}`,
    'StrictHostKeyChecking yes',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return {
    folder,
    config,
    identity,
    sshd,
    addresses: Array.from(
      { length: hosts },
      (_, index) => `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`,
    ),
    remote: ({ atOnce, programs }) =>
      createSshRemote({
        settings: {
          user: sshd.user,
          port: sshd.port,
          identityFiles: [identity],
          agent: false,
          knownHosts: [knownHosts],
          jump: [],
          proxyCommand: [],
          osLogin: false,
          connectTimeoutMs: 20_000,
          commandTimeoutMs: 60_000,
          idleTimeoutMs: 60_000,
          keepaliveMs: 5_000,
          concurrency: atOnce,
        },
        secrets: { read: async () => ({ ok: false, error: 'no secret is needed' }) },
        programs,
        clock: systemClock,
      }),
    async stop() {
      await sshd.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

export interface FleetRun {
  readonly remote: Remote;
  readonly hosts: readonly RemoteHost[];
  readonly order: HostOrder;
  readonly signal?: AbortSignal;
  readonly onAnswer?: (answer: RemoteAnswer) => void;
}

/** Gives all hosts the order at once, as the engine does; how many are talked with at once is the remote's affair. */
export async function runOnFleet({
  remote,
  hosts,
  order,
  signal,
  onAnswer,
}: FleetRun): Promise<{ wallMs: number; cpuMs: number; done: number; note: string }> {
  const one = async (host: RemoteHost): Promise<RemoteAnswer> => {
    const answer = await remote.run(host, { order, packages: [], timeoutMs: 60_000 }, signal);
    onAnswer?.(answer);
    return answer;
  };
  const { value, wallMs, cpuMs } = await measure(() => Promise.all(hosts.map(one)));
  const done = value.filter((answer) => answer.kind === 'answered' && answer.exitCode === 0).length;
  const other = value.find((answer) => answer.kind !== 'answered' || answer.exitCode !== 0);
  const why =
    other === undefined
      ? ''
      : `; else: ${other.kind === 'answered' ? `exit ${other.exitCode}` : `${other.why}: ${other.message.slice(0, 120)}`}`;
  return { wallMs, cpuMs, done, note: `${done} of ${hosts.length} done${why}` };
}

export function hostAt(address: string): RemoteHost {
  return { id: address, name: address, address };
}
