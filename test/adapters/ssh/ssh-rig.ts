/** A Remote with settings that suit tests: short times, a key of its own, a known_hosts of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { wholeOrNothing } from '../../../src/adapters/ssh/programs.ts';
import { createSshRemote, type SshRemoteOptions } from '../../../src/adapters/ssh/remote.ts';
import type { SshSettings } from '../../../src/domain/connection.ts';
import type { HostOrder } from '../../../src/domain/host-order.ts';
import type { PackageSource, Remote, RemoteHost, RemoteJob } from '../../../src/ports/remote.ts';
import { newKeyPair } from '../../fakes/ssh-server.ts';

export const LOOK: HostOrder = {
  program: 'look',
  agent: { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' },
};

/** A program in the protocol that does nothing. */
export const TRIVIAL = `printf '{"step":"begin","ok":true}\\n{"step":"done","ok":true,"args":"%s"}\\n' "$*"\n`;

export interface Rig {
  readonly folder: string;
  readonly knownHosts: string;
  readonly identity: string;
  /** The identity's public half, as authorized_keys has it. */
  readonly publicKey: string;
  settings(changes?: Partial<SshSettings>): SshSettings;
  remote(changes?: Partial<SshSettings>, options?: Partial<SshRemoteOptions> & { program?: string }): Remote;
  trust(...lines: readonly string[]): void;
  remove(): Promise<void>;
}

export function createRig(): Rig {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-ssh-'));
  const knownHosts = join(folder, 'known_hosts');
  const identity = join(folder, 'id');
  const pair = newKeyPair();
  writeFileSync(identity, pair.private, { mode: 0o600 });
  writeFileSync(knownHosts, '');
  const remotes: Remote[] = [];
  const settings = (changes: Partial<SshSettings> = {}): SshSettings => ({
    user: 'deploy',
    port: 22,
    identityFiles: [identity],
    agent: false,
    knownHosts: [knownHosts],
    jump: [],
    proxyCommand: [],
    osLogin: false,
    connectTimeoutMs: 3_000,
    commandTimeoutMs: 5_000,
    idleTimeoutMs: 5_000,
    keepaliveMs: 5_000,
    concurrency: 32,
    ...changes,
  });
  return {
    folder,
    knownHosts,
    identity,
    publicKey: pair.public,
    settings,
    remote(changes, { program, ...options } = {}) {
      const remote = createSshRemote({
        settings: settings(changes),
        secrets: { read: async () => ({ ok: false, error: 'no secrets here' }) },
        programs: { text: async () => wholeOrNothing(program ?? TRIVIAL) },
        clock: systemClock,
        ...options,
      });
      remotes.push(remote);
      return remote;
    },
    trust: (...lines) => writeFileSync(knownHosts, lines.join('')),
    async remove() {
      await Promise.all(remotes.map((remote) => remote.close()));
      rmSync(folder, { recursive: true });
    },
  };
}

export function at(port: number, address = '127.0.0.1', id = '1'): RemoteHost {
  return { id, name: `web-${id}`, address, port };
}

export function job(changes: Partial<RemoteJob> = {}): RemoteJob {
  return { order: LOOK, packages: [], timeoutMs: 10_000, ...changes };
}

export function bytesSource(bytes: Buffer, sha256: string): PackageSource {
  return {
    kind: 'bytes',
    sha256,
    size: bytes.length,
    open: async function* () {
      for (let start = 0; start < bytes.length; start += 50_000) yield bytes.subarray(start, start + 50_000);
    },
  };
}
