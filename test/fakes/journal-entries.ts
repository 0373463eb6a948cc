/** Entries to put into journals. */
import { createHash } from 'node:crypto';
import {
  type Actor,
  type Entry,
  type EntryBody,
  type EntryDraft,
  sealEntry,
} from '../../src/domain/journal.ts';

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export const someActor: Actor = { user: 'ada', hostname: 'ops-1', command: 'rollout deploy gstg 5.10.2' };

export function draft(
  body: EntryBody = { kind: 'wave-started', wave: 0 },
  fields: Partial<EntryDraft> = {},
): EntryDraft {
  return { at: Date.UTC(2026, 0, 1), actor: someActor, epoch: 1, body, ...fields };
}

/** Seals the drafts behind `head`, one after the other. */
export function chainOf(drafts: readonly EntryDraft[], head: Entry | null = null): Entry[] {
  const entries: Entry[] = [];
  for (const one of drafts) entries.push(sealEntry(entries.at(-1) ?? head, one, sha256));
  return entries;
}

/** A whole chain of `count` entries; `salt` makes another one of the same length. */
export function someChain(count: number, salt = ''): Entry[] {
  return chainOf(
    Array.from({ length: count }, (_, i) =>
      draft({ kind: 'wave-started', wave: i }, { reason: `step ${i}${salt}`, at: 1_000 + i }),
    ),
  );
}
