/** What a lifecycle action does once it is written down: the sweep, its answers as they come, the second look, and the report. */
import type { Host, HostId } from '../domain/host.ts';
import type { EntryBody } from '../domain/journal.ts';
import type { LifecycleOutcome } from '../domain/lifecycle.ts';
import { type ActionEntries, named } from './action-entries.ts';
import { AnswerBatches } from './answer-batches.ts';
import type { LifecycleContext } from './context.ts';
import { isStop, type LifecycleJob } from './lifecycle-orders.ts';
import type { HostReport, LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';
import { type SecondLook, SecondLooks } from './second-look.ts';
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

/** Sweeps `hosts`, writes what each answered, and looks again after a stop, at each when its time has come. */
export async function actOnFleet(doing: Doing, hosts: readonly Host[], signal: AbortSignal): Promise<Done> {
  const { context, request, entries, write } = doing;
  const stopped = new Map<HostId, HostReport>();
  /** What became of hosts behind their first stop. */
  const later = new Map<HostId, HostReport>();
  const looked: SecondLook[] = [];
  const looks = new SecondLooks(context, {
    request,
    stopAgain: async (again) => {
      const swept = await sweepAndWrite(doing, again, signal);
      for (const report of swept) if (report.attempts > 0) later.set(report.host.id, report);
      return swept;
    },
    onLooked: (look) => {
      looked.push(look);
      write(entries.settled(look.settled));
      for (const { host, outcome } of look.startedAgain) {
        const before = later.get(host.id) ?? stopped.get(host.id);
        if (before !== undefined) later.set(host.id, { ...before, outcome });
      }
    },
    signal,
  });
  const isLooking = isStop(request) && request.settleMs > 0;
  const swept = await sweepAndWrite(doing, hosts, signal, (report) => {
    if (!isLooking || report.outcome.kind !== 'proven') return;
    stopped.set(report.host.id, report);
    looks.add(report.host);
  });
  const unseen = await looks.end();
  const all = swept.map((report) => later.get(report.host.id) ?? report);
  const cutShort = signal.aborted && (unseen.length > 0 || all.some(({ outcome }) => !isCovered(outcome)));
  return { hosts: all, settled: settledOf(looked, unseen), cutShort };
}

/** Of all groups together; null: nobody was looked at. */
function settledOf(looked: readonly SecondLook[], unseen: readonly Host[]): LifecycleReport['settled'] {
  if (looked.length === 0) return null;
  const all = looked.map(({ settled }) => settled);
  return {
    stayedDown: all.reduce((sum, { stayedDown }) => sum + stayedDown, 0),
    startedAgain: all.flatMap(({ startedAgain }) => startedAgain),
    unseen: [...all.flatMap((one) => one.unseen), ...unseen.map(named)],
  };
}

async function sweepAndWrite(
  { context, request, entries, write, orderFor }: Doing,
  hosts: readonly Host[],
  signal: AbortSignal,
  onCovered?: (report: HostReport) => void,
): Promise<HostReport[]> {
  const batches = new AnswerBatches(context.clock, (group) => write(entries.answered(group)));
  try {
    const { verb, timeoutMs, deadlineMs, polarity } = request;
    const isCoveredNow = (report: HostReport): void => {
      batches.add(report);
      onCovered?.(report);
    };
    const reports = await sweep(
      context,
      { verb, hosts, orderFor, timeoutMs, deadlineMs, polarity, onCovered: isCoveredNow },
      signal,
    );
    // Those that were never begun too: it takes back what was wished of them.
    for (const report of reports) if (!isCovered(report.outcome)) batches.add(report);
    return reports;
  } finally {
    batches.end();
  }
}

/** Every host of whom it is not known that it is as it was meant to be, with a sentence. */
export function notCoveredOf(hosts: readonly HostReport[]): LifecycleReport['notCovered'] {
  return hosts.flatMap(({ host, outcome }) => {
    if (!isCovered(outcome)) return [{ host, why: whyNotCovered(outcome) }];
    const untold = untoldAtStart(outcome);
    return untold === '' ? [] : [{ host, why: untold }];
  });
}

/** A stop's brake holds without its controllers; a start that leaves one of them off has undone the stop only by half. */
function untoldAtStart(outcome: LifecycleOutcome): string {
  if (outcome.kind !== 'proven' || outcome.service !== 'running' || outcome.untold === undefined) return '';
  return `runs, but what the stop had told ${outcome.untold.join(', ')} could not be taken back: see to it on the host`;
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
