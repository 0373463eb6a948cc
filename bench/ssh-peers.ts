/** The tools that do the same: each runs one command on all addresses, with OpenSSH's client or its own, its output thrown away. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchRow } from './row.ts';

export interface PeerRun {
  /** Of temporary files. */
  readonly folder: string;
  /** ssh_config. */
  readonly config: string;
  readonly addresses: readonly string[];
  readonly atOnce: number;
  /** What is run on each. */
  readonly command: string;
  /** The row's `what`. */
  readonly what: string;
}

export interface Peer {
  readonly tool: string;
  readonly words: (run: PeerRun) => readonly string[];
  readonly env?: (run: PeerRun) => Readonly<Record<string, string>>;
}

export const PDSH: Peer = {
  tool: 'pdsh',
  words: ({ atOnce, addresses, command }) => [
    'pdsh',
    '-R',
    'ssh',
    '-f',
    `${atOnce}`,
    '-w',
    addresses.join(','),
    command,
  ],
  env: ({ config }) => ({ PDSH_SSH_ARGS_APPEND: `-F ${config}` }),
};

export const CLUSH: Peer = {
  tool: 'clush',
  words: ({ config, atOnce, addresses, command }) => [
    'clush',
    '-o',
    `-F ${config}`,
    '-f',
    `${atOnce}`,
    '-w',
    addresses.join(','),
    command,
  ],
};

export const PARALLEL_SSH: Peer = {
  tool: 'parallel-ssh',
  words: ({ folder, config, atOnce, command }) => [
    'parallel-ssh',
    '-p',
    `${atOnce}`,
    '-t',
    '0',
    '-h',
    join(folder, 'host-list'),
    '-x',
    `-F ${config}`,
    command,
  ],
};

export const ANSIBLE: Peer = {
  tool: 'ansible',
  words: ({ config, atOnce, addresses, command }) => [
    'ansible',
    'all',
    '-i',
    `${addresses.join(',')},`,
    '-f',
    `${atOnce}`,
    '-m',
    'raw',
    '-a',
    command,
    `--ssh-common-args=-F ${config}`,
  ],
};

export function installed({ tool }: Peer): boolean {
  return spawnSync('sh', ['-c', `command -v ${tool}`]).status === 0;
}

export function measurePeer(peer: Peer, run: PeerRun): BenchRow {
  const row = { name: peer.tool, what: run.what };
  const none = { ...row, wallMs: Number.NaN };
  if (!installed(peer)) return { ...none, note: 'not installed' };
  writeFileSync(join(run.folder, 'host-list'), `${run.addresses.join('\n')}\n`);
  const started = performance.now();
  // bash's `time` counts the children that the tool waited for.
  const ran = spawnSync(
    'bash',
    ['-c', 'TIMEFORMAT="cpu %U %S"; time "$@" >/dev/null 2>&1', 'bash', ...peer.words(run)],
    {
      encoding: 'utf8',
      env: { ...process.env, ...peer.env?.(run) },
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
