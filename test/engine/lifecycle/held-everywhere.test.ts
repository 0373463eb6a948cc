/** A fleet, or a part of it, is held stopped while a version is rolled out: what is said, what moves it, and what is claimed at its end. */
import { expect, it } from 'vitest';
import { checkGates } from '../../../src/engine/check-gates.ts';
import { readStatus } from '../../../src/engine/status.ts';
import { ask, begin, carryOn, NEW } from '../world.ts';
import { act, type LifecycleWorld, lifecycleWorld, reportOf, someRequest } from './lifecycle-world.ts';

async function stopped(world: LifecycleWorld, names: readonly string[]): Promise<void> {
  const hosts = names.map((name) => world.fleet.host(name).host);
  const request = someRequest(world, { verb: 'stop', hosts });
  expect(reportOf(await world.clock.run(act(world, world.machine().process(), request))).end).toBe('done');
}

const ALL = ['h1', 'h2', 'h3', 'h4', 'h5', 'h6'];

it('everywhere: every watch waits for a person or a start, says so, and no receipt is given for what nobody saw', async () => {
  const world = lifecycleWorld();
  await stopped(world, ALL);
  let end = await world.clock.run(begin(world.process()));
  for (let watches = 0; watches < 6 && end !== 'killed' && end.kind === 'held'; watches += 1) {
    expect(end.reason.code).toBe('no-witness');
    expect(end.reason.message).toMatch(/h1.*: osqueryd start.*rollout approve/u);
    expect((await ask(world, 'approve')).ok).toBe(true);
    end = await world.clock.run(carryOn(world.process()));
  }
  expect(end).toMatchObject({ kind: 'finished', reason: { code: 'done' } });
  expect(world.state().receipts).toEqual([]);
  expect(world.journal.entries.findLast(({ body }) => body.kind === 'rollout-done')?.reason).toBe(
    `${NEW} is proven on 0 host(s), and installed on 6 whose agent is left stopped: h2, h1, h3, h4, h5 and 1 more`,
  );
  expect(new Set(Object.values(world.running()))).toEqual(new Set(['']));
});

it('everywhere: a start is the other way on, and what it starts is watched', async () => {
  const world = lifecycleWorld();
  await stopped(world, ALL);
  expect(await world.clock.run(begin(world.process()))).toMatchObject({ reason: { code: 'no-witness' } });
  const status = await readStatus(world.process().context);
  const start =
    /^rollout osqueryd start --env gstg --host h2 h1, then rollout advance gstg; or, unseen, rollout approve gstg/u;
  expect(status).toMatchObject({ value: { next: expect.stringMatching(start) } });
  const checked = await checkGates(world.process().context, { hosts: [] });
  expect(checked).toMatchObject({
    error: {
      message: expect.stringContaining('held stopped on every VM'),
      next: expect.stringContaining('rollout osqueryd start --env gstg --host h1 h2 h3 h4 h5 h6'),
    },
  });
  await world.clock.run(act(world, world.machine().process(), someRequest(world, { verb: 'start' })));
  expect(await world.clock.run(carryOn(world.process()))).toMatchObject({ kind: 'finished' });
  expect(world.state().receipts).toMatchObject([{ hosts: 6 }]);
  expect(new Set(Object.values(world.running()))).toEqual(new Set([NEW]));
});

it('in part: they have the version, stay down, and count for nothing in the receipt', async () => {
  const world = lifecycleWorld();
  await stopped(world, ['h1', 'h5']);
  expect(await world.clock.run(begin(world.process()))).toMatchObject({ kind: 'finished' });
  expect(world.state().receipts).toMatchObject([{ hosts: 4 }]);
  expect(world.running()).toMatchObject({ h1: '', h5: '', h2: NEW });
  expect(world.fleet.host('h1').onDisk).toBe(world.artifacts.fresh.executable.sha256);
});
