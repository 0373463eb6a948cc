/**
 * How far a lifecycle action has come, over all environments at once: a live line on a terminal, and in a pipe a line now and
 * then, so that a log of 10,000 hosts stays readable.
 */
import type { EngineEvent } from '../../domain/event.ts';
import type { LifecycleVerb } from '../../domain/lifecycle.ts';
import type { Output } from '../invocation.ts';
import { doneWord, isLeftHeld, lifecycleOutcomeInWords } from './lifecycle-words.ts';
import { hanging, harmless, type Paint, timeOfDay } from './paint.ts';

export type LifecycleAnswered = Extract<EngineEvent, { kind: 'lifecycle-answered' }>;

/** Between two lines of counts in a pipe, ms. */
const PLAIN_EVERY_MS = 5_000;

/** Between two drawings of the live line, ms: no eye is faster, and thousands of hosts answer in a second. */
const DRAW_EVERY_MS = 100;

/** Hosts in trouble that get a line of their own while it works; the ending lists all. */
const MOST_TROUBLED = 20;

export interface ProgressOptions {
  readonly verb: LifecycleVerb;
  readonly now: boolean;
  /** Hosts of all environments. */
  readonly total: number;
  /** Behind the last count: what comes then, such as `; second look in 30s`. `isAnyDone`: somebody is there to be looked at again. */
  readonly then: (isAnyDone: boolean) => string;
  readonly output: Output;
  readonly paint: Paint;
}

export interface LifecycleProgress {
  answered(event: LifecycleAnswered): void;
  /** `stopped 380/415, 12 trying again, 23 waiting`. */
  line(): string;
  /** Nobody is waited for or tried any more. */
  isOver(): boolean;
}

type Standing = 'done' | 'left-held' | 'again' | 'not-done';

export function lifecycleProgress(options: ProgressOptions): LifecycleProgress {
  const { verb, now, total, output, paint } = options;
  const standing = new Map<string, Standing>();
  const told = new Set<string>();
  let lastPlainAt: number | null = null;
  let lastDrawnAt = 0;
  let isAnyDone = false;
  const counts: Record<Standing, number> = { done: 0, 'left-held': 0, again: 0, 'not-done': 0 };
  const line = (): string => {
    const { done, again, 'left-held': held, 'not-done': not } = counts;
    const waiting = Math.max(0, total - standing.size);
    return [
      `${doneWord(verb, now)} ${done}/${total}`,
      held === 0 ? '' : `${held} left stopped, since held`,
      again === 0 ? '' : `${again} trying again`,
      not === 0 ? '' : `${not} not`,
      waiting === 0 ? '' : `${waiting} waiting`,
    ]
      .filter((word) => word !== '')
      .join(', ');
  };
  const isAllOver = (): boolean => counts.done + counts['left-held'] + counts['not-done'] === total;
  return {
    line,
    isOver: isAllOver,
    answered: (event) => {
      const { host, environment, outcome, again } = event;
      const key = `${environment} ${host.id}`;
      const isDone = outcome.kind === 'proven' || outcome.kind === 'gone';
      isAnyDone ||= outcome.kind === 'proven';
      const before = standing.get(key);
      const is: Standing = isDone
        ? isLeftHeld(outcome)
          ? 'left-held'
          : 'done'
        : again
          ? 'again'
          : 'not-done';
      if (before !== undefined) counts[before] -= 1;
      counts[is] += 1;
      standing.set(key, is);
      if (!isDone && !told.has(key) && told.size < MOST_TROUBLED) {
        told.add(key);
        const more = again ? '; trying again' : '';
        const before = `${paint.dim(timeOfDay(event.at))} ${environment}  `;
        const text = `${paint.bad('!!')} ${harmless(host.name)}  ${lifecycleOutcomeInWords(outcome)}${more}`;
        for (const one of hanging(before, text, paint.width)) output.err(one);
      }
      const isOver = isAllOver();
      if (isOver || event.at - lastDrawnAt >= DRAW_EVERY_MS) {
        lastDrawnAt = event.at;
        output.live(isOver ? `${line()}${options.then(isAnyDone)}` : line());
      }
      lastPlainAt ??= event.at;
      if (output.errIsTerminal || (!isOver && event.at - lastPlainAt < PLAIN_EVERY_MS)) return;
      lastPlainAt = event.at;
      output.err(`${paint.dim(timeOfDay(event.at))} ${line()}${isOver ? options.then(isAnyDone) : ''}`);
    },
  };
}
