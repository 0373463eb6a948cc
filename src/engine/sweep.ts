/**
 * Does one action at many hosts at once, with a second and a third try for those that do not answer.
 *
 * SW1  All are begun at once, and the remote bounds itself; at one host there is one attempt at a time.
 * SW2  Behind the deadline, or called off, nothing new begins; what runs on a host is waited for.
 * SW3  Every host comes back exactly once, the one that was never begun as `cancelled`.
 * SW4  An attempt whose end is not known is repeated as it was: the programs may be run again.
 * SW5  Hosts are not begun in the order of the list, so that many silent ones in a row do not stand before all others.
 */
import type { Host } from '../domain/host.ts';
import { plainText } from '../domain/host-answer.ts';
import type { BlockedKind, NoAnswerKind } from '../domain/host-outcome.ts';
import type { LifecycleOutcome, LifecycleVerb } from '../domain/lifecycle.ts';
import { lifecycleOutcomeOf } from '../domain/lifecycle-answer.ts';
import type { RemoteHost } from '../ports/remote.ts';
import type { EngineContext } from './context.ts';
import type { LifecycleJob } from './lifecycle-orders.ts';
import type { HostReport, Polarity } from './lifecycle-types.ts';
import { RollCall } from './roll-call.ts';

export interface SweepRequest {
  readonly verb: LifecycleVerb;
  readonly hosts: readonly Host[];
  /** Asked once for each attempt. */
  readonly orderFor: (host: Host) => LifecycleJob;
  /** For one attempt at one host, ms. */
  readonly timeoutMs: number;
  /** No new attempt begins later than this after the beginning, ms; null: until all are covered. */
  readonly deadlineMs: number | null;
  /** An emergency tries also those again on which the action itself failed. */
  readonly polarity: Polarity;
  /** Told once of every host that is covered, as soon as it is. */
  readonly onCovered?: (report: HostReport) => void;
}

/** Pauses between the attempts at one host, ms; behind the last of them it is `STEADY_MS`. */
const PAUSES_MS = [2_000, 5_000, 10_000, 20_000] as const;
const STEADY_MS = 30_000;

/** Who has not answered for so long when it is called off is said to be silent, ms: a handshake around the world takes less. */
const SILENT_MS = 1_000;

const BLOCKED_ATTEMPTS: Readonly<Record<BlockedKind, number>> = {
  busy: 3,
  'dpkg-locked': 3,
  // The metadata server may have been slow.
  'identity-unknown': 3,
  'wrong-host': 2,
  unsupported: 2,
  'no-space': 1,
  'arm-failed': 1,
  'digest-mismatch': 1,
  'missing-package': 1,
  drifted: 1,
  fenced: 1,
};

const NO_ANSWER_ATTEMPTS: Readonly<Record<NoAnswerKind, number>> = {
  unreachable: 3,
  'timed-out': 3,
  unknown: 3,
  'delivery-failed': 3,
  'host-key-mismatch': 2,
  'host-key-unknown': 2,
  denied: 2,
  'sudo-refused': 2,
  cancelled: 1,
};

/** Nothing needs to be done about this host any more. */
export function isCovered({ kind }: LifecycleOutcome): boolean {
  return kind === 'proven' || kind === 'gone';
}

/** One report a host, in the order in which they were given. */
export async function sweep(
  context: EngineContext,
  request: SweepRequest,
  signal: AbortSignal,
): Promise<HostReport[]> {
  const ended = new AbortController();
  const late = new AbortController();
  if (request.deadlineMs !== null) {
    void context.clock.sleep(request.deadlineMs, ended.signal).then(() => {
      if (!ended.signal.aborted) late.abort();
    });
  }
  const rounds: Rounds = {
    context,
    request,
    rollCall: new RollCall(context),
    stop: AbortSignal.any([signal, late.signal]),
    whyStopped: () => (signal.aborted ? 'it was called off' : 'the deadline came'),
  };
  try {
    const reports = new Map<Host, HostReport>();
    await Promise.all(
      spread(request.hosts).map(async (host) => reports.set(host, await tryHost(rounds, host))),
    );
    return request.hosts.flatMap((host) => reports.get(host) ?? []);
  } finally {
    ended.abort();
  }
}

/** Share of a list between two that are begun one after the other: by the golden ratio no part of it comes in a row. */
const STRIDE = 0.618;

/**
 * The same in another order, far ones beside each other (SW5). Neighbours in a list share their fate, such as a zone that is away,
 * and the remote widens by those that answer.
 */
export function spread<T>(all: readonly T[]): T[] {
  const count = all.length;
  let step = Math.max(1, Math.round(count * STRIDE));
  while (divisor(step, count) > 1) step += 1;
  return all.flatMap((_, turn) => {
    const index = (turn * step) % count;
    return all.slice(index, index + 1);
  });
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

interface Rounds {
  readonly context: EngineContext;
  readonly request: SweepRequest;
  readonly rollCall: RollCall;
  readonly stop: AbortSignal;
  readonly whyStopped: () => string;
}

async function tryHost(rounds: Rounds, host: Host): Promise<HostReport> {
  const { context, request, stop } = rounds;
  let to = host;
  let last: HostReport | null = null;
  for (let attempts = 1; ; attempts += 1) {
    const report: HostReport = { ...(await attempt(rounds, to)), host, attempts };
    if (isCalledOff(report.outcome)) return last ?? notReached(report, rounds.whyStopped());
    last = report;
    if (isCovered(report.outcome)) {
      tell(rounds, report, false);
      request.onCovered?.(report);
      return report;
    }
    const again = !stop.aborted && mayTryAgain(request, report.outcome, attempts);
    tell(rounds, report, again);
    const asking = mayHaveGone(report.outcome) ? rounds.rollCall.ask(host) : null;
    if (again) await context.clock.sleep(PAUSES_MS[attempts - 1] ?? STEADY_MS, stop);
    // A cloud that does not answer must not hold up the next attempt; behind the last one there is time to wait for it.
    const place = again && !stop.aborted ? await soon(asking) : await asking;
    if (place?.kind === 'gone') return gone(rounds, report);
    if (!again || stop.aborted) return report;
    if (place?.kind === 'there') to = { ...place.host, address: place.host.address || to.address };
  }
}

async function attempt(
  { context, request, stop }: Rounds,
  host: Host,
): Promise<Pick<HostReport, 'outcome' | 'tookMs' | 'at'>> {
  const { clock } = context;
  const started = clock.now();
  const { order, packages } = request.orderFor(host);
  const answer = await context.remote.run(
    reachedAt(host),
    { order, packages, timeoutMs: request.timeoutMs },
    stop,
  );
  const outcome: LifecycleOutcome =
    answer.kind === 'no-answer'
      ? { kind: 'no-answer', why: answer.why, message: plainText(answer.message) }
      : lifecycleOutcomeOf(order, answer);
  const at = clock.now();
  return { outcome, tookMs: at - started, at };
}

export function reachedAt({ id, name, address, port, zone, project }: Host): RemoteHost {
  return {
    id,
    name,
    address,
    zone,
    ...(port === undefined ? {} : { port }),
    ...(project === undefined ? {} : { project }),
  };
}

function mayTryAgain(
  { deadlineMs, polarity }: SweepRequest,
  outcome: LifecycleOutcome,
  attempts: number,
): boolean {
  if (deadlineMs === null) return true;
  switch (outcome.kind) {
    case 'no-answer':
      return attempts < NO_ANSWER_ATTEMPTS[outcome.why];
    case 'blocked':
      return attempts < BLOCKED_ATTEMPTS[outcome.why];
    case 'failed':
      // A restart that failed is not done again for good measure; a stop that failed is.
      return polarity === 'emergency' && attempts < 2;
    case 'proven':
    case 'gone':
      return false;
    default:
      return outcome satisfies never;
  }
}

function isCalledOff(outcome: LifecycleOutcome): boolean {
  return outcome.kind === 'no-answer' && outcome.why === 'cancelled';
}

/** Nobody was there, or somebody else was. */
function mayHaveGone(outcome: LifecycleOutcome): boolean {
  if (outcome.kind === 'no-answer')
    return outcome.why !== 'sudo-refused' && outcome.why !== 'delivery-failed';
  return outcome.kind === 'blocked' && outcome.why === 'wrong-host';
}

function soon<T>(promise: Promise<T> | null): Promise<T | null> {
  return Promise.race([promise ?? Promise.resolve(null), Promise.resolve().then(() => null)]);
}

function gone(rounds: Rounds, before: HostReport): HostReport {
  const report: HostReport = { ...before, outcome: { kind: 'gone' } };
  tell(rounds, report, false);
  rounds.request.onCovered?.(report);
  return report;
}

/** SW3. */
export function notBegun(host: Host, why: string): HostReport {
  const message = `not begun: ${why}`;
  return { host, outcome: { kind: 'no-answer', why: 'cancelled', message }, attempts: 0, tookMs: 0 };
}

/** SW3, and told apart from those that were never tried: a host that is silent is to be looked at. */
function notReached({ host, tookMs }: HostReport, why: string): HostReport {
  if (tookMs < SILENT_MS) return notBegun(host, why);
  const message = `not reached in ${(tookMs / 1_000).toFixed(1)} s, then ${why}; nothing was begun there`;
  return { ...notBegun(host, why), outcome: { kind: 'no-answer', why: 'cancelled', message }, tookMs };
}

function tell({ context, request }: Rounds, { host, outcome, attempts, tookMs }: HostReport, again: boolean) {
  context.tell({
    kind: 'lifecycle-answered',
    environment: context.environment.name,
    at: context.clock.now(),
    verb: request.verb,
    host: { id: host.id, name: host.name },
    outcome,
    attempt: attempts,
    again,
    tookMs,
  });
}
