/** The adapter against OpenSSH's own sshd, ssh-agent, ssh-keygen and sftp-server. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SshSettings } from '../../../src/domain/connection.ts';
import type { RemoteAnswer } from '../../../src/ports/remote.ts';
import { type RealSshd, startRealSshd, whyNoSshd } from '../../fakes/real-sshd.ts';
import { at, bytesSource, createRig, job, type Rig } from './ssh-rig.ts';

const impossible = whyNoSshd();
if (impossible !== null) console.warn(`real sshd: left out, ${impossible}`);

describe.runIf(impossible === null)('a real sshd', () => {
  let rig: Rig;
  let sshd: RealSshd;
  let closedJump: RealSshd;
  const keys = { encrypted: '', agent: '' };

  beforeAll(async () => {
    rig = createRig();
    keys.encrypted = join(rig.folder, 'encrypted');
    keys.agent = join(rig.folder, 'agent-key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'open sesame', '-f', keys.encrypted]);
    execFileSync('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', keys.agent]);
    const authorized = [
      rig.publicKey,
      readFileSync(`${keys.encrypted}.pub`, 'utf8').trim(),
      readFileSync(`${keys.agent}.pub`, 'utf8').trim(),
    ];
    sshd = await startRealSshd({ authorized, config: ['MaxSessions 4'] });
    closedJump = await startRealSshd({ authorized, config: ['AllowTcpForwarding no'] });
  });

  afterAll(async () => {
    await rig.remove();
    await sshd.stop();
    await closedJump.stop();
  });

  const trusting = (changes: Partial<SshSettings> = {}): Partial<SshSettings> => {
    rig.trust(sshd.hostKeyLine('127.0.0.1'));
    return { user: sshd.user, ...changes };
  };
  const whyNot = (answer: RemoteAnswer): string =>
    answer.kind === 'no-answer' ? `${answer.why}: ${answer.message}` : 'answered';

  it('runs the program through sudo with its parameters as words', async () => {
    const answer = await rig.remote(trusting()).run(at(sshd.port), job());
    expect(answer).toMatchObject({
      kind: 'answered',
      exitCode: 0,
      steps: [
        { step: 'begin' },
        { args: 'package=osquery service=osqueryd executable=/opt/osquery/bin/osqueryd' },
      ],
    });
  });

  it('accepts a hashed entry that ssh-keygen made, and asks for the one key type that is known', async () => {
    for (const type of ['rsa', 'ecdsa'] as const) {
      rig.trust(sshd.hostKeyLine('127.0.0.1', type));
      execFileSync('ssh-keygen', ['-q', '-H', '-f', rig.knownHosts], { stdio: 'ignore' });
      expect(readFileSync(rig.knownHosts, 'utf8')).toMatch(/^\|1\|/);
      const answer = await rig.remote({ user: sshd.user }).run(at(sshd.port), job());
      expect(whyNot(answer)).toBe('answered');
    }
  });

  it('opens an encrypted key with its passphrase, and tells a wrong or missing one from a denial by the host', async () => {
    const settings = trusting({ identityFiles: [keys.encrypted], passphrase: { kind: 'env', name: 'PASS' } });
    const withPassphrase = (value: string) =>
      rig
        .remote(settings, { secrets: { read: async () => ({ ok: true, value }) } })
        .run(at(sshd.port), job());
    expect(whyNot(await withPassphrase('open sesame'))).toBe('answered');
    const wrong = whyNot(await withPassphrase('open barley'));
    expect(wrong).toMatch(/^denied: .*passphrase does not open it/);
    expect(wrong).not.toContain('barley');
    const { passphrase: _, ...without } = settings;
    expect(whyNot(await rig.remote(without).run(at(sshd.port), job()))).toMatch(
      /^denied: .*no passphrase is configured/,
    );
  });

  it('lets the agent sign, with an RSA key too', async () => {
    const socket = join(rig.folder, 'agent.sock');
    const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
    try {
      await expect.poll(() => existsSync(socket), { timeout: 3_000 }).toBe(true);
      const settings = trusting({ identityFiles: [], agent: true });
      const empty = await rig.remote(settings, { agentSocket: socket }).run(at(sshd.port), job());
      expect(whyNot(empty)).toMatch(/^denied: .*holds no key/);
      execFileSync('ssh-add', ['-q', keys.agent], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
      const answer = await rig.remote(settings, { agentSocket: socket }).run(at(sshd.port), job());
      expect(whyNot(answer)).toBe('answered');
    } finally {
      agent.kill();
    }
    const gone = await rig
      .remote(trusting({ identityFiles: [], agent: true }), { agentSocket: socket })
      .run(at(sshd.port), job());
    expect(whyNot(gone)).toMatch(/^denied: .*agent at .* does not answer/);
  });

  it('says that a certificate beside the key is not offered, when the host denies the key', async () => {
    const key = join(rig.folder, 'strange');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    execFileSync('ssh-keygen', ['-q', '-s', keys.agent, '-I', 'id', '-n', sshd.user, `${key}.pub`]);
    const answer = await rig.remote(trusting({ identityFiles: [key] })).run(at(sshd.port), job());
    expect(whyNot(answer)).toMatch(/^denied: .*strange-cert\.pub: user certificates cannot be offered/);
  });

  it('reaches hosts through two jump hosts', async () => {
    const hop = { user: sshd.user, host: '127.0.0.1', port: sshd.port };
    rig.trust(sshd.hostKeyLine('127.0.0.1'), sshd.hostKeyLine('127.0.0.2'));
    const remote = rig.remote({ user: sshd.user, jump: [hop, hop] });
    const answers = await Promise.all(Array.from({ length: 12 }, () => remote.run(at(sshd.port), job())));
    expect(answers.map(whyNot)).toEqual(Array.from({ length: 12 }, () => 'answered'));
  });

  it('checks the jump host\u2019s key, and names the jump host', async () => {
    const hop = { user: sshd.user, host: '127.0.0.1', port: closedJump.port };
    rig.trust(sshd.hostKeyLine('127.0.0.1'));
    const answer = await rig.remote({ user: sshd.user, jump: [hop] }).run(at(sshd.port), job());
    expect(whyNot(answer)).toMatch(/^host-key-unknown: no host key of jump host 127\.0\.0\.1/);
  });

  it('a jump host that forbids forwarding, or cannot reach the host, makes it unreachable', async () => {
    rig.trust(sshd.hostKeyLine('127.0.0.1'), closedJump.hostKeyLine('127.0.0.1'));
    const through = (port: number) =>
      rig.remote({ user: sshd.user, jump: [{ user: sshd.user, host: '127.0.0.1', port }] });
    expect(whyNot(await through(closedJump.port).run(at(sshd.port), job()))).toMatch(
      /^unreachable: .*forbids forwarding/,
    );
    expect(whyNot(await through(sshd.port).run(at(1), job()))).toMatch(
      /^unreachable: jump host .* cannot reach 127\.0\.0\.1:1/,
    );
  });

  it('makes the jump connection anew after it died', async () => {
    const jump = await startRealSshd({ authorized: [rig.publicKey] });
    try {
      rig.trust(sshd.hostKeyLine('127.0.0.1'), jump.hostKeyLine('127.0.0.1'));
      const hop = { user: sshd.user, host: '127.0.0.1', port: jump.port };
      const remote = rig.remote({ user: sshd.user, jump: [hop] });
      expect(whyNot(await remote.run(at(sshd.port), job()))).toBe('answered');
      const sessions = execFileSync('pgrep', ['-P', readFileSync(join(jump.folder, 'pid'), 'utf8').trim()]);
      for (const pid of sessions.toString().trim().split('\n')) process.kill(Number(pid), 'SIGKILL');
      await expect
        .poll(async () => whyNot(await remote.run(at(sshd.port), job())), { timeout: 5_000 })
        .toBe('answered');
    } finally {
      await rig.remote().close();
      await jump.stop();
    }
  });

  it('delivers a package with sftp-server, private to the user, and the program finds its digest right', async () => {
    const bytes = randomBytes(3_000_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const folder = join(sshd.home, '.cache/rollout');
    const remote = rig.remote(trusting(), {
      program: `for word; do case $word in incoming=*) in=\${word#incoming=} ;; esac; done
printf '{"step":"begin","ok":true,"sum":"%s"}\\n' "$(sha256sum "$in/${sha256}.deb" | cut -d' ' -f1)"`,
    });
    for (const leftover of [null, 'part of an earlier attempt', 'x'.repeat(4_000_000)]) {
      if (leftover !== null) writeFileSync(join(folder, `${sha256}.deb.part`), leftover);
      const answer = await remote.run(at(sshd.port), job({ packages: [bytesSource(bytes, sha256)] }));
      expect(answer).toMatchObject({ kind: 'answered', steps: [{ step: 'begin', sum: sha256 }] });
      expect(existsSync(join(folder, `${sha256}.deb.part`))).toBe(false);
    }
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  it('two who deliver the same package at once both get it whole', async () => {
    const bytes = randomBytes(2_000_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const remote = rig.remote(trusting());
    const order = job({ packages: [bytesSource(bytes, sha256)] });
    const answers = await Promise.all([remote.run(at(sshd.port), order), remote.run(at(sshd.port), order)]);
    expect(answers.map(whyNot)).toEqual(['answered', 'answered']);
    const arrived = readFileSync(join(sshd.home, '.cache/rollout', `${sha256}.deb`));
    expect(arrived.equals(bytes)).toBe(true);
  });

  it('sudo that refuses is sudo-refused with sudo\u2019s own words', async () => {
    sshd.sudo('echo "sudo: a password is required" >&2; exit 1');
    try {
      expect(whyNot(await rig.remote(trusting()).run(at(sshd.port), job()))).toMatch(
        /^sudo-refused: .*a password is required/,
      );
    } finally {
      sshd.sudo();
    }
  });

  it('a program that is killed is unknown', async () => {
    const program = `printf '{"step":"begin","ok":true}\\n'; kill -KILL $$`;
    const answer = await rig.remote(trusting(), { program }).run(at(sshd.port), job());
    expect(whyNot(answer)).toMatch(/^unknown: .*SIGKILL/);
  });

  it('a session that freezes in mid-program is found by keepalives within seconds', async () => {
    let frozen = 0;
    const program = `printf '{"step":"begin","ok":true,"session":%s}\\n' "$PPID"; sleep 0.1; kill -STOP $PPID; sleep 1`;
    const remote = rig.remote(trusting({ keepaliveMs: 100 }), { program });
    try {
      const answer = await remote.run(
        at(sshd.port),
        job({
          onStep: (step) => {
            frozen = Number(step['session']);
          },
        }),
      );
      expect(whyNot(answer)).toMatch(/^unknown: .*Keepalive timeout/);
    } finally {
      if (frozen > 1) process.kill(frozen, 'SIGKILL');
    }
  });

  it('something that keeps stdout open after the program ended does not hold the answer', async () => {
    const program = `printf '{"step":"begin","ok":true}\\n'; sleep 4 & exit 3`;
    const answer = await rig.remote(trusting(), { program }).run(at(sshd.port), job());
    expect(answer).toMatchObject({ kind: 'answered', exitCode: 3 });
  });

  it('a process that used it ends by itself after close', () => {
    trusting();
    const script = `
      import { createRig } from ${JSON.stringify(join(import.meta.dirname, 'ssh-rig.ts'))};
      const rig = createRig();
      const remote = rig.remote(${JSON.stringify(rig.settings({ user: sshd.user }))});
      const host = { id: '1', name: 'web', address: '127.0.0.1', port: ${sshd.port} };
      const order = ${JSON.stringify(job())};
      console.log((await remote.run(host, order)).kind);
      await rig.remove();`;
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 8_000,
    });
    expect(out.trim()).toBe('answered');
  });

  it('the shared jump connection is one: all hosts come from one client', async () => {
    const hop = { user: sshd.user, host: '127.0.0.1', port: sshd.port };
    rig.trust(sshd.hostKeyLine('127.0.0.1'));
    const daemon = readFileSync(join(sshd.folder, 'pid'), 'utf8').trim();
    const sessions = (): number => {
      try {
        return execFileSync('pgrep', ['-P', daemon]).toString().trim().split('\n').length;
      } catch {
        return 0;
      }
    };
    await expect.poll(sessions, { timeout: 5_000 }).toBeLessThanOrEqual(3);
    const idle = sessions();
    const remote = rig.remote({ user: sshd.user, jump: [hop] });
    await Promise.all(Array.from({ length: 8 }, () => remote.run(at(sshd.port), job())));
    await expect.poll(sessions, { timeout: 5_000 }).toBe(idle + 1);
    await remote.close();
    await expect.poll(sessions, { timeout: 5_000 }).toBe(idle);
  });
});
