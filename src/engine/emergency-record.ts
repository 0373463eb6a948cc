/**
 * Writes an emergency down, first on this machine and from there into the shared journal, while its hosts are being stopped.
 *
 * ER1  Nothing here is waited for by the hosts but the first entries' way to the disk, and that not for long.
 * ER2  An entry that the outbox does not take goes to the journal from memory; only if that fails too it is lost, and said to be.
 * ER3  The lease is taken by force, which fences whoever carries a rollout on; the rollout is paused. Losing it again to another
 *      emergency ends nothing: what is written here is written without it, and it is taken back once it is free.
 * ER4  What goes wrong here, a bug included, is told at the end and stops nobody.
 */
import { canAbort, isFinished } from '../domain/fold.ts';
import type { EntryBody } from '../domain/journal.ts';
import type { HeldLease } from '../ports/lease.ts';
import type { WaitingEntry } from '../ports/outbox.ts';
import type { LifecycleContext } from './context.ts';
import { journalTrouble, type Ledger } from './ledger.ts';
import type { LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';
import { openLedger } from './run-rollout.ts';
import { isJournaled, sendAll, sendOne } from './send-waiting.ts';
import { within } from './within.ts';

/** How long the hosts wait for the first entries to be on the disk here, ms. */
const FIRST_MS = 2_000;
/** How long one entry may take to the disk before the outbox is given up, ms. */
const PUT_MS = 5_000;
/** How long the journal may take at the end, ms. */
const LAST_MS = 10_000;
/** How long the lease may take to be given back, ms. */
const RELEASE_MS = 2_000;
/** Pause before what did not work is tried again, ms. */
const RETRY_MS = 2_000;
/** How long one round of sending may take, ms: behind it the journal is asked anew, in case an answer never comes. */
const ROUND_MS = 30_000;

interface Own {
  readonly entry: WaitingEntry;
  at: 'on-its-way' | 'outbox' | 'memory';
  isSent: boolean;
}

export class EmergencyRecord {
  readonly #context: LifecycleContext;
  readonly #request: LifecycleRequest;
  readonly #own: Own[] = [];
  #putting: Promise<void> = Promise.resolve();
  #outboxTrouble = '';
  #outboxHangs = false;
  #journalTrouble = '';
  readonly #closed = new AbortController();
  readonly #ending = new AbortController();
  #background: Promise<unknown> = Promise.resolve();
  #lease: HeldLease | null = null;
  #isPauseAsked = false;
  #rollout: LifecycleReport['rollout'] = null;

  constructor(context: LifecycleContext, request: LifecycleRequest) {
    this.#context = context;
    this.#request = request;
  }

  /** Writes what is intended on this machine, for `FIRST_MS` at most, and begins with the lease and the journal. */
  async begin(intended: readonly EntryBody[]): Promise<void> {
    for (const body of intended) this.add(body);
    await within(this.#context.clock, FIRST_MS, () => this.#putting);
    const fail = (cause: unknown): void => {
      this.#journalTrouble = `a bug in this program: ${(cause as Error).message}`;
    };
    this.#background = Promise.all([this.#send().catch(fail), this.#takeOver().catch(fail)]);
  }

  add(body: EntryBody): void {
    const { reason } = this.#request;
    const worded = body.kind === 'lifecycle-intended' && reason !== '' ? { reason } : {};
    const own: Own = {
      entry: { actor: this.#context.actor, ...worded, body },
      at: 'on-its-way',
      isSent: false,
    };
    this.#own.push(own);
    this.#putting = this.#putting.then(() => this.#put(own));
  }

  /** The hosts are done: gives the journal its last time, and the lease back. */
  async end(): Promise<Pick<LifecycleReport, 'record' | 'rollout'>> {
    const { clock } = this.#context;
    this.#ending.abort();
    await within(clock, LAST_MS, () => Promise.all([this.#putting, this.#background]));
    this.#closed.abort();
    const lease = this.#lease;
    if (lease !== null) await within(clock, RELEASE_MS, () => lease.release().catch(() => undefined));
    return { record: this.#where(), rollout: this.#rollout };
  }

  #where(): LifecycleReport['record'] {
    const unsent = this.#own.filter(({ isSent }) => !isSent);
    if (unsent.length === 0) return { kind: 'journal' };
    const why = this.#journalTrouble === '' ? 'the journal did not answer in time' : this.#journalTrouble;
    const unkept = unsent.filter(({ at }) => at !== 'outbox').length;
    if (unkept === 0) return { kind: 'waiting', entries: unsent.length, why };
    const disk = this.#outboxTrouble === '' ? 'this machine did not take them in time' : this.#outboxTrouble;
    return { kind: 'lost', why: `${unkept} entries are nowhere: ${disk}; and ${why}` };
  }

  async #put(own: Own): Promise<void> {
    const { clock, outbox } = this.#context;
    if (this.#outboxHangs) {
      own.at = 'memory';
      return;
    }
    const put = await within(clock, PUT_MS, async () => outbox.put(own.entry).catch(asError));
    own.at = put?.ok === true ? 'outbox' : 'memory';
    if (put === null) {
      this.#outboxHangs = true;
      this.#outboxTrouble = `writing on this machine took longer than ${PUT_MS / 1000} s`;
    } else if (!put.ok) this.#outboxTrouble = put.error;
  }

  /** Goes on until all is sent and nothing more comes, or there is no time left. */
  async #send(): Promise<void> {
    const { clock } = this.#context;
    let ledger = openLedger(this.#context);
    for (;;) {
      const isLast = this.#ending.signal.aborted;
      if (isLast) await this.#putting;
      const isWhole = await within(clock, ROUND_MS, (late) => this.#round(ledger, late));
      if (this.#closed.signal.aborted || (isLast && isWhole === true)) return;
      if (isWhole === null) {
        this.#journalTrouble = `the journal did not answer within ${ROUND_MS / 1000} s`;
        ledger = openLedger(this.#context);
      }
      await this.#pause(isLast);
    }
  }

  /** Sends everything that can be sent now; true: all of ours is. Nobody waits any more once `late`: nothing new is then begun. */
  async #round(ledger: Ledger, late: AbortSignal): Promise<boolean> {
    const over = AbortSignal.any([late, this.#closed.signal]);
    const read = await ledger.refresh();
    if (over.aborted) return false;
    const why = read.ok
      ? ((await this.#pauseRollout(ledger, over)) ?? (await this.#sendWaiting(ledger, over)))
      : journalTrouble(read.error);
    this.#journalTrouble = why ?? '';
    return why === null;
  }

  /** Null: done. An answer that comes when nobody waits any more begins nothing. */
  async #pauseRollout(ledger: Ledger, over: AbortSignal): Promise<string | null> {
    const { rollout } = ledger.state;
    if (this.#isPauseAsked || over.aborted) return null;
    if (rollout === null || isFinished(rollout)) {
      this.#isPauseAsked = true;
      return null;
    }
    const { id, version } = rollout;
    if (canAbort(rollout) && rollout.stop === null) {
      const written = await ledger.fact({ kind: 'pause-requested' }, this.#request.reason);
      if (!written.ok) return journalTrouble(written.error);
      this.#rollout = { id, version, did: 'paused' };
    } else {
      this.#rollout = { id, version, did: canAbort(rollout) ? 'was-stopped' : 'left-rolling-back' };
    }
    this.#isPauseAsked = true;
    return null;
  }

  /** What waits here, our own and what an earlier emergency left; then what is nowhere but in memory (ER2). */
  async #sendWaiting(ledger: Ledger, over: AbortSignal): Promise<string | null> {
    const { left, why, isOutboxDown } = await sendAll(this.#context, ledger, {
      isClosed: () => over.aborted,
      onSent: (entry) => this.#markSent(entry),
    });
    if (!isOutboxDown && !this.#isAllSent('outbox')) {
      const trouble = await this.#lookForOwn(ledger);
      if (trouble !== null) return trouble;
      if (left > 0 && !this.#isAllSent('outbox')) return why;
    }
    for (const own of this.#own) {
      if (own.isSent || (own.at !== 'memory' && !(isOutboxDown && own.at === 'outbox'))) continue;
      if (over.aborted) return 'there was no time left for more';
      const trouble = await sendOne(ledger, own.entry);
      if (trouble !== null) return trouble;
      own.isSent = true;
    }
    return this.#own.every(({ isSent }) => isSent) ? null : why;
  }

  /** What is no longer in the outbox another command here has sent. */
  async #lookForOwn(ledger: Ledger): Promise<string | null> {
    const read = await ledger.refresh();
    if (!read.ok) return journalTrouble(read.error);
    for (const own of this.#own) own.isSent ||= isJournaled(ledger.state, own.entry.body);
    return null;
  }

  #markSent({ body }: WaitingEntry): void {
    if (!('actionId' in body) || body.actionId !== this.#request.actionId) return;
    for (const own of this.#own) {
      const mine = own.entry.body;
      if ('part' in mine && mine.part === body.part) own.isSent = true;
    }
  }

  #isAllSent(at: Own['at']): boolean {
    return this.#own.every((own) => own.isSent || own.at !== at);
  }

  async #pause(isLast: boolean): Promise<void> {
    const { clock } = this.#context;
    const until = isLast ? this.#closed.signal : AbortSignal.any([this.#closed.signal, this.#ending.signal]);
    await clock.sleep(RETRY_MS, until);
  }

  /** ER3. */
  async #takeOver(): Promise<void> {
    const { actor, lease } = this.#context;
    for (;;) {
      const acquired = await lease.acquire(actor, { force: true });
      if (acquired.ok) {
        this.#lease = acquired.value;
        break;
      }
      if (this.#ending.signal.aborted) return;
      await this.#pause(false);
    }
    if (this.#closed.signal.aborted) return this.#lease.release();
    void this.#hold(this.#lease).catch(() => undefined);
    await this.#fence(this.#lease);
  }

  /** The first entry of a new holder: whoever had the lease writes nothing behind it. */
  async #fence({ epoch, takenFrom }: HeldLease): Promise<void> {
    const ledger = openLedger(this.#context);
    const from =
      takenFrom === undefined
        ? undefined
        : (takenFrom.unreadable ??
          `${takenFrom.actor.user}@${takenFrom.actor.hostname}: ${takenFrom.actor.command}`);
    while (!this.#closed.signal.aborted) {
      const read = await ledger.refresh();
      if (this.#closed.signal.aborted) return;
      // Somebody has taken over behind us and has written it: that fence serves as well.
      if (read.ok && read.value.epoch > epoch) return;
      const taken = read.ok ? await ledger.takeOver(epoch, from) : read;
      if (taken.ok || taken.error.kind === 'fenced') return;
      if (this.#ending.signal.aborted) return;
      await this.#pause(false);
    }
  }

  /** Lost to another emergency, it is taken again once that one is done, so that nobody calm comes in between. */
  async #hold(first: HeldLease): Promise<void> {
    const { actor, lease: leases } = this.#context;
    for (let lease = first; ; ) {
      await this.#keepLease(lease);
      let again: HeldLease | null = null;
      while (again === null) {
        await this.#pause(false);
        if (this.#ending.signal.aborted) return;
        const acquired = await leases.acquire(actor);
        if (acquired.ok) again = acquired.value;
      }
      if (this.#closed.signal.aborted) return again.release();
      lease = again;
      this.#lease = lease;
      void this.#fence(lease).catch(() => undefined);
    }
  }

  /** Renews three times a lifetime, until it is given back or another emergency has it. */
  async #keepLease(lease: HeldLease): Promise<void> {
    const { clock, lease: leases } = this.#context;
    while (!this.#closed.signal.aborted) {
      await clock.sleep(leases.ttlMs / 3, this.#closed.signal);
      if (this.#closed.signal.aborted || (await lease.renew()) === 'lost') return;
    }
  }
}

function asError(cause: unknown): { readonly ok: false; readonly error: string } {
  return { ok: false, error: (cause as Error).message };
}
