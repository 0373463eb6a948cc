/** Two commands on one machine that both find what an emergency has left there. */
import { expect, it } from 'vitest';
import { sendWaiting } from '../../../src/engine/send-waiting.ts';
import { someWaiting } from '../../contract/outbox.ts';
import { lifecycleWorld } from './lifecycle-world.ts';

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
