/** A parsed JSON value that has keys: what every reader of foreign text asks first. */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
