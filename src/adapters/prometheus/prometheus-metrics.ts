/**
 * Prometheus (or Thanos, Mimir: whatever speaks its API) as the Metrics port.
 *
 * P1  Whatever does not come whole and as documented is an error, never an empty answer.
 * P2  Credentials and attempts are as http/asker.ts has them (H1, H2).
 */
import type { PrometheusSettings } from '../../domain/connection.ts';
import { ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Metrics, MetricsError, RangeAnswer, RangeQuery } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import { type Asker, endpointOf, openAsker } from '../http/asker.ts';
import { parseRangeAnswer, readErrorText } from '../http/range-answer.ts';
import { unavailable } from '../http/reply.ts';
import { joinPieces, splitRange } from './pieces.ts';

export interface PrometheusOptions
  extends Pick<PrometheusSettings, 'auth' | 'caFile' | 'timeoutMs' | 'parameters' | 'tenant'> {
  /** Base URL, asked for before every query: the sandbox's address is known only while it runs. */
  readonly url: () => Promise<Result<string, string>>;
  readonly secrets: SecretReader;
  readonly clock: Clock;
  /** Largest answer, bytes. Default 64 MiB: 300 hosts times 5,000 samples are about 40 MB. */
  readonly maxAnswerBytes?: number;
}

const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

const SETTING = 'prometheus';

export function prometheusMetrics(options: PrometheusOptions): Metrics {
  const { auth, caFile, timeoutMs, secrets, clock, maxAnswerBytes = MAX_ANSWER_BYTES } = options;
  const asker = openAsker({
    auth,
    ...(caFile === undefined ? {} : { caFile }),
    timeoutMs,
    maxAnswerBytes,
    setting: SETTING,
    secrets,
    clock,
  });
  return {
    async range(query) {
      const pieces = splitRange(query);
      if (!pieces.ok) return pieces;
      const answers: RangeAnswer[] = [];
      for (const piece of pieces.value) {
        const answer = await ask(options, asker, piece);
        if (!answer.ok) return answer;
        answers.push(answer.value);
      }
      return ok(joinPieces(answers));
    },
  };
}

async function ask(
  options: PrometheusOptions,
  asker: Asker,
  query: RangeQuery,
): Promise<Result<RangeAnswer, MetricsError>> {
  const base = await options.url();
  if (!base.ok) return unavailable(base.error);
  const url = endpointOf(base.value, '/api/v1/query_range', SETTING);
  if (!url.ok) return url;
  return asker.ask(
    {
      method: 'POST',
      url: url.value,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(options.tenant === undefined ? {} : { 'x-scope-orgid': options.tenant }),
      },
      body: formBody(options, query),
    },
    { read: ({ text }) => parseRangeAnswer(text), words: readErrorText },
  );
}

function formBody({ parameters, timeoutMs }: PrometheusOptions, query: RangeQuery): string {
  const form = new URLSearchParams({
    query: query.query,
    start: (query.from / 1000).toFixed(3),
    end: (query.to / 1000).toFixed(3),
    step: String(query.stepMs / 1000),
    // So that the backend stops computing what nobody waits for any more.
    timeout: `${timeoutMs}ms`,
  });
  for (const [name, value] of Object.entries(parameters)) form.set(name, value);
  return form.toString();
}
