/** Whole rollouts with their ends: what the hosts run, what the journal says. */
import { describe, expect, it } from 'vitest';
import { checkJournal } from './journal-checks.ts';
import {
  ask,
  begin,
  carryOn,
  type Ended,
  makeWorld,
  NEW,
  OLD,
  someHosts,
  somePolicy,
  type World,
} from './world.ts';

const reasonOf = (end: Ended): string =>
  end === 'killed' ? end : 'reason' in end ? `${end.kind}: ${end.reason.code}` : end.kind;

async function deploy(
  world: World,
  ...more: Parameters<typeof begin> extends [unknown, ...infer R] ? R : never
) {
  return reasonOf(await world.clock.run(begin(world.process(), ...more)));
}

async function advance(world: World, how: Parameters<typeof carryOn>[1] = {}): Promise<string> {
  const end = reasonOf(await world.clock.run(carryOn(world.process(), how)));
  expect(checkJournal(world.journal.entries)).toEqual([]);
  return end;
}

const limits = (more: Partial<typeof somePolicy.limits>) => ({ limits: { ...somePolicy.limits, ...more } });
const everywhere = (world: World, version: string) =>
  Object.fromEntries(Object.keys(world.running()).map((name) => [name, version]));

describe('a rollout that goes well', () => {
  it('goes through canary, waves, soak and bake to a receipt and the pin', async () => {
    const world = makeWorld();
    expect(await deploy(world)).toBe('finished: done');
    expect(world.running()).toEqual(everywhere(world, NEW));
    const { pin, receipts } = world.state();
    expect(pin?.version).toBe(NEW);
    expect(receipts).toMatchObject([{ version: NEW, environment: 'gstg', hosts: 6, observedMs: 60_000 }]);
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });

  it('leaves a service stopped that an operator had stopped', async () => {
    const world = makeWorld();
    world.fleet.host('h3').stop();
    world.fleet.host('h3').enabled = false;
    expect(await deploy(world)).toBe('finished: done');
    expect(world.running()).toEqual({ ...everywhere(world, NEW), h3: '' });
    expect(world.fleet.host('h3')).toMatchObject({
      enabled: false,
      onDisk: world.artifacts.fresh.executable.sha256,
    });
  });

  it('asks a person when nothing that changed runs the agent', async () => {
    const world = makeWorld({ hosts: someHosts(2, ['web']) });
    for (const host of world.fleet.hosts.values()) host.stop();
    expect(await deploy(world)).toBe('held: no-witness');
    expect((await ask(world, 'approve')).ok).toBe(true);
    expect(await advance(world)).toBe('held: no-witness');
    expect(world.state().receipts).toEqual([]);
  });

  it('waits for approval after the canary', async () => {
    const world = makeWorld({ policy: { approval: 'after-canary' } });
    expect(await deploy(world)).toBe('held: approval-needed');
    expect(Object.values(world.running()).filter((version) => version === NEW)).toHaveLength(2);
    // The one who approves has a clock that is an hour behind.
    world.clock.jumpWall(-3_600_000);
    await ask(world, 'approve');
    world.clock.jumpWall(3_600_000);
    expect(await advance(world)).toBe('finished: done');
  });

  it('waits while changes are frozen, and goes on after', async () => {
    const world = makeWorld();
    const now = world.clock.now();
    world.freeze.push({ from: now, until: now + 3_600_000, reason: 'holidays' });
    expect(await deploy(world)).toBe('held: frozen');
    expect(world.bodies('hosts-intended')).toEqual([]);
    await world.clock.advance(3_600_000);
    expect(await advance(world)).toBe('finished: done');
  });

  it('keeps canaries that are to be kept, and puts others back without blame', async () => {
    const kept = makeWorld();
    expect(await deploy(kept, { kind: 'canary', keep: true })).toBe('finished: done');
    expect(Object.values(kept.running()).filter((version) => version === NEW)).toHaveLength(2);
    expect(kept.state()).toMatchObject({ pin: null, quarantine: [], receipts: [] });
    const back = makeWorld();
    expect(await deploy(back, { kind: 'canary' })).toBe('finished: rolled-back');
    expect(back.running()).toEqual(everywhere(back, OLD));
    expect(back.state()).toMatchObject({ pin: null, quarantine: [] });
  });

  it('never moves the pin by a canary that finds nothing to change', async () => {
    const world = makeWorld();
    await deploy(world);
    const pin = world.state().pin;
    expect(await deploy(world, { kind: 'canary' })).toBe('finished: rolled-back');
    expect(world.state().pin).toEqual(pin);
    expect(world.running()).toEqual(everywhere(world, NEW));
  });
});

describe('a version that is bad', () => {
  it.each([
    ['burns CPU', { cpu: 0.5 }],
    ['crash-loops', { crashLoops: true }],
    ['does not start', { startFails: true }],
    ['does not install', { installFails: true }],
    ['dies after a while', { diesAfterMs: 20_000 }],
  ] as const)('%s: taken back in the canary wave', async (_, behaviour) => {
    const world = makeWorld({ behaviour });
    expect(await deploy(world)).toBe('finished: rolled-back');
    expect(world.running()).toEqual(everywhere(world, OLD));
    expect(world.bodies('wave-started')).toHaveLength(1);
    const { pin, quarantine } = world.state();
    expect(pin).toBeNull();
    expect(quarantine).toMatchObject([{ sha256: world.artifacts.fresh.sha256, version: NEW }]);
    expect(checkJournal(world.journal.entries)).toEqual([]);
    const again = await world.clock.run(begin(world.process()));
    expect(again).toMatchObject({ kind: 'refused', refusals: [{ code: 'quarantined' }] });
  });

  it('fails late in the bake: every wave is put back, the receipt never given', async () => {
    const world = makeWorld({ behaviour: { diesAfterMs: 230_000 }, policy: { bakeMs: 600_000 } });
    expect(await deploy(world)).toBe('finished: rolled-back');
    expect(world.kinds()).toContain('bake-started');
    expect(world.running()).toEqual(everywhere(world, OLD));
    expect(world.state()).toMatchObject({ pin: null, receipts: [] });
  });

  it('fails on as many hosts as may: only those are put back, and listed', async () => {
    const world = makeWorld({
      behaviour: { startFails: true, only: (name) => name === 'h5' },
      policy: limits({ failedHosts: 1 }),
    });
    expect(await deploy(world)).toBe('finished: done');
    expect(world.running()).toEqual({ ...everywhere(world, NEW), h5: OLD });
    expect(world.rollout().phase).toMatchObject({ kind: 'done', notCovered: ['5'] });
  });

  it('is taken back also while paused', async () => {
    const world = makeWorld({ behaviour: { cpu: 0.5 } });
    const run = begin(world.process());
    world.clock.after(8_000, () => void ask(world, 'pause'));
    expect(reasonOf(await world.clock.run(run))).toBe('finished: rolled-back');
    expect(world.running()).toEqual(everywhere(world, OLD));
  });
});

describe('hosts out of reach', () => {
  it('within the allowed number: left out and listed', async () => {
    const world = makeWorld({ policy: limits({ unreachableHosts: 1 }) });
    world.clock.after(20_000, () => world.fleet.cutOff.add('6'));
    expect(await deploy(world)).toBe('finished: done');
    expect(world.rollout().phase).toMatchObject({ kind: 'done', notCovered: ['6'] });
    expect(world.running()).toEqual({ ...everywhere(world, NEW), h6: OLD });
  });

  it('beyond it: held, and going on once the host is back', async () => {
    const world = makeWorld();
    world.clock.after(20_000, () => world.fleet.cutOff.add('6'));
    expect(await deploy(world)).toBe('held: hosts-out-of-reach');
    world.fleet.cutOff.clear();
    await world.clock.advance(10_000);
    expect(await advance(world)).toBe('finished: done');
    expect(world.running()).toEqual(everywhere(world, NEW));
  });

  it('is not given up because nobody tried for a night', async () => {
    const world = makeWorld({ policy: limits({ unreachableHosts: 1 }) });
    world.clock.after(60_000, () => world.fleet.cutOff.add('6'));
    const stop = new AbortController();
    world.clock.after(85_000, () => stop.abort());
    await deploy(world, {}, { signal: stop.signal });
    world.fleet.cutOff.clear();
    await world.clock.advance(12 * 3_600_000);
    expect(await advance(world)).toBe('finished: done');
    expect(world.running()).toEqual(everywhere(world, NEW));
  });

  it('that vanished does not hold the rollout, and is not forgotten when it returns', async () => {
    const world = makeWorld();
    world.clock.after(20_000, () => world.fleet.vanished.add('1'));
    expect(await deploy(world, {}, { holdLimitMs: 20_000 })).toMatch(/^held/);
    expect(await advance(world, { mode: 'advance' })).toMatch(/^held/);
    expect(world.rollout().hosts.get('1')?.state).toBe('gone');
    world.fleet.vanished.clear();
    await world.clock.advance(5_000);
    await ask(world, 'rollback');
    expect(await advance(world)).toBe('finished: rolled-back');
    expect(world.running()).toEqual(everywhere(world, OLD));
  });
});

describe('metrics', () => {
  it('that fail hold the rollout, which goes on when they are back', async () => {
    const world = makeWorld();
    world.metrics.failure = { kind: 'unavailable', message: 'connection refused' };
    expect(await deploy(world, {}, { holdLimitMs: 60_000 })).toBe('held: metrics-error');
    expect(world.kinds()).not.toContain('rollback-started');
    world.metrics.failure = null;
    expect(await advance(world)).toBe('finished: done');
  });

  it('that are not there hold it too, and a gap lengthens the bake by itself', async () => {
    const length = async (gapMs: number): Promise<number> => {
      const world = makeWorld();
      const from = world.clock.now() + 160_000;
      world.gaps.push({ from, until: from + gapMs });
      expect(await deploy(world)).toBe('finished: done');
      expect(world.state().receipts[0]?.observedMs).toBe(60_000);
      return world.clock.elapsedMs;
    };
    expect((await length(60_000)) - (await length(0))).toBe(60_000);
  });

  it('under a pause do not count, whether anybody watched or not', async () => {
    const world = makeWorld();
    const stop = new AbortController();
    world.clock.after(165_000, () => stop.abort());
    await deploy(world, {}, { signal: stop.signal });
    expect(world.rollout().phase.kind).toBe('baking');
    await ask(world, 'pause');
    await world.clock.advance(3_600_000);
    expect(await advance(world)).toBe('held: paused');
    await ask(world, 'resume');
    const before = world.clock.elapsedMs;
    expect(await advance(world)).toBe('finished: done');
    expect(world.clock.elapsedMs - before).toBeGreaterThan(30_000);
  });
});

describe('what a person asks', () => {
  it.each([3_000, 20_000, 50_000, 180_000])('rollback after %i ms: everything goes back', async (ms) => {
    const world = makeWorld();
    world.clock.after(ms, () => void ask(world, 'rollback'));
    expect(await deploy(world)).toBe('finished: rolled-back');
    expect(world.running()).toEqual(everywhere(world, OLD));
    expect(checkJournal(world.journal.entries)).toEqual([]);
  });

  it('rollback when all is done', async () => {
    const world = makeWorld();
    await deploy(world);
    await ask(world, 'rollback');
    expect(await advance(world)).toBe('finished: rolled-back');
    expect(world.running()).toEqual(everywhere(world, OLD));
    expect(world.state()).toMatchObject({ pin: null, receipts: [] });
  });

  it('abort: hosts stay as they are, nothing starts until they are put back', async () => {
    const world = makeWorld();
    world.clock.after(20_000, () => void ask(world, 'abort'));
    expect(await deploy(world)).toBe('finished: aborted');
    expect(Object.values(world.running()).filter((version) => version === NEW)).toHaveLength(2);
    const next = await world.clock.run(begin(world.process(), { version: NEW }));
    expect(next).toMatchObject({ kind: 'refused', refusals: [{ code: 'aborted-remains' }] });
    await ask(world, 'rollback');
    expect(await advance(world)).toBe('finished: rolled-back');
    expect(world.running()).toEqual(everywhere(world, OLD));
  });

  it('a rollback that cannot reach a host is incomplete and named; advance completes it', async () => {
    const world = makeWorld();
    world.clock.after(20_000, () => {
      world.fleet.cutOff.add('1');
      void ask(world, 'rollback');
    });
    expect(await deploy(world)).toBe('held: rollback-incomplete');
    expect(world.bodies('rollback-incomplete')).toEqual([{ kind: 'rollback-incomplete', hosts: ['1'] }]);
    world.fleet.cutOff.clear();
    await world.clock.advance(10_000);
    expect(await advance(world)).toBe('finished: rolled-back');
    expect(world.running()).toEqual(everywhere(world, OLD));
  });

  it('resume after a package came altered: the host is asked again, not halted again', async () => {
    const world = makeWorld();
    world.fleet.host('h1').trouble.alteredDelivery = true;
    expect(await deploy(world)).toBe('held: artifact-altered');
    delete world.fleet.host('h1').trouble.alteredDelivery;
    await ask(world, 'resume');
    expect(await advance(world)).toBe('finished: done');
  });
});
