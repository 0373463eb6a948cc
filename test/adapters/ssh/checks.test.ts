import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SshCheckOptions, sshChecks } from '../../../src/adapters/ssh/checks.ts';
import type { SshSettings } from '../../../src/domain/connection.ts';
import { err } from '../../../src/domain/result.ts';
import type { Finding } from '../../../src/ports/self-check.ts';

const folder = mkdtempSync(join(tmpdir(), 'rollout-ssh-checks-'));
const key = join(folder, 'id_ed25519');
const known = join(folder, 'known_hosts');
beforeAll(() => {
  writeFileSync(key, ssh2.utils.generateKeyPairSync('ed25519').private, { mode: 0o600 });
  writeFileSync(known, '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function ask(
  more: Partial<SshSettings>,
  options: Partial<SshCheckOptions> = {},
): Promise<readonly Finding[]> {
  const settings: SshSettings = {
    user: 'ops',
    osLogin: false,
    port: 22,
    identityFiles: [key],
    agent: false,
    knownHosts: [known],
    jump: [],
    proxyCommand: [],
    connectTimeoutMs: 1,
    commandTimeoutMs: 1,
    idleTimeoutMs: 1,
    keepaliveMs: 1,
    concurrency: 1,
    ...more,
  };
  const secrets = { read: () => Promise.resolve(err('nobody is asked')) };
  const checks = sshChecks({ settings, secrets, published: false, file: 'gprd.yaml', ...options });
  const signal = new AbortController().signal;
  return (await Promise.all(checks.map((check) => check.run(signal)))).flat();
}

describe('SSH keys', () => {
  it('that can be used are named by fingerprint alone', async () => {
    const [keys] = await ask({});
    expect(keys).toMatchObject({
      kind: 'ok',
      found: expect.stringMatching(/id_ed25519 \(ssh-ed25519 SHA256:/u),
    });
  });

  it('that others can read are a warning, besides', async () => {
    chmodSync(key, 0o644);
    const [, open] = await ask({});
    chmodSync(key, 0o600);
    expect(open).toMatchObject({ kind: 'warning', mend: `chmod 600 ${key}` });
  });

  it('of which one cannot be read are a warning; of which none can, a failure', async () => {
    const nowhere = join(folder, 'nowhere');
    expect((await ask({ identityFiles: [key, nowhere] }))[0]).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining(nowhere),
    });
    expect((await ask({ identityFiles: [nowhere] }))[0]).toMatchObject({ kind: 'failed' });
    expect((await ask({ identityFiles: [] }))[0]).toMatchObject({
      kind: 'failed',
      mend: expect.stringContaining('ssh.identityFiles'),
    });
  });

  it('of an agent that does not run are a failure that names the variable', async () => {
    expect((await ask({ identityFiles: [], agent: true }))[0]).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('SSH_AUTH_SOCK'),
    });
    const [gone] = await ask({ identityFiles: [], agent: true }, { agentSocket: join(folder, 'gone') });
    expect(gone).toMatchObject({ kind: 'failed', found: expect.stringContaining('does not answer') });
  });
});

describe('known host keys', () => {
  const nowhere = join(folder, 'no_known_hosts');

  it('that cannot be read at all are a failure, in part a warning', async () => {
    expect((await ask({ knownHosts: [nowhere] })).at(-1)).toMatchObject({ kind: 'failed' });
    expect((await ask({ knownHosts: [known, nowhere] })).at(-1)).toMatchObject({ kind: 'warning' });
  });

  it('are a fallback only, where the VMs publish theirs', async () => {
    expect((await ask({ knownHosts: [nowhere] }, { published: true })).at(-1)).toMatchObject({
      kind: 'ok',
      found: `known hosts file ${nowhere} does not exist; only published keys count`,
    });
    expect((await ask({ knownHosts: [known, nowhere] }, { published: true })).at(-1)).toMatchObject({
      kind: 'ok',
      found: `known hosts file ${nowhere} does not exist; published keys count, then ${known}`,
    });
    // A folder is there and cannot be read, also by root.
    expect((await ask({ knownHosts: [folder] }, { published: true })).at(-1)).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining('EISDIR'),
    });
  });
});
