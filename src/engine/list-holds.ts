/** Whose agent is to stay stopped: as the journal has it, and as an emergency on this machine has left it that is not there yet. */
import { foldEntries } from '../domain/fold.ts';
import { type HoldView, holdsOf } from '../domain/holds.ts';
import { sealEntry } from '../domain/journal.ts';
import { ok, type Result } from '../domain/result.ts';
import type { LifecycleContext, Refusal } from './context.ts';
import { readState } from './start-rollout.ts';
import { within } from './within.ts';

export interface Holds {
  readonly environment: string;
  /** Those that are due first. */
  readonly holds: readonly HoldView[];
  /** Entries on this machine that are counted here and not in the journal yet. */
  readonly waiting: number;
  /** What a reader must know besides, a sentence each. */
  readonly notes: readonly string[];
}

/** How long the outbox may take, ms. */
const OUTBOX_MS = 5_000;

/** Refuses where the journal cannot be read: a list without it would hide holds. */
export async function readHolds(context: LifecycleContext): Promise<Result<Holds, Refusal>> {
  const state = await readState(context);
  if (!state.ok) return state;
  const { clock, outbox, digest, environment } = context;
  const found = await within(clock, OUTBOX_MS, () => outbox.waiting());
  const notes: string[] = [];
  if (found?.ok !== true)
    notes.push(
      `what waits on this machine cannot be read: ${found === null ? 'it does not answer' : found.error}`,
    );
  const { entries, unreadable } = found?.ok === true ? found.value : { entries: [], unreadable: [] };
  if (unreadable.length > 0) notes.push(`on this machine, and not counted here: ${unreadable.join(', ')}`);
  // As they would stand in the journal if they were sent now.
  let folded = state.value;
  for (const { entry } of entries)
    folded = foldEntries([sealEntry(folded.head, { at: clock.now(), ...entry }, digest)], folded);
  return ok({
    environment: environment.name,
    holds: holdsOf(folded, clock.now()),
    waiting: entries.length,
    notes,
  });
}

/** Of several environments; those that cannot be read are told apart. */
export async function listHolds(
  contexts: readonly LifecycleContext[],
): Promise<{ readonly holds: readonly Holds[]; readonly refusals: readonly Refusal[] }> {
  const answers = await Promise.all(contexts.map(readHolds));
  return {
    holds: answers.flatMap((answer) => (answer.ok ? [answer.value] : [])),
    refusals: answers.flatMap((answer) => (answer.ok ? [] : [answer.error])),
  };
}
