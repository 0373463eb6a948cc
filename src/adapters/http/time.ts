/** Times as Go's servers write them. */

/** ms since the epoch; null for Go's zero time, which means never; undefined for what is no time (RFC 3339). */
export function readTime(value: unknown): number | null | undefined {
  if (value === null) return null;
  if (typeof value !== 'string') return undefined;
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value)) return undefined;
  const at = Date.parse(value);
  if (Number.isNaN(at)) return undefined;
  return at <= 0 ? null : at;
}
