/** VMs that are born, made anew or vanish while a rollout is under way. */
import { describe, expect, it } from 'vitest';
import type { Host } from '../../src/domain/host.ts';
import type { Phase } from '../../src/domain/state.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';
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
  type WorldOptions,
} from './world.ts';

const [template] = someHosts(1);
const vm = (name: string, more: Partial<Host> = {}): Host => {
  if (template === undefined) throw new Error('no template');
  return { ...template, id: `id-${name}`, name, ...more };
};

/** Does it once, as soon as the rollout is there. */
function once(world: World, when: (phase: Phase) => boolean, what: () => void): void {
  const look = (): void => {
    const phase = world.state().rollout?.phase;
    if (phase !== undefined && when(phase)) what();
    else if (world.clock.elapsedMs < 3_600_000) world.clock.after(250, look);
  };
  look();
}

const inWave =
  (wave: number, kind: Phase['kind'] = 'soaking') =>
  (phase: Phase) =>
    phase.kind === kind && 'wave' in phase && phase.wave === wave;
const baking = (phase: Phase): boolean => phase.kind === 'baking';

async function live(world: World, start: Parameters<typeof begin>[1] = {}): Promise<Ended> {
  const end = await world.clock.run(begin(world.process(), start));
  expect(checkJournal(world.journal.entries)).toEqual([]);
  return end;
}

/** Two canaries and two waves behind them. */
const world = (more: WorldOptions = {}): World => makeWorld({ hosts: someHosts(6), ...more });

function notCovered(of: World): unknown {
  const { phase } = of.rollout();
  return phase.kind === 'done' ? phase.notCovered : phase.kind;
}

const reasons = (of: World): unknown =>
  Object.fromEntries(of.rollout().leftOut.map(({ name, why }) => [name, why.kind]));

describe('a VM that is born', () => {
  it('while the canaries soak gets the version with the last wave', async () => {
    const one = world();
    once(one, inWave(0), () => one.fleet.add(vm('new-1')));
    expect(await live(one)).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect(one.bodies('hosts-joined')).toMatchObject([{ wave: 2, hosts: [{ name: 'new-1' }], leftOut: [] }]);
    expect(one.running()['new-1']).toBe(NEW);
    expect(notCovered(one)).toEqual([]);
    expect(one.state().receipts).toMatchObject([{ hosts: 7 }]);
  });

  it('while the last wave soaks gets one more wave behind it, with a soak of its own', async () => {
    const one = world();
    once(one, inWave(2), () => one.fleet.add(vm('new-1')));
    await live(one);
    expect(one.bodies('wave-passed').map(({ wave }) => wave)).toEqual([0, 1, 2, 3]);
    expect(one.rollout()).toMatchObject({ waveCount: 4, plannedWaves: 3 });
    expect(one.running()['new-1']).toBe(NEW);
  });

  it('while that wave goes on does not put the bake off again: it is named as not covered', async () => {
    const one = world();
    once(one, inWave(2), () => one.fleet.add(vm('new-1')));
    once(one, inWave(3), () => one.fleet.add(vm('new-2')));
    await live(one);
    expect(one.rollout().waveCount).toBe(4);
    expect(one.running()).toMatchObject({ 'new-1': NEW, 'new-2': OLD });
    expect([notCovered(one), reasons(one)]).toEqual([['id-new-2'], { 'new-2': 'born-late' }]);
  });

  it('in the bake keeps what it runs, is named, and is covered by the next rollout of the version', async () => {
    const one = world();
    once(one, baking, () => one.fleet.add(vm('new-1')));
    await live(one);
    expect(notCovered(one)).toEqual(['id-new-1']);
    expect(one.running()['new-1']).toBe(OLD);
    await live(one);
    expect([notCovered(one), one.running()['new-1']]).toEqual([[], NEW]);
  });

  it('in the bake with the version on it, as an image or configuration management brings it, lacks nothing', async () => {
    const one = world();
    const { fresh } = one.artifacts;
    once(one, baking, () => {
      one.fleet.add(vm('new-1'), { version: fresh.control.version, executable: fresh.executable.sha256 });
      one.fleet.add(vm('new-2'));
    });
    await live(one);
    expect(notCovered(one)).toEqual(['id-new-2']);
    expect(reasons(one)).toEqual({ 'new-1': 'already-there', 'new-2': 'born-late' });
  });

  it('joins behind the canaries where there is no other wave', async () => {
    const one = world({ hosts: someHosts(2) });
    once(one, inWave(0, 'acting'), () => one.fleet.add(vm('new-1')));
    await live(one);
    expect(one.bodies('hosts-joined')).toMatchObject([{ wave: 1 }]);
    expect(one.running()).toEqual({ h1: NEW, h2: NEW, 'new-1': NEW });
  });

  it('and still boots is named at first and joins once it answers', async () => {
    const one = world();
    once(one, inWave(0), () => {
      one.fleet.add(vm('new-1'));
      one.fleet.cutOff.add('id-new-1');
    });
    once(one, inWave(1, 'acting'), () => one.fleet.cutOff.delete('id-new-1'));
    await live(one);
    const joined = one.bodies('hosts-joined');
    expect(joined.map(({ hosts, leftOut }) => [hosts.length, leftOut.map(({ why }) => why.kind)])).toEqual([
      [0, ['unreachable']],
      [1, []],
    ]);
    expect([one.running()['new-1'], reasons(one), notCovered(one)]).toEqual([NEW, {}, []]);
  });

  it('with nothing that could be upgraded, or no way back, holds nobody and is named', async () => {
    const one = world();
    const { fresh } = one.artifacts;
    once(one, inWave(0), () => {
      const bare = one.fleet.add(vm('bare'));
      bare.stop();
      Object.assign(bare, { packageState: 'absent', packageVersion: '', onDisk: '' });
      one.fleet.add(vm('odd'), { version: '4.0.0-1', executable: 'e'.repeat(64) });
      one.fleet.add(vm('there'), {
        version: fresh.control.version,
        executable: fresh.executable.sha256,
      });
      one.fleet.add(vm('silent'));
      one.fleet.cutOff.add('id-silent');
      one.fleet.add(vm('gke-odd'));
      one.fleet.add(vm('node', { labels: { 'goog-gke-node': '' } }));
      one.fleet.add(vm('starting', { status: 'STAGING' }));
    });
    expect(await live(one)).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect(reasons(one)).toEqual({
      bare: 'agent-absent',
      odd: 'no-way-back',
      there: 'already-there',
      silent: 'unreachable',
      'gke-odd': 'undecided',
    });
    expect(notCovered(one)).toEqual(['id-bare', 'id-gke-odd', 'id-odd', 'id-silent']);
    expect(one.bodies('hosts-joined')).toHaveLength(1);
  });

  it('whose way back is spoilt in the store is not touched', async () => {
    const one = world();
    once(one, inWave(0), () => {
      one.fleet.add(vm('new-1'));
    });
    const process = one.process();
    const { verify } = process.context.store;
    const store = {
      ...process.context.store,
      list: async () => {
        const staged = await process.context.store.list();
        if (!staged.ok || one.state().rollout === null) return staged;
        // Another package of the same version has taken the place of the one that the others go back to.
        return {
          ok: true as const,
          value: staged.value.map((artifact) =>
            artifact.version === OLD ? { ...artifact, sha256: 'f'.repeat(64) } : artifact,
          ),
        };
      },
      verify: async (artifact: Parameters<typeof verify>[0]) =>
        artifact.sha256 === 'f'.repeat(64)
          ? { ok: false as const, error: { kind: 'altered' as const, message: 'altered' } }
          : verify(artifact),
    };
    await one.clock.run(begin({ ...process, context: { ...process.context, store } }));
    expect(reasons(one)).toEqual({ 'new-1': 'no-way-back' });
    expect(one.running()['new-1']).toBe(OLD);
  });

  it('with an architecture that no canary had is named: nobody before it has run that package', async () => {
    const one = world();
    for (const { version, environment } of Object.values(one.artifacts))
      one.store.seed(artifactOf(`arm ${version}`, { version, environment, architecture: 'arm64' }));
    once(one, inWave(0), () => {
      const arm = one.fleet.add(vm('arm-1'), {
        version: one.artifacts.old.control.version,
        executable: artifactOf(`arm ${OLD}`).executable.sha256,
      });
      arm.architecture = 'arm64';
      one.fleet.add(vm('new-1'));
    });
    expect(await live(one)).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect([reasons(one), notCovered(one)]).toEqual([{ 'arm-1': 'unproven-build' }, ['id-arm-1']]);
    expect(
      one.fleet.contacts.filter(({ id }) => id === 'id-arm-1').map(({ program }) => program),
    ).not.toContain('upgrade');
    expect(one.running()['new-1']).toBe(NEW);
  });

  it('where the plan had nobody to change has no canary before it, and is named', async () => {
    const one = world();
    await live(one);
    one.onDurable = ({ body }) => {
      if (body.kind === 'rollout-planned') one.fleet.add(vm('new-1'));
    };
    expect(await live(one)).toMatchObject({ kind: 'held', reason: { code: 'no-witness' } });
    expect(one.rollout()).toMatchObject({ plannedWaves: 0, waveCount: 0 });
    expect(reasons(one)).toMatchObject({ 'new-1': 'unproven-build' });
    expect(one.running()['new-1']).toBe(OLD);
  });

  it('widens the bounds in percent by itself, in a zone that had nobody before too', async () => {
    const one = world();
    once(one, inWave(0), () => one.fleet.add(vm('new-1', { zone: 'z9', role: 'cache' })));
    await live(one);
    expect(one.rollout().population).toMatchObject({
      environment: 7,
      byZone: { z1: 2, z9: 1 },
      byRole: { web: 3, cache: 1 },
    });
    expect(one.running()['new-1']).toBe(NEW);
  });

  it('is nothing to a canary', async () => {
    const one = world();
    once(one, inWave(0), () => one.fleet.add(vm('new-1')));
    await live(one, { kind: 'canary', keep: true });
    expect([one.bodies('hosts-joined'), notCovered(one)]).toEqual([[], []]);
  });

  it('and does not answer keeps no failed host waiting for its way back', async () => {
    const one = world({
      behaviour: { installFails: true, only: (name) => name === 'h1' },
      policy: { limits: { ...somePolicy.limits, failedHosts: 1 } },
    });
    const killed = one.process();
    one.onDurable = ({ body }) => {
      if (body.kind !== 'hosts-answered' || body.hosts.every(({ outcome }) => outcome.kind !== 'failed'))
        return;
      one.onDurable = null;
      killed.die();
    };
    expect(await one.clock.run(begin(killed))).toBe('killed');
    for (const name of ['new-1', 'new-2']) {
      one.fleet.add(vm(name));
      one.fleet.cutOff.add(`id-${name}`);
    }
    await one.clock.advance(60_000);
    const before = one.fleet.contacts.length;
    const end = await one.clock.run(carryOn(one.process()));
    expect(end).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    const [first] = one.fleet.contacts.slice(before);
    expect(first).toMatchObject({ id: '1', program: 'revert' });
    expect(reasons(one)).toEqual({ 'new-1': 'unreachable', 'new-2': 'unreachable' });
    expect(checkJournal(one.journal.entries)).toEqual([]);
  });

  it('in a freeze that has begun meanwhile gets no wave of its own: the bake does not wait for its end', async () => {
    const one = world();
    once(one, inWave(2), () => {
      const now = one.clock.now();
      one.freeze.push({ from: now, until: now + 86_400_000, reason: 'Black Friday' });
      one.fleet.add(vm('new-1'));
    });
    expect(await live(one)).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect([reasons(one), notCovered(one)]).toEqual([{ 'new-1': 'born-late' }, ['id-new-1']]);
    expect([one.running()['new-1'], one.rollout().waveCount]).toEqual([OLD, 3]);
  });

  it('while a bad version is taken back is neither looked at nor changed', async () => {
    const one = world({ behaviour: { cpu: 0.5 } });
    once(
      one,
      (phase) => phase.kind === 'rolling-back',
      () => one.fleet.add(vm('new-1')),
    );
    await live(one);
    expect(one.rollout().phase.kind).toBe('rolled-back');
    expect(one.fleet.contacts.filter(({ id }) => id === 'id-new-1')).toEqual([]);
    expect(one.running()['new-1']).toBe(OLD);
  });

  it('does not keep a rollback waiting that somebody asks for', async () => {
    const one = world();
    once(one, inWave(1), () => {
      one.fleet.add(vm('new-1'));
      void ask(one, 'rollback');
    });
    await live(one);
    expect(one.rollout().phase.kind).toBe('rolled-back');
    expect(one.fleet.contacts.filter(({ id }) => id === 'id-new-1')).toEqual([]);
  });
});

describe('a VM that was stopped when the plan was made', () => {
  const stopped = (): World => {
    const hosts = someHosts(6).map((host) =>
      host.name === 'h6' ? { ...host, status: 'TERMINATED' as const } : host,
    );
    return makeWorld({ hosts });
  };
  const start = (one: World): void => {
    const there = one.fleet.host('h6');
    Object.assign(there.host, { status: 'RUNNING' });
  };

  it('and is started in time gets the version too', async () => {
    const one = stopped();
    once(one, inWave(0), () => start(one));
    await live(one);
    expect([one.running().h6, reasons(one), notCovered(one)]).toEqual([NEW, {}, []]);
  });

  it('and is started in the bake is named', async () => {
    const one = stopped();
    once(one, baking, () => start(one));
    await live(one);
    expect([one.running().h6, reasons(one), notCovered(one)]).toEqual([OLD, { h6: 'born-late' }, ['6']]);
  });
});

describe('a VM that is made anew under its old name', () => {
  it('is another host: the old one is gone, the new one joins', async () => {
    const one = world();
    once(one, inWave(0), () => {
      one.fleet.deleted.add('6');
      one.fleet.add({ ...vm('h6'), id: '66' });
    });
    await live(one);
    const states = [...one.rollout().hosts.values()].map(
      ({ host, state }) => `${host.name} ${host.id} ${state}`,
    );
    expect(states).toContain('h6 6 gone');
    expect(states).toContain('h6 66 verified');
    expect(notCovered(one)).toEqual([]);
  });
});

describe('a listing that is not whole', () => {
  it('makes nobody gone and adds nobody: a zone that cannot be listed is told', async () => {
    const one = world();
    once(one, inWave(0), () => {
      one.fleet.unknownZones.add('z1');
      one.fleet.add(vm('new-1', { zone: 'z1' }));
    });
    expect(await live(one)).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect(Object.values(one.running())).toEqual([NEW, NEW, NEW, NEW, NEW, NEW, OLD]);
    expect([...one.rollout().hosts.values()].filter(({ state }) => state !== 'verified')).toEqual([]);
    expect(one.bodies('hosts-joined')).toEqual([]);
    expect(notices(one)).toEqual(['unknown-zones']);
  });

  it('that fails holds nothing, and is told once', async () => {
    const one = world();
    once(one, inWave(0), () => {
      one.fleet.inventoryFails = true;
    });
    expect(await live(one)).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
    expect(notices(one)).toEqual(['inventory-failed']);
  });

  it('of a vanished host in a zone that is unknown leaves it to silence, not to gone', async () => {
    const one = world();
    once(one, inWave(0), () => {
      one.fleet.vanished.add('4');
      one.fleet.unknownZones.add('z1');
    });
    const end = await live(one);
    expect(end).toMatchObject({ kind: 'held', reason: { code: 'hosts-out-of-reach' } });
    expect(one.rollout().hosts.get('4')?.state).toBe('unreachable');
    one.fleet.unknownZones.clear();
    await one.clock.run(carryOn(one.process()));
    expect(one.rollout().hosts.get('4')?.state).toBe('gone');
  });
});

function notices(of: World): string[] {
  return of.events.flatMap((event) => (event.kind === 'notice' ? [event.reason.code] : []));
}
