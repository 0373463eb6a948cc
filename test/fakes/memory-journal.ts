/**
 * A journal in memory, with every failure that a real one can show.
 *
 * What is stored has gone through JSON, as on a disk, and is frozen: who changes an entry afterwards is found out.
 */
import { canonicalJson, type Entry } from '../../src/domain/journal.ts';
import { err, ok, type Result, unreachable } from '../../src/domain/result.ts';
import type { JournalError, JournalStore } from '../../src/ports/journal.ts';
import { CrashError } from './crash-error.ts';

export type JournalFault =
  /** The store does not answer; nothing was written. */
  | { readonly on: 'read' | 'append'; readonly kind: 'unavailable'; readonly retryable?: boolean }
  /** The entry is durable, but the caller is told `unavailable` (retryable). */
  | { readonly on: 'append'; readonly kind: 'lost-reply' }
  /** Somebody else took the number just before, with the entry `by` if given; nothing of the caller's was written. */
  | { readonly on: 'append'; readonly kind: 'conflict'; readonly by?: Entry }
  /** The process is killed: CrashError is thrown, with the entry not written, or written. */
  | { readonly on: 'append'; readonly kind: 'crash-before' | 'crash-after' };

/** Decides for each call; undefined: no fault. */
export type JournalFaults = (
  call: { on: 'read' } | { on: 'append'; entry: Entry },
) => JournalFault | undefined;

export interface MemoryJournal extends JournalStore {
  /** What is durable, oldest first; a torn last entry is not among them. */
  readonly entries: readonly Entry[];
  /** The next call that the fault is about shows it, once; several queue up. */
  failNext(fault: JournalFault): void;
  /** Asked before each call that `failNext` does not decide; null: no more. */
  failBy(faults: JournalFaults | null): void;
  /** Breaks the stored entry so that it does not parse. */
  tear(seq: number): void;
  /** Replaces what is stored under a number by any JSON value. */
  overwrite(seq: number, value: unknown): void;
  /** Takes entries away, as a person with `rm` would. */
  remove(seq: number): void;
}

type Stored = { readonly kind: 'whole'; readonly value: unknown } | { readonly kind: 'torn' };

export function memoryJournal(initial: readonly Entry[] = []): MemoryJournal {
  const stored = new Map<number, Stored>();
  const queue: JournalFault[] = [];
  let faults: JournalFaults | null = null;

  const put = (seq: number, value: unknown): void => {
    stored.set(seq, { kind: 'whole', value: deepFreeze(JSON.parse(JSON.stringify(value))) });
  };
  for (const entry of initial) put(entry.seq, entry);

  const last = (): number => Math.max(0, ...stored.keys());
  const fault = (call: Parameters<JournalFaults>[0]): JournalFault | undefined => {
    const index = queue.findIndex((f) => f.on === call.on);
    return index >= 0 ? queue.splice(index, 1)[0] : faults?.(call);
  };

  function readAfter(after: number): Result<readonly Entry[], JournalError> {
    const highest = last();
    if (after > highest) return missing(highest + 1);
    const entries: Entry[] = [];
    for (let seq = 1; seq <= highest; seq++) {
      const found = stored.get(seq);
      if (!found) return missing(seq);
      if (seq <= after) continue;
      if (found.kind === 'torn') {
        if (seq === highest) break;
        return err({ kind: 'corrupt', seq, message: `entry ${seq} is torn` });
      }
      const schema = (found.value as { schema?: unknown }).schema;
      if (schema !== 1) {
        const why =
          typeof schema === 'number' && schema > 1 ? 'written by a newer rollout' : 'of an unknown schema';
        return err({ kind: 'corrupt', seq, message: `entry ${seq} is ${why}` });
      }
      entries.push(found.value as Entry);
    }
    return ok(entries);
  }

  function store(entry: Entry): Result<void, JournalError> {
    const there = stored.get(entry.seq);
    if (there?.kind === 'whole') {
      const same = canonicalJson(there.value) === canonicalJson(entry);
      return same ? ok(undefined) : err({ kind: 'conflict', seq: entry.seq });
    }
    if (there && entry.seq !== last())
      return err({ kind: 'corrupt', seq: entry.seq, message: `entry ${entry.seq} is torn` });
    if (entry.seq > 1 && !stored.has(entry.seq - 1)) return missing(entry.seq - 1);
    put(entry.seq, entry);
    return ok(undefined);
  }

  function storeSilently(entry: Entry, how: 'lost-reply' | 'crash-after'): Result<void, JournalError> {
    const written = store(entry);
    if (!written.ok) return written;
    if (how === 'crash-after') throw new CrashError(`after entry ${entry.seq} was written`);
    return unavailable('append', true);
  }

  return {
    get entries() {
      const whole = [...stored.entries()]
        .sort(([a], [b]) => a - b)
        .flatMap(([, s]) => (s.kind === 'whole' ? [s.value] : []));
      return whole as Entry[];
    },
    async read(after) {
      const shown = fault({ on: 'read' });
      return shown?.kind === 'unavailable' ? unavailable('read', shown.retryable ?? true) : readAfter(after);
    },
    async append(entry) {
      const shown = fault({ on: 'append', entry });
      if (!shown) return store(entry);
      switch (shown.kind) {
        case 'unavailable':
          return unavailable('append', shown.retryable ?? true);
        case 'conflict':
          if (shown.by) put(shown.by.seq, shown.by);
          return err({ kind: 'conflict', seq: entry.seq });
        case 'crash-before':
          throw new CrashError(`before entry ${entry.seq} was written`);
        case 'lost-reply':
        case 'crash-after':
          return storeSilently(entry, shown.kind);
        default:
          return unreachable(shown);
      }
    },
    failNext: (f) => {
      queue.push(f);
    },
    failBy: (f) => {
      faults = f;
    },
    tear: (seq) => {
      stored.set(seq, { kind: 'torn' });
    },
    overwrite: put,
    remove: (seq) => {
      stored.delete(seq);
    },
  };
}

function unavailable(on: string, retryable: boolean): Result<never, JournalError> {
  return err({ kind: 'unavailable', message: `the journal in memory does not answer (${on})`, retryable });
}

function missing(seq: number): Result<never, JournalError> {
  return err({ kind: 'corrupt', seq, message: `entry ${seq} is missing` });
}

function deepFreeze<T>(value: T): T {
  if (value !== null && typeof value === 'object' && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const field of Object.values(value)) deepFreeze(field);
  }
  return value;
}
