/** Points in time as people write them. */

const DAY_MS = 86_400_000;

/** What is taken, by example. */
export const MOMENT_EXAMPLES = ['2027-01-31', '2027-01-31T18:00:00Z', '2027-01-31T18:00:00+02:00'] as const;

/**
 * Ms since the epoch; null for anything but a date, which is UTC, or a time with its zone. `edge` says whether a date means
 * its first moment or the first one behind it.
 */
export function parseMoment(text: string, edge: 'start' | 'end'): number | null {
  const match = /^(\d{4}-\d{2}-\d{2})(T\d{2}:\d{2}(?::\d{2})?(?:Z|[+-]\d{2}:\d{2}))?$/.exec(text);
  const day = match?.[1];
  if (day === undefined) return null;
  const midnight = Date.parse(`${day}T00:00:00Z`);
  // The engine takes 30 February for 2 March.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return null;
  if (match?.[2] === undefined) return edge === 'end' ? midnight + DAY_MS : midnight;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}
