import { describe, expect, it } from 'vitest';
import { closedNow, closingNow } from '../../src/domain/closed.ts';
import { decide } from '../../src/domain/decide.ts';
import { calm, NOW, progress, rollout } from './rollout-states.ts';

const HOUR = 3_600_000;
const window = { days: ['mon'], fromMinute: 0, untilMinute: 60, timeZone: 'UTC' } as const;
const freeze = { from: NOW - HOUR, until: NOW + HOUR, reason: 'the end of the year' };

describe('outside of the maintenance windows', () => {
  it('no wave begins, and status says when one may', () => {
    // NOW is Friday, 2026-01-02, midnight UTC.
    const frozen = closedNow({ freeze: [], maintenance: [window] }, NOW);
    const decision = decide(
      rollout([progress('1', 'pending')], { phase: { kind: 'planned' } }),
      { ...calm, frozen },
      NOW,
    );
    expect(decision).toMatchObject({
      next: 'hold',
      until: Date.UTC(2026, 0, 5),
      reason: { code: 'outside-window', message: expect.stringContaining('2026-01-05T00:00:00.000Z') },
    });
  });

  it('a way back begins all the same', () => {
    const frozen = closedNow({ freeze: [], maintenance: [window] }, NOW);
    const back = rollout([progress('1', 'pending')], { kind: 'rollback', phase: { kind: 'planned' } });
    expect(decide(back, { ...calm, frozen }, NOW)).toMatchObject({
      next: 'record',
      body: { kind: 'wave-started' },
    });
  });

  it('inside of one it begins', () => {
    const monday = Date.UTC(2026, 0, 5, 0, 30);
    expect(closedNow({ freeze: [], maintenance: [window] }, monday)).toBeNull();
  });

  it('a freeze is told before a window, and holds inside of one too', () => {
    expect(closedNow({ freeze: [freeze], maintenance: [window] }, NOW)).toBe(freeze);
    const monday = Date.UTC(2026, 0, 5, 0, 30);
    const over = { ...freeze, until: monday + HOUR };
    expect(closedNow({ freeze: [over], maintenance: [window] }, monday)).toBe(over);
  });

  it('without windows it is always open', () => {
    expect(closedNow({ freeze: [] }, NOW)).toBeNull();
  });
});

describe('everything that closes it', () => {
  it('is a freeze and a window, with the moment at which both are past', () => {
    // The freeze ends on Friday at one o'clock, the window opens on Monday.
    expect(closingNow({ freeze: [freeze], maintenance: [window] }, NOW)).toMatchObject({
      why: [{ reason: 'the end of the year' }, { code: 'outside-window' }],
      opens: Date.UTC(2026, 0, 5),
    });
  });

  it('is past only where no freeze lies over the opening', () => {
    const over = { from: Date.UTC(2026, 0, 4), until: Date.UTC(2026, 0, 6), reason: 'a fair' };
    expect(closingNow({ freeze: [over], maintenance: [window] }, NOW)).toMatchObject({
      why: [{ code: 'outside-window' }],
      opens: Date.UTC(2026, 0, 12),
    });
  });

  it('may have no end that is known', () => {
    const never = { ...window, untilMinute: 0, fromMinute: 1 };
    const always = Array.from({ length: 60 }, (_, week) => ({
      from: NOW + week * 7 * 24 * HOUR,
      until: NOW + (week + 1) * 7 * 24 * HOUR,
      reason: 'week after week',
    }));
    expect(closingNow({ freeze: always, maintenance: [never] }, NOW)?.opens).toBeNull();
  });

  it('is nothing where it is open', () => {
    expect(closingNow({ freeze: [] }, NOW)).toBeNull();
    expect(closingNow({ freeze: [], maintenance: [window] }, Date.UTC(2026, 0, 5, 0, 30))).toBeNull();
  });
});
