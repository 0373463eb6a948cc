/**
 * A bad version told from a bad day, by a real Prometheus: what is judged is how changed hosts differ from those of their kind that are
 * not changed yet.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Judgement } from '../../../src/domain/gate.ts';
import { GOOD, type LaneHost, Lanes, OLD, type Scenario, said, wrote } from './scenario.ts';

const THREE_POINTS = '5.12.0';
const ONE_ROLE = '5.12.1';
const LEAKS = '5.12.2';
const SILENT = '5.12.3';

const LANE = 'plain';

/** Cores; less than what an agent uses on the busy day. */
const BUSY_LIMIT = 0.05;

/** Two roles of six: canaries of each, and enough that are not changed yet to compare with. */
const SHAPE: readonly LaneHost[] = ['web', 'db'].flatMap((role) =>
  [1, 2, 3, 4, 5, 6].map((number) => ({
    short: `${role}-${number}`,
    role,
    zone: number % 2 === 0 ? 'us-east1-b' : 'us-east1-c',
  })),
);

const compare = { with: 'control', effect: 0.015, alpha: 0.05, over: '6s', before: '10s', tooFew: 'abstain' };

const HEALTH = {
  soak: '6s',
  bake: '4s',
  waves: {
    strata: ['role', 'zone'],
    then: ['60%', '100%'],
    maxUnavailable: { environment: '100%', zone: '100%', role: '100%' },
  },
  gates: [
    { use: 'agent-cpu', window: '4s', for: '2s', weight: 'any', failures: 2, compare },
    {
      use: 'agent-memory',
      window: '4s',
      for: '2s',
      weight: 'any',
      failures: 1,
      compare: 'none',
      limit: 150e6,
    },
    { use: 'agent-alive', window: '4s', for: '3s' },
  ],
};

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot([LANE], {
    shape: SHAPE,
    versions: {
      [THREE_POINTS]: { burn: { percent: 3 } },
      [ONE_ROLE]: { burn: { percent: 8, role: 'db' } },
      [LEAKS]: { leakKibPerS: 1_500 },
      [SILENT]: { resultsEveryMs: 0 },
    },
  });
});

afterAll(async () => {
  await lanes?.fleet.down();
});

async function judgements(scenario: Scenario): Promise<readonly Judgement[]> {
  return (await scenario.entries('judged')).map(({ judgement }) => judgement);
}

async function failedGates(scenario: Scenario): Promise<readonly string[]> {
  const [last] = (await judgements(scenario)).filter(({ kind }) => kind === 'fail').slice(-1);
  return (last?.gates ?? []).filter(({ kind }) => kind === 'fail').map(({ gate }) => gate);
}

describe('a version', () => {
  it('3 points of a core worse than control goes back, far below the limit', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, THREE_POINTS);
        const ended = await scenario.deploy(THREE_POINTS);
        expect(ended, said(ended)).toMatchObject({ code: 3 });
        await scenario.expectRunning(OLD);
        expect(await failedGates(scenario)).toEqual(['agent-cpu']);
        const [cpu] = (await judgements(scenario)).at(-1)?.gates ?? [];
        expect(cpu?.comparison).toMatchObject({ with: 'control', kind: 'worse' });
        expect(cpu?.worst ?? 1).toBeLessThan(0.1);
        expect(ended.stdout).toMatch(/changed hosts/u);
      },
      { overrides: HEALTH },
    );
  });

  it('on a day that is busier for everybody is not blamed, and goes on when the day is over', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, GOOD);
        const deploy = scenario.start(['deploy', scenario.environment, GOOD, '--json']);
        await deploy.sees('the soak', wrote('wave-acted'));
        await scenario.fleet.setLoad(8, scenario.environment);
        await deploy.sees(
          'a verdict that is none',
          wrote('judged', ({ judgement }) =>
            judgement.gates.some(
              ({ gate, kind, worst = 0 }) =>
                gate === 'agent-cpu' && kind === 'inconclusive' && worst > BUSY_LIMIT,
            ),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, 8_000));
        expect(await scenario.entries('rollback-started')).toEqual([]);
        await scenario.fleet.setLoad(0, scenario.environment);
        const ended = await deploy.result;
        expect(ended.code, ended.stderr).toBe(0);
        await scenario.expectRunning(GOOD);
        expect((await judgements(scenario)).some(({ kind }) => kind === 'fail')).toBe(false);
      },
      {
        overrides: {
          ...HEALTH,
          // Long enough that the day begins in the soak, however quick the machine is.
          soak: '15s',
          waves: { ...HEALTH.waves, then: ['100%'] },
          // All agents together want one core: where they have to fight for it some of them lose, which is no difference of versions.
          gates: [
            { ...HEALTH.gates[0], limit: BUSY_LIMIT, compare: { ...compare, effect: 0.07 } },
            ...HEALTH.gates.slice(1),
          ],
        },
      },
    );
  });

  it('that is bad in one role only is found, although most hosts are well', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, ONE_ROLE);
        const ended = await scenario.deploy(ONE_ROLE);
        expect(ended, said(ended)).toMatchObject({ code: 3 });
        await scenario.expectRunning(OLD);
        expect(await failedGates(scenario)).toEqual(['agent-cpu']);
        const cpu = (await judgements(scenario)).at(-1)?.gates.find(({ gate }) => gate === 'agent-cpu');
        expect(cpu?.comparison).toMatchObject({ with: 'control', kind: 'worse' });
        // Where one kind stands out alone it is named.
        expect(cpu?.comparison?.stratum ?? 'db').toBe('db');
        expect(cpu?.offenders[0]?.hostName).toContain('-db-');
      },
      {
        overrides: {
          ...HEALTH,
          soak: '8s',
          waves: { ...HEALTH.waves, strata: ['role'] },
          // The limit has no part in it.
          gates: [
            { ...HEALTH.gates[0], limit: 0.3, compare: { ...compare, alpha: 0.1 } },
            ...HEALTH.gates.slice(1),
          ],
        },
      },
    );
  });

  it('that is fine for a while and leaks goes back from the bake', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, LEAKS);
        const ended = await scenario.deploy(LEAKS);
        expect(ended, said(ended)).toMatchObject({ code: 3 });
        await scenario.expectRunning(OLD);
        expect(await failedGates(scenario)).toEqual(['agent-memory']);
        expect(await scenario.kinds()).toContain('bake-started');
      },
      {
        overrides: {
          ...HEALTH,
          soak: '1s',
          bake: '150s',
          waves: { ...HEALTH.waves, then: ['100%'] },
          gates: [
            {
              use: 'agent-memory',
              window: '4s',
              for: '2s',
              weight: 'any',
              failures: 1,
              compare: 'none',
              limit: 120e6,
            },
            { use: 'agent-alive', window: '4s', for: '3s' },
          ],
        },
      },
    );
  });

  it('that runs but writes nothing goes back, though it uses nothing and never restarts', async () => {
    await lanes.with(
      async (scenario) => {
        await scenario.stage(OLD, SILENT);
        const ended = await scenario.deploy(SILENT);
        expect(ended, said(ended)).toMatchObject({ code: 3 });
        await scenario.expectRunning(OLD);
        expect(await failedGates(scenario)).toEqual(['agent-blind']);
      },
      {
        overrides: {
          ...HEALTH,
          soak: '20s',
          probe: { every: '1s', sample: '1s' },
          gates: [
            { use: 'agent-blind', limit: 6, window: '2s', compare: 'none', failures: 1, for: '0s' },
            ...HEALTH.gates.slice(1),
          ],
        },
      },
    );
  });
});
