/** Whole rollouts under gates that compare and count: what is evaluated over time, by programs that are killed in between. */
import { describe, expect, it } from 'vitest';
import type { Judgement } from '../../src/domain/gate.ts';
import type { GatePolicy, RolloutPolicy } from '../../src/domain/policy.ts';
import { ok } from '../../src/domain/result.ts';
import { openLedger } from '../../src/engine/run-rollout.ts';
import type { Witness } from '../../src/ports/witness.ts';
import { memoryMetrics } from '../fakes/memory-metrics.ts';
import { checkJournal } from './journal-checks.ts';
import {
  begin,
  carryOn,
  type Ended,
  gate,
  makeWorld,
  NEW,
  OLD,
  type Process,
  someHosts,
  somePolicy,
  type World,
  type WorldOptions,
} from './world.ts';

const compare = {
  with: 'control',
  effect: 0.02,
  relativeEffect: 0,
  alpha: 0.01,
  overMs: 20_000,
  beforeMs: 60_000,
  tooFew: 'abstain',
} as const;
const alive = gate('alive', { unit: 'processes', direction: 'below', limit: 1, forMs: 5_000 });

/** Cores that a host uses besides what its version does, at a time since the world began. */
type Load = (host: string, sinceMs: number) => number;

interface Watched {
  readonly world: World;
  /** A program with metrics that see the load. */
  program(): Process;
}

function watched(gates: readonly GatePolicy[], load: Load, more: WorldOptions = {}): Watched {
  const policy: Partial<RolloutPolicy> = {
    gates: [...gates, alive],
    waves: { ...somePolicy.waves, then: [{ kind: 'percent', percent: 50 }] },
    ...more.policy,
  };
  const world = makeWorld({ hosts: someHosts(24), ...more, policy });
  const began = world.clock.now();
  // Hosts differ a little, as they do.
  const own = (name: string): number => Number(name.slice(1)) / 5_000;
  const metrics = memoryMetrics({
    label: 'fqdn',
    read(signal, name, at) {
      const host = world.fleet.named(name);
      if (host === undefined || at > world.clock.others.now()) return undefined;
      const isUp = host.runningAt(at) !== '';
      if (signal === 'alive') return isUp ? 1 : 0;
      const wobble = ((at / 5_000 + Number(name.slice(1))) % 3) / 1_000;
      return isUp ? (host.behaviourAt(at)?.cpu ?? 0.02) + own(name) + wobble + load(name, at - began) : 0;
    },
  });
  return {
    world,
    program() {
      const process = world.process();
      return { ...process, context: { ...process.context, metrics } };
    },
  };
}

const reasonOf = (end: Ended): string =>
  end === 'killed' ? end : 'reason' in end ? `${end.kind}: ${end.reason.code}` : end.kind;

async function deploy({ world, program }: Watched, ...more: [Parameters<typeof begin>[1]?]): Promise<string> {
  const end = reasonOf(await world.clock.run(begin(program(), ...more)));
  expect(checkJournal(world.journal.entries)).toEqual([]);
  return end;
}

const judgements = (world: World): Judgement[] => world.bodies('judged').map(({ judgement }) => judgement);
const rowsOf = (world: World, name: string) =>
  judgements(world).flatMap(({ gates }) => gates.filter((row) => row.gate === name));
const causeOf = (world: World): string => {
  const { phase } = world.rollout();
  return 'cause' in phase && phase.cause.kind === 'verdict'
    ? phase.cause.judgement.gates
        .filter(({ kind }) => kind === 'fail')
        .map(({ why }) => why)
        .join('; ')
    : '';
};

describe('a gate that compares', () => {
  const cpu = gate('cpu', { forMs: 0, limit: 0.1, compare });
  const climb: Load = (_, sinceMs) => (sinceMs > 20_000 ? 0.2 : 0);

  it('rolls back a version that is three points worse than control, far below the limit', async () => {
    const rollout = watched([cpu], () => 0, { behaviour: { cpu: 0.05 } });
    expect(await deploy(rollout)).toBe('finished: rolled-back');
    const { world } = rollout;
    expect(world.rollout().phase).toMatchObject({ cause: { kind: 'verdict' } });
    const [row] = rowsOf(world, 'cpu').filter(({ kind }) => kind === 'fail');
    expect(row?.comparison).toMatchObject({ kind: 'worse', basis: 'difference' });
    expect(row?.comparison?.shift).toBeCloseTo(0.03, 2);
    expect(Object.values(world.running())).toEqual(Array(24).fill(OLD));
  });

  it('does not blame the version for a load that hits control as well, and waits while it lasts', async () => {
    const rollout = watched([cpu], (_, sinceMs) => (sinceMs > 20_000 && sinceMs < 200_000 ? 0.2 : 0));
    expect(await deploy(rollout)).toBe('finished: done');
    const { world } = rollout;
    expect(Object.values(world.running())).toEqual(Array(24).fill(NEW));
    expect(rowsOf(world, 'cpu').filter(({ siteWide }) => siteWide === true).length).toBeGreaterThan(5);
    expect(world.clock.elapsedMs).toBeGreaterThan(200_000);
  });

  it('without its comparison would have rolled that version back', async () => {
    const { compare: _, ...fixed } = cpu;
    expect(await deploy(watched([fixed], climb))).toBe('finished: rolled-back');
  });

  it('finds a version that is bad in one role only, although the others are fine', async () => {
    const hosts = someHosts(80, ['web', 'db', 'git', 'ci']);
    const rollout = watched([gate('cpu', { forMs: 0, limit: 0.3, compare })], () => 0, {
      hosts,
      behaviour: { cpu: 0.09, only: (host) => Number(host.slice(1)) % 4 === 0 },
    });
    expect(await deploy(rollout)).toBe('finished: rolled-back');
    const [row] = rowsOf(rollout.world, 'cpu').filter(({ kind }) => kind === 'fail');
    expect(row?.comparison).toMatchObject({ kind: 'worse', stratum: 'ci' });
  });

  it('of a canary compares with the hosts that its plan names, and puts the canaries back', async () => {
    const rollout = watched([cpu], () => 0, { behaviour: { cpu: 0.08 } });
    expect(await deploy(rollout, { kind: 'canary' })).toBe('finished: rolled-back');
    const [row] = rowsOf(rollout.world, 'cpu');
    expect(row?.comparison).toMatchObject({ with: 'control', changed: 2, control: 22 });
    expect(causeOf(rollout.world)).not.toBe('');
  });

  it('finds the bad version again when it is tried again at once, although its own hour is the last that was seen', async () => {
    // Looked at for so long that it fills the time before of the next attempt.
    const slow = { ...cpu, failures: 8, compare: { ...compare, beforeMs: 20_000 } };
    const rollout = watched([slow], () => 0, { behaviour: { cpu: 0.05 }, policy: { soakMs: 90_000 } });
    const { world } = rollout;
    for (const attempt of [1, 2, 3]) {
      expect([attempt, await deploy(rollout)]).toEqual([attempt, 'finished: rolled-back']);
      expect(causeOf(world)).toContain('more than');
      const ledger = openLedger(rollout.program().context);
      await ledger.refresh();
      const { sha256 } = world.artifacts.fresh;
      expect((await ledger.fact({ kind: 'quarantine-lifted', sha256 }, 'once more')).ok).toBe(true);
    }
    const [first, ...later] = world.journal.entries.filter(({ body }) => body.kind === 'wave-started');
    expect(world.rollout().unusual?.map(({ from }) => from)).toEqual([first?.at, later[0]?.at]);
  });

  it('has nobody left to compare with in the bake, where its limit alone decides', async () => {
    const rollout = watched([cpu], () => 0);
    expect(await deploy(rollout)).toBe('finished: done');
    const bodies = rollout.world.journal.entries.map(({ body }) => body);
    const baked = bodies.findIndex(({ kind }) => kind === 'bake-started');
    const inBake = bodies
      .slice(baked)
      .flatMap((body) => (body.kind === 'judged' ? body.judgement.gates : []));
    expect(inBake.length).toBeGreaterThan(5);
    expect(inBake.filter(({ comparison }) => comparison !== undefined)).toEqual([]);
  });
});

describe('a gate that must fail several times in a row', () => {
  const counted = gate('cpu', { forMs: 0, failures: 3 });
  it('rolls back at the third, and says so often it was', async () => {
    const rollout = watched([counted], () => 0, { behaviour: { cpu: 0.5 } });
    expect(await deploy(rollout)).toBe('finished: rolled-back');
    const rows = rowsOf(rollout.world, 'cpu');
    expect(rows.map(({ kind, streak }) => [kind, streak])).toEqual([
      ['inconclusive', 1],
      ['inconclusive', 2],
      ['fail', 3],
    ]);
  });

  it('begins anew behind an evaluation that does not fail', async () => {
    // Two evaluations high in each burst.
    const rollout = watched([counted], (_, sinceMs) => (sinceMs % 40_000 < 10_000 ? 0.5 : 0));
    expect(await deploy(rollout)).toBe('finished: done');
    const streaks = rowsOf(rollout.world, 'cpu').map(({ streak = 0 }) => streak);
    expect(Math.max(...streaks)).toBe(2);
    expect(streaks.filter((streak) => streak === 2).length).toBeGreaterThan(1);
  });

  it('counts on where the program was killed and started anew between any two evaluations', async () => {
    const rollout = watched([counted], () => 0, { behaviour: { cpu: 0.5 } });
    const { world, program } = rollout;
    let running = program();
    // Killed right after each judgement has become durable; the next program knows the journal alone.
    world.onDurable = ({ body }) => {
      if (body.kind === 'judged') running.die();
    };
    let end = await world.clock.run(begin(running));
    for (let turn = 0; end === 'killed' && turn < 20; turn += 1) {
      running = program();
      // The dead one's lease must run out first.
      await world.clock.advance(31_000);
      end = await world.clock.run(carryOn(running));
    }
    expect(reasonOf(end)).toBe('finished: rolled-back');
    expect(rowsOf(world, 'cpu').map(({ streak }) => streak)).toEqual([1, 2, 3]);
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });

  it('that begins late in the bake still rolls everything back: no pass is for ever', async () => {
    const rollout = watched([counted], (_, sinceMs) => (sinceMs > 200_000 ? 0.5 : 0), {
      policy: { bakeMs: 300_000 },
    });
    expect(await deploy(rollout)).toBe('finished: rolled-back');
    const { world } = rollout;
    expect(world.kinds()).toContain('bake-started');
    expect(Object.values(world.running())).toEqual(Array(24).fill(OLD));
  });
});

describe('failures of the metrics backend', () => {
  /** Down from the first judgement on, for so many questions. */
  const flaky = (rollout: Watched, failures: number): Watched => ({
    world: rollout.world,
    program() {
      const process = rollout.program();
      let asked = 0;
      return {
        ...process,
        context: {
          ...process.context,
          metrics: {
            range: async (query) => {
              asked += 1;
              if (asked <= failures)
                return { ok: false, error: { kind: 'unavailable', message: 'HTTP 503' } };
              return process.context.metrics.range(query);
            },
          },
        },
      };
    },
  });
  const waits = (world: World): string[] =>
    world.events.flatMap((event) =>
      event.kind === 'waiting' && event.reason.code === 'metrics-error' ? [event.reason.message] : [],
    );

  it('in a row as often as is borne are only waited for, and counted from the journal', async () => {
    const rollout = flaky(
      watched([gate('cpu', {})], () => 0, { policy: { consecutiveErrors: 3 } }),
      4,
    );
    expect(await deploy(rollout)).toBe('finished: done');
    expect(
      judgements(rollout.world)
        .slice(0, 3)
        .map(({ kind }) => kind),
    ).toEqual(['error', 'error', 'pass']);
    expect([...new Set(waits(rollout.world))]).toEqual([
      expect.stringContaining('1 of 3 failures in a row'),
      expect.stringContaining('2 of 3 failures in a row'),
    ]);
  });

  it('beyond that hold, and never roll back', async () => {
    const rollout = flaky(
      watched([gate('cpu', {})], () => 0, { policy: { consecutiveErrors: 3 } }),
      1e9,
    );
    const { world, program } = rollout;
    const end = await world.clock.run(begin(program(), {}, { mode: 'foreground', holdLimitMs: 60_000 }));
    expect(reasonOf(end)).toBe('held: metrics-error');
    expect(world.kinds()).not.toContain('rollback-started');
    expect(judgements(world).every(({ kind }) => kind === 'error')).toBe(true);
  });

  it('neither add to a count of failing evaluations nor begin it anew', async () => {
    const base = watched([gate('cpu', { forMs: 0, failures: 3 })], () => 0, { behaviour: { cpu: 0.5 } });
    const rollout = flaky(base, 4);
    expect(await deploy(rollout)).toBe('finished: rolled-back');
    const kinds = rowsOf(rollout.world, 'cpu').map(({ kind }) => kind);
    expect(kinds).toEqual(['error', 'error', 'inconclusive', 'inconclusive', 'fail']);
  });
});

describe('when a host was changed', () => {
  it('stays the same to a witness, however often it is proven since: what was heard in the soak counts in the bake', async () => {
    const heard = {
      name: 'log',
      unit: '',
      direction: 'below',
      limit: 1,
      query: '',
      windowMs: 0,
      forMs: 0,
    } as const;
    const { world, program } = watched([{ ...heard, source: { kind: 'witness', witness: 'log' } }], () => 0);
    const times = new Map<string, Set<number>>();
    const witness: Witness = {
      shown: 'a log',
      ask: async ({ hosts, to }) => {
        for (const { id, changedAt } of hosts) times.set(id, (times.get(id) ?? new Set()).add(changedAt));
        const byHost = new Map(hosts.map(({ id }) => [id, [{ at: to, value: 1 }]] as const));
        return ok({ kind: 'by-host', byHost, ambiguous: [], warnings: [] });
      },
    };
    const process = program();
    const context = { ...process.context, witnesses: new Map([['log', witness]]) };
    expect(reasonOf(await world.clock.run(begin({ ...process, context })))).toBe('finished: done');
    expect(times.size).toBe(24);
    for (const [id, at] of times) expect([id, at.size]).toEqual([id, 1]);
  });
});
