import { describe, expect, it } from 'vitest';
import { actionIdOf, holdsOf, newHold } from '../../src/domain/holds.ts';
import type { HeldHost } from '../../src/domain/state.ts';
import { sha256, someActor } from '../fakes/journal-entries.ts';

const NOW = Date.UTC(2026, 10, 21, 3);
const wish = {
  actionId: 'stop-1',
  environment: 'gprd',
  actor: someActor,
  reason: ' INC-42 ',
  settings: { holdForMs: 3_600_000 },
  now: NOW,
};

describe('a new hold', () => {
  it('ends as the environment has it, or when it was asked for', () => {
    expect(newHold(wish)).toEqual({
      ok: true,
      value: {
        actionId: 'stop-1',
        environment: 'gprd',
        by: 'ada@ops-1',
        reason: 'INC-42',
        since: NOW,
        until: NOW + 3_600_000,
      },
    });
    expect(newHold({ ...wish, forMs: 5 })).toMatchObject({ value: { until: NOW + 5 } });
    expect(newHold({ ...wish, until: NOW + 7 })).toMatchObject({ value: { until: NOW + 7 } });
    expect(newHold({ ...wish, reason: ' ' })).toMatchObject({ value: { reason: 'no reason was given' } });
  });

  it('for longer than dates go ends with the last of them', () => {
    const held = newHold({ ...wish, forMs: Number.POSITIVE_INFINITY });
    expect(held.ok && new Date(held.value.until).getTime()).toBe(8_640_000_000_000_000);
  });

  it.each([
    [{ until: NOW }, 'the hold would end at 2026-11-21T03:00:00Z, which has passed'],
    [{ until: NOW - 1 }, 'the hold would end at 2026-11-21T02:59:59Z, which has passed'],
    [{ forMs: 0 }, 'a hold must last for some time'],
    [{ forMs: Number.NaN }, 'a hold must last for some time'],
    [{ forMs: 5, until: NOW + 5 }, 'a hold ends at a time (--until) or after a while (--for), not both'],
  ])('%j is refused', (more, error) => {
    expect(newHold({ ...wish, ...more })).toEqual({ ok: false, error });
  });
});

it('holds are shown with the longest due first, then by their end and name', () => {
  const held = (name: string, until: number, state: HeldHost['state'] = 'confirmed'): [string, HeldHost] => [
    `id-${name}`,
    {
      id: `id-${name}`,
      name,
      terms: { actionId: 'a', environment: 'gprd', by: 'ada', reason: 'r', since: NOW - 10, until },
      by: someActor,
      state,
    },
  ];
  const holds = new Map([
    held('d', NOW + 5),
    held('c', NOW + 5, 'wished'),
    held('b', NOW),
    held('a', NOW - 3),
  ]);
  expect(
    holdsOf({ holds }, NOW).map(({ name, due, heldMs, leftMs, state }) => [name, due, heldMs, leftMs, state]),
  ).toEqual([
    ['a', true, 10, -3, 'confirmed'],
    ['b', true, 10, 0, 'confirmed'],
    ['c', false, 10, 5, 'wished'],
    ['d', false, 10, 5, 'confirmed'],
  ]);
});

describe('the name of an action', () => {
  it('is short, says the verb, sorts by time, and is taken by hosts', () => {
    const id = actionIdOf('stop', NOW, someActor, sha256);
    expect(id).toMatch(/^stop-[0-9a-z]{6}-[0-9a-f]{6}$/);
    expect(actionIdOf('stop', NOW + 1_000, someActor, sha256) > id).toBe(true);
  });

  it('is another for another person, verb or millisecond, and the same for the same', () => {
    const ids = [
      actionIdOf('stop', NOW, someActor, sha256),
      actionIdOf('start', NOW, someActor, sha256),
      actionIdOf('stop', NOW + 1, someActor, sha256),
      actionIdOf('stop', NOW, { ...someActor, hostname: 'ops-2' }, sha256),
      actionIdOf('stop', NOW, 'ops-1 412', sha256),
      actionIdOf('stop', NOW, 'ops-1 413', sha256),
    ];
    expect(new Set(ids).size).toBe(6);
    expect(actionIdOf('stop', NOW, { ...someActor }, sha256)).toBe(ids[0]);
  });
});
