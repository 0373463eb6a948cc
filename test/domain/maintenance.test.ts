import { describe, expect, it } from 'vitest';
import {
  isOpen,
  isTimeZone,
  type MaintenanceWindow,
  minuteOf,
  nextOpening,
} from '../../src/domain/maintenance.ts';

const at = (text: string): number => Date.parse(text);

const office: MaintenanceWindow = {
  days: ['mon', 'tue', 'wed', 'thu'],
  fromMinute: 9 * 60,
  untilMinute: 16 * 60,
  timeZone: 'Europe/Berlin',
};
const night: MaintenanceWindow = { ...office, days: ['fri'], fromMinute: 22 * 60, untilMinute: 2 * 60 };

describe('a window', () => {
  it('is open by the clock of its place, in winter and in summer', () => {
    // Thursday, 2026-01-15: Berlin is UTC+1; Thursday, 2026-07-16: UTC+2.
    expect(isOpen([office], at('2026-01-15T08:00:00Z'))).toBe(true);
    expect(isOpen([office], at('2026-01-15T07:59:59Z'))).toBe(false);
    expect(isOpen([office], at('2026-07-16T07:00:00Z'))).toBe(true);
    expect(isOpen([office], at('2026-07-16T14:00:00Z'))).toBe(false);
  });

  it('is not open on other days', () => {
    expect(isOpen([office], at('2026-01-16T10:00:00Z'))).toBe(false);
  });

  it('past midnight it belongs to the day on which it began', () => {
    expect(isOpen([night], at('2026-01-16T21:30:00Z'))).toBe(true);
    expect(isOpen([night], at('2026-01-17T00:30:00Z'))).toBe(true);
    expect(isOpen([night], at('2026-01-17T01:00:00Z'))).toBe(false);
    expect(isOpen([night], at('2026-01-16T00:30:00Z'))).toBe(false);
  });

  it('of the whole day goes from midnight to midnight', () => {
    const sunday: MaintenanceWindow = { ...office, days: ['sun'], fromMinute: 0, untilMinute: 1440 };
    expect(isOpen([sunday], at('2026-01-17T23:00:00Z'))).toBe(true);
    expect(isOpen([sunday], at('2026-01-18T22:59:00Z'))).toBe(true);
    expect(isOpen([sunday], at('2026-01-18T23:00:00Z'))).toBe(false);
  });
});

describe('the next opening', () => {
  it('is now, where one is open', () => {
    expect(nextOpening([office], at('2026-01-15T08:00:00Z'))).toBe(at('2026-01-15T08:00:00Z'));
  });

  it('over the weekend is Monday morning', () => {
    expect(nextOpening([office], at('2026-01-15T15:30:20Z'))).toBe(at('2026-01-19T08:00:00Z'));
  });

  it('that a clock put forward leaves out does not come that day', () => {
    // 2026-03-29: 02:00 becomes 03:00 in Berlin.
    const lost: MaintenanceWindow = { ...office, days: ['sun'], fromMinute: 120, untilMinute: 180 };
    expect(nextOpening([lost], at('2026-03-28T12:00:00Z'))).toBe(at('2026-04-05T00:00:00Z'));
  });

  it('of no window is never', () => {
    expect(nextOpening([], at('2026-01-15T08:00:00Z'))).toBeNull();
  });
});

describe('its words', () => {
  it.each([
    ['00:00', 0],
    ['09:30', 570],
    ['24:00', 1440],
    ['24:01', null],
    ['9:30', null],
    ['12:60', null],
    ['', null],
  ])('%j', (text, minute) => expect(minuteOf(text)).toBe(minute));

  it.each([
    ['Europe/Berlin', true],
    ['UTC', true],
    ['Europe/Berlinn', false],
    ['+02:00', false],
    ['', false],
  ])('time zone %j', (name, is) => expect(isTimeZone(name)).toBe(is));
});
