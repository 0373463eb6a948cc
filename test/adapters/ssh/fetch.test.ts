/** Packages that hosts fetch by URL, over OpenSSH's own sshd with the machine's curl. The URL is a secret throughout. */
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HostOrder } from '../../../src/domain/host-order.ts';
import { ok } from '../../../src/domain/result.ts';
import type { FetchRequest, PackageSource, Remote, RemoteAnswer } from '../../../src/ports/remote.ts';
import { type FakeMetadataServer, startFakeMetadataServer } from '../../fakes/google/metadata-server.ts';
import { type RealSshd, startRealSshd, whyNoSshd } from '../../fakes/real-sshd.ts';
import { type PackageServer, startPackageServer } from '../../host/package-server.ts';
import { sha256 } from '../../host/shim-host.ts';
import { at, bytesSource, createRig, job, LOOK, type Rig } from './ssh-rig.ts';

const impossible = whyNoSshd();
if (impossible !== null) console.warn(`fetching over a real sshd: left out, ${impossible}`);

const bytes = randomBytes(400_000);
const digest = sha256(bytes);
const SIGNATURE = '5eC4e75eC4e75eC4e7';

/** Says what it was given and what it found there, as a program of the protocol. */
const PROGRAM = `for word; do case $word in incoming=*) in=\${word#incoming=} ;; esac; done
printf '{"step":"begin","ok":true,"incoming":"%s","found":"%s"}\\n' "\${in:-}" "$(cd "\${in:-/nowhere}" 2>/dev/null && sha256sum *.deb | cut -c1-64 | tr '\\n' ' ')"
`;

describe.runIf(impossible === null)('a package that the host fetches', () => {
  let rig: Rig;
  let sshd: RealSshd;
  let server: PackageServer;
  let metadata: FakeMetadataServer;
  let folder: string;
  let remote: Remote;

  beforeAll(async () => {
    rig = createRig();
    server = await startPackageServer(bytes);
    metadata = await startFakeMetadataServer({
      instances: { '*': { id: '1', email: 'vm@p.iam.gserviceaccount.com' } },
    });
    folder = mkdtempSync(join(tmpdir(), 'rollout-fetched-'));
    mkdirSync(join(folder, 'bin'));
    writeFileSync(join(folder, 'bin/sudo'), '#!/bin/sh\nshift; exec "$@"\n', { mode: 0o755 });
    const environment = [
      `PATH=${folder}/bin:/usr/bin:/bin`,
      `HOME=${folder}/home`,
      `GCE_METADATA_HOST=${metadata.host}`,
    ];
    sshd = await startRealSshd({
      authorized: [rig.publicKey],
      config: [`SetEnv ${environment.join(' ')}`],
    });
    rig.trust(sshd.hostKeyLine('127.0.0.1'));
  });
  afterAll(async () => {
    await sshd.stop();
    rmSync(folder, { recursive: true });
    await rig.remove();
    await server.close();
    await metadata.close();
  });
  beforeEach(() => {
    mkdirSync(join(folder, 'home'));
    remote = rig.remote({ user: sshd.user }, { program: PROGRAM });
  });
  afterEach(async () => {
    await remote.close();
    rmSync(join(folder, 'home'), { recursive: true, maxRetries: 5 });
  });

  const source = (
    mood: string,
    more: Partial<FetchRequest> & { sha?: string; size?: number } = {},
  ): PackageSource => ({
    kind: 'url',
    sha256: more.sha ?? digest,
    size: more.size ?? bytes.length,
    request: async () =>
      ok({
        url:
          more.url ??
          `${server.origin}/${mood}/o%20s.deb?X-Goog-Date=20261121T000000Z&X-Goog-Signature=${SIGNATURE}`,
        authorization: more.authorization ?? 'in-url',
      }),
  });
  const run = (...packages: PackageSource[]): Promise<RemoteAnswer> =>
    remote.run(at(sshd.port), job({ packages }));
  const told = (answer: RemoteAnswer): string =>
    answer.kind === 'no-answer'
      ? `${answer.why}: ${answer.message}`
      : `answered: ${JSON.stringify(answer.steps)}`;
  const incoming = (): string[] => {
    const path = join(folder, 'home/.cache/rollout');
    return existsSync(path) ? readdirSync(path) : [];
  };

  it('is there, by its digest, when the program begins', async () => {
    expect(await run(source('well'))).toMatchObject({
      kind: 'answered',
      steps: [{ incoming: `${folder}/home/.cache/rollout`, found: `${digest} ` }],
    });
  });

  it('comes to the same folder as one that is sent, though SFTP may begin elsewhere', async () => {
    const other = randomBytes(1_000);
    const answer = await run(source('well'), bytesSource(other, sha256(other)));
    const found = [digest, sha256(other)].sort();
    expect(answer).toMatchObject({
      kind: 'answered',
      steps: [{ incoming: `${sshd.home}/.cache/rollout`, found: `${found.join(' ')} ` }],
    });
  });

  it('comes as the VM\u2019s service account', async () => {
    const url = `${server.origin}/well/by-account.deb`;
    expect(await run(source('', { url, authorization: 'vm-service-account' }))).toMatchObject({
      kind: 'answered',
    });
    expect(server.requests.at(-1)).toMatchObject({ authorization: expect.stringMatching(/^Bearer ya29\./) });
  });

  it('shows its URL and its token to nobody: in no argument, no environment, no file and no step', async () => {
    const seen: string[] = [];
    const watching = new AbortController();
    const watch = watchProcesses([SIGNATURE, 'ya29.fake'], seen, watching.signal);
    const steps: unknown[] = [];
    for (const authorization of ['in-url', 'vm-service-account'] as const) {
      rmSync(join(folder, 'home'), { recursive: true });
      mkdirSync(join(folder, 'home'));
      const answer = await remote.run(
        at(sshd.port),
        job({ packages: [source('slow', { authorization })], onStep: (step) => steps.push(step) }),
      );
      expect(told(answer)).toContain('answered');
    }
    watching.abort();
    const { looked, clients } = await watch;
    expect(seen).toEqual([]);
    // It did look while the client was at work.
    expect(clients).toBeGreaterThan(10);
    expect(looked).toBeGreaterThan(100);
    expect(JSON.stringify(steps)).not.toContain(SIGNATURE);
    for (const name of incoming())
      expect(readFileSync(join(folder, 'home/.cache/rollout', name)).includes(SIGNATURE)).toBe(false);
  }, 20_000);

  it.each([
    ['expired', /answered 400 \(ExpiredToken\): the signed URL has expired/],
    ['forbidden', /answered 403 \(AccessDenied\): .*lacks roles\/storage\.objectViewer/],
    ['missing', /answered 404 \(NoSuchKey\): the object or that generation of it is not there/],
    ['redirect', /answered 302: a redirect, which is not followed/],
    ['longer', /gives more than the 400000 bytes that were staged/],
    ['altered', /gave bytes with sha256 [0-9a-f]{64}: the package was altered/],
  ])(
    'is not delivered when it is %s, and the sentence says where and why without the secret',
    async (mood, why) => {
      const answer = told(await run(source(mood)));
      expect(answer).toMatch(
        /^delivery-failed: web-1 \(127\.0\.0\.1:\d+\): package [0-9a-f]{12} was not delivered: /,
      );
      expect(answer).toMatch(why);
      expect(answer).toContain(`127.0.0.1:${server.port}/${mood}/o%20s.deb`);
      expect(answer).not.toContain('X-Goog');
      expect(answer).not.toContain(SIGNATURE);
      expect(incoming()).toEqual([]);
    },
  );

  it('is not delivered from where nothing listens, and the sentence says what the host needs', async () => {
    const answer = told(await run(source('', { url: 'http://127.0.0.1:1/a.deb' })));
    expect(answer).toMatch(
      /127\.0\.0\.1:1 cannot be reached from there \(curl ended with 7\); the host needs a way to/,
    );
  }, 20_000);

  it('is told apart when the store cannot have it fetched: that is not the host\u2019s fault', async () => {
    const refusing: PackageSource = {
      kind: 'url',
      sha256: digest,
      size: bytes.length,
      request: async () => ({ ok: false, error: 'rollout@p may not sign (iam.serviceAccounts.signBlob)' }),
    };
    expect(told(await run(refusing))).toMatch(
      /^delivery-failed: .*does not keep it, and the store cannot have it fetched: rollout@p may not sign/,
    );
    const throwing: PackageSource = { ...refusing, request: () => Promise.reject(new Error('a bug')) };
    expect(told(await run(throwing))).toMatch(/^delivery-failed: .*a bug/);
  });

  it.each<[Partial<FetchRequest>, RegExp]>([
    [{ url: 'ftp://a/b' }, /is none that can be fetched/],
    [{ url: 'https://a/b\nPACKAGES\ntouch /tmp/x' }, /is none that can be fetched/],
    [{ url: `https://a/"$(id)"` }, /is none that can be fetched/],
    [{ url: 'https://user:pw@a/b' }, /holds a user name/],
    [{ url: `https://a/${'x'.repeat(9_000)}` }, /longer than 8,000/],
    [
      { url: 'http://bucket.example/b', authorization: 'vm-service-account' },
      /in the clear to bucket\.example/,
    ],
  ])('is not asked for by a URL that no client should be given (%#)', async (request, why) => {
    const answer = told(await run(source('', request)));
    expect(answer).toMatch(why);
    expect(answer).not.toContain('user:pw');
  });

  it('that does not come in time ends with the time, and nothing stays at work on the host', async () => {
    const began = Date.now();
    const answer = await remote.run(at(sshd.port), job({ packages: [source('silent')], timeoutMs: 2_500 }));
    expect(told(answer)).toMatch(/^delivery-failed: /);
    expect(Date.now() - began).toBeLessThan(4_000);
    await expect.poll(() => server.connections(), { timeout: 5_000 }).toBe(0);
    expect(incoming()).toEqual([]);
  }, 15_000);

  it('is not taken for a silent host while its client waits: the program there tells that it is at work', async () => {
    const patient = rig.remote({ user: sshd.user, idleTimeoutMs: 2_400 }, { program: PROGRAM });
    const answer = await patient.run(at(sshd.port), job({ packages: [source('silent')], timeoutMs: 7_000 }));
    expect(told(answer)).toMatch(/did not answer, or too slowly/);
    await patient.close();
  }, 15_000);

  it('that is called off leaves nothing at work on the host for long', async () => {
    const stop = new AbortController();
    const packages = [source('silent')];
    const answer = remote.run(at(sshd.port), job({ packages, timeoutMs: 60_000 }), stop.signal);
    await expect.poll(() => server.connections(), { timeout: 5_000 }).toBe(1);
    stop.abort();
    expect(told(await answer)).toMatch(/^cancelled: /);
    await expect.poll(() => server.connections(), { timeout: 8_000 }).toBe(0);
    await expect.poll(() => incoming(), { timeout: 5_000 }).toEqual([]);
  }, 20_000);

  it('whose connection is lost leaves nothing at work on the host for long', async () => {
    const packages = [source('silent')];
    const answer = remote.run(at(sshd.port), job({ packages, timeoutMs: 60_000 }));
    await expect.poll(() => server.connections(), { timeout: 5_000 }).toBe(1);
    await remote.close();
    expect(told(await answer)).toMatch(/^(cancelled|delivery-failed): /);
    await expect.poll(() => server.connections(), { timeout: 8_000 }).toBe(0);
  }, 20_000);

  it('that fails does not keep a revert from being run', async () => {
    const ref = {
      sha256: digest,
      size: bytes.length,
      packageVersion: '1',
      executablePath: '/opt/a',
      executableSha256: digest,
    };
    const revert: HostOrder = {
      program: 'revert',
      agent: LOOK.agent,
      orderId: 'r-1',
      environment: 'gstg',
      fence: 1,
      target: ref,
      previous: ref,
      proveMs: 0,
      lockTimeoutS: 0,
    };
    const packages = [source('missing')];
    expect(await remote.run(at(sshd.port), job({ order: revert, packages }))).toMatchObject({
      kind: 'answered',
      steps: [{ incoming: '' }],
    });
  });

  it('is fetched by many hosts at once, each by itself', async () => {
    const answers = await Promise.all(Array.from({ length: 6 }, () => run(source('well'))));
    expect(answers.map(({ kind }) => kind)).toEqual(Array.from({ length: 6 }, () => 'answered'));
    expect(incoming()).toEqual([`${digest}.deb`]);
  }, 15_000);
});

/** Reads arguments and environment of every process, again and again, and notes where a secret is. */
async function watchProcesses(
  secrets: readonly string[],
  seen: string[],
  signal: AbortSignal,
): Promise<{ looked: number; clients: number }> {
  let looked = 0;
  let clients = 0;
  while (!signal.aborted) {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      if (pid === String(process.pid)) continue;
      for (const part of ['cmdline', 'environ']) {
        let text: string;
        try {
          text = readFileSync(`/proc/${pid}/${part}`, 'latin1');
        } catch {
          continue;
        }
        looked += 1;
        if (part === 'cmdline' && text.startsWith('curl\0-q')) clients += 1;
        if (secrets.some((secret) => text.includes(secret))) seen.push(`${part} of ${text.slice(0, 200)}`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { looked, clients };
}
