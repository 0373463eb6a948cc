/**
 * One entry as a file: its name and its text, both ways.
 *
 * Entry 12 is `000000000012.json`. If that file is torn and was the last, its replacement is `000000000012.1.json`: the
 * torn one stays where it is. Moving it away could not be made safe: a writer that judged it torn a moment ago would
 * move away the good entry that another has put there since, and no file system call removes a name only if it
 * still means the same file.
 */
import { canonicalJson, type Entry, JOURNAL_SCHEMA } from '../../domain/journal.ts';

/** A file that holds an entry. `slot` is 0, or counts the torn files that it replaces. */
export interface EntryFile {
  readonly seq: number;
  readonly slot: number;
  readonly name: string;
}

const NAME = /^(\d{12})(?:\.([1-9]\d{0,2}))?\.json$/;
const HASH = /^[0-9a-f]{64}$/;

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

/** The text of an entry's file: canonical, so that the same entry is the same file. */
export function entryText(entry: Entry): string {
  return `${canonicalJson(entry)}\n`;
}

/** Checks the form that every entry has; the kinds' own fields and the hashes are the reader's to check. */
export function parseEntry(text: string, seq: number): ParsedEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'torn' };
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    return { kind: 'corrupt', message: 'it is not an entry' };
  const found = value as Partial<Record<keyof Entry, unknown>>;
  if (found.schema !== JOURNAL_SCHEMA) return { kind: 'corrupt', message: schemaMessage(found.schema) };
  if (found.seq !== seq)
    return { kind: 'corrupt', message: `it says that it is entry ${JSON.stringify(found.seq)}` };
  for (const field of ['prev', 'hash'] as const) {
    const hash = found[field];
    if (typeof hash !== 'string' || !HASH.test(hash))
      return { kind: 'corrupt', message: `its ${field} is not a sha256` };
  }
  if (typeof found.at !== 'number') return { kind: 'corrupt', message: 'it has no time' };
  if (!isRecord(found.actor)) return { kind: 'corrupt', message: 'it has no actor' };
  if (!isRecord(found.body) || typeof found.body['kind'] !== 'string')
    return { kind: 'corrupt', message: 'it has no kind' };
  return { kind: 'entry', entry: value as Entry };
}

function schemaMessage(schema: unknown): string {
  if (typeof schema === 'number' && schema > JOURNAL_SCHEMA) {
    return `it was written by a newer rollout (schema ${schema}, this one knows ${JOURNAL_SCHEMA}): use that version or a later one`;
  }
  return `its schema is ${JSON.stringify(schema) ?? 'missing'}, this program knows ${JOURNAL_SCHEMA}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
