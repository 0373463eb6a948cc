/**
 * `--json`: NDJSON on stdout, one object a line, for programs. Each has `v` (1) and `type`:
 * `event` while a rollout works (the engine's events as they are), `result` once at the end, `refusal` when nothing
 * was done, and for queries the thing asked for. Fields are added within a version, never changed or taken away.
 */
import type { Invocation } from './invocation.ts';

export const JSON_VERSION = 1;

export function jsonLine(
  invocation: Invocation,
  type: string,
  fields: Readonly<Record<string, unknown>>,
): void {
  invocation.output.out(jsonText(type, fields));
}

export function jsonText(type: string, fields: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ v: JSON_VERSION, type, ...fields }, plain);
}

/** Maps become objects. */
function plain(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}
