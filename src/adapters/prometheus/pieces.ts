/** Prometheus refuses a range of more than 11,000 points a series (web/api/v1, query_range): longer ones go in pieces. */
import type { Sample } from '../../domain/gate.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { MetricSeries, MetricsError, RangeAnswer, RangeQuery } from '../../ports/metrics.ts';

/** A round number below the refusal. */
export const MAX_POINTS = 10_000;

/** Beyond this the question itself is wrong: 100,000 points are two weeks at 12 s. */
const MAX_PIECES = 10;

/** Cuts a range on its own grid; none of its steps is asked twice or left out. A range without a step is no piece. */
export function splitRange(query: RangeQuery): Result<readonly RangeQuery[], MetricsError> {
  const { from, to, stepMs } = query;
  if (!(stepMs > 0) || !Number.isFinite(from) || !Number.isFinite(to)) {
    return err({ kind: 'rejected', message: `no range: from ${from} to ${to} in steps of ${stepMs} ms` });
  }
  const points = Math.floor((to - from) / stepMs) + 1;
  if (points > MAX_POINTS * MAX_PIECES) {
    const message = `${points} points a series are more than ${MAX_POINTS * MAX_PIECES}: raise the distance of samples`;
    return err({ kind: 'rejected', message });
  }
  const pieces: RangeQuery[] = [];
  for (let first = 0; first < points; first += MAX_POINTS) {
    const last = Math.min(first + MAX_POINTS, points) - 1;
    pieces.push({ ...query, from: from + first * stepMs, to: from + last * stepMs });
  }
  return ok(pieces);
}

/** Puts pieces together. Two series with the same labels inside one piece stay two. */
export function joinPieces(answers: readonly RangeAnswer[]): RangeAnswer {
  const [only] = answers;
  if (only !== undefined && answers.length === 1) return only;
  const joined = new Map<string, { readonly labels: MetricSeries['labels']; readonly samples: Sample[] }>();
  for (const answer of answers) {
    const times = new Map<string, number>();
    for (const { labels, samples } of answer.series) {
      const name = JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
      const nth = times.get(name) ?? 0;
      times.set(name, nth + 1);
      const key = `${nth} ${name}`;
      const known = joined.get(key);
      if (known === undefined) joined.set(key, { labels, samples: [...samples] });
      else for (const sample of samples) known.samples.push(sample);
    }
  }
  const warnings = new Set(answers.flatMap((answer) => answer.warnings));
  return { series: [...joined.values()], warnings: [...warnings] };
}
