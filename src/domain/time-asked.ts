/** The TIME of a question about the past, as people type it: a time with its zone, a date, or how long ago. */
import { parseDuration } from './duration.ts';
import { parseMoment } from './moment.ts';
import { err, ok, type Result } from './result.ts';

const TAKEN =
  'a time with its zone such as 2026-11-20T18:00Z, a date such as 2026-11-20, or how long ago such as 2h';

/**
 * Ms since the epoch, never later than `now`, or one sentence about what is wrong. A date means the end of that day, UTC: what
 * was known when it was over; today's means now.
 */
export function parseTimeAsked(text: string, now: number): Result<number, string> {
  if (text === 'now') return ok(now);
  const ago = /^\d+[a-z]/.test(text) ? parseDuration(text) : null;
  if (ago?.ok === true) return ok(now - ago.value);
  if (ago !== null) return err(`not a time: ${ago.error}`);
  const from = parseMoment(text, 'start');
  if (from === null) return err(whyNoMoment(text));
  if (from > now) return err(`it is in the future; now is ${new Date(now).toISOString().slice(0, 19)}Z`);
  return ok(Math.min(now, parseMoment(text, 'end') ?? from));
}

function whyNoMoment(text: string): string {
  if (text.trim() === '') return `it is empty; write ${TAKEN}`;
  const parts = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(
    text,
  );
  const [, day = '', time = '', zone] = parts ?? [];
  if (parts !== null && zone === undefined && parseMoment(`${day}T${time}Z`, 'start') !== null)
    return `the zone is missing; for UTC write ${day}T${time}Z`;
  const meant = `${day}T${time}${zone?.replace(/^([+-]\d{2})(\d{2})$/, '$1:$2').toUpperCase() ?? ''}`;
  if (parts !== null && parseMoment(meant, 'start') !== null) return `write it as ${meant}`;
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) return `there is no such date or time; write ${TAKEN}`;
  if (/^\d+$/.test(text))
    return `the unit is missing; write ${text}h or ${text}m for how long ago, or a date`;
  return `not a time; write ${TAKEN}`;
}
