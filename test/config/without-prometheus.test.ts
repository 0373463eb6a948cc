/** An environment without Prometheus: its hosts are asked instead. */
import { describe, expect, it } from 'vitest';
import type { Environment } from '../../src/domain/environment.ts';
import { changed, environmentText, loadFiles, placeOf, problemsOf } from './some-files.ts';

const WITHOUT = changed('prometheus:\n  url: http://127.0.0.1:9090\n', '');

async function resolved(text: string): Promise<Environment> {
  const one = (await loadFiles({ 'environments/lab.yaml': text })).environment('lab');
  if (one.kind !== 'ready') throw new Error(JSON.stringify(one));
  return one.environment;
}

describe('without Prometheus', () => {
  it('the default gates are readings of the probe, without the one that no host knows', async () => {
    const { policy, prometheus } = await resolved(WITHOUT);
    expect(policy.gates.map(({ name, query, source }) => [name, query, source])).toEqual(
      [
        ['agent-cpu', 'cpu'],
        ['agent-memory', 'memory'],
        ['agent-restarts', 'restarts'],
        ['agent-alive', 'processes'],
        ['agent-throttled', 'throttled'],
        ['agent-blind', 'silence'],
        ['host-run-queue', 'run-queue'],
      ].map(([name, reading]) => [name, '', { kind: 'probe', reading }]),
    );
    expect([prometheus.url, policy.sampleDelayMs]).toEqual(['', 0]);
  });

  it('a gate that only Prometheus can answer is refused, in its place', () => {
    const text = `${WITHOUT}gates:\n  - { use: agent-cpu }\n  - { use: alerts }\n`;
    expect(problemsOf(text)).toMatchObject([
      {
        line: placeOf(text, '{ use: alerts }').line,
        message: expect.stringContaining('no `prometheus` to answer it'),
      },
    ]);
  });

  it('a query of one’s own is refused too', () => {
    const own = '{ name: mine, query: "up", unit: x, direction: below, limit: 1, window: 1m }';
    expect(problemsOf(`${WITHOUT}gates:\n  - ${own}\n`)).toMatchObject([
      { message: expect.stringContaining('no `prometheus` to answer it') },
    ]);
  });
});

describe('the probe', () => {
  it('asks 50 hosts every 5 minutes unless told otherwise', async () => {
    expect((await resolved(environmentText())).probe).toEqual({
      hosts: 50,
      everyMs: 300_000,
      sampleMs: 5_000,
    });
    const more = 'probe: { hosts: 9, every: 1h, sample: 500ms }\n';
    expect((await resolved(environmentText('lab', more))).probe).toEqual({
      hosts: 9,
      everyMs: 3_600_000,
      sampleMs: 500,
    });
  });

  it.each(['sample: 50ms', 'sample: 2m', 'hosts: 0', 'every: 0s'])('cannot have %s', (key) => {
    expect(problemsOf(environmentText('lab', `probe: { ${key} }\n`)).length).toBe(1);
  });

  it('has the gates beside Prometheus too that nothing else sees', async () => {
    const { policy } = await resolved(environmentText());
    const probed = policy.gates.filter(({ source }) => source?.kind === 'probe').map(({ name }) => name);
    expect(probed).toEqual(['agent-throttled', 'agent-blind']);
  });
});
