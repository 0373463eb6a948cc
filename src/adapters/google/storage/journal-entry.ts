/**
 * One entry as an object: its name and its text, both ways. Entry 12 is `journal/000000000012.json`.
 *
 * An object is there whole or not at all, so nothing is ever torn here: text that is not an entry was put there by somebody,
 * and is corrupt wherever it stands.
 */
import type { Entry } from '../../../domain/journal.ts';
import { asEntry } from '../../../domain/journal-text.ts';
import { err, type Result } from '../../../domain/result.ts';

/** All entries have names that begin so; objects of other names below it are left alone. */
export const ENTRY_PREFIX = 'journal/';

const NAME = /^journal\/(\d{12})\.json$/;

/** Names in the order of numbers: twelve digits are enough for an entry a second over 30,000 years. */
export function entryName(seq: number): string {
  return `${ENTRY_PREFIX}${digits(seq)}.json`;
}

export function digits(seq: number): string {
  return String(seq).padStart(12, '0');
}

/** Null for names that are not an entry's. */
export function seqOf(name: string): number | null {
  const seq = Number(NAME.exec(name)?.[1] ?? 0);
  return seq > 0 ? seq : null;
}

/** The error says what is wrong with it, as the end of a sentence about the entry. */
export function parseEntry(text: string, seq: number): Result<Entry, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err('its object does not hold JSON: it is cut off or torn, or something else was written there');
  }
  return asEntry(value, seq);
}
