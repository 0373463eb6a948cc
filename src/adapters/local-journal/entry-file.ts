/**
 * One entry as a file: its name and its text, both ways.
 *
 * Entry 12 is `000000000012.json`. If that file is torn and was the last, its replacement is `000000000012.1.json`: the
 * torn one stays where it is. Moving it away could not be made safe: a writer that judged it torn a moment ago would
 * move away the good entry that another has put there since, and no file system call removes a name only if it
 * still means the same file.
 */
import type { Entry } from '../../domain/journal.ts';
import { asEntry } from '../../domain/journal-text.ts';

/** A file that holds an entry. `slot` is 0, or counts the torn files that it replaces. */
export interface EntryFile {
  readonly seq: number;
  readonly slot: number;
  readonly name: string;
}

const NAME = /^(\d{12})(?:\.([1-9]\d{0,2}))?\.json$/;

export function entryFile(seq: number, slot: number): EntryFile {
  return { seq, slot, name: `${String(seq).padStart(12, '0')}${slot > 0 ? `.${slot}` : ''}.json` };
}

/** Null for names that are not an entry's. */
export function parseName(name: string): EntryFile | null {
  const match = NAME.exec(name);
  if (!match) return null;
  const seq = Number(match[1]);
  return seq > 0 ? { seq, slot: Number(match[2] ?? 0), name } : null;
}

export type ParsedEntry =
  | { readonly kind: 'entry'; readonly entry: Entry }
  /** Not JSON: empty, cut off, or zeros, as a lost power supply leaves it. No whole entry looks so. */
  | { readonly kind: 'torn' }
  | { readonly kind: 'corrupt'; readonly message: string };

/** The hashes are the reader's to check. */
export function parseEntry(text: string, seq: number): ParsedEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'torn' };
  }
  const entry = asEntry(value, seq);
  return entry.ok ? { kind: 'entry', entry: entry.value } : { kind: 'corrupt', message: entry.error };
}
