/**
 * Loki as a witness: do the hosts' logs still arrive. One query an evaluation, cut into several where there are many hosts.
 *
 * L1  Loki gives no series for a host without lines, so that a missing host has 0; but only at a step at which something above 0 proves
 *     that logs arrive at all: a series of any host, or the query `alive`. Else it has no number: an empty answer is no data.
 * L2  A part that is missing makes it an error; warnings mean that the answer is not whole.
 * L3  A window that reaches behind the change of a host says nothing about the new version: no number.
 */
import type { Sample } from '../../domain/gate.ts';
import { renderQuery } from '../../domain/gate-query.ts';
import type { HostId } from '../../domain/host.ts';
import { hostValueFor } from '../../domain/host-value.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { LokiSettings } from '../../domain/witness.ts';
import type { Clock } from '../../ports/clock.ts';
import type { MetricSeries, MetricsError, RangeAnswer } from '../../ports/metrics.ts';
import type { SecretReader } from '../../ports/secrets.ts';
import type { Witness, WitnessAnswer, WitnessHost, WitnessQuestion } from '../../ports/witness.ts';
import { type Asker, endpointOf, openAsker } from '../http/asker.ts';
import { parseRangeAnswer } from '../http/range-answer.ts';
import { readErrorWords } from './error-words.ts';
import { alignedRange, type Grid } from './grid.ts';

export interface LokiOptions {
  readonly settings: LokiSettings;
  /** Its name in the environment's file. */
  readonly name: string;
  readonly secrets: SecretReader;
  readonly clock: Clock;
}

/** Loki refuses a query with more than 500 series (limits_config.max_query_series). */
const MOST_HOSTS = 400;

/** Queries in flight at once. */
const PARALLEL = 4;

/** Bytes: 400 hosts times 1,000 steps are some 10 MB. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export function lokiWitness({ settings, name, secrets, clock }: LokiOptions): Witness {
  const { auth, caFile, timeoutMs } = settings;
  const setting = `witnesses.${name}`;
  const asker = openAsker({
    auth,
    ...(caFile === undefined ? {} : { caFile }),
    timeoutMs,
    maxAnswerBytes: MAX_ANSWER_BYTES,
    setting,
    secrets,
    clock,
  });
  return {
    shown: `Loki ${settings.url}: ${settings.query}`,
    ask: (question, signal) => askAll({ settings, setting, asker, question, ...(signal && { signal }) }),
  };
}

interface Asking {
  readonly settings: LokiSettings;
  readonly setting: string;
  readonly asker: Asker;
  readonly question: WitnessQuestion;
  readonly signal?: AbortSignal;
}

async function askAll(asking: Asking): Promise<Result<WitnessAnswer, MetricsError>> {
  const { settings, question } = asking;
  const grid = alignedRange(question);
  if (!grid.ok) return grid;
  if (grid.value.steps.length === 0 || question.hosts.length === 0)
    return ok({ kind: 'by-host', byHost: new Map(), ambiguous: [], warnings: [] });
  const byName = hostsByName(question.hosts, settings.hostValue);
  const queries = queriesFor(settings, question.environment, [...byName.keys()]);
  const { alive } = settings;
  const all =
    alive === undefined ? queries : [...queries, ...render(settings, alive, question.environment, [''])];
  const answers = await askSome(asking, grid.value, all);
  if (!answers.ok) return answers;
  return ok(sortOut(asking, grid.value, byName, answers.value));
}

/** Of a query that names no hosts there is one, whatever their number. */
function queriesFor(settings: LokiSettings, environment: string, values: readonly string[]): string[] {
  const { query } = settings;
  if (!/\$hosts\b/.test(query)) return render(settings, query, environment, ['']);
  const queries: string[] = [];
  for (let first = 0; first < values.length; first += MOST_HOSTS)
    queries.push(...render(settings, query, environment, values.slice(first, first + MOST_HOSTS)));
  return queries;
}

/** LogQL's strings are Go's, as PromQL's are, and its regular expressions RE2. */
function render(
  { hostLabel, windowMs }: LokiSettings,
  query: string,
  environment: string,
  hostValues: readonly string[],
): string[] {
  const template = { name: '', query, unit: '', direction: 'below', limit: 0, windowMs, forMs: 0 } as const;
  return [...renderQuery(template, { label: hostLabel, hostValues, process: '', matchers: '', environment })];
}

async function askSome(
  asking: Asking,
  grid: Grid,
  queries: readonly string[],
): Promise<Result<readonly RangeAnswer[], MetricsError>> {
  const waiting = [...queries];
  const answers: RangeAnswer[] = [];
  let failed: MetricsError | null = null;
  const worker = async (): Promise<void> => {
    for (let query = waiting.shift(); query !== undefined && failed === null; query = waiting.shift()) {
      const answer = await askOne(asking, grid, query);
      if (answer.ok) answers.push(answer.value);
      else failed ??= answer.error;
    }
  };
  await Promise.all(Array.from({ length: Math.min(PARALLEL, queries.length) }, worker));
  return failed === null ? ok(answers) : err(failed);
}

async function askOne(
  { settings, setting, asker, signal }: Asking,
  { startMs, endMs, stepMs }: Grid,
  query: string,
): Promise<Result<RangeAnswer, MetricsError>> {
  const url = endpointOf(settings.url, '/loki/api/v1/query_range', setting);
  if (!url.ok) return url;
  const form = { query, start: nanoseconds(startMs), end: nanoseconds(endMs), step: String(stepMs / 1000) };
  return asker.ask(
    {
      method: 'POST',
      url: url.value,
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(settings.tenant === undefined ? {} : { 'x-scope-orgid': settings.tenant }),
      },
      body: new URLSearchParams(form).toString(),
      ...(signal === undefined ? {} : { signal }),
    },
    { read: ({ text }) => parseRangeAnswer(text), words: readErrorWords },
  );
}

/** As text: a number of that size would lose its last digits. */
function nanoseconds(ms: number): string {
  return `${ms}000000`;
}

function sortOut(
  { settings, question }: Asking,
  grid: Grid,
  byName: ReadonlyMap<string, readonly WitnessHost[]>,
  answers: readonly RangeAnswer[],
): WitnessAnswer {
  const { hostLabel, windowMs } = settings;
  const found = new Map<HostId, MetricSeries>();
  const ambiguous = new Set<HostId>();
  const alive = new Set<number>();
  for (const { series } of answers) {
    for (const one of series) {
      for (const { at, value } of one.samples) if (value > 0) alive.add(at);
      for (const { id } of byName.get(one.labels[hostLabel] ?? '') ?? []) {
        if (found.has(id)) ambiguous.add(id);
        found.set(id, one);
      }
    }
  }
  for (const same of byName.values()) if (same.length > 1) for (const { id } of same) ambiguous.add(id);
  const byHost = new Map<HostId, readonly Sample[]>();
  for (const { id, changedAt } of question.hosts) {
    if (ambiguous.has(id)) continue;
    const values = new Map(found.get(id)?.samples.map(({ at, value }) => [at, value]));
    const samples = grid.steps.flatMap(({ at, asked }): Sample[] => {
      if (changedAt > 0 && asked < changedAt + windowMs) return [];
      const value = values.get(asked) ?? (alive.has(asked) ? 0 : null);
      return value === null ? [] : [{ at, value }];
    });
    if (samples.length > 0) byHost.set(id, samples);
  }
  const warnings = new Set(answers.flatMap((answer) => answer.warnings));
  return { kind: 'by-host', byHost, ambiguous: [...ambiguous], warnings: [...warnings] };
}

function hostsByName(hosts: readonly WitnessHost[], template: string): Map<string, WitnessHost[]> {
  const byName = new Map<string, WitnessHost[]>();
  for (const host of hosts) {
    const name = hostValueFor(template, host);
    const same = byName.get(name);
    if (same === undefined) byName.set(name, [host]);
    else same.push(host);
  }
  return byName;
}
