/**
 * A bucket in memory: one store, as many clients as a test wants, each of which can be cut off or lose replies by itself. For tests
 * that run whole rollouts in simulated time; what speaks HTTP is storage-server.ts.
 */

import type {
  ObjectBody,
  ObjectError,
  ObjectFacts,
  Objects,
} from '../../../src/adapters/google/storage/objects.ts';
import { err, ok, type Result } from '../../../src/domain/result.ts';
import type { Clock } from '../../../src/ports/clock.ts';

type Call = 'create' | 'replace' | 'read' | 'facts' | 'list' | 'remove';

/** What befalls one call of a client. */
export type ObjectFault =
  /** Nothing reaches the bucket. */
  | 'unavailable'
  /** Done, but no reply comes and the bucket is not asked again. */
  | 'cut'
  /** Done; the reply was lost, and the client's own second try finds its work done: 412. */
  | 'lost-reply'
  | 'denied'
  /** No answer ever comes, whatever the caller's deadline says; nothing reaches the bucket. */
  | 'hangs'
  /** Done, and no answer ever comes. */
  | 'done-hangs'
  /** The request is under way until then, whatever the caller's deadline says, and is only then done. */
  | { readonly until: Promise<unknown> }
  /** The listing lacks its last object. */
  | 'stale';

export interface MemoryClient {
  readonly objects: Objects;
  /** Asked at every call; null: nothing befalls it. */
  faults: ((call: Call, name: string) => ObjectFault | null) | null;
  /** The network is gone: requests wait for their timeout. `replies`: what was asked is done, the answers are lost. */
  partition: 'none' | 'requests' | 'replies';
  /** Calls so far, such as `list journal/`. */
  readonly calls: string[];
}

export interface MemoryBucket {
  client(): MemoryClient;
  /** Stored texts by name. */
  texts(): Map<string, string>;
  /** Somebody else writes, metadata kept as it is. */
  put(name: string, bytes: Uint8Array | string): void;
  remove(name: string): void;
}

interface Stored {
  readonly facts: ObjectFacts;
  readonly bytes: Uint8Array;
}

export interface MemoryBucketOptions {
  /** The server's. */
  readonly clock: Clock;
  /** How long a call takes, ms; default: no time at all. */
  readonly latencyMs?: () => number;
  /** How long a client tries in vain, ms, where the call has no deadline of its own. */
  readonly patienceMs?: number;
}

export function memoryBucket({ clock, latencyMs, patienceMs = 10_000 }: MemoryBucketOptions): MemoryBucket {
  const stored = new Map<string, Stored>();
  let generations = 1_700_000_000_000_000;

  function put(name: string, bytes: Uint8Array, metadata: Readonly<Record<string, string>>): ObjectFacts {
    generations += 1;
    const facts = {
      name,
      generation: String(generations),
      size: bytes.length,
      metadata,
      writtenAt: clock.now(),
    };
    stored.set(name, { facts, bytes: Uint8Array.from(bytes) });
    return facts;
  }

  function client(): MemoryClient {
    let serverNow: number | null = null;
    const calls: string[] = [];
    const self: { -readonly [K in keyof MemoryClient]: MemoryClient[K] } = {
      objects: null as unknown as Objects,
      faults: null,
      partition: 'none',
      calls,
    };

    async function call<T>(
      kind: Call,
      name: string,
      work: () => Result<T, ObjectError>,
      timeoutMs: number = patienceMs,
    ): Promise<Result<T, ObjectError>> {
      calls.push(`${kind} ${name}`);
      const fault = self.faults?.(kind, name) ?? null;
      const delay = latencyMs?.() ?? 0;
      if (delay > 0) await clock.sleep(delay / 2);
      const before = self.partition;
      if (typeof fault === 'object') await fault?.until;
      if (fault === 'hangs') return new Promise(() => undefined);
      if (before === 'requests' || fault === 'unavailable') {
        if (latencyMs !== undefined) await clock.sleep(timeoutMs);
        return unavailable(kind, name);
      }
      if (fault === 'denied') return err({ kind: 'denied', message: `may not ${kind} ${name}` });
      const answer = work();
      const at = clock.now();
      if (delay > 0) await clock.sleep(delay / 2);
      if (fault === 'done-hangs') return new Promise(() => undefined);
      if (self.partition !== 'none' || fault === 'cut') {
        if (latencyMs !== undefined) await clock.sleep(timeoutMs);
        return unavailable(kind, name);
      }
      serverNow = Math.floor(at / 1_000) * 1_000;
      if (fault === 'lost-reply' && answer.ok) return precondition(name);
      return answer;
    }

    self.objects = {
      label: 'gs://memory/gstg',
      create: async (name, body, options) => {
        const bytes = await bytesOf(body);
        return call(
          'create',
          name,
          () => (stored.has(name) ? precondition(name) : ok(put(name, bytes, options.metadata ?? {}))),
          options.timeoutMs,
        );
      },
      replace: (name, body, generation, options) =>
        call(
          'replace',
          name,
          () =>
            stored.get(name)?.facts.generation === generation
              ? ok(put(name, body, options.metadata ?? {}))
              : precondition(name),
          options.timeoutMs,
        ),
      read: (name, options) =>
        call('read', name, () => {
          const found = stored.get(name);
          const isAsked = options?.generation === undefined || options.generation === found?.facts.generation;
          return found === undefined || !isAsked
            ? notFound(name)
            : ok({ facts: found.facts, bytes: found.bytes });
        }),
      facts: (name) =>
        call('facts', name, () => {
          const found = stored.get(name);
          return found === undefined ? notFound(name) : ok(found.facts);
        }),
      list: ({ prefix, startAt = '' }) => {
        const isStale = self.faults?.('list', prefix) === 'stale';
        return call('list', prefix, () => {
          const all = [...stored.values()].map((one) => one.facts);
          const found = all
            .filter(({ name }) => name.startsWith(prefix) && name >= startAt)
            .sort((a, b) => (a.name < b.name ? -1 : 1));
          return ok(isStale ? found.slice(0, -1) : found);
        });
      },
      remove: (name, generation) =>
        call('remove', name, () => {
          if (stored.get(name)?.facts.generation !== generation) return precondition(name);
          stored.delete(name);
          return ok(undefined);
        }),
      // What entries and leases never need.
      open: () => {
        throw new Error('the bucket in memory has no streams');
      },
      signedUrl: () => Promise.resolve(err('the bucket in memory has no URLs')),
      serverNow: () => serverNow,
    };
    return self;
  }

  return {
    client,
    texts: () => new Map([...stored].map(([name, { bytes }]) => [name, new TextDecoder().decode(bytes)])),
    put: (name, bytes) => {
      const metadata = stored.get(name)?.facts.metadata ?? {};
      put(name, typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes, metadata);
    },
    remove: (name) => {
      stored.delete(name);
    },
  };
}

async function bytesOf(body: ObjectBody): Promise<Uint8Array> {
  if (body instanceof Uint8Array) return body;
  const parts: Uint8Array[] = [];
  for await (const part of body()) parts.push(part);
  return Buffer.concat(parts);
}

function unavailable(call: Call, name: string): Result<never, ObjectError> {
  return err({ kind: 'unavailable', message: `no answer to ${call} ${name}`, retryable: true });
}

function precondition(name: string): Result<never, ObjectError> {
  return err({ kind: 'precondition', message: `${name} is not what was expected` });
}

function notFound(name: string): Result<never, ObjectError> {
  return err({ kind: 'not-found', message: `${name} is not there` });
}
