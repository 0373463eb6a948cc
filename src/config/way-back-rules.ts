/** What is right about the way back and may yet not be meant, and where its keys would do nothing. They trust no shape, as rules.ts. */
import { formatDuration, parseDuration } from '../domain/duration.ts';
import { LIFECYCLE_VERBS } from '../domain/lifecycle.ts';
import { type Fault, fault } from './problem.ts';
import { readKey } from './schema-walk.ts';
import { has } from './written-shape.ts';

/** Below it a wave hardly ever comes to its verdict before a host must be told to wait on, ms. */
const SHORT_MS = 300_000;

/** Of an environment's file. */
export function wayBackNotes(written: unknown): Fault[] {
  const after = durationAt(readKey(written, 'revertTimer'), 'after');
  if (after === null) return [];
  const path = ['revertTimer', 'after'];
  const every = durationAt(written, 'sampleEvery') ?? 60_000;
  if (after < SHORT_MS) {
    const message = `hosts go back by themselves ${formatDuration(after)} after they were last heard of: a program that is started again, or a schedule of rollout advance, may well be too late for that`;
    return [fault(path, message, { found: formatDuration(after), allowed: ['5m or more'] })];
  }
  if (after >= 10 * every) return [];
  const message = `hosts go back by themselves after ${formatDuration(after)}, fewer than ten samples of the gates (sampleEvery ${formatDuration(every)})`;
  return [fault(path, message, { found: formatDuration(after) })];
}

/** Of a playbook. */
export function wayBackFaults(written: unknown): Fault[] {
  const action = readKey(written, 'action');
  const isLifecycle = LIFECYCLE_VERBS.some((verb) => verb === action);
  const idle = isLifecycle
    ? ['revertTimer', 'guard', 'database']
    : action === 'rollback'
      ? ['revertTimer', 'guard']
      : [];
  const why = isLifecycle
    ? `${String(action)} changes no version, so that there is no way back from one`
    : 'a rollback is itself the way back, and arms nothing';
  return idle.filter((key) => has(written, key)).map((key) => fault([key], why, { part: 'key', found: key }));
}

function durationAt(value: unknown, key: string): number | null {
  const text = readKey(value, key);
  const parsed = typeof text === 'string' ? parseDuration(text) : null;
  return parsed?.ok === true ? parsed.value : null;
}
