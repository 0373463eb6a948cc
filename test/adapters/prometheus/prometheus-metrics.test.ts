import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  type PrometheusOptions,
  prometheusMetrics,
} from '../../../src/adapters/prometheus/prometheus-metrics.ts';
import { contractMetrics, MEMORY_QUERIES } from '../../contract/memory-queries.ts';
import { metricsContract } from '../../contract/metrics.ts';
import { manualClock } from '../../fakes/manual-clock.ts';
import { type FakePrometheus, type FakePrometheusOptions, startPrometheus } from '../../fakes/prometheus.ts';

const TOKEN = 'tok-3n-s3cret';
const secrets = { read: async () => ({ ok: true, value: `${TOKEN}\n` }) as const };
const bearer: PrometheusOptions['auth'] = { kind: 'bearer', token: { kind: 'env', name: 'PROM_TOKEN' } };

const open: FakePrometheus[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

async function setup(server: Partial<FakePrometheusOptions> = {}, client: Partial<PrometheusOptions> = {}) {
  const backend = contractMetrics();
  const fake = await startPrometheus({ metrics: backend, ...server });
  open.push(fake);
  const clock = manualClock({ autoAdvance: true });
  const metrics = prometheusMetrics({
    url: async () => ({ ok: true, value: fake.url }),
    auth: { kind: 'none' },
    timeoutMs: 5_000,
    parameters: {},
    secrets,
    clock,
    ...client,
  });
  const ask = (query = MEMORY_QUERIES.one) =>
    metrics.range({ query, from: 60_000, to: 62_000, stepMs: 1_000 });
  /** The error's kind and text; a success fails the test. */
  const fails = async () => {
    const result = await ask();
    if (result.ok) throw new Error(`answered ${JSON.stringify(result.value)}`);
    return result.error;
  };
  return { backend, fake, clock, metrics, ask, fails };
}

metricsContract('Prometheus over HTTP (fake server)', async () => {
  const { metrics } = await setup();
  return { metrics, queries: MEMORY_QUERIES, close: async () => {} };
});

describe('the question', () => {
  it('names the tenant where there is one, and none where there is none', async () => {
    const { fake, ask } = await setup({}, { tenant: 'gprd|shared' });
    expect(await ask()).toMatchObject({ ok: true });
    expect(fake.asked[0]?.tenant).toBe('gprd|shared');
    const without = await setup();
    await without.ask();
    expect(without.fake.asked[0]).not.toHaveProperty('tenant');
  });

  it('is a form in a POST, under whatever path the base address has', async () => {
    const { fake, ask } = await setup({}, { parameters: { partial_response: 'false', dedup: 'true' } });
    expect(await ask()).toMatchObject({ ok: true });
    expect(fake.asked).toEqual([
      {
        method: 'POST',
        path: '/api/v1/query_range',
        authorization: undefined,
        form: {
          query: MEMORY_QUERIES.one,
          start: '60.000',
          end: '62.000',
          step: '1',
          timeout: '5000ms',
          partial_response: 'false',
          dedup: 'true',
        },
      },
    ]);
  });

  it('keeps the path of the base address, with or without a slash at its end', async () => {
    const { fake } = await setup();
    const metrics = prometheusMetrics({
      url: async () => ({ ok: true, value: `${fake.url}/thanos/` }),
      auth: { kind: 'none' },
      timeoutMs: 5_000,
      parameters: {},
      secrets,
      clock: manualClock({ autoAdvance: true }),
    });
    await metrics.range({ query: 'x', from: 0, to: 0, stepMs: 1_000 });
    expect(fake.asked.map((asked) => asked.path)).toEqual(['/thanos/api/v1/query_range']);
  });

  it('carries a bearer token, without the line break that its file ends with', async () => {
    const { ask } = await setup({ authorization: `Bearer ${TOKEN}` }, { auth: bearer });
    expect(await ask()).toMatchObject({ ok: true });
  });

  it('carries user and password', async () => {
    const auth = { kind: 'basic', username: 'ops', password: { kind: 'file', path: '/run/pw' } } as const;
    const authorization = `Basic ${Buffer.from(`ops:${TOKEN}`).toString('base64')}`;
    const { ask } = await setup({ authorization }, { auth });
    expect(await ask()).toMatchObject({ ok: true });
  });

  it('reads the secret anew each time, so that a rotated one is taken', async () => {
    let reads = 0;
    const rotating = { read: async () => ({ ok: true, value: `token-${(reads += 1)}` }) as const };
    const { fake, ask } = await setup({}, { auth: bearer, secrets: rotating });
    await ask();
    await ask();
    expect(fake.asked.map((asked) => asked.authorization)).toEqual(['Bearer token-1', 'Bearer token-2']);
  });
});

describe('the answer', () => {
  it('keeps warnings, which mean that it is not whole', async () => {
    const { backend, ask } = await setup();
    backend.warnings = ['partial response: store gone'];
    expect(await ask()).toMatchObject({ ok: true, value: { warnings: ['partial response: store gone'] } });
  });

  it('keeps two series of one host apart', async () => {
    const { backend, ask } = await setup();
    backend.twice.add('h1');
    const result = await ask();
    expect(result.ok ? result.value.series.map((series) => series.labels['host']) : []).toEqual(['h1', 'h1']);
  });
});

describe('a bad day of the backend', () => {
  it('down: unavailable, at once', async () => {
    const { fake, fails, clock } = await setup();
    await fake.close();
    const error = await fails();
    expect(error.kind).toBe('unavailable');
    expect(error.message).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/api\/v1\/query_range: .*ECONNREFUSED/);
    expect(clock.elapsedMs).toBe(0);
  });

  it('no answer: unavailable after the timeout, and not asked again', async () => {
    const { fake, fails } = await setup({}, { timeoutMs: 80 });
    fake.moods = [{ kind: 'silent' }];
    expect(await fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('within 80 ms'),
    });
    expect(fake.asked).toHaveLength(1);
  });

  it('503 for good: unavailable after three attempts', async () => {
    const { fake, fails, clock } = await setup();
    fake.moods = [{ kind: 'says', status: 503, body: 'Service Unavailable' }];
    expect(await fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('HTTP 503'),
    });
    expect(fake.asked).toHaveLength(3);
    expect(clock.elapsedMs).toBe(1_000);
  });

  it('503 once: answered at the second attempt', async () => {
    const { fake, ask } = await setup();
    fake.moods = [{ kind: 'says', status: 503, body: '' }, { kind: 'well' }];
    expect(await ask()).toMatchObject({ ok: true });
    expect(fake.asked).toHaveLength(2);
  });

  it('429 with a short Retry-After: waits as long as it says', async () => {
    const { fake, ask, clock } = await setup();
    fake.moods = [{ kind: 'says', status: 429, body: '', headers: { 'retry-after': '2' } }, { kind: 'well' }];
    expect(await ask()).toMatchObject({ ok: true });
    expect(clock.elapsedMs).toBe(2_000);
  });

  it('429 with a long Retry-After: says so instead of waiting', async () => {
    const { fake, fails, clock } = await setup();
    fake.moods = [{ kind: 'says', status: 429, body: 'slow down', headers: { 'retry-after': '60' } }];
    expect(await fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('slow down'),
    });
    expect(clock.elapsedMs).toBe(0);
  });

  it('connection lost before the answer: asked again', async () => {
    const { fake, ask } = await setup();
    fake.moods = [{ kind: 'resets' }, { kind: 'resets' }, { kind: 'well' }];
    expect(await ask()).toMatchObject({ ok: true });
    fake.moods = [{ kind: 'resets' }];
    expect(await ask()).toMatchObject({ ok: false, error: { kind: 'unavailable' } });
  });

  it.each(['declared', 'chunked', 'until-close'] as const)(
    'answer cut short (%s): never taken for whole',
    async (length) => {
      const { fake, fails } = await setup();
      fake.moods = [{ kind: 'truncates', length }];
      expect((await fails()).kind).toBe('invalid-answer');
    },
  );

  it('a sign-in page under status 200: not understood', async () => {
    const { fake, fails } = await setup();
    fake.moods = [{ kind: 'says', status: 200, body: '<html><head><title>Sign in</title></head></html>' }];
    expect(await fails()).toMatchObject({
      kind: 'invalid-answer',
      message: expect.stringContaining('"Sign in"'),
    });
  });

  it('a proxy error page: unavailable, with its title', async () => {
    const { fake, fails } = await setup();
    fake.moods = [{ kind: 'says', status: 502, body: '<html><title>502 Bad Gateway</title></html>' }];
    expect(await fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('502 Bad Gateway'),
    });
  });

  it('an answer without end: given up at the bound', async () => {
    const { fake, fails } = await setup({}, { maxAnswerBytes: 1_000 });
    fake.moods = [{ kind: 'says', status: 200, body: 'x'.repeat(100_000) }];
    expect(await fails()).toMatchObject({
      kind: 'invalid-answer',
      message: expect.stringContaining('larger than 1000'),
    });
  });

  it('a query that cannot be computed: rejected, with the words of Prometheus', async () => {
    const { fake, fails } = await setup();
    const body =
      '{"status":"error","errorType":"execution","error":"query processing would load too many samples"}';
    fake.moods = [{ kind: 'says', status: 422, body }];
    expect(await fails()).toMatchObject({
      kind: 'rejected',
      message: expect.stringContaining('execution: query processing would load too many samples'),
    });
  });

  it('a redirect: not followed, so that the credentials stay here', async () => {
    const elsewhere = await setup();
    const { fake, fails } = await setup({}, { auth: bearer });
    fake.moods = [
      { kind: 'says', status: 307, body: '', headers: { location: `${elsewhere.fake.url}/x?y=z` } },
    ];
    const error = await fails();
    expect(error.kind).toBe('rejected');
    expect(error.message).toContain(`HTTP 307 to ${elsewhere.fake.url})`);
    expect(elsewhere.fake.asked).toEqual([]);
  });
});

describe('credentials', () => {
  it('that are wrong: rejected, naming where they come from and not what they are', async () => {
    const { fails } = await setup({ authorization: 'Bearer other' }, { auth: bearer });
    const error = await fails();
    expect(error.kind).toBe('rejected');
    expect(error.message).toMatch(/HTTP 401.*environment variable PROM_TOKEN/);
    expect(error.message).not.toContain(TOKEN);
  });

  it('that are missing: rejected, naming the setting', async () => {
    const { fails } = await setup({ authorization: 'Bearer other' });
    expect((await fails()).message).toMatch(/none are configured \(prometheus.tokenEnv or tokenFile\)/);
  });

  it('that a proxy repeats stand in no message, not even cut in half', async () => {
    const { fake, fails } = await setup({}, { auth: bearer });
    fake.moods = [{ kind: 'echoes-credentials' }];
    const { message } = await fails();
    expect(message).toContain('HTTP 403');
    expect(message).not.toContain(TOKEN.slice(0, 6));
  });

  it('that cannot be read: unavailable, with the reader’s words, and nothing is sent', async () => {
    const broken = {
      read: async () => ({ ok: false, error: 'environment variable PROM_TOKEN is not set' }) as const,
    };
    const { fake, fails } = await setup({}, { auth: bearer, secrets: broken });
    expect(await fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('PROM_TOKEN is not set'),
    });
    expect(fake.asked).toEqual([]);
  });

  it.each(['', 'two\nlines'])('that no header can carry (%j): said without showing them', async (value) => {
    const odd = { read: async () => ({ ok: true, value }) as const };
    const { fake, fails } = await setup({}, { auth: bearer, secrets: odd });
    const { message } = await fails();
    expect(message).toMatch(/environment variable PROM_TOKEN is empty or holds characters/);
    expect(message).not.toContain('two');
    expect(fake.asked).toEqual([]);
  });
});

describe('the address', () => {
  it('is asked for before every query', async () => {
    const url = async () => ({ ok: false, error: 'the sandbox does not run: rollout demo --keep' }) as const;
    const { fails } = await setup({}, { url });
    expect(await fails()).toEqual({
      kind: 'unavailable',
      message: 'the sandbox does not run: rollout demo --keep',
    });
  });

  it.each(['prometheus:9090', 'ftp://x', ''])('%j is no address', async (value) => {
    const { fails } = await setup({}, { url: async () => ({ ok: true, value }) as const });
    expect((await fails()).message).toBe('prometheus.url is no http:// or https:// address');
  });

  it('with credentials in it is refused without showing them', async () => {
    const { fails } = await setup(
      {},
      { url: async () => ({ ok: true, value: 'http://me:hush@127.0.0.1:1' }) as const },
    );
    const { message } = await fails();
    expect(message).toContain('username and passwordEnv');
    expect(message).not.toContain('hush');
  });
});

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
if (!hasOpenssl)
  console.warn('not run: trust in prometheus.caFile, since there is no openssl here to make a certificate');

describe('TLS', () => {
  async function certificate() {
    const folder = await mkdtemp(join(tmpdir(), 'rollout-tls-'));
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const request =
      'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=test';
    const made = spawnSync('openssl', [
      ...request.split(' '),
      '-addext',
      'subjectAltName=IP:127.0.0.1',
      '-keyout',
      key,
      '-out',
      cert,
    ]);
    expect({ status: made.status, stderr: made.status === 0 ? '' : made.stderr.toString() }).toEqual({
      status: 0,
      stderr: '',
    });
    const tls = { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
    return { folder, caFile: cert, tls };
  }

  it.runIf(hasOpenssl)('trusts the authority of prometheus.caFile, and no unknown one', async () => {
    const { folder, caFile, tls } = await certificate();
    const trusting = await setup({ tls }, { caFile });
    expect(await trusting.ask()).toMatchObject({ ok: true });
    const strict = await setup({ tls });
    expect(await strict.fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('is prometheus.caFile the authority that signed it?'),
    });
    await rm(folder, { recursive: true });
  });

  it('names a caFile that is missing or is no certificate', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rollout-tls-'));
    const caFile = join(folder, 'ca.pem');
    const { fails } = await setup({}, { caFile });
    expect(await fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/ca\.pem.*ENOENT/),
    });
    await writeFile(caFile, 'not a certificate');
    expect(await fails()).toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/ca\.pem as a PEM/),
    });
    await rm(folder, { recursive: true });
  });
});
