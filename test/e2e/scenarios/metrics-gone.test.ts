/** Prometheus goes and comes back: what it does not say counts neither for nor against a version. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../rig/command.ts';
import { PrometheusProxy, type ProxyMode } from '../rig/prometheus-proxy.ts';
import { GOOD, Lanes, OLD, said, waitsFor, wrote } from './scenario.ts';

/** Each in turn, in the middle of a soak. */
const BAD_DAYS: readonly ProxyMode[] = [
  { kind: 'empty' },
  { kind: 'slow', ms: 3_000 },
  { kind: 'partial' },
  { kind: 'html' },
  { kind: 'down' },
];

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(['north', 'east', 'south']);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

describe.concurrent('without metrics', () => {
  it('in the middle of a bake, Prometheus stopped: lengthens it by as long as it was gone: no rollback, no pass, and done when it is back', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, GOOD);
        const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
        await deploy.sees('the bake', wrote('bake-started'));
        await deploy.sees(
          'a part of the bake',
          (line) => waitsFor('baking')(line) && JSON.stringify(line).includes('1s of'),
        );
        await lanes.fleet.prometheus.stop();
        const stoppedAt = Date.now();
        await deploy.sees('that the metrics are gone', waitsFor('metrics-error'));
        const status = await scenario.cli(['status', scenario.environment]);
        expect(status, said(status)).toMatchObject({ code: 0 });
        expect(status.stdout).toContain('metrics-error');
        // Longer than the whole bake: were time counted that nobody saw, it would be over.
        await sleep(7000 - (Date.now() - stoppedAt));
        await lanes.fleet.prometheus.start();
        const ended = await deploy.result;
        expect(ended.code, said(ended)).toBe(0);
        await scenario.expectRunning(GOOD);

        expect(await scenario.kinds()).not.toContain('rollback-started');
        const journal = await scenario.journal();
        const from = journal.find(({ body }) => body.kind === 'bake-started')?.at ?? 0;
        const done = journal.find(({ body }) => body.kind === 'rollout-done');
        expect((done?.at ?? 0) - from).toBeGreaterThan(6000 + 4000);
        expect(done?.body).toMatchObject({ receipt: { version: GOOD } });
        const judged = journal.flatMap(({ body }) => (body.kind === 'judged' ? [body.judgement] : []));
        expect(judged.map(({ kind }) => kind)).toContain('error');
        for (const judgement of judged.filter(({ kind }) => kind === 'error'))
          expect(judgement.observedMs).toBe(0);
      },
      { overrides: { bake: '6s' } },
    );
  });

  it('a Prometheus that is slow, lies, or answers in part has nobody rolled back and nothing pass; well again, the rollout ends', async () => {
    await lanes.with(async (scenario) => {
      const proxy = await PrometheusProxy.start(lanes.fleet.prometheus.url);
      try {
        await scenario.configure({ soak: '3s', prometheus: { url: proxy.url, timeout: '1s' } });
        await scenario.stage(OLD, GOOD);
        const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
        await deploy.sees('the soak', wrote('wave-acted'));
        for (const mode of BAD_DAYS) {
          await proxy.set(mode);
          const from = (await scenario.entries('judged')).length;
          await deploy.sees(`an evaluation of ${mode.kind}`, wrote('judged'));
          await until(
            `two evaluations of ${mode.kind}`,
            async () => (await scenario.entries('judged')).length >= from + 3,
            {
              timeoutMs: 60_000,
            },
          );
          // The first may have been asked before.
          const judged = (await scenario.entries('judged')).slice(from + 1).map(({ judgement }) => judgement);
          for (const { kind, observedMs } of judged) {
            expect(['error', 'inconclusive'], mode.kind).toContain(kind);
            expect(observedMs, mode.kind).toBe(0);
          }
        }
        await proxy.set({ kind: 'pass' });
        const ended = await deploy.result;
        expect(ended.code, said(ended)).toBe(0);
        await scenario.expectRunning(GOOD);
        expect(await scenario.kinds()).not.toContain('rollback-started');
      } finally {
        await proxy.close();
      }
    });
  });

  it('from the start: the canary wave is changed and held there, the next is not begun', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, GOOD);
        const { last, canaries } = await scenario.lastHost(GOOD);
        const held = await scenario.deploy(GOOD, '--give-up-after', '2s');
        expect(held, said(held)).toMatchObject({ code: 4 });
        expect(held.stdout).toContain('metrics-error');
        expect(held.stdout).toContain(`rollout advance ${scenario.environment}`);
        await scenario.expectRunning(GOOD, canaries);
        await scenario.expectRunning(OLD, [last]);
        await scenario.configure();
        const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
        expect(ended, said(ended)).toMatchObject({ code: 0 });
        await scenario.expectRunning(GOOD);
        expect(await scenario.kinds()).not.toContain('rollback-started');
      },
      // Nobody listens there.
      { overrides: { prometheus: { url: 'http://127.0.0.1:9' } } },
    );
  });
});
