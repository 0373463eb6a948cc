/**
 * Reads the text of an answer of Prometheus' `/api/v1/query_range`. Whatever is not exactly the documented shape is
 * `invalid-answer`: a number guessed out of it could pass a gate.
 *
 * Shape: https://prometheus.io/docs/prometheus/latest/querying/api/ (format overview, range queries). `infos` are hints
 * about the query and are left out; `warnings` mean that the answer is not whole.
 */
import type { Sample } from '../../domain/gate.ts';
import { isRecord } from '../../domain/is-record.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { MetricSeries, MetricsError, RangeAnswer } from '../../ports/metrics.ts';

export function parseRangeAnswer(text: string): Result<RangeAnswer, MetricsError> {
  const body = parseJson(text);
  if (!isRecord(body)) return invalid(`no JSON object but ${excerpt(text)}`);
  if (body['status'] === 'error') {
    const known = readErrorText(text);
    return err({ kind: 'rejected', message: known ?? 'status "error" without a reason' });
  }
  if (body['status'] !== 'success') return invalid(`status is ${show(body['status'])}, not "success"`);
  const warnings = body['warnings'] ?? [];
  if (!Array.isArray(warnings)) return invalid(`warnings is ${show(warnings)}, not a list`);
  const data = body['data'];
  if (!isRecord(data)) return invalid(`data is ${show(data)}, not an object`);
  if (data['resultType'] !== 'matrix')
    return invalid(`resultType is ${show(data['resultType'])}, not "matrix"`);
  if (!Array.isArray(data['result'])) return invalid(`result is ${show(data['result'])}, not a list`);
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

/** The beginning of a text that was not understood, on one line. */
export function excerpt(text: string): string {
  const line = text.slice(0, 400).replaceAll(/\s+/g, ' ').trim();
  if (line === '') return 'an empty body';
  if (/^<(!doctype|html|head|\?xml)/i.test(line)) {
    const title = /<title[^>]*>([^<]*)<\/title>/i.exec(line)?.[1]?.trim();
    return title === undefined ? 'an HTML page' : `an HTML page (${JSON.stringify(title)})`;
  }
  return JSON.stringify(line.slice(0, 120));
}

function readSeries(item: unknown): Result<MetricSeries, MetricsError> {
  if (!isRecord(item)) return invalid(`a series is ${show(item)}, not an object`);
  const { metric, values, histograms } = item;
  if (!isRecord(metric)) return invalid(`metric is ${show(metric)}, not an object of labels`);
  const labels: Record<string, string> = {};
  for (const [name, value] of Object.entries(metric)) {
    if (typeof value !== 'string') return invalid(`label ${name} is ${show(value)}, not a text`);
    labels[name] = value;
  }
  if (histograms !== undefined) return invalid('a native histogram came where numbers were meant');
  if (!Array.isArray(values)) return invalid(`values is ${show(values)}, not a list`);
  const samples: Sample[] = [];
  for (const pair of values as readonly unknown[]) {
    const sample = readSample(pair);
    if (sample === undefined) return invalid(`a sample is ${show(pair)}, not [seconds, "number"]`);
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 80);
}

function invalid(message: string): Result<never, MetricsError> {
  return err({ kind: 'invalid-answer', message: `answer not understood: ${message}` });
}
