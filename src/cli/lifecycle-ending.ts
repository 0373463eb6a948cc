/** How a lifecycle command ends: its exit code, its words, and with --json one `result` line an environment. */
import type { LifecycleReport } from '../engine/lifecycle-types.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { jsonLine } from './json-lines.ts';
import type { ActionEnd } from './render/action-end.ts';
import { actionEndLines, coveredOf } from './render/lifecycle-end-view.ts';
import { heldBy } from './render/lifecycle-hold-view.ts';
import type { Paint } from './render/paint.ts';

/** Says it and answers with the exit code. */
export function sayActionEnd(invocation: Invocation, end: ActionEnd, paint: Paint): ExitCode {
  const exit = exitOf(end, invocation.signal.aborted);
  if (!invocation.json) {
    invocation.output.out(actionEndLines(end, paint).join('\n'));
    return exit;
  }
  for (const report of end.reports) jsonLine(invocation, 'result', resultFields(end, report));
  for (const environment of unreported(end)) {
    const notCovered = missedIn(end, environment);
    jsonLine(invocation, 'result', nothingDone(end, environment, { code: 'incomplete', notCovered }));
  }
  for (const { environment, why } of end.notBegun)
    jsonLine(
      invocation,
      'result',
      nothingDone(end, environment, { code: 'not-begun', message: why, notCovered: [] }),
    );
  return exit;
}

/** Environments in which somebody was meant and nobody was acted on; `-` stands for names that are in none. */
function unreported({ reports, notBegun, notReached }: ActionEnd): ReadonlySet<string> {
  const told = new Set([...reports, ...notBegun].map(({ environment }) => environment));
  return new Set(notReached.map(({ environment }) => environment).filter((name) => !told.has(name)));
}

function missedIn(
  { notReached }: ActionEnd,
  here: string,
): { readonly name: string; readonly why: string }[] {
  return notReached
    .filter(({ environment }) => environment === here)
    .map(({ what, why }) => ({ name: what, why }));
}

/** The fields of every other `result` line, so that whoever reads one may read all alike. */
function nothingDone(
  { verb, now }: ActionEnd,
  environment: string,
  told: {
    readonly code: 'incomplete' | 'not-begun';
    readonly message?: string;
    readonly notCovered: ReturnType<typeof missedIn>;
  },
): Record<string, unknown> {
  return {
    environment,
    actionId: '',
    verb,
    end: told.code,
    why: told.message ?? '',
    settled: null,
    rollout: null,
    record: null,
    roleFiles: [],
    tookMs: 0,
    exit: EXIT.incomplete,
    ...told,
    now,
    covered: 0,
    hosts: [],
    hold: null,
    holdHosts: null,
  };
}

/** The worst of all: called off, then not covered, then halted, then done without a record. */
function exitOf(end: ActionEnd, isCalledOff: boolean): ExitCode {
  const { reports, notBegun, notReached } = end;
  const exits = reports.map(exitOfReport);
  if (exits.includes(EXIT.interrupted)) return EXIT.interrupted;
  if (isCalledOff && notBegun.length > 0) return EXIT.interrupted;
  if (exits.includes(EXIT.held)) return EXIT.held;
  if (exits.includes(EXIT.incomplete) || notBegun.length > 0 || notReached.length > 0) return EXIT.incomplete;
  return exits.includes(EXIT.failed) ? EXIT.failed : EXIT.done;
}

function exitOfReport({ end, record, roleFiles }: LifecycleReport): ExitCode {
  switch (end) {
    case 'interrupted':
      return EXIT.interrupted;
    case 'halted':
      return EXIT.held;
    case 'incomplete':
      return EXIT.incomplete;
    case 'done':
      // Whatever reads that file will start the agent again.
      if (roleFiles.some(({ result }) => result.kind === 'failed')) return EXIT.incomplete;
      return record.kind === 'lost' ? EXIT.failed : EXIT.done;
    default:
      return end satisfies never;
  }
}

function resultFields(end: ActionEnd, report: LifecycleReport): Record<string, unknown> {
  const { hosts, notCovered, ...rest } = report;
  const here = missedIn(end, report.environment);
  const exit = exitOfReport(report);
  const isShort = report.end === 'done' && here.length > 0;
  return {
    ...rest,
    exit: isShort ? EXIT.incomplete : exit,
    code: isShort ? 'incomplete' : report.end,
    now: end.now,
    covered: coveredOf(report),
    notCovered: [...notCovered.map(({ host, why }) => ({ id: host.id, name: host.name, why })), ...here],
    hosts: hosts.map(({ host, outcome, attempts, tookMs }) => ({
      id: host.id,
      name: host.name,
      outcome,
      attempts,
      tookMs,
    })),
    hold: end.hold,
    holdHosts: end.hold === null ? null : holdHosts(report),
  };
}

/** Whose hold it is: `confirmed` by the host itself, or only wished for, so that it may still run. */
function holdHosts(report: LifecycleReport): { readonly wished: number; readonly confirmed: number } {
  const { confirmed, without, unconfirmed } = heldBy(report);
  const wished = confirmed.length + without.length + unconfirmed.length;
  return { wished, confirmed: confirmed.length };
}
