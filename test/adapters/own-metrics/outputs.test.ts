import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  parseListen,
  pushMetrics,
  serveMetrics,
  writeTextfile,
} from '../../../src/adapters/own-metrics/outputs.ts';
import { createRegistry } from '../../../src/adapters/own-metrics/registry.ts';
import type { Entry } from '../../../src/domain/journal.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function someRegistry() {
  const own = createRegistry();
  own.set('gstg', [{ name: 'rollout_holds', labels: { environment: 'gstg' }, value: 3 }]);
  return own;
}

async function gateway(answer: number): Promise<{ url: string; asked: string[]; end: () => void }> {
  const asked: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text) => (body += text));
    request.on('end', () => {
      asked.push(`${request.method} ${request.url}\n${body}`);
      response.writeHead(answer).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked, end: () => server.close() };
}

describe('--metrics-port', () => {
  it.each([
    ['9464', { host: '127.0.0.1', port: 9464 }],
    [':9464', { host: '0.0.0.0', port: 9464 }],
    ['0.0.0.0:9464', { host: '0.0.0.0', port: 9464 }],
    ['[::1]:9464', { host: '::1', port: 9464 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
  ])('%s is understood', (text, place) => expect(parseListen(text)).toEqual(place));

  it.each(['', 'web', '70000', '-1', '1.5', 'a b:1', 'http://x:1'])('%j is refused', (text) =>
    expect(parseListen(text)).toBeNull(),
  );

  it('serves the present numbers, each scrape after a look at the journal, and nothing else', async () => {
    const own = someRegistry();
    let looks = 0;
    const served = await serveMetrics(own.registry, { host: '127.0.0.1', port: 0 }, () => {
      looks += 1;
      return Promise.resolve();
    });
    if (!served.ok) throw new Error(served.error);
    const at = `http://127.0.0.1:${served.value.port}`;
    const scraped = await fetch(`${at}/metrics`);
    expect(scraped.headers.get('content-type')).toContain('text/plain');
    expect(await scraped.text()).toContain('rollout_holds{environment="gstg"} 3');
    expect(looks).toBe(1);
    expect((await fetch(`${at}/secrets`)).status).toBe(404);
    expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(405);
    await served.value.close();
    await expect(fetch(`${at}/metrics`)).rejects.toThrow('fetch failed');
  });

  it('a port that is taken is a sentence', async () => {
    const own = someRegistry();
    const first = await serveMetrics(own.registry, { host: '127.0.0.1', port: 0 }, () => Promise.resolve());
    if (!first.ok) throw new Error(first.error);
    const place = { host: '127.0.0.1', port: first.value.port };
    const second = await serveMetrics(own.registry, place, () => Promise.resolve());
    expect(second).toEqual({ ok: false, error: `cannot listen on 127.0.0.1:${place.port}: EADDRINUSE` });
    await first.value.close();
  });

  it('a look that fails is a 500, and the next scrape is answered again', async () => {
    const own = someRegistry();
    let fails = true;
    const served = await serveMetrics(own.registry, { host: '127.0.0.1', port: 0 }, () =>
      fails ? Promise.reject(new Error('x')) : Promise.resolve(),
    );
    if (!served.ok) throw new Error(served.error);
    const at = `http://127.0.0.1:${served.value.port}/metrics`;
    expect((await fetch(at)).status).toBe(500);
    fails = false;
    expect((await fetch(at)).status).toBe(200);
    await served.value.close();
  });
});

describe('--metrics-push', () => {
  it('adds to the group of the job, so that what other commands pushed stays', async () => {
    const place = await gateway(202);
    expect(await pushMetrics(someRegistry().registry, place.url)).toEqual({ ok: true, value: undefined });
    place.end();
    expect(place.asked).toHaveLength(1);
    expect(place.asked[0]).toMatch(/^POST \/metrics\/job\/rollout\n/u);
    expect(place.asked[0]).toContain('rollout_holds{environment="gstg"} 3');
  });

  it.each([400, 500])('a gateway that answers %s is a sentence', async (answer) => {
    const place = await gateway(answer);
    const pushed = await pushMetrics(someRegistry().registry, place.url);
    place.end();
    expect(pushed.ok).toBe(false);
    expect(pushed.ok ? '' : pushed.error).toContain('did not take them');
  });

  it('a password in the URL is in no sentence', async () => {
    const pushed = await pushMetrics(someRegistry().registry, 'http://me:hunter2@127.0.0.1:9/x');
    expect(pushed.ok ? '' : pushed.error).toMatch(/^the Pushgateway at http:\/\/127\.0\.0\.1:9\/x did not/u);
    expect(JSON.stringify(pushed)).not.toContain('hunter2');
    const wrong = await pushMetrics(someRegistry().registry, 'me:hunter2@gateway');
    expect(wrong.ok).toBe(false);
  });
});

describe('--metrics-file', () => {
  it('is replaced as a whole, readable for the collector, and leaves nothing else behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollout-own-'));
    folders.push(folder);
    const path = join(folder, 'made', 'rollout.prom');
    expect((await writeTextfile(someRegistry().registry, path)).ok).toBe(true);
    expect((await writeTextfile(someRegistry().registry, path)).ok).toBe(true);
    expect(readFileSync(path, 'utf8')).toContain('rollout_holds{environment="gstg"} 3');
    expect(statSync(path).mode & 0o777).toBe(0o644);
    expect(readdirSync(join(folder, 'made'))).toEqual(['rollout.prom']);
  });

  it('a name that the collector would not read is refused', async () => {
    const written = await writeTextfile(someRegistry().registry, '/nowhere/rollout.txt');
    expect(written.ok ? '' : written.error).toContain('.prom');
  });

  it('a place that cannot be written is a sentence, and the old file stays', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollout-own-'));
    folders.push(folder);
    writeFileSync(join(folder, 'file'), '');
    const written = await writeTextfile(someRegistry().registry, join(folder, 'file', 'rollout.prom'));
    expect(written.ok ? '' : written.error).toMatch(/^cannot write .*(ENOTDIR|EEXIST)/u);
  });
});

describe('the registry', () => {
  it('what an environment no longer tells is no longer there, and the other environment stays', async () => {
    const own = someRegistry();
    own.set('gprd', [{ name: 'rollout_holds', labels: { environment: 'gprd' }, value: 1 }]);
    own.set('gstg', []);
    const text = await own.registry.metrics();
    expect(text).toContain('rollout_holds{environment="gprd"} 1');
    expect(text).not.toContain('rollout_holds{environment="gstg"}');
  });

  it('counts evaluations, ends and durations off the entries', async () => {
    const own = createRegistry();
    const entry = (body: unknown): Entry => ({ body }) as Entry;
    const judged = (kind: string) =>
      entry({ kind: 'judged', judgement: { gates: [{ gate: 'agent-cpu', kind }] } });
    own.count('gstg', [
      judged('pass'),
      judged('pass'),
      judged('fail'),
      entry({ kind: 'rolled-back' }),
      entry({
        kind: 'hosts-answered',
        action: 'upgrade',
        hosts: [{ id: '1', outcome: { kind: 'verified' }, tookMs: 4_000 }],
      }),
    ]);
    const text = await own.registry.metrics();
    expect(text).toContain(
      'rollout_gate_evaluations_total{environment="gstg",gate="agent-cpu",verdict="pass"} 2',
    );
    expect(text).toContain(
      'rollout_gate_evaluations_total{environment="gstg",gate="agent-cpu",verdict="fail"} 1',
    );
    expect(text).toContain('rollout_ends_total{environment="gstg",end="rolled-back"} 1');
    expect(text).toContain(
      'rollout_host_action_duration_seconds_sum{environment="gstg",action="upgrade",outcome="verified"} 4',
    );
  });
});
