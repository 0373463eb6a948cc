/**
 * A waiting entry as a file's text, and a text as a waiting entry. Pure.
 *
 * WT1  What is given back goes into an append-only journal that everybody reads: one damaged entry there would stand in all commands'
 *      way for ever. So only parts of actions come through, each with what the fold reads of it.
 */
import { isRecord } from '../../domain/is-record.ts';
import type { EntryKind } from '../../domain/journal.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { WaitingEntry } from '../../ports/outbox.ts';

const SCHEMA = 1;

/** `journal` is the place of the journal that it waits for, in words. */
export function waitingText(entry: WaitingEntry, journal: string): string {
  return `${JSON.stringify({ schema: SCHEMA, journal, entry })}\n`;
}

/** The error ends a sentence about the file. */
export function parseWaiting(text: string, journal: string): Result<WaitingEntry, string> {
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
  if (value['journal'] !== journal)
    return err(`it is for another journal, ${JSON.stringify(value['journal'])}`);
  const { actor, reason, body } = entry;
  if (!isRecord(actor) || !['user', 'hostname', 'command'].every((key) => typeof actor[key] === 'string'))
    return err('it has no actor');
  if (reason !== undefined && typeof reason !== 'string') return err('its reason is not text');
  if (!isRecord(body) || typeof body['kind'] !== 'string') return err('it has no kind');
  const { kind } = body;
  if (!Object.hasOwn(FITS, kind))
    return err(`nothing of the kind ${JSON.stringify(kind)} waits, as far as this rollout knows`);
  return isPart(body) && FITS[kind as WaitingKind](body)
    ? ok(entry as unknown as WaitingEntry)
    : err(`it is damaged: not all of a ${kind} is there`);
}

type WaitingKind = Extract<EntryKind, `lifecycle-${string}` | 'role-file-changed'>;
type Body = Readonly<Record<string, unknown>>;

/** WT1. */
const FITS: Readonly<Record<WaitingKind, (body: Body) => boolean>> = {
  'lifecycle-intended': ({ verb, hosts, hold }) =>
    isText(verb) && isNamedList(hosts) && (hold === undefined || isHold(hold)),
  'lifecycle-answered': ({ verb, hosts }) =>
    isText(verb) &&
    isNamedList(hosts) &&
    hosts.every(({ outcome }) => isRecord(outcome) && isText(outcome['kind'])),
  'lifecycle-settled': ({ stayedDown, startedAgain, unseen }) =>
    isCount(stayedDown) && isNamedList(startedAgain) && isNamedList(unseen),
  'lifecycle-ended': ({ covered, notCovered }) => isCount(covered) && isNamedList(notCovered),
  'role-file-changed': ({ change }) =>
    isRecord(change) &&
    isText(change['file']) &&
    Array.isArray(change['path']) &&
    change['path'].every(isText) &&
    [change['before'], change['after']].every((one) => one === null || isText(one)),
};

function isPart({ actionId, part, happenedAt }: Body): boolean {
  return isText(actionId) && actionId !== '' && isCount(part) && isTime(happenedAt);
}

function isHold(hold: unknown): boolean {
  return (
    isRecord(hold) &&
    ['actionId', 'environment', 'by', 'reason'].every((key) => isText(hold[key])) &&
    isTime(hold['since']) &&
    isTime(hold['until'])
  );
}

function isNamedList(list: unknown): list is readonly Record<string, unknown>[] {
  return (
    Array.isArray(list) && list.every((one) => isRecord(one) && isText(one['id']) && isText(one['name']))
  );
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
