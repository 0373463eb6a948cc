/**
 * The way around a calm lifecycle action: what waits is sent, the lease taken, the intention durable before any host is touched; at
 * the end everything is written and the lease given back.
 *
 * CA1  A lease that somebody holds refuses; one that is lost later lets nothing new begin. That is looked for every `LOOK_MS`: an
 *      emergency takes the lease and stops hosts at once, and a start's next try there would lift what it has just left.
 * CA2  `lifecycle-intended` is in the shared journal before the action begins, or it does not begin.
 * CA3  What hosts answered is a fact: where the journal or the lease is gone by then, it waits on this machine instead.
 */
import { isFinished } from '../domain/fold.ts';
import type { Host } from '../domain/host.ts';
import type { EntryBody } from '../domain/journal.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { EnvironmentState } from '../domain/state.ts';
import type { HeldLease, LeaseHolder } from '../ports/lease.ts';
import { ActionEntries } from './action-entries.ts';
import { type LifecycleContext, type Refusal, refuse } from './context.ts';
import { journalTrouble, type Ledger, type LedgerError } from './ledger.ts';
import type { LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';
import { openLedger } from './run-rollout.ts';
import { sendWaiting } from './send-waiting.ts';

export interface CalmAction {
  readonly entries: ActionEntries;
  /** What the journal said as the action began. */
  readonly state: EnvironmentState;
  /** Number of the entry of the intention: what hosts compare orders by. */
  readonly fence: number;
  /** Aborted when it is called off or the lease is lost. */
  readonly signal: AbortSignal;
  /** Writes a fact, in its turn (CA3). Not waited for. */
  readonly write: (body: EntryBody) => void;
  /**
   * CA2 for hosts that come later in the same action, behind the facts written before: the fence of their orders, or why the journal
   * does not take it, and then they must not be touched.
   */
  readonly intend: (hosts: readonly Host[]) => Promise<Result<number, string>>;
}

export interface CalmEnd<T> {
  readonly value: T;
  readonly record: LifecycleReport['record'];
  /** Why it was cut short by us, as a sentence; empty: it was not. */
  readonly lost: string;
}

/** What the lease lets be prepared before the intention is written: the hosts that are then meant, and what belongs to them. */
export type Prepare<P> = (
  state: EnvironmentState,
) => Promise<Result<{ readonly request: LifecycleRequest; readonly prepared: P }, Refusal>>;

const LEASE_LOST =
  'the lease was lost: this process was held up for too long, or somebody took it over (an emergency stop does); nothing new was begun';

export async function underLease<P, T>(
  context: LifecycleContext,
  asked: LifecycleRequest,
  prepare: Prepare<P>,
  act: (action: CalmAction, request: LifecycleRequest, prepared: P) => Promise<T>,
  called: AbortSignal,
): Promise<Result<CalmEnd<T>, Refusal>> {
  // First: a stop that waits here for its way into the journal must not come behind the start that lifts it.
  await sendWaiting(context);
  const acquired = await context.lease.acquire(context.actor);
  if (!acquired.ok) {
    return err(
      acquired.error.kind === 'held'
        ? locked(context, acquired.error.holder)
        : refuse('failed', 'lease-failed', acquired.error.message),
    );
  }
  const lease = acquired.value;
  const ended = new AbortController();
  const lost = new AbortController();
  const beating = keepLease(context, lease, ended.signal, () => lost.abort());
  try {
    const ledger = openLedger(context);
    const begun = await beginUnder(context, ledger, lease, asked);
    if (!begun.ok) return begun;
    const ready = await prepare(ledger.state);
    if (!ready.ok) return ready;
    const { request, prepared } = ready.value;
    if (called.aborted || lost.signal.aborted)
      return err(
        refuse('interrupted', 'called-off', `${asked.verb} was called off before any host was touched`),
      );
    const entries = new ActionEntries(context.clock, request);
    const intended = await intend(ledger, entries.intended(), request);
    if (!intended.ok) return err(journalFailed(intended.error));
    const writer = new FactWriter(context, ledger);
    const action: CalmAction = {
      entries,
      state: ledger.state,
      fence: intended.value,
      signal: AbortSignal.any([called, lost.signal]),
      write: (body) => writer.write(body),
      intend: (hosts) => writer.intend(entries.intended(hosts), request),
    };
    const value = await act(action, request, prepared);
    const record = await writer.end();
    return ok({ value, record, lost: lost.signal.aborted ? LEASE_LOST : '' });
  } finally {
    ended.abort();
    await beating;
    await lease.release();
  }
}

async function beginUnder(
  context: LifecycleContext,
  ledger: Ledger,
  lease: HeldLease,
  { verb }: LifecycleRequest,
): Promise<Result<void, Refusal>> {
  const read = await ledger.refresh();
  if (!read.ok) return err(journalFailed(read.error));
  const { rollout } = ledger.state;
  const { name } = context.environment;
  const changesPackage = verb === 'install' || verb === 'remove' || verb === 'purge';
  if (changesPackage && rollout !== null && !isFinished(rollout)) {
    const message = `${name} has ${rollout.id} of ${rollout.version} under way (${rollout.phase.kind}): ${verb} would change packages that it counts on`;
    return err(
      refuse('held', 'rollout-under-way', message, {
        next: `rollout status ${name}; rollout advance ${name} to carry it on, rollout rollback ${name} to take it back`,
      }),
    );
  }
  const before = lease.takenFrom;
  const from =
    before === undefined
      ? undefined
      : (before.unreadable ?? `${before.actor.user}@${before.actor.hostname}: ${before.actor.command}`);
  const taken = await ledger.takeOver(lease.epoch, from);
  return taken.ok ? ok(undefined) : err(journalFailed(taken.error));
}

/** CA2. The number of the last part: no order of an older action has one as high. */
async function intend(
  ledger: Ledger,
  bodies: readonly EntryBody[],
  { reason }: LifecycleRequest,
): Promise<Result<number, LedgerError>> {
  let fence = ledger.state.head?.seq ?? 0;
  for (const body of bodies) {
    const written = await ledger.fact(body, reason === '' ? undefined : reason);
    if (!written.ok) return written;
    fence = written.value.seq;
  }
  return ok(fence);
}

/** CA3. */
class FactWriter {
  readonly #context: LifecycleContext;
  readonly #ledger: Ledger;
  #writing: Promise<void> = Promise.resolve();
  #waiting = 0;
  #lost = 0;
  #why = '';

  constructor(context: LifecycleContext, ledger: Ledger) {
    this.#context = context;
    this.#ledger = ledger;
  }

  write(body: EntryBody): void {
    this.#writing = this.#writing.then(() => this.#write(body));
  }

  intend(bodies: readonly EntryBody[], request: LifecycleRequest): Promise<Result<number, string>> {
    const intending = this.#writing.then(async (): Promise<Result<number, string>> => {
      if (this.#waiting + this.#lost > 0) return err(this.#why);
      const written = await intend(this.#ledger, bodies, request);
      return written.ok ? written : err(journalTrouble(written.error));
    });
    this.#writing = intending.then(() => undefined);
    return intending;
  }

  async #write(body: EntryBody): Promise<void> {
    const { outbox, actor } = this.#context;
    // Once the journal has failed, the rest goes the same way: else each would wait for it again.
    if (this.#waiting + this.#lost === 0) {
      const written = await this.#ledger.fact(body);
      if (written.ok) return;
      this.#why = journalTrouble(written.error);
    }
    const put = await outbox.put({ actor, body });
    if (put.ok) this.#waiting += 1;
    else {
      this.#lost += 1;
      this.#why = `${this.#why}; ${put.error}`;
    }
  }

  async end(): Promise<LifecycleReport['record']> {
    await this.#writing;
    if (this.#waiting > 0) {
      // Fenced off, we may still say what hosts have answered: that needs no lease.
      const { left, stuck, why } = await sendWaiting(this.#context);
      this.#waiting = Math.min(left - stuck, this.#waiting);
      if (this.#waiting > 0) this.#why = why;
    }
    if (this.#lost > 0) return { kind: 'lost', why: this.#why };
    return this.#waiting > 0
      ? { kind: 'waiting', entries: this.#waiting, why: this.#why }
      : { kind: 'journal' };
  }
}

/** Between two looks whether the lease is still ours, ms: seldom enough for a bucket, which takes one write a second of an object. */
const LOOK_MS = 2_000;

async function keepLease(
  context: LifecycleContext,
  lease: HeldLease,
  ended: AbortSignal,
  lost: () => void,
): Promise<void> {
  while (!ended.aborted) {
    await context.clock.sleep(Math.min(LOOK_MS, context.lease.ttlMs / 3), ended);
    if (ended.aborted) return;
    if ((await lease.renew()) === 'lost') return lost();
  }
}

function locked({ environment: { name } }: LifecycleContext, holder: LeaseHolder): Refusal {
  const { actor, pid, since } = holder;
  const who =
    holder.unreadable ??
    `${actor.user}@${actor.hostname} (${actor.command}, process ${pid}) since ${new Date(since).toISOString().slice(0, 19)}Z`;
  const details = actor.ciJob === undefined || holder.unreadable !== undefined ? [] : [actor.ciJob];
  return refuse('locked', 'locked', `${name} is locked by ${who}`, {
    details,
    next: `rollout status ${name}; an emergency stop needs no lease`,
  });
}

function journalFailed(error: LedgerError): Refusal {
  return refuse('failed', `journal-${error.kind}`, journalTrouble(error));
}
