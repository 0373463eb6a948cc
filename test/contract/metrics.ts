/** What every Metrics does, whatever it is made of. Run on the fake, on the HTTP adapter, and on a real Prometheus. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Metrics, RangeAnswer, RangeQuery } from '../../src/ports/metrics.ts';

/** A backend, and how each of these is asked for in its language. Series carry their host in the label `host`. */
export interface MetricsHarness {
  readonly metrics: Metrics;
  readonly queries: {
    /** h1 is always 7. */
    readonly one: string;
    /** h1 is always 1, h2 always 2. */
    readonly two: string;
    /** No series at all. */
    readonly none: string;
    readonly nan: string;
    readonly infinite: string;
    readonly negativeInfinite: string;
    /** Not a query. */
    readonly broken: string;
  };
  close(): Promise<void>;
}

/** Milliseconds that seconds as a float do not hold exactly. */
const FROM = 1_772_334_725_123;

export function metricsContract(name: string, make: () => Promise<MetricsHarness>): void {
  describe(`${name} is a metrics backend`, () => {
    let harness: MetricsHarness;
    beforeEach(async () => {
      harness = await make();
    });
    afterEach(() => harness.close());

    const ask = async (query: string, range: Partial<RangeQuery> = {}): Promise<RangeAnswer> => {
      const result = await harness.metrics.range({
        query,
        from: FROM,
        to: FROM + 4_000,
        stepMs: 1_000,
        ...range,
      });
      return result.ok ? result.value : expect.fail(result.error.message);
    };

    it('answers at every step, both ends included, to the millisecond', async () => {
      const { series, warnings } = await ask(harness.queries.one);
      expect(warnings).toEqual([]);
      expect(series).toHaveLength(1);
      expect(series[0]?.labels['host']).toBe('h1');
      expect(series[0]?.samples).toEqual([0, 1, 2, 3, 4].map((k) => ({ at: FROM + k * 1_000, value: 7 })));
    });

    it('answers one step where the range is a moment', async () => {
      const { series } = await ask(harness.queries.one, { to: FROM });
      expect(series.map((one) => one.samples)).toEqual([[{ at: FROM, value: 7 }]]);
    });

    it('stops at the last whole step before the end', async () => {
      const { series } = await ask(harness.queries.one, { to: FROM + 1_999 });
      expect(series[0]?.samples.map((sample) => sample.at)).toEqual([FROM, FROM + 1_000]);
    });

    it('gives one series a host', async () => {
      const { series } = await ask(harness.queries.two, { to: FROM });
      const byHost = new Map(series.map((one) => [one.labels['host'], one.samples[0]?.value]));
      expect(byHost).toEqual(
        new Map([
          ['h1', 1],
          ['h2', 2],
        ]),
      );
    });

    it('gives no series where there is none, which is no error', async () => {
      expect(await ask(harness.queries.none)).toEqual({ series: [], warnings: [] });
    });

    it('leaves NaN and the infinities as they are', async () => {
      const first = async (query: string) => (await ask(query, { to: FROM })).series[0]?.samples[0]?.value;
      expect(await first(harness.queries.nan)).toBeNaN();
      expect(await first(harness.queries.infinite)).toBe(Number.POSITIVE_INFINITY);
      expect(await first(harness.queries.negativeInfinite)).toBe(Number.NEGATIVE_INFINITY);
    });

    it('rejects what is no query, and says why', async () => {
      const result = await harness.metrics.range({
        query: harness.queries.broken,
        from: FROM,
        to: FROM,
        stepMs: 1_000,
      });
      expect(result).toMatchObject({ ok: false, error: { kind: 'rejected' } });
      expect(result.ok ? '' : result.error.message).toMatch(/parse error/);
    });

    it('answers more steps than one request may have', async () => {
      const { series } = await ask(harness.queries.one, { to: FROM + 12_000 * 1_000 });
      const times = series[0]?.samples.map((sample) => sample.at) ?? [];
      expect(series).toHaveLength(1);
      expect(times).toHaveLength(12_001);
      expect(times.every((at, k) => at === FROM + k * 1_000)).toBe(true);
    });
  });
}
