/**
 * Sends to the journal what an emergency wrote down on this machine while the journal did not answer.
 *
 * WS1  Written without an epoch: what happened and what a person asked for need no lease, and nobody's fence keeps them out.
 * WS2  An entry leaves the outbox only once the journal has it. What it has already is not written again, also where two send at
 *      once.
 * WS3  Oldest first, and behind one that cannot be sent none is.
 */
import type { EntryBody } from '../domain/journal.ts';
import type { EnvironmentState } from '../domain/state.ts';
import type { WaitingEntry } from '../ports/outbox.ts';
import type { LifecycleContext } from './context.ts';
import { journalTrouble, type Ledger } from './ledger.ts';
import { openLedger } from './run-rollout.ts';
import { within } from './within.ts';

export interface Sent {
  readonly sent: number;
  /** Still on this machine, those that cannot be sent by anybody included. */
  readonly left: number;
  /** How many of them are not this journal's to have: torn, a newer program's, another journal's. */
  readonly stuck: number;
  /** Why they are; empty: nothing is left. */
  readonly why: string;
}

/** How long the outbox may take to tell what it holds, ms. */
const OUTBOX_MS = 5_000;

/** May be called at the beginning of any command: costs nothing where nothing waits. Never throws for want of a journal. */
export async function sendWaiting(context: LifecycleContext): Promise<Sent> {
  const { sent, left, stuck, why } = await sendAll(context, openLedger(context));
  return { sent, left, stuck, why };
}

export interface Sending extends Sent {
  /** What waits could not be listed: nothing of it was sent. */
  readonly isOutboxDown: boolean;
}

export interface SendOptions {
  readonly isClosed?: () => boolean;
  /** Told of each that the journal has. */
  readonly onSent?: (entry: WaitingEntry) => void;
}

/** The same through a ledger that is open already; ends early when `isClosed`. */
export async function sendAll(
  { clock, outbox }: LifecycleContext,
  ledger: Ledger,
  { isClosed = () => false, onSent }: SendOptions = {},
): Promise<Sending> {
  const waiting = await within(clock, OUTBOX_MS, () => outbox.waiting());
  if (waiting === null || !waiting.ok) {
    const why = waiting === null ? 'it does not answer' : waiting.error;
    const told = `what waits on this machine cannot be read: ${why}`;
    return { sent: 0, left: 1, stuck: 0, why: told, isOutboxDown: true };
  }
  const { entries, unreadable } = waiting.value;
  const all = entries.length + unreadable.length;
  let sent = 0;
  const stuck = unreadable.length;
  const ended = (why: string): Sending => ({ sent, left: all - sent, stuck, why, isOutboxDown: false });
  if (entries.length > 0) {
    const read = await ledger.refresh();
    if (!read.ok) return ended(journalTrouble(read.error));
  }
  for (const { entry, done } of entries) {
    if (isClosed()) return ended('there was no time left for more');
    const why = await sendOne(ledger, entry);
    if (why !== null) return ended(why);
    onSent?.(entry);
    await done();
    sent += 1;
  }
  return ended(unreadable.length === 0 ? '' : `left where it is: ${unreadable.join(', ')}`);
}

/** Null: the journal has it. */
export async function sendOne(ledger: Ledger, { actor, reason, body }: WaitingEntry): Promise<string | null> {
  const written = await ledger.handOn({ body, reason, by: actor }, (state) => isJournaled(state, body));
  return written.ok ? null : journalTrouble(written.error);
}

/** WS2. As far as the state has been read. */
export function isJournaled({ actions }: EnvironmentState, body: EntryBody): boolean {
  if (!('actionId' in body)) return false;
  return actions.some(({ actionId, parts }) => actionId === body.actionId && parts.has(body.part));
}
