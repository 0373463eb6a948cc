/**
 * Reads the text of an answer of Prometheus' `/api/v1/query_range`, which Loki's has the shape of. Whatever is not exactly the
 * documented shape is `invalid-answer`: a number guessed out of it could pass a gate.
 *
 * Shape: https://prometheus.io/docs/prometheus/latest/querying/api/ (format overview, range queries). `infos` are hints
 * about the query and are left out; `warnings` mean that the answer is not whole.
 */
import type { Sample } from '../../domain/gate.ts';
import { isRecord } from '../../domain/is-record.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { MetricSeries, MetricsError, RangeAnswer } from '../../ports/metrics.ts';
import { excerpt, notUnderstood, parseJson, show } from './reply.ts';

export function parseRangeAnswer(text: string): Result<RangeAnswer, MetricsError> {
  const body = parseJson(text);
  if (!isRecord(body)) return notUnderstood(`no JSON object but ${excerpt(text)}`);
  if (body['status'] === 'error') {
    const known = readErrorText(text);
    return err({ kind: 'rejected', message: known ?? 'status "error" without a reason' });
  }
  if (body['status'] !== 'success') return notUnderstood(`status is ${show(body['status'])}, not "success"`);
  const warnings = body['warnings'] ?? [];
  if (!Array.isArray(warnings)) return notUnderstood(`warnings is ${show(warnings)}, not a list`);
  const data = body['data'];
  if (!isRecord(data)) return notUnderstood(`data is ${show(data)}, not an object`);
  if (data['resultType'] !== 'matrix')
    return notUnderstood(`resultType is ${show(data['resultType'])}, not "matrix"`);
  if (!Array.isArray(data['result'])) return notUnderstood(`result is ${show(data['result'])}, not a list`);
  const series: MetricSeries[] = [];
  for (const item of data['result']) {
    const read = readSeries(item);
    if (!read.ok) return read;
    series.push(read.value);
  }
  return ok({
    series,
    warnings: warnings.map((warning) => (typeof warning === 'string' ? warning : show(warning))),
  });
}

/** Prometheus' own words out of an error answer, such as `bad_data: 1:5: parse error: ...`; undefined if it is none. */
export function readErrorText(text: string): string | undefined {
  const body = parseJson(text);
  if (!isRecord(body) || typeof body['error'] !== 'string') return undefined;
  const type = typeof body['errorType'] === 'string' ? `${body['errorType']}: ` : '';
  return `${type}${body['error']}`.slice(0, 1_000);
}

function readSeries(item: unknown): Result<MetricSeries, MetricsError> {
  if (!isRecord(item)) return notUnderstood(`a series is ${show(item)}, not an object`);
  const { metric, values, histograms } = item;
  if (!isRecord(metric)) return notUnderstood(`metric is ${show(metric)}, not an object of labels`);
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(metric)) {
    if (typeof value !== 'string') return notUnderstood(`label ${name} is ${show(value)}, not a text`);
    labels[name] = value;
  }
  if (histograms !== undefined) return notUnderstood('a native histogram came where numbers were meant');
  if (!Array.isArray(values)) return notUnderstood(`values is ${show(values)}, not a list`);
  const samples: Sample[] = [];
  for (const pair of values as readonly unknown[]) {
    const sample = readSample(pair);
    if (sample === undefined) return notUnderstood(`a sample is ${show(pair)}, not [seconds, "number"]`);
    samples.push(sample);
  }
  return ok({ labels, samples });
}

function readSample(pair: unknown): Sample | undefined {
  if (!Array.isArray(pair) || pair.length !== 2) return undefined;
  const [seconds, text] = pair as readonly unknown[];
  if (typeof seconds !== 'number' || typeof text !== 'string') return undefined;
  const value = readNumber(text);
  return value === undefined ? undefined : { at: Math.round(seconds * 1000), value };
}

/** Not Number(): it reads '' as 0. */
function readNumber(text: string): number | undefined {
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  if (text === 'NaN') return Number.NaN;
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  return text === '-Inf' ? Number.NEGATIVE_INFINITY : undefined;
}
