/** What `plan` shows of a rollout that has not begun. */
import { describe, expect, it } from 'vitest';
import { createPaint } from '../../src/cli/render/paint.ts';
import { planLines } from '../../src/cli/render/plan-view.ts';
import { preparePlan } from '../../src/engine/prepare-plan.ts';
import { makeWorld, NEW, type World } from '../engine/world.ts';

async function shown(world: World): Promise<string> {
  const { context } = world.process();
  const prepared = await world.clock.run(preparePlan(context, { version: NEW, quarantine: [] }));
  if (!prepared.ok) throw new Error(prepared.error.message);
  return planLines(context, prepared.value, createPaint(false), { brief: true, notes: [] }).join('\n');
}

describe('the approval', () => {
  it('is a step of the plan, with who may give it', async () => {
    const anybody = makeWorld({ policy: { approval: 'after-canary' } });
    expect(await shown(anybody)).toContain(
      'after wave 1 it waits for the approval of a person: rollout approve gstg',
    );
    const second = makeWorld({ policy: { approval: 'after-canary', approvedBy: 'second-person' } });
    expect(await shown(second)).toContain('the approval of somebody else than whoever begins it');
    expect(await shown(makeWorld())).not.toContain('approv');
  });
});
