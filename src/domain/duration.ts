/**
 * Durations as people write them: `500ms`, `10s`, `30m`, `1h30m`, `24h`, `2d`. Whole numbers with a unit each, larger
 * units first, no blanks, no sign: what the npm parsers let through (`10`, `-5m`, `24 h foo`) is refused here.
 */
import { err, ok, type Result } from './result.ts';

const DAY_MS = 86_400_000;

/** In the order in which they must be written. */
const UNITS: readonly (readonly [string, number])[] = [
  ['d', DAY_MS],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
  ['ms', 1],
];

/** Longest duration that is taken: anything beyond a year is a slip of the hand. */
export const MAX_DURATION_MS = 366 * DAY_MS;

/** The same rule as a pattern, for editors; `parseDuration` says more. */
export const DURATION_PATTERN = '^(?=\\d)(\\d+d)?(\\d+h)?(\\d+m)?(\\d+s)?(\\d+ms)?$';

const FORM =
  'a duration is whole numbers with units, larger first, such as 500ms, 10s, 30m, 1h30m, 24h or 2d';

/** Milliseconds, or one sentence about what is wrong with the text. */
export function parseDuration(text: string): Result<number, string> {
  if (text === '') return err(`it is empty; ${FORM}`);
  if (/^\d+$/.test(text)) return err(`the unit is missing; write ${text}s, ${text}m or ${text}h`);
  let rest = text;
  let unitsLeft = UNITS;
  let total = 0;
  while (rest !== '') {
    const part = /^(\d+)([a-z]+)/.exec(rest);
    if (part === null) return err(`\`${rest}\` is not a number with a unit; ${FORM}`);
    const [whole, digits = '', unit = ''] = part;
    const index = unitsLeft.findIndex(([name]) => name === unit);
    if (index < 0) {
      return UNITS.some(([name]) => name === unit)
        ? err(`\`${unit}\` comes twice or after a smaller unit; ${FORM}`)
        : err(`\`${unit}\` is no unit; the units are d, h, m, s and ms`);
    }
    total += Number(digits) * (unitsLeft[index]?.[1] ?? 0);
    if (!(total <= MAX_DURATION_MS)) return err('it is longer than 366d, the longest that is taken');
    unitsLeft = unitsLeft.slice(index + 1);
    rest = rest.slice(whole.length);
  }
  return ok(total);
}

/**
 * The shortest text that `parseDuration` reads back as the same number. Hours go up to 47, because people say `24h`.
 * Fractions of a millisecond are rounded; a negative duration (a clock that jumped) gets a minus sign.
 */
export function formatDuration(ms: number): string {
  let rest = Math.round(Math.abs(ms));
  if (!Number.isFinite(rest)) return String(ms);
  if (rest === 0) return '0s';
  let text = ms < 0 ? '-' : '';
  for (const [unit, size] of UNITS) {
    if (unit === 'd' && rest < 2 * DAY_MS) continue;
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}
