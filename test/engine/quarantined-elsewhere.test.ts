/** The same file under two environments: what one has rolled back, the other is told of. */
import { describe, expect, it } from 'vitest';
import { elsewhereLines } from '../../src/cli/render/elsewhere-view.ts';
import { createPaint } from '../../src/cli/render/paint.ts';
import { heldElsewhere } from '../../src/domain/held-elsewhere.ts';
import type { Quarantined } from '../../src/domain/state.ts';
import type { EngineContext } from '../../src/engine/context.ts';
import { readElsewhere, readingOnce } from '../../src/engine/read-elsewhere.ts';
import { readStatus } from '../../src/engine/status.ts';
import { rollout } from '../domain/rollout-states.ts';
import { makeWorld } from './world.ts';

const DIGEST = 'a'.repeat(64);
const held = (sha256: string): Quarantined => ({
  sha256,
  version: '5.11.0',
  architecture: 'amd64',
  rolloutId: 'gstg-3',
  at: 0,
});
const pin = { version: '5.11.0', digests: { amd64: DIGEST } };
const gstg = { environment: 'gstg', quarantine: [held(DIGEST), held('b'.repeat(64))] };

describe('what is meant to run here and was rolled back there', () => {
  it('is named by its digest, not by its version: another file of that version is no news', () => {
    expect(heldElsewhere({ pin, rollout: null }, [gstg])).toEqual([
      { environment: 'gstg', version: '5.11.0', sha256: DIGEST, rolloutId: 'gstg-3' },
    ]);
    expect(heldElsewhere({ pin, rollout: null }, [{ ...gstg, quarantine: [held('c'.repeat(64))] }])).toEqual(
      [],
    );
    expect(heldElsewhere({ pin: null, rollout: null }, [gstg])).toEqual([]);
  });

  it('is also what a rollout has brought, unless all of it went back', () => {
    const going = rollout([]);
    const sha256 = Object.values(going.artifacts)[0]?.sha256 ?? '';
    const there = [{ environment: 'gstg', quarantine: [held(sha256)] }];
    expect(heldElsewhere({ pin: null, rollout: going }, there)).toHaveLength(1);
    const phase = { kind: 'rolled-back', since: 0, cause: { kind: 'canary-finished' } } as const;
    const back = { ...going, phase };
    expect(heldElsewhere({ pin: null, rollout: back }, there)).toEqual([]);
  });
});

describe('status', () => {
  const shown = (told: readonly (typeof gstg)[], unread: readonly string[] = []): string =>
    elsewhereLines('gprd', { pin, rollout: null }, { told, unread }, createPaint(false)).join('\n');

  it('says it, with where it was rolled back; and nothing where nothing is', () => {
    expect(shown([gstg])).toMatch(/beware .*which gprd has, is QUARANTINED in gstg: gstg-3 took/u);
    expect(shown([{ ...gstg, quarantine: [] }])).toBe('');
  });

  it('says of a journal that cannot be read that nothing is known of it', () => {
    expect(shown([], ['gstg'])).toMatch(/not known +whether .* in gstg/u);
  });

  it('waits for nobody long: a journal that hangs is named as not read', async () => {
    const world = makeWorld();
    const { context } = world.process();
    const hangs = { ...context, journal: { ...context.journal, read: () => new Promise<never>(() => {}) } };
    const read = await world.clock.run(readElsewhere([context, hangs]));
    expect(read.unread).toEqual([context.environment.name]);
    expect(read.told).toHaveLength(1);
  });

  it('of all environments reads each journal once, and those beside it from the same answer', async () => {
    const world = makeWorld();
    const { context } = world.process();
    const reads: string[] = [];
    const called = (name: string): EngineContext => ({
      ...context,
      environment: { ...context.environment, name },
      journal: {
        ...context.journal,
        read: (after) => {
          reads.push(name);
          return context.journal.read(after);
        },
      },
    });
    const [one, other] = [called('gstg'), called('gprd')];
    const readOf = readingOnce();
    for (const [own, beside] of [
      [one, other],
      [other, one],
    ] as const) {
      const looked = Promise.all([readStatus(own, readOf), readElsewhere([beside], readOf)]);
      const [status, elsewhere] = await world.clock.run(looked);
      expect(status.ok).toBe(true);
      expect(elsewhere.unread).toEqual([]);
    }
    expect(reads.toSorted()).toEqual(['gprd', 'gstg']);
  });
});
