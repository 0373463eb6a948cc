/** Where measured series are asked for. */
import type { Sample } from '../domain/gate.ts';
import type { Result } from '../domain/result.ts';

export interface RangeQuery {
  readonly query: string;
  /** First and last step, ms since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
}

export interface MetricSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** NaN and infinities stay as they are. */
  readonly samples: readonly Sample[];
}

export interface RangeAnswer {
  readonly series: readonly MetricSeries[];
  /** Anything here means that the answer is not whole. */
  readonly warnings: readonly string[];
}

export interface MetricsError {
  readonly kind: 'unavailable' | 'rejected' | 'invalid-answer';
  readonly message: string;
}

/** A store of time series that speaks PromQL. */
export interface Metrics {
  range(query: RangeQuery): Promise<Result<RangeAnswer, MetricsError>>;
}
