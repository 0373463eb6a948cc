/** An entry as text, and text as an entry: the same for every place where a journal is kept. Pure. */
import { isRecord } from './is-record.ts';
import { canonicalJson, type Entry, JOURNAL_SCHEMA } from './journal.ts';
import { err, ok, type Result } from './result.ts';

const HASH = /^[0-9a-f]{64}$/;

/** Canonical, so that the same entry is the same text. */
export function entryText(entry: Entry): string {
  return `${canonicalJson(entry)}\n`;
}

/**
 * Checks the form that every entry has; the kinds' own fields and the hashes are the reader's to check. The error says what is
 * wrong with it, as the end of a sentence about the entry.
 */
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
