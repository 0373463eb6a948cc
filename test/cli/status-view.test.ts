/** What `status` says of an environment, whatever the reason of the moment is. */
import { expect, it } from 'vitest';
import { createPaint } from '../../src/cli/render/paint.ts';
import { statusLines } from '../../src/cli/render/status-view.ts';
import { readStatus } from '../../src/engine/status.ts';
import { ask, begin, carryOn, makeWorld } from '../engine/world.ts';

it('a pause shows who, why and the way on, also while its metrics are asked', async () => {
  const world = makeWorld();
  const stop = new AbortController();
  world.clock.after(165_000, () => stop.abort());
  await world.clock.run(begin(world.process(), {}, { signal: stop.signal }));
  expect(world.rollout().phase.kind).toBe('baking');
  await ask(world, 'pause', 'somebody is paged');
  const shown = async (): Promise<{ code: string; text: string }> => {
    const status = await readStatus(world.process().context);
    if (!status.ok) throw new Error(status.error.message);
    const paint = createPaint(false, 100);
    return {
      code: status.value.reason?.code ?? '',
      text: statusLines(status.value, world.clock.now(), paint).join('\n'),
    };
  };
  await world.clock.advance(3_600_000);
  const asking = await shown();
  expect(asking.code).toBe('judging');
  await world.clock.run(carryOn(world.process()));
  const waiting = await shown();
  expect(waiting.code).toBe('paused');
  for (const { text } of [asking, waiting]) {
    expect(text).toContain('PAUSED');
    expect(text).toContain('somebody is paged');
    expect(text).toContain('rollout resume');
  }
});
