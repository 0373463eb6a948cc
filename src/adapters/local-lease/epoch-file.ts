/** One holder as a file: `000000000007.json` is the holder of epoch 7. */
import { isRecord } from '../../domain/is-record.ts';
import type { Actor } from '../../domain/journal.ts';
import type { LeaseHolder } from '../../ports/lease.ts';
import type { ProcessMark } from '../../ports/process-table.ts';

export const LEASE_SCHEMA = 1;

/** What a holder writes; rewritten whole by every heartbeat. */
export interface EpochRecord {
  readonly schema: typeof LEASE_SCHEMA;
  readonly epoch: number;
  readonly actor: Actor;
  readonly process: ProcessMark;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Milliseconds since the epoch; 0 once released. */
  readonly expiresAt: number;
  readonly released: boolean;
}

const NAME = /^(\d{12})\.json$/;

export function epochName(epoch: number): string {
  return `${String(epoch).padStart(12, '0')}.json`;
}

/** Null for names that are not an epoch's. */
export function parseEpochName(name: string): number | null {
  const match = NAME.exec(name);
  return match && Number(match[1]) > 0 ? Number(match[1]) : null;
}

/** Null where the text is torn, of another schema, or not a holder's. */
export function parseEpoch(text: string, epoch: number): EpochRecord | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['schema'] !== LEASE_SCHEMA || value['epoch'] !== epoch) return null;
  const { actor, process: mark, since, expiresAt, released } = value;
  if (!isRecord(actor) || !['user', 'hostname', 'command'].every((key) => typeof actor[key] === 'string'))
    return null;
  if (!isRecord(mark) || typeof mark['hostname'] !== 'string' || typeof mark['pid'] !== 'number') return null;
  if (typeof since !== 'number' || typeof expiresAt !== 'number' || typeof released !== 'boolean')
    return null;
  return value as unknown as EpochRecord;
}

export function holderOf(record: EpochRecord): LeaseHolder {
  return {
    actor: record.actor,
    pid: record.process.pid,
    epoch: record.epoch,
    since: record.since,
    expiresAt: record.expiresAt,
  };
}
