/** A folder of objects in a bucket, in the few operations that store, journal and lease need. Names are below the folder. */
import type { Result } from '../../../domain/result.ts';

export interface ObjectFacts {
  /** Below the folder. */
  readonly name: string;
  /** Number of this writing of the object, as text: it exceeds 2^53. */
  readonly generation: string;
  readonly size: number;
  /** Custom metadata. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was written, by the server's clock, ms since the epoch. */
  readonly writtenAt: number;
  /** Checksums as the server has them, base64; absent where it keeps none (composed objects have no MD5). */
  readonly crc32c?: string;
  readonly md5?: string;
}

export type ObjectError =
  | { readonly kind: 'not-found'; readonly message: string }
  /** The precondition does not hold (412): the object exists, or has another generation. Also after a reply that was lost. */
  | { readonly kind: 'precondition'; readonly message: string }
  /** Credentials are missing, or may not do this (401, 403); the message says what mends it. */
  | { readonly kind: 'denied'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryable: boolean };

/** What an iteration over an object's bytes fails with. */
export class ObjectReadError extends Error {
  readonly error: ObjectError;
  constructor(error: ObjectError) {
    super(error.message);
    this.error = error;
  }
}

/** Bytes to write: at once, or as a stream that can be begun anew. */
export type ObjectBody = Uint8Array | (() => AsyncIterable<Uint8Array>);

export interface WriteOptions {
  readonly contentType: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Size of a stream, bytes: chooses a resumable upload for large ones. */
  readonly size?: number;
  /** Told of the bytes that are stored so far. */
  readonly onProgress?: (bytes: number) => void;
  /** Deadline of the whole call, ms. */
  readonly timeoutMs?: number;
}

/**
 * Every call retries 408, 429 and 5xx with back-off within a deadline, and never rejects. A writing call that is retried after a
 * lost reply finds its own object and answers `precondition`: the caller reads back and compares.
 */
export interface Objects {
  /** Such as `gs://bucket/prefix`, for messages. */
  readonly label: string;
  /** `ifGenerationMatch=0`. */
  create(name: string, body: ObjectBody, options: WriteOptions): Promise<Result<ObjectFacts, ObjectError>>;
  /** `ifGenerationMatch=generation`: compare and set. */
  replace(
    name: string,
    body: Uint8Array,
    generation: string,
    options: WriteOptions,
  ): Promise<Result<ObjectFacts, ObjectError>>;
  /** The newest generation, or the one asked for, whole; its checksum is compared. At most 64 MiB. */
  read(
    name: string,
    options?: {
      readonly generation?: string;
      /** As a listing gave them: then that generation is read, in one request instead of two. */
      readonly known?: ObjectFacts;
    },
  ): Promise<Result<{ readonly facts: ObjectFacts; readonly bytes: Uint8Array }, ObjectError>>;
  /** The bytes of one generation as a stream; fails inside the iteration, with ObjectReadError. Its checksum is compared at the end. */
  open(name: string, generation: string): AsyncIterable<Uint8Array>;
  facts(name: string, options?: { readonly generation?: string }): Promise<Result<ObjectFacts, ObjectError>>;
  /** Every page, in the order of names (UTF-8). `startAt` is included. */
  list(options: {
    readonly prefix: string;
    readonly startAt?: string;
  }): Promise<Result<readonly ObjectFacts[], ObjectError>>;
  /** `ifGenerationMatch=generation`. */
  remove(name: string, generation: string): Promise<Result<void, ObjectError>>;
  /** v4 URL to GET one generation. The URL is a secret. The error is a sentence with its mend. */
  signedUrl(name: string, generation: string, lifetimeMs: number): Promise<Result<string, string>>;
  /** The server's clock, from its last answer, ms since the epoch; null before the first answer. Whole seconds are exact. */
  serverNow(): number | null;
}
