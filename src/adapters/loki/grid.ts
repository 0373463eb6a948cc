/**
 * Which times are asked for. Loki's query frontend moves the beginning and the end of a range to whole multiples of the step, so that
 * times of our own would come back as others: whole multiples are asked for, each for the step of ours that it lies in.
 */
import { err, ok, type Result } from '../../domain/result.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import type { WitnessQuestion } from '../../ports/witness.ts';

export interface Grid {
  /** ms since the epoch, and as distance. */
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  /** Our own times, and what is asked for instead: no later, and by less than a step earlier. */
  readonly steps: readonly { readonly at: number; readonly asked: number }[];
}

/** Loki refuses more than 11,000 points a series. */
const MOST_STEPS = 10_000;

export function alignedRange({ from, to, stepMs }: WitnessQuestion): Result<Grid, MetricsError> {
  const count = stepMs > 0 ? Math.floor((to - from) / stepMs) : 0;
  if (!(count <= MOST_STEPS)) {
    const message = `${count} points a series are more than ${MOST_STEPS}: raise the distance of samples`;
    return err({ kind: 'rejected', message });
  }
  const steps = Array.from({ length: Math.max(0, count) }, (_, index) => {
    const at = from + (index + 1) * stepMs;
    return { at, asked: Math.floor(at / stepMs) * stepMs };
  });
  const startMs = steps.at(0)?.asked ?? 0;
  // One more: the end of a range does not belong to it everywhere.
  return ok({ startMs, endMs: (steps.at(-1)?.asked ?? 0) + 1, stepMs, steps });
}
