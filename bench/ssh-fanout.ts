/**
 * SSH fan-out: one small program on 500 loopback addresses, 64 at once, by rollout and by the tools that do the same. One sshd
 * answers for all of 127.0.0.0/8; it is on the same machine, so the wall clock is mostly sshd's, the same for all.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/adapters/clock/system-clock.ts';
import { wholeOrNothing } from '../src/adapters/ssh/programs.ts';
import { createSshRemote } from '../src/adapters/ssh/remote.ts';
import { startRealSshd, whyNoSshd } from '../test/fakes/real-sshd.ts';
import type { BenchRow } from './row.ts';

export interface FanoutOptions {
  /** Default 500. */
  readonly hosts?: number;
  /** Default 64. */
  readonly atOnce?: number;
}

const SAY = `printf '{"step":"begin","ok":true}\\n'`;
/** ansible takes so long that a part has to do. */
const ANSIBLE_HOSTS = 100;

interface Bed {
  readonly folder: string;
  readonly config: string;
  readonly addresses: readonly string[];
  readonly atOnce: number;
}

interface Peer {
  readonly tool: string;
  readonly hosts?: number;
  readonly words: (bed: Bed) => readonly string[];
  readonly env?: (bed: Bed) => Readonly<Record<string, string>>;
}

/** Each runs the same command on the same addresses with OpenSSH's client, its output thrown away. */
const PEERS: readonly Peer[] = [
  {
    tool: 'pdsh',
    words: (bed) => [
      'pdsh',
      '-R',
      'ssh',
      '-f',
      `${bed.atOnce}`,
      '-w',
      bed.addresses.join(','),
      remoteCommand,
    ],
    env: (bed) => ({ PDSH_SSH_ARGS_APPEND: `-F ${bed.config}` }),
  },
  {
    tool: 'clush',
    words: (bed) => [
      'clush',
      '-o',
      `-F ${bed.config}`,
      '-f',
      `${bed.atOnce}`,
      '-w',
      bed.addresses.join(','),
      remoteCommand,
    ],
  },
  {
    tool: 'parallel-ssh',
    words: (bed) => [
      'parallel-ssh',
      '-p',
      `${bed.atOnce}`,
      '-t',
      '0',
      '-h',
      join(bed.folder, 'hosts'),
      '-x',
      `-F ${bed.config}`,
      remoteCommand,
    ],
  },
  {
    tool: 'ansible',
    hosts: ANSIBLE_HOSTS,
    words: (bed) => [
      'ansible',
      'all',
      '-i',
      `${bed.addresses.join(',')},`,
      '-f',
      `${bed.atOnce}`,
      '-m',
      'raw',
      '-a',
      remoteCommand,
      `--ssh-common-args=-F ${bed.config}`,
    ],
  },
];
const remoteCommand = `sudo -n sh -c true`;

/** Some 100 s with every peer installed, 10 s without. */
export async function benchSshFanout(options: FanoutOptions = {}): Promise<BenchRow[]> {
  const impossible = whyNoSshd();
  if (impossible !== null)
    return [{ name: 'rollout', what: workOf(0, 0), wallMs: Number.NaN, note: `not measured: ${impossible}` }];
  const folder = mkdtempSync(join(tmpdir(), 'rollout-fanout-'));
  const identity = join(folder, 'id');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', identity]);
  const sshd = await startRealSshd({
    authorized: [readFileSync(`${identity}.pub`, 'utf8').trim()],
    config: ['MaxStartups 1000', 'LogLevel ERROR'],
    listen: '0.0.0.0',
  });
  try {
    const hosts = options.hosts ?? 500;
    const addresses = Array.from(
      { length: hosts },
      (_, index) => `127.0.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`,
    );
    const knownHosts = join(folder, 'known_hosts');
    writeFileSync(knownHosts, sshd.hostKeyLine('127.0.*'));
    writeFileSync(join(folder, 'hosts'), `${addresses.join('\n')}\n`);
    const config = join(folder, 'config');
    writeFileSync(
      config,
      [
        `Port ${sshd.port}`,
        `User ${sshd.user}`,
        `IdentityFile ${identity}`,
        'IdentitiesOnly yes',
        'BatchMode yes',
        `UserKnownHostsFile ${knownHosts}`,
        'StrictHostKeyChecking yes',
        '',
      ].join('\n'),
    );
    const atOnce = options.atOnce ?? 64;
    const run = { port: sshd.port, user: sshd.user, identity, knownHosts, atOnce };
    const rows = [await measureRollout({ ...run, addresses })];
    for (const peer of PEERS) {
      if (peer.hosts !== undefined && installed(peer)) {
        rows.push(await measureRollout({ ...run, addresses: addresses.slice(0, peer.hosts) }));
      }
      rows.push(
        measurePeer(peer, { folder, config, atOnce, addresses: addresses.slice(0, peer.hosts ?? hosts) }),
      );
    }
    return rows;
  } finally {
    await sshd.stop();
    rmSync(folder, { recursive: true });
  }
}

/** Rows of the same work are compared with each other. */
function workOf(hosts: number, atOnce: number): string {
  return `ssh fan-out, ${hosts} hosts, ${atOnce} at once`;
}

interface RolloutRun {
  readonly port: number;
  readonly user: string;
  readonly identity: string;
  readonly knownHosts: string;
  readonly addresses: readonly string[];
  readonly atOnce: number;
}

async function measureRollout(run: RolloutRun): Promise<BenchRow> {
  const remote = createSshRemote({
    settings: {
      user: run.user,
      port: run.port,
      identityFiles: [run.identity],
      agent: false,
      knownHosts: [run.knownHosts],
      jump: [],
      proxyCommand: [],
      osLogin: false,
      connectTimeoutMs: 20_000,
      commandTimeoutMs: 60_000,
      idleTimeoutMs: 60_000,
      keepaliveMs: 5_000,
      concurrency: run.atOnce,
    },
    secrets: { read: async () => ({ ok: false, error: 'no secret is needed' }) },
    programs: { text: async () => wholeOrNothing(SAY) },
    clock: systemClock,
  });
  const agent = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
  const cpu = process.cpuUsage();
  const started = performance.now();
  const answers = await Promise.all(
    run.addresses.map((address) =>
      remote.run(
        { id: address, name: address, address },
        { order: { program: 'look', agent }, packages: [], timeoutMs: 60_000 },
      ),
    ),
  );
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  await remote.close();
  const answered = answers.filter((answer) => answer.kind === 'answered').length;
  return {
    name: 'rollout',
    what: workOf(run.addresses.length, run.atOnce),
    wallMs,
    cpuMs: (user + system) / 1000,
    note: `${answered} of ${run.addresses.length} hosts answered`,
  };
}

function installed(peer: Peer): boolean {
  return spawnSync('sh', ['-c', `command -v ${peer.tool}`]).status === 0;
}

function measurePeer(peer: Peer, bed: Bed): BenchRow {
  const row = { name: peer.tool, what: workOf(bed.addresses.length, bed.atOnce) };
  const none = { ...row, wallMs: Number.NaN };
  if (!installed(peer)) return { ...none, note: 'not installed' };
  const started = performance.now();
  // bash's `time` counts the children that the tool waited for.
  const ran = spawnSync(
    'bash',
    ['-c', 'TIMEFORMAT="cpu %U %S"; time "$@" >/dev/null 2>&1', 'bash', ...peer.words(bed)],
    {
      encoding: 'utf8',
      env: { ...process.env, ...peer.env?.(bed) },
      timeout: 180_000,
    },
  );
  const wallMs = performance.now() - started;
  const spent = /cpu ([\d.]+) ([\d.]+)/.exec(ran.stderr);
  if (ran.status !== 0 || spent === null) return { ...none, note: `failed (exit ${ran.status})` };
  return {
    ...row,
    wallMs,
    cpuMs: (Number(spent[1]) + Number(spent[2])) * 1000,
  };
}
