/**
 * How often the default gates roll a good version back, and how often they let a bad one pass, over thousands of made-up fleets; beside it
 * one fixed threshold on the same numbers. Prints its own Markdown table, which the README repeats.
 *
 * The fleets and their days are test/gates/: what they are made of is written there. Seeds are fixed, so the table is the same each time.
 */
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type Outcome, rehearse } from '../test/gates/rehearsal.ts';
import { DEFAULTS, FIXED, SCENARIOS, type Scenario, SIZES, trialOf } from '../test/gates/trials.ts';
import type { BenchRow } from './row.ts';

/** The default gates' numbers were chosen on fleets of lower seeds: a table of those would flatter them. */
const UNSEEN = 500_000_000;

/** Fleets of each scenario, by size: big ones take most of the time. */
const FLEETS = [110, 90, 40, 14, 3] as const;

/**
 * Minutes from one look to the next. The default gates compare, which takes its time, and are looked at every fifth minute; a failing look
 * counts at once then (rehearsal.ts).
 */
const EVERY = { fixed: 1, default: 5 } as const;

const RULES = { fixed: FIXED, default: DEFAULTS } as const;
type Rule = keyof typeof RULES;

interface Job {
  readonly scenario: Scenario;
  readonly size: number;
  readonly seed: number;
}

interface Tried extends Job {
  readonly rule: Rule;
  readonly outcome: Pick<Outcome, 'kind' | 'minute' | 'where' | 'gates'>;
}

const names = Object.keys(SCENARIOS) as Scenario[];

export async function benchFalseAlarms(): Promise<BenchRow[]> {
  const from = performance.now();
  const jobs = FLEETS.flatMap((fleets, size) =>
    names.flatMap((scenario, kind) =>
      Array.from(
        { length: fleets },
        (_, one): Job => ({ scenario, size, seed: UNSEEN + 1_000_000 * size + 10_000 * kind + one }),
      ),
    ),
  );
  const workers = Math.min(8, availableParallelism());
  const tried = (
    await Promise.all(
      Array.from({ length: workers }, (_, which) =>
        inWorker(jobs.filter((_job, index) => index % workers === which)),
      ),
    )
  ).flat();
  process.stdout.write(`${falseAlarmTable(tried)}\n\n${sizeTable(tried)}\n\n`);
  const wallMs = performance.now() - from;
  return [{ name: `${jobs.length} fleets, twice`, what: 'false alarms', wallMs, goalMs: 360_000 }];
}

function inWorker(jobs: readonly Job[]): Promise<Tried[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { falseAlarms: jobs } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

function trying({ scenario, size, seed }: Job): Tried[] {
  const shape = SIZES[size];
  if (shape === undefined) throw new Error(`no fleets of size ${size}`);
  const trial = trialOf(scenario, shape, seed);
  return (Object.keys(RULES) as Rule[]).map((rule) => {
    const { kind, minute, where, gates } = rehearse({
      ...trial,
      gates: RULES[rule],
      soakEvery: EVERY[rule],
      bakeEvery: EVERY[rule],
    });
    return { scenario, size, seed, rule, outcome: { kind, minute, where, gates } };
  });
}

/** One row a scenario, then all good and all bad versions together. */
function falseAlarmTable(tried: readonly Tried[]): string {
  const rows = names.map((name) => [
    name,
    ...cells(
      SCENARIOS[name],
      tried.filter(({ scenario }) => scenario === name),
    ),
  ]);
  for (const kind of ['good', 'bad'] as const) {
    rows.push([
      `**all ${kind} versions**`,
      ...cells(
        kind,
        tried.filter(({ scenario }) => SCENARIOS[scenario] === kind),
      ),
    ]);
  }
  const head = [
    'version and day',
    'fleets',
    'wrong: fixed',
    'wrong: default',
    'held: fixed',
    'held: default',
    'found after: fixed',
    'found after: default',
  ];
  return markdown(head, rows);
}

function sizeTable(tried: readonly Tried[]): string {
  const rows = SIZES.map(({ hosts }, which) => {
    const of = tried.filter(({ size }) => size === which);
    const good = of.filter(({ scenario }) => SCENARIOS[scenario] === 'good');
    const bad = of.filter(({ scenario }) => SCENARIOS[scenario] === 'bad');
    return [`${hosts} hosts`, ...cells('good', good).slice(0, 3), ...cells('bad', bad).slice(0, 3)];
  });
  const head = [
    'fleet',
    'good',
    'rolled back: fixed',
    'rolled back: default',
    'bad',
    'passed: fixed',
    'passed: default',
  ];
  return markdown(head, rows);
}

function cells(kind: 'good' | 'bad', tried: readonly Tried[]): string[] {
  const by = (rule: Rule) => tried.filter((one) => one.rule === rule).map(({ outcome }) => outcome);
  const wrong = kind === 'good' ? 'rolled-back' : 'passed';
  const share = (rule: Rule, which: Outcome['kind']) => {
    const all = by(rule);
    const count = all.filter((one) => one.kind === which).length;
    return `${count} (${((100 * count) / Math.max(1, all.length)).toFixed(1)} %)`;
  };
  const found = (rule: Rule) => {
    if (kind === 'good') return '';
    const minutes = by(rule)
      .filter((one) => one.kind === 'rolled-back')
      .map(({ minute }) => minute)
      .sort((a, b) => a - b);
    const middle = minutes[minutes.length >> 1];
    return middle === undefined ? 'never' : `${middle} min`;
  };
  return [
    String(by('fixed').length),
    share('fixed', wrong),
    share('default', wrong),
    share('fixed', 'held'),
    share('default', 'held'),
    found('fixed'),
    found('default'),
  ];
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (of: readonly string[]) => `| ${of.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

if (!isMainThread && workerData?.falseAlarms !== undefined) {
  parentPort?.postMessage((workerData.falseAlarms as Job[]).flatMap(trying), []);
}
