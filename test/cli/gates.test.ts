/** `rollout gates check` as a person or CI runs it, with a Prometheus on loopback and hosts that nobody could reach. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { memoryMetrics } from '../fakes/memory-metrics.ts';
import { type FakePrometheus, startPrometheus } from '../fakes/prometheus.ts';
import { jsonLines, makePlace } from './rig.ts';

const place = makePlace();
let prometheus: FakePrometheus;
/** Cores by host. */
const cpu = new Map<string, number | undefined>();

beforeAll(async () => {
  prometheus = await startPrometheus({
    metrics: memoryMetrics({
      label: 'fqdn',
      read: (signal, host) => (signal === 'up' ? 1 : cpu.has(host) ? cpu.get(host) : 0.02),
    }),
  });
  const hosts = Array.from(
    { length: 20 },
    (_, index) =>
      `    - { id: "${index}", name: web-${index}, address: 127.0.0.1, port: ${index + 1}, zone: z, role: web }`,
  );
  writeFileSync(
    join(place.configDir, 'environments/lab.yaml'),
    `environment: lab
inventory:
  kind: static
  hosts:
${hosts.join('\n')}
artifacts: { kind: local, path: artifacts }
journal: { kind: local, path: journal }
ssh: { user: nobody, agent: true }
prometheus: { url: "${prometheus.url}", delay: 0s }
sampleEvery: 1s
gates:
  - { name: up, query: 'up{$label=~"$hosts"}', unit: up, direction: below, limit: 1, window: 1s }
  - name: cpu
    query: 'cpu{$label=~"$hosts"}'
    unit: cores
    direction: above
    limit: 0.1
    window: 1s
    failures: 3
    compare: { effect: 0.02, alpha: 0.06, over: 5s, before: 10s }
`,
  );
});
afterAll(async () => {
  await prometheus.close();
  await place.remove();
});

it('says in words what is there, what a rollout would make of it, and what a comparison would find', async () => {
  cpu.clear();
  const { code, stdout, stderr } = await place.run(['gates', 'check', 'lab']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('every gate passes');
  expect(stdout).toMatch(/cpu +pass +median 0.02 +p90 0.02 +worst 0.02 \(web-\d+\) +limit <= 0.1 cores/);
  expect(stdout).toContain('rehearsal: 1 canary host against 19 control hosts: alike');
  expect(stdout).toContain('a difference counts from 0.02 cores on, at p <= 0.06');
});

it('ends as a held rollout where one would be rolled back, and says who is over the limit', async () => {
  cpu.set('web-3', 0.4);
  const { code, stdout } = await place.run(['gates', 'check', 'lab']);
  expect(code).toBe(4);
  expect(stdout).toContain('a rollout would be rolled back');
  expect(stdout).toMatch(/cpu +FAIL .* worst 0.4 \(web-3\)/);
  const others = await place.run(['gates', 'check', 'lab', '--hosts', 'web-1', 'web-2']);
  expect(others).toMatchObject({ code: 0 });
});

it('ends as held where somebody has no number, and names whom', async () => {
  cpu.clear();
  cpu.set('web-5', undefined);
  const { code, stdout } = await place.run(['gates', 'check', 'lab']);
  expect(code).toBe(4);
  expect(stdout).toContain('a rollout would be held: not every gate can tell');
  expect(stdout).toContain('without a number: web-5');
});

it('tells programs one line a gate', async () => {
  cpu.clear();
  const { code, stdout } = await place.run(['gates', 'check', 'lab', '--json']);
  expect(code).toBe(0);
  expect(jsonLines(stdout)).toMatchObject([
    { v: 1, type: 'gate', environment: 'lab', gate: 'up', source: 'prometheus', rehearsal: null },
    {
      gate: 'cpu',
      asked: 20,
      held: [],
      numbers: { hosts: 20, median: 0.02 },
      verdict: { kind: 'pass' },
      rehearsal: { control: 19, verdict: { comparison: { kind: 'alike', with: 'control' } } },
    },
  ]);
});

it('says that a source fails, and which', async () => {
  prometheus.moods = [{ kind: 'says', status: 503, body: 'overloaded' }];
  const { code, stdout } = await place.run(['gates', 'check', 'lab']);
  prometheus.moods = [{ kind: 'well' }];
  expect(code).toBe(4);
  expect(stdout).toContain('a source of numbers fails');
  expect(stdout).toContain('HTTP 503');
});

it('refuses a name that no VM has, as usage', async () => {
  const { code, stderr } = await place.run(['gates', 'check', 'lab', '--hosts', 'wbe-1']);
  expect(code).toBe(2);
  expect(stderr).toContain('did you mean web-1?');
});
