/** What is claimed of a rollout's hosts: never more than anybody can know by now. */
import { describe, expect, it } from 'vitest';
import { goingBackWords } from '../../src/domain/armed.ts';
import { maybeBack, notRunning, standingWords } from '../../src/domain/host-standing.ts';
import type { RolloutState } from '../../src/domain/state.ts';
import { somePolicy } from '../engine/world.ts';
import { NOW, progress, rollout, soaking } from './rollout-states.ts';

const armed = (id: string, leftMs: number) => progress(id, 'verified', { armedUntil: NOW + leftMs });

const withTimer = (hosts: Parameters<typeof rollout>[0], more: Partial<RolloutState> = {}) =>
  rollout(hosts, {
    phase: soaking(),
    policy: { ...somePolicy, armedRevert: { afterMs: 7_200_000, disarm: 'after-soak' } },
    ...more,
  });

const named = (hosts: readonly { host: { name: string } }[]): string[] => hosts.map(({ host }) => host.name);

describe('hosts that nobody was heard on for longer than they wait', () => {
  it('count as such, and not as verified', () => {
    const left = withTimer([
      armed('1', -1),
      armed('2', -60_000),
      armed('3', 3_600_000),
      progress('4', 'pending'),
    ]);
    expect(standingWords(left, { now: NOW })).toEqual(['2 may have gone back', '1 verified', '1 pending']);
    expect(named(maybeBack(left, NOW))).toEqual(['h1', 'h2']);
  });

  it('are also those whose change was never heard to end', () => {
    const cut = (agoMs: number, id: string) => progress(id, 'installing', { lastAttemptAt: NOW - agoMs });
    const left = withTimer([cut(7_200_000, '1'), cut(7_100_000, '2')]);
    expect(standingWords(left, { now: NOW })).toEqual(['1 may have gone back', '1 installing']);
    expect(standingWords(rollout([cut(1e9, '1')]), { now: NOW })).toEqual(['1 installing']);
  });

  it('are told apart from those that still can be kept from it', () => {
    const words = goingBackWords(withTimer([armed('1', -60_000), armed('2', 3_600_000)]), NOW, 'unless told');
    expect(words).toBe(
      'h1 may have gone back by itself since 2026-01-01 23:59Z; h2 goes back by itself at 01:00Z unless told',
    );
    const past = goingBackWords(withTimer([armed('1', -60_000)]), NOW, 'unless told');
    expect(past).toBe('h1 may have gone back by itself since 2026-01-01 23:59Z');
  });
});

describe('hosts that have the version and run no agent', () => {
  const stopped = (id: string, more = {}) => progress(id, 'verified', { leftStopped: true, ...more });
  const proven = { kind: 'verified', sha256: 'a', packageVersion: '1', service: 'left-stopped' } as const;

  it('are counted by themselves, and as held where somebody wishes so or the host has said it', () => {
    const some = withTimer([
      progress('1', 'verified'),
      stopped('2'),
      stopped('3', { outcome: { ...proven, held: true } }),
      stopped('4', { outcome: proven }),
    ]);
    expect(standingWords(some, { now: NOW, held: new Set(['2']) })).toEqual([
      '1 verified',
      '2 installed, not running (held)',
      '1 installed, not running (left stopped)',
    ]);
    expect(named(notRunning(some, NOW))).toEqual(['h2', 'h3', 'h4']);
  });
});

it('on the way back a host that was never touched is called so', () => {
  const back = rollout([progress('1', 'reverted'), progress('2', 'pending')], {
    phase: { kind: 'rolling-back', since: NOW, cause: { kind: 'operator' } },
  });
  expect(standingWords(back, { now: NOW })).toEqual(['1 reverted', '1 untouched']);
});
