/** What a lifecycle action does once it is written down: the sweep, its answers as they come, the second look, and the report. */
import type { Host, HostId } from '../domain/host.ts';
import type { EntryBody } from '../domain/journal.ts';
import type { LifecycleOutcome } from '../domain/lifecycle.ts';
import type { ActionEntries } from './action-entries.ts';
import { AnswerBatches } from './answer-batches.ts';
import type { LifecycleContext } from './context.ts';
import { isStop, type LifecycleJob } from './lifecycle-orders.ts';
import type { HostReport, LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';
import { lookAgain } from './second-look.ts';
import { isCovered, sweep } from './sweep.ts';

/** Where an action stands that has been written down. */
export interface Doing {
  readonly context: LifecycleContext;
  readonly request: LifecycleRequest;
  readonly entries: ActionEntries;
  /** Writes an entry down, in its turn; never waited for and never failing here. */
  readonly write: (body: EntryBody) => void;
  readonly orderFor: (host: Host) => LifecycleJob;
}

export interface Done {
  /** In the order of the hosts that were given. */
  readonly hosts: readonly HostReport[];
  readonly settled: LifecycleReport['settled'];
  /** Called off: some were not begun, or nobody looked again where that was due. */
  readonly cutShort: boolean;
}

/** Sweeps `hosts`, writes what each answered, and looks again after a stop. */
export async function actOnFleet(doing: Doing, hosts: readonly Host[], signal: AbortSignal): Promise<Done> {
  const { context, request, entries, write } = doing;
  const reports = new Map<HostId, HostReport>();
  for (const report of await sweepAndWrite(doing, hosts, signal)) reports.set(report.host.id, report);
  const stopped = isStop(request) && request.settleMs > 0 ? hosts.filter(isDown(reports)) : [];
  let settled: LifecycleReport['settled'] = null;
  if (stopped.length > 0) {
    const stopAgain = async (again: readonly Host[]): Promise<readonly HostReport[]> => {
      const swept = await sweepAndWrite(doing, again, signal);
      for (const report of swept) if (report.attempts > 0) reports.set(report.host.id, report);
      return swept;
    };
    const looked = await lookAgain(context, stopped, { request, stopAgain }, signal);
    if (looked !== null) {
      ({ settled } = looked);
      write(entries.settled(looked.settled));
      for (const { host, outcome } of looked.startedAgain) {
        const before = reports.get(host.id);
        if (before !== undefined) reports.set(host.id, { ...before, outcome });
      }
    }
  }
  const all = hosts.flatMap((host) => reports.get(host.id) ?? []);
  const unsettled = stopped.length > 0 && settled === null;
  const cutShort = signal.aborted && (unsettled || all.some(({ outcome }) => !isCovered(outcome)));
  return { hosts: all, settled, cutShort };
}

async function sweepAndWrite(
  { context, request, entries, write, orderFor }: Doing,
  hosts: readonly Host[],
  signal: AbortSignal,
): Promise<HostReport[]> {
  const batches = new AnswerBatches(context.clock, (group) => write(entries.answered(group)));
  try {
    const { verb, timeoutMs, deadlineMs, polarity } = request;
    const onCovered = (report: HostReport): void => batches.add(report);
    const reports = await sweep(
      context,
      { verb, hosts, orderFor, timeoutMs, deadlineMs, polarity, onCovered },
      signal,
    );
    // Those that were never begun too: it takes back what was wished of them.
    for (const report of reports) if (!isCovered(report.outcome)) batches.add(report);
    return reports;
  } finally {
    batches.end();
  }
}

function isDown(reports: ReadonlyMap<HostId, HostReport>): (host: Host) => boolean {
  return ({ id }) => reports.get(id)?.outcome.kind === 'proven';
}

/** Every host of whom it is not known that it is as it was meant to be, with a sentence. */
export function notCoveredOf(hosts: readonly HostReport[]): LifecycleReport['notCovered'] {
  return hosts.flatMap(({ host, outcome }) =>
    isCovered(outcome) ? [] : [{ host, why: whyNotCovered(outcome) }],
  );
}

export function whyNotCovered(outcome: LifecycleOutcome): string {
  switch (outcome.kind) {
    case 'failed':
      return `${outcome.failure} (${outcome.step}): ${outcome.message}`;
    case 'no-answer':
      return outcome.why === 'cancelled' ? outcome.message : `${outcome.why}: ${outcome.message}`;
    case 'blocked':
      return `${outcome.why}: ${outcome.message}`;
    case 'proven':
    case 'gone':
      return '';
    default:
      return outcome satisfies never;
  }
}

/** In the order of their names. */
export function byHostName(hosts: readonly HostReport[]): HostReport[] {
  return [...hosts].sort(
    (a, b) => compareText(a.host.name, b.host.name) || compareText(a.host.id, b.host.id),
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
