/** How a lifecycle command ends: its exit code, its words, and with --json one `result` line an environment. */
import type { LifecycleReport } from '../engine/lifecycle-types.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { jsonLine } from './json-lines.ts';
import { type ActionEnd, actionEndLines, coveredOf } from './render/lifecycle-end-view.ts';
import type { Paint } from './render/paint.ts';

/** Says it and answers with the exit code. */
export function sayActionEnd(invocation: Invocation, end: ActionEnd, paint: Paint): ExitCode {
  const exit = exitOf(end, invocation.signal.aborted);
  if (!invocation.json) {
    invocation.output.out(actionEndLines(end, paint).join('\n'));
    return exit;
  }
  for (const report of end.reports) jsonLine(invocation, 'result', resultFields(end, report));
  for (const { environment, why } of end.notBegun)
    jsonLine(invocation, 'result', { environment, exit: EXIT.incomplete, code: 'not-begun', message: why });
  return exit;
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
  const here = end.notReached.filter(({ environment }) => environment === report.environment);
  const exit = exitOfReport(report);
  return {
    ...rest,
    exit: exit === EXIT.done && here.length > 0 ? EXIT.incomplete : exit,
    code: report.end,
    now: end.now,
    covered: coveredOf(report),
    notCovered: [
      ...notCovered.map(({ host, why }) => ({ id: host.id, name: host.name, why })),
      ...here.map(({ what, why }) => ({ name: what, why })),
    ],
    hosts: hosts.map(({ host, outcome, attempts, tookMs }) => ({
      id: host.id,
      name: host.name,
      outcome,
      attempts,
      tookMs,
    })),
    hold: end.hold,
  };
}
