import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { prometheusChecks } from '../../../src/adapters/prometheus/checks.ts';
import { prometheusMetrics } from '../../../src/adapters/prometheus/prometheus-metrics.ts';
import type { PrometheusSettings } from '../../../src/domain/connection.ts';
import { ok } from '../../../src/domain/result.ts';
import type { Finding } from '../../../src/ports/self-check.ts';
import { manualClock } from '../../fakes/manual-clock.ts';

let server: Server | null = null;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = null;
});

const NOW = Date.UTC(2026, 10, 21, 3);
const EMPTY = '{"status":"success","data":{"resultType":"matrix","result":[]}}';

/** What both checks find before a server that answers so. */
async function ask(
  listener: RequestListener,
  more: Partial<PrometheusSettings> = {},
): Promise<readonly Finding[]> {
  server = createServer(listener);
  await new Promise<void>((resolve) => {
    server?.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const settings: PrometheusSettings = {
    url: `http://127.0.0.1:${port}/base`,
    auth: { kind: 'bearer', token: { kind: 'env', name: 'TOKEN' } },
    timeoutMs: 300,
    parameters: {},
    hostLabel: 'fqdn',
    hostValue: '{name}',
    matchers: '',
    ...more,
  };
  const clock = manualClock({ start: NOW, autoAdvance: true });
  const secrets = { read: () => Promise.resolve(ok('s3cret')) };
  const metrics = prometheusMetrics({
    ...settings,
    url: () => Promise.resolve(ok(settings.url)),
    secrets,
    clock,
  });
  const checks = prometheusChecks({ settings, metrics, secrets, clock, file: 'gprd.yaml' });
  const signal = new AbortController().signal;
  return (await Promise.all(checks.map((check) => check.run(signal)))).flat();
}

const at =
  (skewMs: number, body: string): RequestListener =>
  (request, response) => {
    response.sendDate = false;
    response.setHeader('date', new Date(NOW + skewMs).toUTCString());
    response.end(request.url?.endsWith('/buildinfo') ? body : EMPTY);
  };

describe('Prometheus', () => {
  it('that is well tells its version and agrees about the time', async () => {
    expect(await ask(at(0, '{"status":"success","data":{"version":"2.53.1"}}'))).toMatchObject([
      { kind: 'ok', what: 'Prometheus' },
      { kind: 'ok', found: '2.53.1' },
      { kind: 'ok', what: 'clock against Prometheus', found: 'within 5 s' },
    ]);
  });

  it.each([
    [-20_000, 'ahead'],
    [20_000, 'behind'],
  ])('whose clock is %d ms off is a warning that says which way', async (skew, way) => {
    expect((await ask(at(skew, '{}'))).at(-1)).toMatchObject({
      kind: 'warning',
      found: expect.stringContaining(way),
    });
  });

  it('behind a proxy that hides the version is well all the same', async () => {
    const found = await ask(at(0, '<html>not here</html>'));
    expect(found.map(({ kind }) => kind)).toEqual(['ok', 'skipped', 'ok']);
  });

  it('that refuses the credentials fails, and says nothing of them', async () => {
    const found = await ask((request, response) => {
      response.statusCode = 401;
      response.end(`no: ${request.headers.authorization}`);
    });
    expect(found[0]).toMatchObject({ kind: 'failed', found: expect.stringContaining('HTTP 401') });
    expect(JSON.stringify(found)).not.toContain('s3cret');
  });

  it('that is silent fails within its timeout', async () => {
    const found = await ask(() => undefined);
    expect(found.map(({ kind }) => kind)).toEqual(['failed', 'skipped']);
  });

  it('that breaks off, or is not there, fails', async () => {
    const cut = await ask((request) => void request.socket.destroy());
    expect(cut[0]).toMatchObject({ kind: 'failed' });
    const away = await ask(() => undefined, { url: 'http://127.0.0.1:9' });
    expect(away[0]).toMatchObject({
      kind: 'failed',
      mend: expect.stringContaining('prometheus in gprd.yaml'),
    });
  });
});
