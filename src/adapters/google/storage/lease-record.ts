/** What the lease's object says of its holder, and what can be read off it. */
import { isRecord } from '../../../domain/is-record.ts';
import type { Actor } from '../../../domain/journal.ts';
import type { LeaseHolder } from '../../../ports/lease.ts';
import type { ProcessMark } from '../../../ports/process-table.ts';
import type { ObjectFacts } from './objects.ts';

export const LEASE_NAME = 'lease.json';

const LEASE_SCHEMA = 1;

/** Rewritten whole by every try to renew it. Stays when it was given back, so that no epoch comes twice. */
export interface LeaseRecord {
  readonly schema: typeof LEASE_SCHEMA;
  readonly epoch: number;
  readonly actor: Actor;
  readonly process: ProcessMark;
  /** Random: tells our own writing from another's after a lost reply, whatever else they have in common. */
  readonly token: string;
  /** How often it was tried to renew it: tells which try's writing the object is. */
  readonly beat: number;
  /** By the server's clock, ms since the epoch. */
  readonly since: number;
  /** Its lifetime from when the object was written, by the server's clock. */
  readonly ttlMs: number;
  readonly released: boolean;
}

/** The object as it was found. */
export type FoundLease =
  /** Never taken, or its object was taken away by hand. */
  | { readonly kind: 'none' }
  | { readonly kind: 'record'; readonly facts: ObjectFacts; readonly record: LeaseRecord }
  /** Somebody's whom this program cannot understand. */
  | { readonly kind: 'unreadable'; readonly facts: ObjectFacts };

export function newRecord(fields: Omit<LeaseRecord, 'schema' | 'beat' | 'released'>): LeaseRecord {
  return { schema: LEASE_SCHEMA, beat: 0, released: false, ...fields };
}

export function recordBytes(record: LeaseRecord): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(record)}\n`);
}

/** The epoch is kept beside the text too: whoever cannot read the text must still not use it twice. */
export function recordOptions(
  { epoch }: LeaseRecord,
  timeoutMs: number,
): { contentType: string; metadata: Record<string, string>; timeoutMs: number } {
  return { contentType: 'application/json', metadata: { epoch: String(epoch) }, timeoutMs };
}

export function foundLease(facts: ObjectFacts, bytes: Uint8Array): FoundLease {
  const record = parseRecord(new TextDecoder().decode(bytes));
  return record === null ? { kind: 'unreadable', facts } : { kind: 'record', facts, record };
}

/** 0 where even the metadata does not say. */
export function epochBeside({ metadata }: ObjectFacts): number {
  const epoch = Number(metadata['epoch']);
  return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0;
}

function parseRecord(text: string): LeaseRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['schema'] !== LEASE_SCHEMA) return null;
  const { actor, process: mark } = value;
  if (!isRecord(actor) || !['user', 'hostname', 'command'].every((key) => typeof actor[key] === 'string'))
    return null;
  if (!isRecord(mark) || typeof mark['hostname'] !== 'string' || typeof mark['pid'] !== 'number') return null;
  const numbers = ['epoch', 'beat', 'since', 'ttlMs'].every((key) => Number.isSafeInteger(value[key]));
  if (!numbers || typeof value['token'] !== 'string' || typeof value['released'] !== 'boolean') return null;
  return value as unknown as LeaseRecord;
}

export function holderOf(
  { actor, process, epoch, since, ttlMs }: LeaseRecord,
  writtenAt: number,
): LeaseHolder {
  return { actor, pid: process.pid, epoch, since, expiresAt: writtenAt + ttlMs };
}
