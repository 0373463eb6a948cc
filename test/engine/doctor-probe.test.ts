/** doctor asks the gates of the probe as a rollout will, of few hosts, and needs no Prometheus for it. */
import { expect, it } from 'vitest';
import type { GatePolicy } from '../../src/domain/policy.ts';
import { examine } from '../../src/engine/doctor.ts';
import { fleetChecks } from '../../src/engine/doctor-fleet.ts';
import { metricsChecks } from '../../src/engine/doctor-metrics.ts';
import type { RemoteAnswer } from '../../src/ports/remote.ts';
import type { CheckResult } from '../../src/ports/self-check.ts';
import { makeWorld } from './world.ts';

const THROTTLED: GatePolicy = {
  name: 'agent-throttled',
  query: '',
  source: { kind: 'probe', reading: 'throttled' },
  unit: 'of the time',
  direction: 'above',
  limit: 0.25,
  windowMs: 300_000,
  forMs: 0,
};

const reading = (upMs: number, capped: 'no' | 'unknown') => ({
  step: 'reading',
  ok: true,
  upMs,
  activeState: 'active',
  mainPid: 9,
  restarts: 0,
  beganUs: 1,
  processes: 2,
  rssBytes: 1,
  list: [],
  cpuUs: 1,
  periods: 0,
  throttled: 0,
  throttledUs: 0,
  quota: 'infinity',
  capped,
  capUs: null,
  capPeriodUs: null,
  waitMs: null,
  waitFrom: 'none',
  cores: '0',
});

const well = (capped: 'no' | 'unknown' = 'no'): RemoteAnswer => ({
  kind: 'answered',
  exitCode: 0,
  stderr: '',
  steps: [reading(60_000, capped), reading(120_000, capped)],
});

async function doctor(answer: (host: string) => RemoteAnswer, gate: Partial<GatePolicy> = {}) {
  const world = makeWorld();
  // Nobody would be answered by it.
  world.metrics.failure = { kind: 'unavailable', message: 'no answer' };
  const asked: string[] = [];
  const { context } = world.process();
  const probed = {
    ...context,
    environment: {
      ...context.environment,
      policy: { ...context.environment.policy, gates: [{ ...THROTTLED, ...gate }] },
    },
    remote: {
      run: async ({ name }: { readonly name: string }) => {
        asked.push(name);
        return answer(name);
      },
      close: async () => {},
    },
  };
  const checks = metricsChecks(probed, fleetChecks(probed).source);
  const signal = new AbortController().signal;
  const { results } = await world.clock.run(examine(checks, { clock: world.clock, signal }));
  const rows: readonly CheckResult[] = results;
  return { rows, asked };
}

it('is told by a failure when no host answers, with the way there', async () => {
  const { rows } = await doctor(() => ({ kind: 'no-answer', why: 'unreachable', message: 'refused' }));
  expect(rows).toMatchObject([
    {
      kind: 'failed',
      what: 'gate agent-throttled',
      found: expect.stringMatching(/^no host answered the probe: .*unreachable: refused/),
    },
  ]);
});

it('is warned of a host without a number, with its reason and what that means', async () => {
  const answers = (name: string) => well(name === 'h1' ? 'unknown' : 'no');
  const { rows } = await doctor(answers, { noData: 'abstain' });
  expect(rows).toMatchObject([
    {
      kind: 'warning',
      found: expect.stringMatching(
        /^the probe told of 2 of 3 VMs, 0 of the time.*h1: its cgroup cannot be read/,
      ),
      mend: expect.stringContaining('without it the gate has no vote'),
    },
  ]);
});

it('is right where all tell, asks three hosts only, and does not miss Prometheus', async () => {
  const { rows, asked } = await doctor(() => well());
  expect(rows).toMatchObject([
    { kind: 'ok', found: 'the probe told of 3 of 3 VMs, 0 of the time (bad above 0.25)' },
  ]);
  expect(asked.length).toBe(3);
});
