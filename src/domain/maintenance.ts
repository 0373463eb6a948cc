/**
 * Windows in which changes may begin, in the time of a place. Pure.
 *
 * MW1  A window is of the day on which it begins: one that goes past midnight belongs to the day before.
 * MW2  Where a clock is put forward or back, the wall clock decides: what it does not show is never open, what it shows twice is open twice.
 */

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

export interface MaintenanceWindow {
  readonly days: readonly Weekday[];
  /** Minutes since midnight, 0 to 1439; `until` may be 1440, and at or below `from`: it ends on the next day. */
  readonly fromMinute: number;
  readonly untilMinute: number;
  /** As the time zone database names it, such as `Europe/Berlin`. */
  readonly timeZone: string;
}

/** Whether the runtime knows the time zone. */
export function isTimeZone(name: string): boolean {
  try {
    // A bare offset such as +02:00 is understood too, and does not know summer.
    return /^[A-Za-z]/.test(name) && clockOf(name).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** `HH:MM` as minutes since midnight, `24:00` included; null: it is none. */
export function minuteOf(text: string): number | null {
  const match = /^(\d{2}):(\d{2})$/.exec(text);
  const minute = Number(match?.[1] ?? Number.NaN) * 60 + Number(match?.[2] ?? Number.NaN);
  return match !== null && Number(match[2]) < 60 && minute <= 1440 ? minute : null;
}

/** `at` is ms since the epoch. */
export function isOpen(windows: readonly MaintenanceWindow[], at: number): boolean {
  return windows.some((window) => isOpenIn(window, at));
}

/** How far ahead an opening is looked for, ms: every window comes again within a week, and summer time shifts it by an hour. */
const AHEAD_MS = 8 * 86_400_000;
const MINUTE_MS = 60_000;

/** The first whole minute at or after `at` at which one is open; null: there is none within eight days. */
export function nextOpening(windows: readonly MaintenanceWindow[], at: number): number | null {
  const first = Math.ceil(at / MINUTE_MS) * MINUTE_MS;
  for (let minute = first; minute <= at + AHEAD_MS; minute += MINUTE_MS) {
    if (isOpen(windows, minute)) return minute;
  }
  return null;
}

function isOpenIn({ days, fromMinute, untilMinute, timeZone }: MaintenanceWindow, at: number): boolean {
  const { weekday, minute } = wallClock(timeZone, at);
  if (fromMinute < untilMinute) return days.includes(weekday) && minute >= fromMinute && minute < untilMinute;
  // MW1.
  return (
    (days.includes(weekday) && minute >= fromMinute) ||
    (days.includes(dayBefore(weekday)) && minute < untilMinute)
  );
}

function dayBefore(day: Weekday): Weekday {
  return WEEKDAYS[(WEEKDAYS.indexOf(day) + 6) % 7] ?? 'mon';
}

/** Formatters are slow to make, and a search asks thousands of times. */
const CLOCKS = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = CLOCKS.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  CLOCKS.set(timeZone, made);
  return made;
}

function wallClock(timeZone: string, at: number): { readonly weekday: Weekday; readonly minute: number } {
  const clock = clockOf(timeZone);
  const parts = new Map(clock.formatToParts(at).map(({ type, value }) => [type, value]));
  const weekday = (parts.get('weekday') ?? '').toLowerCase() as Weekday;
  return { weekday, minute: Number(parts.get('hour')) * 60 + Number(parts.get('minute')) };
}
