/** What waits on a machine: sent by two at once, or beside what nobody can send. */
import { expect, it } from 'vitest';
import { sendWaiting } from '../../../src/engine/send-waiting.ts';
import { someWaiting } from '../../contract/outbox.ts';
import { someHosts } from '../world.ts';
import { act, lifecycleWorld, reportOf, someRequest } from './lifecycle-world.ts';

it('two who send at once: each entry is in the journal once', async () => {
  const world = lifecycleWorld();
  const machine = world.machine();
  for (const part of [0, 1, 2, 3]) await machine.outbox.put(someWaiting(part));
  const senders = [machine.process(), machine.process(), machine.process()];
  // No two processes look at the clock at the same moment.
  const apart = senders.map(({ context }, ms) => ({
    ...context,
    clock: {
      ...context.clock,
      now: () => world.clock.now() + ms,
      sleep: world.clock.sleep.bind(world.clock),
    },
  }));
  const sent = await world.clock.run(Promise.all(apart.map((context) => sendWaiting(context))));
  expect(sent.map(({ left }) => left)).toEqual([0, 0, 0]);
  const read = await senders[0]?.context.journal.read(0);
  const parts =
    read?.ok === true ? read.value.flatMap(({ body }) => ('part' in body ? [body.part] : [])) : [];
  expect(parts).toEqual([0, 1, 2, 3]);
  expect(machine.outbox.entries).toEqual([]);
});

it('what nobody can send is not taken for what was just written: a calm action that was fenced off has its answers in the journal', async () => {
  const world = lifecycleWorld({ hosts: someHosts(3) });
  const [one, two] = [world.machine(), world.machine()];
  one.outbox.unreadable.push('000001-x.json: it is torn');
  world.fleet.cutOff.add('1');
  const restarting = act(world, one.process(), someRequest(world, { verb: 'restart', deadlineMs: null }));
  await world.clock.run(world.clock.sleep(20_000));
  await world.clock.run(act(world, two.process()));
  const report = reportOf(await world.clock.run(restarting));
  expect(report).toMatchObject({ end: 'interrupted', record: { kind: 'journal' } });
  expect(one.outbox.entries).toEqual([]);
});
