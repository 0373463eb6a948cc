/** A waiting entry as a file's text, and a text as a waiting entry. Pure. */
import { isRecord } from '../../domain/is-record.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { WaitingEntry } from '../../ports/outbox.ts';

const SCHEMA = 1;

export function waitingText(entry: WaitingEntry): string {
  return `${JSON.stringify({ schema: SCHEMA, entry })}\n`;
}

/** The error ends a sentence about the file. A kind's own fields are the journal's reader's to check, as in the journal itself. */
export function parseWaiting(text: string): Result<WaitingEntry, string> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return err('it is torn: not whole JSON');
  }
  if (!isRecord(value)) return err('it is not an entry');
  const { schema, entry } = value;
  if (typeof schema === 'number' && schema > SCHEMA)
    return err(`it was written by a newer rollout (schema ${schema}, this one knows ${SCHEMA})`);
  if (schema !== SCHEMA || !isRecord(entry)) return err('it is not an entry');
  const { actor, reason, body } = entry;
  if (!isRecord(actor) || !['user', 'hostname', 'command'].every((key) => typeof actor[key] === 'string'))
    return err('it has no actor');
  if (reason !== undefined && typeof reason !== 'string') return err('its reason is not text');
  if (!isRecord(body) || typeof body['kind'] !== 'string') return err('it has no kind');
  return ok(entry as unknown as WaitingEntry);
}
