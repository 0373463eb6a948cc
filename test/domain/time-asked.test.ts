import { describe, expect, it } from 'vitest';
import { parseTimeAsked } from '../../src/domain/time-asked.ts';

const now = Date.UTC(2026, 10, 21, 12);

describe('the time of a question', () => {
  it.each([
    ['now', now],
    ['2h', now - 7_200_000],
    ['1d12h', now - 129_600_000],
    ['2026-11-20T18:00Z', Date.UTC(2026, 10, 20, 18)],
    ['2026-11-20T18:00:30+02:00', Date.UTC(2026, 10, 20, 16, 0, 30)],
    // The end of that day.
    ['2026-11-20', Date.UTC(2026, 10, 21)],
    // Today is not over.
    ['2026-11-21', now],
  ])('%s is understood', (text, at) => {
    expect(parseTimeAsked(text, now)).toEqual({ ok: true, value: at });
  });

  it.each([
    ['2026-11-20T18:00', 'the zone is missing; for UTC write 2026-11-20T18:00Z'],
    ['2026-11-20 18:00', 'the zone is missing; for UTC write 2026-11-20T18:00Z'],
    ['2026-11-20 18:00Z', 'write it as 2026-11-20T18:00Z'],
    ['2026-11-20T18:00+0200', 'write it as 2026-11-20T18:00+02:00'],
    ['2026-11-22', 'it is in the future'],
    ['2026-02-30', 'there is no such date'],
    ['2', 'the unit is missing; write 2h'],
    ['2w', '`w` is no unit'],
    ['yesterday', 'not a time; write a time with its zone'],
    ['', 'it is empty'],
  ])('%s is refused with what to write instead', (text, why) => {
    const parsed = parseTimeAsked(text, now);
    expect(parsed.ok ? '' : parsed.error).toContain(why);
  });
});
