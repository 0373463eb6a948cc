/**
 * One entry as an object: its name and its text, both ways. Entry 12 is `journal/000000000012.json`.
 *
 * An object is there whole or not at all, so nothing is ever torn here: text that is not an entry was put there by somebody,
 * and is corrupt wherever it stands.
 */
import { canonicalJson, type Entry, JOURNAL_SCHEMA } from '../../../domain/journal.ts';
import { err, ok, type Result } from '../../../domain/result.ts';

/** All entries have names that begin so; objects of other names below it are left alone. */
export const ENTRY_PREFIX = 'journal/';

const NAME = /^journal\/(\d{12})\.json$/;
const HASH = /^[0-9a-f]{64}$/;

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

/** Canonical, so that the same entry is the same text. */
export function entryText(entry: Entry): string {
  return `${canonicalJson(entry)}\n`;
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

/** Checks the form that every entry has; the kinds' own fields and the hashes are the reader's to check. */
export function asEntry(value: unknown, seq: number): Result<Entry, string> {
  if (!isRecord(value)) return err('it is not an entry');
  const found: Partial<Record<keyof Entry, unknown>> = value;
  if (found.schema !== JOURNAL_SCHEMA) return err(schemaMessage(found.schema));
  if (found.seq !== seq) return err(`it says that it is entry ${JSON.stringify(found.seq)}`);
  for (const field of ['prev', 'hash'] as const) {
    const hash = found[field];
    if (typeof hash !== 'string' || !HASH.test(hash)) return err(`its ${field} is not a sha256`);
  }
  if (typeof found.at !== 'number') return err('it has no time');
  if (!isRecord(found.actor)) return err('it has no actor');
  if (!isRecord(found.body) || typeof found.body['kind'] !== 'string') return err('it has no kind');
  return ok(value as unknown as Entry);
}

function schemaMessage(schema: unknown): string {
  if (typeof schema === 'number' && schema > JOURNAL_SCHEMA) {
    return `it was written by a newer rollout (schema ${schema}, this one knows ${JOURNAL_SCHEMA}): use that version or a later one`;
  }
  return `its schema is ${JSON.stringify(schema) ?? 'missing'}, this program knows ${JOURNAL_SCHEMA}`;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}
