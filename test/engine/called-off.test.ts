/** Ctrl-C while the inventory says nothing: ends at once, as interrupted, and changes and concludes nothing. */
import { describe, expect, it } from 'vitest';
import { err, ok } from '../../src/domain/result.ts';
import type { EngineContext } from '../../src/engine/context.ts';
import { preparePlan } from '../../src/engine/prepare-plan.ts';
import type { Inventory } from '../../src/ports/inventory.ts';
import { begin, carryOn, makeWorld, NEW, someHosts, type World } from './world.ts';

/** Says nothing until it is called off; `onAsked` may call it off. */
function silent(onAsked: () => void): Inventory {
  return {
    list: ({ signal } = {}) =>
      new Promise((resolve) => {
        const end = () =>
          resolve(err({ kind: 'unavailable' as const, message: 'called off', retryable: false }));
        signal?.addEventListener('abort', end, { once: true });
        onAsked();
      }),
  };
}

/** A process whose inventory falls silent from its `nth` listing on, and who is called off then. */
function fallsSilent(world: World, nth: number, stop: AbortController) {
  const process = world.process();
  let asked = 0;
  const { inventory } = process.context;
  const dead = silent(() => stop.abort());
  const context: EngineContext = {
    ...process.context,
    inventory: { list: (options) => (++asked < nth ? inventory.list(options) : dead.list(options)) },
  };
  return { ...process, context };
}

describe('a silent inventory that is called off', () => {
  it('is no plan: it is said what was called off', async () => {
    const world = makeWorld({ hosts: someHosts(2) });
    const stop = new AbortController();
    const { context } = fallsSilent(world, 1, stop);
    const prepared = await world.clock.run(
      preparePlan(context, { version: NEW, quarantine: [] }, stop.signal),
    );
    expect(prepared).toMatchObject({
      ok: false,
      error: { exit: 'interrupted', code: 'called-off', message: 'listing the VMs of gstg was called off' },
    });
    expect(world.fleet.contacts).toEqual([]);
  });

  it('a fleet that was listed and half looked at is no plan either', async () => {
    const world = makeWorld({ hosts: someHosts(2) });
    const stop = new AbortController();
    const { context } = world.process();
    const list: Inventory['list'] = async (options) => {
      const listed = await context.inventory.list(options);
      queueMicrotask(() => queueMicrotask(() => stop.abort()));
      return listed.ok ? ok(listed.value) : listed;
    };
    const prepared = await world.clock.run(
      preparePlan({ ...context, inventory: { list } }, { version: NEW, quarantine: [] }, stop.signal),
    );
    expect(prepared).toMatchObject({ ok: false, error: { exit: 'interrupted', code: 'called-off' } });
  });

  it('in mid-rollout ends the run as interrupted, and the next one carries it to its end', async () => {
    const world = makeWorld({ hosts: someHosts(3) });
    const stop = new AbortController();
    // The first listing is the plan's.
    const end = await world.clock.run(begin(fallsSilent(world, 3, stop), {}, { signal: stop.signal }));
    expect(end).toMatchObject({ kind: 'interrupted' });
    expect(stop.signal.aborted).toBe(true);
    expect(world.journal.entries.some(({ body }) => body.kind === 'halted')).toBe(false);
    expect(await world.clock.run(carryOn(world.process()))).toMatchObject({
      kind: 'finished',
      reason: { code: 'done' },
    });
  });
});
