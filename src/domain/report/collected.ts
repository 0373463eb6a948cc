/** What a host told for an incident report, out of the steps of the `collect` program: text by its parts, nothing of it believed. Pure. */
import { plainText } from '../host-answer.ts';
import type { HostStep } from '../host-order.ts';

/** Lines by part: `unit`, `log`, `kept`, `load`, and `note:FILE` of what rollout left there. */
export type Collected = ReadonlyMap<string, readonly string[]>;

/** Most lines of one host, and characters of one line. */
const MOST_LINES = 2_000;
const LINE_LIMIT = 500;

export function collectedOf(steps: readonly HostStep[]): Collected {
  const parts = new Map<string, string[]>();
  let lines = 0;
  for (const step of steps) {
    const { part, text } = step as { readonly part?: unknown; readonly text?: unknown };
    if (step.step !== 'line' || typeof part !== 'string' || typeof text !== 'string') continue;
    if (!/^[a-z]+(?::[A-Za-z0-9_./-]{1,100})?$/.test(part) || lines >= MOST_LINES) continue;
    lines += 1;
    const known = parts.get(part);
    const line = masked(plainText(text).slice(0, LINE_LIMIT));
    if (known === undefined) parts.set(part, [line]);
    else known.push(line);
  }
  return parts;
}

/** A log may hold what its writer should not have written: what looks like the value of a secret is left out. */
export function masked(text: string): string {
  return text.replaceAll(
    /((?:secret|token|password|passwd|node_key|authorization|api[_-]?key)["']?\s*[:=]\s*["']?)(?:(?:bearer|basic)\s+)?[^\s"',;]+/giu,
    '$1***',
  );
}
