/** `fetch.sh` with the machine's own curl and wget against a server that misbehaves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HostStep } from '../../src/domain/host-order.ts';
import { startFakeMetadataServer } from '../fakes/google/metadata-server.ts';
import { type PackageServer, startPackageServer } from './package-server.ts';
import { sha256 } from './shim-host.ts';

const TEXT = readFileSync(new URL('../../src/host/fetch.sh', import.meta.url), 'utf8');
const bytes = randomBytes(300_001);
const digest = sha256(bytes);
/** Stands for what makes a signed URL a secret. */
const SIGNATURE = 'X-Goog-Signature=5eC4e75eC4e75eC4e7';
const BASICS = [
  'sh',
  'awk',
  'chmod',
  'date',
  'df',
  'find',
  'head',
  'mkdir',
  'mv',
  'rm',
  'sed',
  'sha256sum',
  'sleep',
  'tail',
  'timeout',
  'tr',
  'wc',
];

let server: PackageServer;
let folder: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  server = await startPackageServer(bytes);
});
afterAll(() => server.close());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'rollout-fetch-'));
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});

interface Run {
  readonly tools?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly words?: readonly string[];
  readonly size?: number;
  readonly sha?: string;
}

/** The commands of the machine that are found, as a folder of links. */
function pathOf(tools: readonly string[]): string {
  const path = join(folder, 'bin');
  mkdirSync(path, { recursive: true });
  for (const name of [...BASICS, ...tools]) {
    const found = ['/usr/bin', '/bin', ...(process.env['PATH'] ?? '').split(delimiter)]
      .map((part) => join(part, name))
      .find((file) => existsSync(file));
    if (found === undefined) throw new Error(`this machine has no ${name}`);
    if (!existsSync(join(path, name))) symlinkSync(found, join(path, name));
  }
  // Pauses and heartbeats ten times as fast.
  const sleep = join(path, 'sleep');
  rmSync(sleep);
  writeFileSync(sleep, `#!/bin/sh\nexec /bin/sleep "0.$1"\n`, { mode: 0o755 });
  return path;
}

function start(
  lines: readonly string[],
  run: Run = {},
): { child: ChildProcess; said: Promise<{ out: string; code: number | null }> } {
  const child = spawn('sh', ['-s', '--', ...(run.words ?? ['limit_s=20', 'stall_s=2'])], {
    env: {
      HOME: join(folder, 'home'),
      PATH: pathOf(run.tools ?? ['curl', 'wget']),
      ROLLOUT_ROOT: folder,
      ...run.environment,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  children.push(child);
  child.stdin.end(
    `{\n${TEXT}\nmain "$@" <<'PACKAGES'\n${lines.map((line) => `${line}\n`).join('')}PACKAGES\n}\n`,
  );
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    out += `stderr: ${String(chunk)}\n`;
  });
  return { child, said: new Promise((resolve) => child.on('close', (code) => resolve({ out, code }))) };
}

const urlOf = (mood: string): string => `${server.origin}/${mood}/osquery%20a.deb?generation=17&${SIGNATURE}`;

async function fetch(
  mood: string,
  run: Run = {},
): Promise<{ steps: HostStep[]; code: number | null; out: string }> {
  const line = `${run.sha ?? digest} ${run.size ?? bytes.length} in-url ${urlOf(mood)}`;
  const { out, code } = await start([line], run).said;
  // Whatever went wrong, the secret is in no line.
  expect(out).not.toContain('5eC4e7');
  return {
    out,
    code,
    steps: out
      .split('\n')
      .filter((one) => one.startsWith('{'))
      .map((one) => JSON.parse(one) as HostStep),
  };
}

const incoming = (): string[] => {
  const path = join(folder, 'home/.cache/rollout');
  return existsSync(path) ? readdirSync(path).sort() : [];
};
const verdict = ({ steps }: { steps: HostStep[] }): HostStep | undefined =>
  steps.find(({ step }) => step === 'fetch');

describe.each([['curl'], ['wget']])('with %s a package', (tool) => {
  const run: Run = { tools: [tool] };

  it('arrives whole, private to the user, under its digest', async () => {
    const answer = await fetch('well', run);
    expect(answer.code).toBe(0);
    expect(answer.steps.map(({ step, ok }) => [step, ok])).toEqual([
      ['begin', true],
      ['fetch', true],
      ['end', true],
    ]);
    expect(answer.steps[0]).toMatchObject({ folder: '/home/.cache/rollout' });
    expect(incoming()).toEqual([`${digest}.deb`]);
    const file = join(folder, 'home/.cache/rollout', `${digest}.deb`);
    expect(readFileSync(file).equals(bytes)).toBe(true);
    expect([statSync(file).mode & 0o777, statSync(join(file, '..')).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  it.each(['busy-twice', 'breaks-twice', 'altered-once'])(
    'arrives after a server that is %s at first',
    async (mood) => {
      const before = server.requests.length;
      expect(verdict(await fetch(`${mood}/${tool}`, run))).toMatchObject({ ok: true, from: tool });
      expect(server.requests.length - before).toBe(mood === 'altered-once' ? 2 : 3);
      expect(incoming()).toEqual([`${digest}.deb`]);
    },
  );

  it.each([
    ['expired', { why: 'status', status: 400, reason: 'ExpiredToken', attempts: 1 }],
    ['forbidden', { why: 'status', status: 403, reason: 'AccessDenied', attempts: 1 }],
    ['missing', { why: 'status', status: 404, reason: 'NoSuchKey', attempts: 1 }],
    ['redirect', { why: 'status', status: 302, attempts: 1 }],
    ['longer', { why: 'too-large', attempts: 1 }],
    ['endless', { why: 'too-large', attempts: 1 }],
    ['altered', { why: 'digest', attempts: 2 }],
    ['short', { why: 'size', reason: String(bytes.length - 1), attempts: 4 }],
    ['breaks', { why: 'client', attempts: 4 }],
    ['busy', { why: 'status', status: 503, attempts: 4 }],
  ])(
    'does not arrive from a server that is %s, and leaves nothing behind',
    async (mood, expected) => {
      const answer = await fetch(mood, run);
      expect(verdict(answer)).toMatchObject({ ok: false, package: digest, tool, ...expected });
      expect(answer.code).toBe(1);
      expect(incoming()).toEqual([]);
      expect(answer.out).not.toContain('somebody');
    },
    30_000,
  );

  it.each(['silent', 'stalls'])(
    'is given up when the server is %s, by the stall and then by the limit',
    async (mood) => {
      const began = Date.now();
      const answer = await fetch(mood, { ...run, words: ['limit_s=4', 'stall_s=1'] });
      expect(verdict(answer)).toMatchObject({ ok: false, why: 'client' });
      expect(Date.now() - began).toBeLessThan(9_000);
      expect(incoming()).toEqual([]);
    },
    15_000,
  );

  it('never grows far beyond its size on disk, however much is sent', async () => {
    const { child, said } = start([`${digest} 1000 in-url ${urlOf('endless')}`], run);
    let most = 0;
    const timer = setInterval(() => {
      for (const name of incoming()) most = Math.max(most, sizeOf(join(folder, 'home/.cache/rollout', name)));
    }, 1);
    const { out } = await said;
    clearInterval(timer);
    expect(child.exitCode).toBe(1);
    expect(out).toContain('"why":"too-large"');
    expect(most).toBeLessThanOrEqual(20_000);
  });

  it('is fetched without what the user\u2019s own configuration would add', async () => {
    mkdirSync(join(folder, 'home'));
    writeFileSync(join(folder, 'home/.curlrc'), `trace-ascii ${join(folder, 'trace')}\n`);
    writeFileSync(join(folder, 'home/.wgetrc'), `output_file = ${join(folder, 'trace')}\n`);
    expect((await fetch('well', run)).code).toBe(0);
    expect(existsSync(join(folder, 'trace'))).toBe(false);
  });
});

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}

describe('as the VM\u2019s service account a package', () => {
  it('is fetched with a token that is nowhere to be seen', async () => {
    const email = 'vm@project.iam.gserviceaccount.com';
    const metadata = await startFakeMetadataServer({ instances: { '*': { id: '1', email } } });
    const guarded = await startPackageServer(
      bytes,
      (request) => request.headers.authorization?.startsWith('Bearer ya29.') === true,
    );
    try {
      const line = `${digest} ${bytes.length} vm-service-account ${guarded.origin}/well/a.deb`;
      const environment = { GCE_METADATA_HOST: metadata.host };
      const { out, code } = await start([line], { environment }).said;
      expect(code).toBe(0);
      expect(out).not.toContain('ya29');
      expect(guarded.requests[0]?.authorization).toMatch(/^Bearer ya29\./);
      rmSync(join(folder, 'home'), { recursive: true });
      const denied = await start([line.replace('/well/', '/forbidden/')], { environment }).said;
      expect(denied.out).toContain(`"status":403,"reason":"AccessDenied","account":"${email}"`);
      metadata.instances.set('*', { id: '1' });
      const none = await start([line], { environment }).said;
      expect(none.out).toContain('"why":"no-token","account":""');
    } finally {
      await metadata.close();
      await guarded.close();
    }
  }, 15_000);

  it('is not fetched with wget, which would show the token', async () => {
    const line = `${digest} ${bytes.length} vm-service-account ${server.origin}/well/a.deb`;
    expect((await start([line], { tools: ['wget'] }).said).out).toContain('"why":"no-curl"');
  });
});

describe('a package that is there', () => {
  it('kept by the host is not fetched, and needs no URL', async () => {
    const kept = join(folder, 'var/lib/rollout/packages');
    mkdirSync(kept, { recursive: true });
    writeFileSync(join(kept, `${digest}.deb`), bytes);
    const before = server.requests.length;
    const { out, code } = await start([`${digest} ${bytes.length} none -`], { tools: [] }).said;
    expect([code, out]).toEqual([0, expect.stringContaining('"from":"kept"')]);
    expect(server.requests.length).toBe(before);
  });

  it('in the folder from an earlier attempt is not fetched again; a spoilt one is', async () => {
    await fetch('well');
    expect(verdict(await fetch('missing'))).toMatchObject({ ok: true, from: 'folder' });
    writeFileSync(join(folder, 'home/.cache/rollout', `${digest}.deb`), Buffer.alloc(bytes.length));
    expect(verdict(await fetch('well'))).toMatchObject({ ok: true, from: 'curl' });
  });

  it('neither kept nor with a URL is told apart', async () => {
    const { out, code } = await start([`${digest} ${bytes.length} none -`]).said;
    expect([code, out]).toEqual([1, expect.stringContaining('"why":"no-url"')]);
  });
});

describe('of several packages', () => {
  it('those that came are removed when one does not', async () => {
    const other = 'f'.repeat(64);
    const lines = [
      `${digest} ${bytes.length} in-url ${urlOf('well')}`,
      `${other} 5 in-url ${urlOf('missing')}`,
    ];
    const { out, code } = await start(lines).said;
    expect([code, out]).toEqual([1, expect.stringContaining(`"package":"${other}","why":"status"`)]);
    expect(incoming()).toEqual([]);
  });
});

describe('a host', () => {
  it('without a client says so', async () => {
    expect(verdict(await fetch('well', { tools: [] }))).toMatchObject({ ok: false, why: 'no-client' });
  });

  it('without the room says how much there is', async () => {
    expect(verdict(await fetch('well', { size: 1e15 }))).toMatchObject({
      ok: false,
      why: 'no-space',
      needKib: 976562500001,
    });
  });

  it('whose user has no home that can be written to says so', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect(verdict(await fetch('well', { environment: { HOME: '/file' } }))).toMatchObject({
      ok: false,
      why: 'no-folder',
    });
    expect(verdict(await fetch('well', { environment: { HOME: "/a'b" } }))).toMatchObject({
      ok: false,
      why: 'odd-home',
    });
  });

  it('that nobody listens to any more ends its client soon, and leaves no part', async () => {
    const { child } = start([`${digest} ${bytes.length} in-url ${urlOf('silent')}`], {
      words: ['limit_s=60', 'stall_s=60'],
    });
    await expect.poll(() => incoming().length, { timeout: 5_000 }).toBeGreaterThan(0);
    child.stdout?.destroy();
    child.stderr?.destroy();
    await expect.poll(() => incoming(), { timeout: 6_000 }).toEqual([]);
    expect(await server.connections()).toBe(0);
  }, 15_000);

  it('tells that it is at work while a transfer takes its time', async () => {
    const { out } = await start([`${digest} ${bytes.length} in-url ${urlOf('slow')}`]).said;
    expect(out.match(/"step":"working"/g)?.length).toBeGreaterThan(0);
  });
});
