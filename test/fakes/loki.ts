/**
 * Loki's query_range on loopback, for `sum by (host)(count_over_time({...}[W]))`: series only of hosts with lines, no more than its limit,
 * times moved to whole multiples of the step as its query frontend does (pkg/querier/queryrange/splitters.go).
 */
import { type AskedOf, type HttpBackend, startBackend, type ToldAnswer } from './http-backend.ts';

export interface FakeLoki extends HttpBackend {
  /** Lines of a host in the window that ends at a time; 0: no series. */
  lines: ReadonlyMap<string, (at: number) => number>;
  label: string;
  tenant: string | undefined;
  /** limits_config.max_query_series. */
  mostSeries: number;
  warnings: string[];
  /** Another series of each host: the query does not sum by the host alone. */
  twice: boolean;
  readonly queries: string[];
}

export async function startLoki(): Promise<FakeLoki> {
  const backend = await startBackend((asked) => answer(fake, asked));
  const fake: FakeLoki = Object.assign(backend, {
    lines: new Map<string, (at: number) => number>(),
    label: 'host',
    tenant: undefined,
    mostSeries: 500,
    warnings: [],
    twice: false,
    queries: [],
  });
  return fake;
}

function answer(fake: FakeLoki, { method, url, headers, body }: AskedOf): ToldAnswer {
  if (method !== 'POST' || url.pathname !== '/loki/api/v1/query_range')
    return { status: 404, body: '404 page not found\n' };
  if (headers['x-scope-orgid'] !== fake.tenant) return { status: 401, body: 'no org id\n' };
  const form = new URLSearchParams(body);
  const query = form.get('query') ?? '';
  fake.queries.push(query);
  if (query.includes('parse error'))
    return { status: 400, body: 'parse error at line 1, col 1: syntax error\n' };
  const [start, end] = [milliseconds(form.get('start')), milliseconds(form.get('end'))];
  const step = Number(form.get('step')) * 1_000;
  if (!(end > start) || !(step > 0))
    return { status: 400, body: 'end timestamp must not be before or equal to start time\n' };
  const times: number[] = [];
  const last = Math.ceil(end / step) * step;
  for (let at = Math.floor(start / step) * step; at <= last; at += step) times.push(at);
  const total = query.startsWith('sum(');
  const quoted = /=~("(?:[^"\\]|\\.)*")/.exec(query)?.[1];
  const pattern = quoted === undefined ? undefined : (JSON.parse(quoted) as string);
  const wanted = pattern === undefined ? null : new RegExp(`^(?:${pattern})$`);
  const asked = [...fake.lines].filter(([name]) => wanted === null || wanted.test(name));
  const series = total
    ? [{ metric: {}, values: values(times, (at) => sum([...fake.lines.values()].map((count) => count(at)))) }]
    : asked.map(([name, count]) => ({ metric: { [fake.label]: name }, values: values(times, count) }));
  const result = series.filter((one) => one.values.length > 0);
  if (result.length > fake.mostSeries)
    return { status: 400, body: `maximum of series (${fake.mostSeries}) reached for a single query\n` };
  const all = fake.twice ? [...result, ...result] : result;
  const data = { resultType: 'matrix', result: all, stats: { summary: {} } };
  return {
    body: { status: 'success', data, ...(fake.warnings.length === 0 ? {} : { warnings: fake.warnings }) },
  };
}

/** A window without lines has no sample: count_over_time knows no 0. */
function values(times: readonly number[], count: (at: number) => number): [number, string][] {
  return times.flatMap((at): [number, string][] => (count(at) > 0 ? [[at / 1_000, String(count(at))]] : []));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function milliseconds(nanoseconds: string | null): number {
  return Number(BigInt(nanoseconds ?? '0') / 1_000_000n);
}
