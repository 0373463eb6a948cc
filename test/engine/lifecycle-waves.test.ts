import { describe, expect, it } from 'vitest';
import type { LifecyclePlaybook } from '../../src/domain/lifecycle-playbook.ts';
import { err, type Result } from '../../src/domain/result.ts';
import type { LifecycleContext, Refusal } from '../../src/engine/context.ts';
import type { LifecycleReport, LifecycleRequest } from '../../src/engine/lifecycle-types.ts';
import { planLifecycleWaves, runLifecycleInWaves } from '../../src/engine/lifecycle-waves.ts';
import { openLedger } from '../../src/engine/run-rollout.ts';
import type { Metrics } from '../../src/ports/metrics.ts';
import { someActor } from '../fakes/journal-entries.ts';
import {
  act,
  type LifecycleProcess,
  type LifecycleWorld,
  lifecycleWorld,
  namesDown,
  someRequest,
} from './lifecycle/lifecycle-world.ts';
import { begin as deploy, someHosts, somePolicy } from './world.ts';

const SOAK_MS = 30_000;

function playbook(
  action: LifecyclePlaybook['action'] = 'restart',
  strategy: Partial<NonNullable<LifecyclePlaybook['strategy']>> = {},
): LifecyclePlaybook {
  return {
    name: action,
    file: `/playbooks/${action}.yaml`,
    action,
    description: 'with care',
    timeoutMs: 30_000,
    strategy: {
      waves: somePolicy.waves,
      soakMs: SOAK_MS,
      gates: [],
      sampleEveryMs: 5_000,
      sampleDelayMs: 1_000,
      failedHosts: 0,
      ...strategy,
    },
  };
}

interface Run {
  readonly plays?: LifecyclePlaybook;
  readonly more?: Partial<LifecycleRequest>;
  readonly signal?: AbortSignal;
  /** Others than the world's. */
  readonly metrics?: Metrics;
  readonly process?: LifecycleProcess;
}

type Ended = Result<LifecycleReport, Refusal> | 'killed';

function begin(world: LifecycleWorld, run: Run = {}): Promise<Ended> {
  const plays = run.plays ?? playbook();
  const { context, death } = run.process ?? world.machine().process();
  const own: LifecycleContext = run.metrics === undefined ? context : { ...context, metrics: run.metrics };
  const request = someRequest(world, { verb: plays.action, ...run.more });
  const signal = run.signal ?? new AbortController().signal;
  return Promise.race([runLifecycleInWaves(own, request, plays, signal), death]);
}

async function report(world: LifecycleWorld, run: Run = {}): Promise<LifecycleReport> {
  const ended = await world.clock.run(begin(world, run));
  if (ended === 'killed' || !ended.ok) throw new Error(JSON.stringify(ended));
  return ended.value;
}

/** Names in the order in which they were contacted with a program that changes something. */
function touched(world: LifecycleWorld): string[] {
  return world.fleet.contacts
    .filter(({ program }) => program !== 'status' && program !== 'look')
    .map(({ id }) => world.fleet.hosts.get(id)?.host.name ?? id);
}

const notCovered = ({ notCovered: hosts }: LifecycleReport): string[] => hosts.map(({ host }) => host.name);
const intended = (world: LifecycleWorld): string[][] =>
  world.bodies('lifecycle-intended').map(({ hosts }) => hosts.map(({ name }) => name));
const notices = (world: LifecycleWorld): string[] =>
  world.events.flatMap((event) => (event.kind === 'notice' ? [event.reason.code] : []));

const waitedFor = (world: LifecycleWorld): string[] =>
  world.events.flatMap((event) => (event.kind === 'waiting' ? [event.reason.message] : []));

/** Does something once, as soon as that many hosts have answered. */
function afterAnswers(world: LifecycleWorld, count: number, what: () => void): void {
  let answers = 0;
  world.fleet.onAnswer = () => {
    answers += 1;
    if (answers === count) what();
  };
}

describe('a restart in waves', () => {
  it('takes one host of every role first, soaks, and intends each wave before it is begun', async () => {
    const world = lifecycleWorld();
    const plays = playbook();
    const waves = planLifecycleWaves(someHosts(6), plays).map((wave) => wave.map(({ name }) => name));
    expect(waves.map((wave) => wave.length)).toEqual([2, 2, 2]);
    const ended = await report(world);
    expect(ended).toMatchObject({ end: 'done', why: '', notCovered: [], record: { kind: 'journal' } });
    expect(ended.hosts).toHaveLength(6);
    expect(intended(world)).toEqual(waves);
    expect(touched(world)).toEqual(waves.flat());
    const begun = [0, 2, 4].map((index) => world.fleet.contacts[index]?.at ?? 0);
    expect((begun[1] ?? 0) - (begun[0] ?? 0)).toBeGreaterThan(SOAK_MS);
    expect((begun[2] ?? 0) - (begun[1] ?? 0)).toBeGreaterThan(SOAK_MS);
    expect(world.bodies('lifecycle-ended')).toMatchObject([{ covered: 6, notCovered: [] }]);
    expect(world.journal.entries.at(-1)?.body.kind).toBe('lifecycle-ended');
    expect(waitedFor(world)).toContainEqual(
      expect.stringMatching(
        /counting begins at .*: the look-back of the gate \S+, \S+, must lie behind the action$/u,
      ),
    );
  });

  it('never has more hosts out of service than may be, also within a wave', async () => {
    const world = lifecycleWorld({ hosts: someHosts(12) });
    const one = { kind: 'count', count: 2 } as const;
    const waves = {
      ...somePolicy.waves,
      maxUnavailable: { ...somePolicy.waves.maxUnavailable, environment: one },
    };
    let atWork = 0;
    let most = 0;
    world.fleet.onContact = () => {
      atWork += 1;
      most = Math.max(most, atWork);
    };
    world.fleet.onAnswer = () => {
      atWork -= 1;
    };
    expect(await report(world, { plays: playbook('restart', { waves }) })).toMatchObject({ end: 'done' });
    expect(most).toBe(2);
    expect(intended(world).map((batch) => batch.length)).toEqual([2, 2, 2, 1, 2, 2, 1]);
  });

  it('leaves what is held as it is; a wave of which nothing runs has no witness, and that is said', async () => {
    const world = lifecycleWorld();
    for (const name of ['h1', 'h2']) {
      const host = world.fleet.host(name);
      host.stop();
      host.hold = someRequest(world).hold;
    }
    const plays = playbook();
    const canaries = planLifecycleWaves(someHosts(6), plays)[0]?.map(({ name }) => name);
    expect(canaries?.sort()).toEqual(['h1', 'h2']);
    expect(await report(world)).toMatchObject({ end: 'done' });
    expect(notices(world)).toContain('no-witness');
    expect(world.running()).toMatchObject({ h1: '', h2: '', h3: '5.10.1' });
  });

  it('without a strategy all are one wave, at once, and it is said that nothing is watched', async () => {
    const world = lifecycleWorld();
    const metrics: Metrics = { range: () => Promise.reject(new Error('metrics were asked')) };
    const plays = { ...playbook(), strategy: null };
    expect(await report(world, { plays, metrics })).toMatchObject({ end: 'done' });
    expect(intended(world).map((batch) => batch.length)).toEqual([6]);
    expect(notices(world)).toContain('not-watched');
  });
});

describe('what stops it before the next wave', () => {
  it('a verdict that fails: the others are named and not touched', async () => {
    const world = lifecycleWorld({ behaviour: { cpu: 0.5 } });
    // What a restart brings up is another executable than what ran.
    for (const host of world.fleet.hosts.values()) host.onDisk = world.artifacts.fresh.executable.sha256;
    const ended = await report(world);
    expect(ended).toMatchObject({
      end: 'halted',
      why: expect.stringMatching(/^wave 1 of 3 does not pass: .*0\.5/),
    });
    expect(touched(world)).toHaveLength(2);
    expect(notCovered(ended)).toHaveLength(4);
    expect(ended.notCovered[0]?.why).toMatch(/^not begun: wave 1 of 3 does not pass/);
    expect(intended(world)).toHaveLength(1);
    expect(world.bodies('lifecycle-ended')).toMatchObject([{ covered: 2 }]);
  });

  it('a metrics backend that goes down for good in the middle holds, and is then given up as not judged', async () => {
    const world = lifecycleWorld();
    let isDown = false;
    const metrics: Metrics = {
      range: async (query) =>
        isDown ? err({ kind: 'unavailable', message: 'connection refused' }) : world.metrics.range(query),
    };
    afterAnswers(world, 4, () => {
      isDown = true;
    });
    const ended = await report(world, { metrics });
    expect(ended).toMatchObject({
      end: 'halted',
      why: expect.stringMatching(
        /^wave 2 of 3 cannot be judged: for 10m, the metrics backend could not answer: [^;]*connection refused$/,
      ),
    });
    expect(touched(world)).toHaveLength(4);
  });

  it('one that is back within minutes only lengthens the soak', async () => {
    const world = lifecycleWorld();
    let isDown = true;
    const metrics: Metrics = {
      range: async (query) =>
        isDown ? err({ kind: 'unavailable', message: 'connection refused' }) : world.metrics.range(query),
    };
    world.clock.after(300_000, () => {
      isDown = false;
    });
    expect(await report(world, { metrics })).toMatchObject({ end: 'done' });
    expect((world.fleet.contacts[2]?.at ?? 0) - (world.fleet.contacts[0]?.at ?? 0)).toBeGreaterThan(300_000);
  });

  it('no data is no pass', async () => {
    const world = lifecycleWorld();
    const now = world.clock.now();
    world.gaps.push({ from: now, until: now + 86_400_000 });
    const ended = await report(world);
    expect(ended).toMatchObject({
      end: 'halted',
      why: expect.stringContaining('nothing clear could be seen for 10m'),
    });
    expect(touched(world)).toHaveLength(2);
  });

  it('half a wave that does not answer, after three attempts each', async () => {
    const world = lifecycleWorld();
    const [canary] = planLifecycleWaves(someHosts(6), playbook())[0] ?? [];
    world.fleet.cutOff.add(canary?.id ?? '');
    const ended = await report(world);
    expect(ended).toMatchObject({
      end: 'halted',
      why: expect.stringMatching(/^1 host\(s\) failed or were not reached, 0 may: h\d \(unreachable/),
    });
    expect(ended.hosts.find(({ host }) => host.id === canary?.id)).toMatchObject({ attempts: 3 });
    expect(notCovered(ended)).toHaveLength(5);
    expect(intended(world)).toHaveLength(1);
  });

  it('hosts that take all the room there is for being out of service', async () => {
    const world = lifecycleWorld();
    const [a, b] = planLifecycleWaves(someHosts(6), playbook())[0] ?? [];
    for (const id of [a?.id, b?.id]) world.fleet.cutOff.add(id ?? '');
    const environment = { kind: 'count', count: 2 } as const;
    const waves = {
      ...somePolicy.waves,
      maxUnavailable: { ...somePolicy.waves.maxUnavailable, environment },
    };
    const ended = await report(world, { plays: playbook('restart', { waves, failedHosts: 5 }) });
    expect(ended).toMatchObject({ end: 'halted', why: expect.stringContaining('maxUnavailable') });
    expect(new Set(touched(world)).size).toBe(2);
  });

  it('fewer than may fail are listed at the end, and hold up nobody', async () => {
    const world = lifecycleWorld();
    world.fleet.cutOff.add('4');
    const ended = await report(world, { plays: playbook('restart', { failedHosts: 1 }) });
    expect(ended).toMatchObject({ end: 'incomplete', why: '' });
    expect(notCovered(ended)).toEqual(['h4']);
  });

  it('a VM that is gone by then is no failure', async () => {
    const world = lifecycleWorld();
    world.fleet.deleted.add('4');
    expect(await report(world)).toMatchObject({ end: 'done', notCovered: [] });
  });

  it('VMs that are gone by then make room smaller: a share is of those who are there', async () => {
    const world = lifecycleWorld();
    const environment = { kind: 'percent', percent: 34 } as const;
    const waves = {
      ...somePolicy.waves,
      maxUnavailable: { ...somePolicy.waves.maxUnavailable, environment },
    };
    const plays = playbook('restart', { waves });
    for (const { id } of planLifecycleWaves(someHosts(6), plays)[1] ?? []) world.fleet.deleted.add(id);
    expect(await report(world, { plays })).toMatchObject({ end: 'done' });
    expect(intended(world).map((batch) => batch.length)).toEqual([2, 2, 1, 1]);
  });

  it('a journal that takes no intention: nobody of that wave is touched', async () => {
    const world = lifecycleWorld();
    const machine = world.machine();
    afterAnswers(world, 2, () => {
      world.clock.after(10_000, () => {
        machine.bucket = 'refuses';
      });
    });
    const ended = await report(world, { process: machine.process() });
    expect(ended).toMatchObject({ end: 'halted', why: expect.stringContaining('could not be written: ') });
    expect(touched(world)).toHaveLength(2);
    expect(ended.record).toMatchObject({ kind: 'waiting' });
  });

  it('a lease that is lost in the soak, by an emergency elsewhere', async () => {
    const world = lifecycleWorld();
    afterAnswers(world, 2, () => {
      void world.leases.of(99).acquire(someActor, { force: true });
    });
    const ended = await report(world);
    expect(ended).toMatchObject({ end: 'interrupted', why: expect.stringContaining('the lease was lost') });
    expect(touched(world)).toHaveLength(2);
    expect(notCovered(ended)).toHaveLength(4);
  });

  it('an emergency stop in a wave: what it stopped is not started again, and everything is down at the end', async () => {
    const world = lifecycleWorld();
    let emergency: ReturnType<typeof act> | null = null;
    world.fleet.onContact = ({ order }) => {
      // In the middle of the second wave.
      if (emergency !== null || order.program !== 'service' || touched(world).length < 4) return;
      emergency = act(world, world.machine().process());
    };
    const ended = await report(world);
    expect(ended.end).not.toBe('done');
    expect(await world.clock.run(emergency ?? Promise.reject(new Error('no emergency began')))).toMatchObject(
      {
        end: 'done',
        settled: { stayedDown: 6, startedAgain: [] },
      },
    );
    expect(namesDown(world)).toHaveLength(6);
    expect(notCovered(ended).length).toBeGreaterThanOrEqual(2);
  });

  it('a lease that somebody holds: refused, and nothing is written', async () => {
    const world = lifecycleWorld();
    await world.leases.of(99).acquire(someActor);
    expect(await world.clock.run(begin(world))).toMatchObject({ ok: false, error: { exit: 'locked' } });
    expect(world.journal.entries).toEqual([]);
  });
});

describe('called off', () => {
  it('in the soak: it ends soon, with who was never begun', async () => {
    const world = lifecycleWorld();
    const stop = new AbortController();
    let calledOffAt = 0;
    afterAnswers(world, 2, () => {
      world.clock.after(10_000, () => {
        calledOffAt = world.clock.now();
        stop.abort();
      });
    });
    const ended = await report(world, { signal: stop.signal });
    expect(world.clock.now() - calledOffAt).toBeLessThan(1_000);
    expect(ended).toMatchObject({ end: 'interrupted', why: '' });
    expect(ended.notCovered.map(({ why }) => why)).toEqual(Array(4).fill('not begun: it was called off'));
    expect(world.bodies('lifecycle-ended')).toHaveLength(1);
  });

  it('in a wave: what runs on hosts is waited for and written', async () => {
    const world = lifecycleWorld();
    const stop = new AbortController();
    for (const host of world.fleet.hosts.values()) host.trouble.stopTakesMs = 5_000;
    world.clock.after(2_000, () => stop.abort());
    const ended = await report(world, { signal: stop.signal });
    expect(ended.end).toBe('interrupted');
    expect(notCovered(ended)).toHaveLength(4);
    expect(
      world.bodies('lifecycle-answered').flatMap(({ hosts }) => hosts.map(({ outcome }) => outcome.kind)),
    ).toEqual(['proven', 'proven']);
  });
});

describe('killed', () => {
  it('between waves and typed again: it begins anew with all, says what was cut off, and ends', async () => {
    const world = lifecycleWorld();
    const process = world.machine().process();
    afterAnswers(world, 2, () => {
      world.clock.after(10_000, () => {
        process.die();
        world.leases.kill(process.pid);
      });
    });
    expect(await world.clock.run(begin(world, { process }))).toBe('killed');
    expect(touched(world)).toHaveLength(2);
    world.fleet.onAnswer = null;
    expect(await report(world)).toMatchObject({ end: 'done' });
    expect(touched(world)).toHaveLength(8);
    expect(notices(world)).toContain('cut-off-before');
  });

  it('at any port call of a stop: hosts that no wave came to are wished nothing, and a second run ends it', async () => {
    const calls = lifecycleWorld();
    const whole = calls.machine().process();
    await report(calls, { plays: playbook('stop'), process: whole });
    let kills = 0;
    for (let at = 3; at < whole.calls(); at += 4) {
      const world = lifecycleWorld();
      const process = world.machine().process((_, count) => (count === at ? 'after' : null));
      const ended = await world.clock.run(begin(world, { plays: playbook('stop'), process }));
      if (ended !== 'killed') continue;
      kills += 1;
      world.leases.kill(process.pid);
      const known = new Set(intended(world).flat());
      for (const name of touched(world)) expect(known).toContain(name);
      expect(new Set([...world.state().holds.values()].map(({ name }) => name))).toEqual(known);
      expect(await report(world, { plays: playbook('stop') })).toMatchObject({ end: 'done' });
      expect(new Set([...world.state().holds.values()].map(({ state }) => state))).toEqual(
        new Set(['confirmed']),
      );
      expect(world.state().holds.size).toBe(6);
    }
    expect(kills).toBeGreaterThan(5);
  });
});

it('an install goes in waves over those that lack the package; the others are in the report', async () => {
  const world = lifecycleWorld();
  const { old, fresh } = world.artifacts;
  await world.clock.run(deploy(world.machine().process()));
  expect(world.state().pin?.version).toBe(fresh.version);
  const before = touched(world).length;
  for (const id of ['1', '3', '5', '6']) {
    const host = world.fleet.hosts.get(id);
    if (host === undefined) throw new Error(`no host ${id}`);
    host.packageState = 'absent';
    host.stop();
  }
  world.fleet.host('h4').drift(old.control.version, old.executable.sha256);
  world.fleet.cutOff.add('6');
  const ended = await report(world, { plays: playbook('install') });
  expect(ended).toMatchObject({ end: 'incomplete' });
  expect(touched(world).slice(before).sort()).toEqual(['h1', 'h3', 'h5']);
  expect(intended(world).map((batch) => batch.length)).toEqual([1, 1, 1]);
  expect(notCovered(ended)).toEqual(['h6']);
  expect(ended.hosts).toHaveLength(6);
  expect(world.fleet.host('h1').packageVersion).toBe(fresh.control.version);
});

describe('a stop in waves', () => {
  it('is calm, is not watched by gates about an agent that is gone, says so, and looks again at the end', async () => {
    const world = lifecycleWorld();
    const metrics: Metrics = { range: () => Promise.reject(new Error('metrics were asked')) };
    const ended = await report(world, { plays: playbook('stop'), metrics });
    expect(ended).toMatchObject({ end: 'done', settled: { stayedDown: 6, startedAgain: [], unseen: [] } });
    expect(world.bodies('lifecycle-intended').map(({ emergency }) => emergency)).toEqual([
      false,
      false,
      false,
    ]);
    expect(notices(world)).toContain('not-watched');
    expect([...world.fleet.hosts.values()].every(({ hold }) => hold !== null)).toBe(true);
  });

  it('with gates of its own is judged by them, over the hosts that are down', async () => {
    const world = lifecycleWorld();
    const gates = somePolicy.gates.filter(({ name }) => name === 'alive');
    const ended = await report(world, { plays: playbook('stop', { gates }) });
    expect(ended).toMatchObject({ end: 'halted', why: expect.stringContaining('wave 1 of 3 does not pass') });
    expect(touched(world)).toHaveLength(2);
  });

  it('sets a role file behind its last wave, and not where it is halted before; a start puts it back before its first', async () => {
    const cases = [
      { verb: 'stop', isHalted: false, at: [6], left: 1 },
      { verb: 'stop', isHalted: true, at: [], left: 0 },
      { verb: 'start', isHalted: false, at: [0], left: 0 },
    ] as const;
    for (const { verb, isHalted, at, left } of cases) {
      const world = lifecycleWorld();
      if (isHalted) world.fleet.host('h4').trouble.cannotStop = true;
      const process = world.machine().process();
      const applied: string[][] = [];
      const controller = {
        kind: 'role-file',
        name: 'role',
        file: '/r.json',
        path: ['on'],
        onStop: false,
        branch: null,
      } as const;
      const { lifecycle } = process.context.environment;
      const context: LifecycleContext = {
        ...process.context,
        environment: {
          ...process.context.environment,
          lifecycle: { ...lifecycle, controllers: [controller] },
        },
        roleFiles: {
          plan: async (edit) => {
            const before = verb === 'stop' ? 'true' : 'false';
            return { ok: true, value: { edit, before, diff: before === edit.value ? '' : '-+' } };
          },
          apply: async ({ before, edit: { name, file, path, value } }) => {
            applied.push(touched(world));
            return { ok: true, value: { name, file, path, before, after: value, commit: null } };
          },
        },
      };
      if (verb === 'start') {
        const change = {
          name: 'role',
          file: '/r.json',
          path: ['on'],
          before: 'true',
          after: 'false',
          commit: null,
        };
        const part = { actionId: 'stop-before', part: 0, happenedAt: world.clock.now() };
        await openLedger(context).fact({ kind: 'role-file-changed', ...part, change });
        expect(world.state().roleFiles).toHaveLength(1);
      }
      const ended = await report(world, {
        plays: playbook(verb),
        process: { ...process, context },
        more: { wholeFleet: true },
      });
      expect(ended.end).toBe(isHalted ? 'halted' : 'done');
      expect(applied.map((names) => names.length)).toEqual(at);
      expect(world.state().roleFiles).toHaveLength(left);
    }
  });
});
