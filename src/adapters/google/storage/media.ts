/**
 * The bytes of one generation.
 *
 * M1  What came is never fewer or other bytes than the server has: length and checksum are compared, the library's own check being
 *     left out where a header is missing.
 * M2  A connection that breaks or falls silent is taken up again where it stopped.
 */
import { createHash } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { Bucket } from '@google-cloud/storage';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import { type Client, type Connection, pinned } from './client.ts';
import { type Failure, failureOf, type Where } from './failure.ts';
import { type ObjectError, type ObjectFacts, ObjectReadError } from './objects.ts';
import { persist, within } from './persist.ts';

/** Slowest transfer that is still waited for, bytes a millisecond: 128 KiB a second. */
const SLOWEST = 131;

/** More than the library adds to one stream. */
const LISTENERS = 30;

/** Before a broken transfer is taken up again, ms. */
const BREATH_MS = 250;

export function deadlineFor(bytes: number, smallMs: number): number {
  return smallMs + Math.ceil(bytes / SLOWEST);
}

export interface MediaOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  /** Of a generation that is known. `name` is below `folder`. */
  readonly facts: ObjectFacts;
  readonly folder: string;
  readonly where: Where;
  readonly deadlineMs: number;
  /** Longest silence, ms. */
  readonly idleMs: number;
  readonly onDate: (headers: unknown) => void;
}

/** Fails with ObjectReadError. */
export async function* mediaOf(options: MediaOptions): AsyncIterable<Uint8Array> {
  const { connection, clock, facts, where } = options;
  const start = clock.now();
  const check: { sum?: Checksum } = {};
  let offset = 0;
  for (;;) {
    const left = options.deadlineMs - Math.max(0, clock.now() - start);
    const begun = await persist({ clock, deadlineMs: left, attemptMs: options.idleMs }, async (limitMs) => {
      const client = await connection.get();
      if (!client.ok) return err({ error: client.error });
      check.sum ??= checksumOf(facts, client.value);
      return begin(client.value.bucket, options, offset, limitMs);
    });
    if (!begun.ok) throw new ObjectReadError(begun.error);
    const parts = begun.value;
    try {
      for (let part = parts.first; part !== null; part = await parts.next()) {
        offset += part.length;
        check.sum?.update(part);
        yield part;
      }
      if (offset >= facts.size) break;
      throw new Error('the answer ended too early');
    } catch (cause) {
      const { error } = failureOf(cause, where);
      const spent = Math.max(0, clock.now() - start);
      if (error.kind !== 'unavailable' || !error.retryable || spent >= options.deadlineMs)
        throw new ObjectReadError(error);
    } finally {
      parts.close();
    }
    await clock.sleep(BREATH_MS);
  }
  if (offset !== facts.size || !check.sum?.fits()) {
    const found = offset === facts.size ? 'another checksum' : `${offset} bytes`;
    throw new ObjectReadError({
      kind: 'unavailable',
      retryable: true,
      message: `cannot read ${where.what}: ${found} came instead of the ${facts.size} bytes that are stored`,
    });
  }
}

interface Parts {
  readonly first: Uint8Array | null;
  /** null at the end. */
  readonly next: () => Promise<Uint8Array | null>;
  readonly close: () => void;
}

/** Until the first bytes are there: only then is it known that the server gives them. */
async function begin(
  bucket: Bucket,
  { facts, folder, where, idleMs, onDate }: MediaOptions,
  offset: number,
  limitMs: number,
): Promise<Result<Parts, Failure>> {
  const nothing = { first: null, next: () => Promise.resolve(null), close: () => undefined };
  if (facts.size === 0 || offset >= facts.size) return ok(nothing);
  const file = pinned(bucket, `${folder}${facts.name}`, facts.generation);
  const userProject = bucket.userProject === undefined ? {} : { userProject: bucket.userProject };
  const stream = file.createReadStream({
    decompress: false,
    ...userProject,
    ...(offset === 0 ? { validation: false } : { start: offset }),
  });
  // Late ones too, when nobody reads any more.
  stream.on('error', () => undefined);
  stream.on('response', (response: EventEmitter & { headers?: unknown }) => {
    onDate(response.headers);
    // The library pipes it twice over, and Node would warn on stderr of a leak that there is not (8.4.0).
    response.setMaxListeners(LISTENERS);
  });
  const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const next = async (ms: number): Promise<Uint8Array | null> => {
    const piece = await within(ms, pieces.next());
    return piece.done === true ? null : piece.value;
  };
  try {
    const first = await next(limitMs);
    if (first === null) throw new Error('the answer ended before its bytes');
    return ok({
      first,
      next: async () => {
        return next(idleMs);
      },
      close: () => stream.destroy(),
    });
  } catch (cause) {
    stream.destroy();
    return err(failureOf(cause, where));
  }
}

interface Checksum {
  update(bytes: Uint8Array): void;
  fits(): boolean;
}

/** MD5 where there is one: it is many times as fast as the library's CRC32C. */
function checksumOf({ md5, crc32c }: ObjectFacts, client: Client): Checksum {
  if (md5 !== undefined) {
    const hash = createHash('md5');
    return { update: (bytes) => hash.update(bytes), fits: () => hash.digest('base64') === md5 };
  }
  if (crc32c === undefined) return { update: () => undefined, fits: () => true };
  const sum = client.crc32c();
  return { update: (bytes) => sum.update(Buffer.from(bytes)), fits: () => sum.toString() === crc32c };
}

/** All of it. What came damaged is asked for again, twice. */
export async function readWhole(options: MediaOptions): Promise<Result<Uint8Array, ObjectError>> {
  for (let attempt = 1; ; attempt++) {
    try {
      const parts: Uint8Array[] = [];
      for await (const part of mediaOf(options)) parts.push(part);
      return ok(Buffer.concat(parts));
    } catch (cause) {
      if (!(cause instanceof ObjectReadError)) throw cause;
      const { error } = cause;
      if (attempt >= 3 || !/came instead of/.test(error.message)) return err(error);
    }
  }
}
