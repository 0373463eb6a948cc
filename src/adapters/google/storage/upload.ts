/**
 * Writing an object under a condition on its generation.
 *
 * U1  The server compares the checksum of what it got in one request before it makes the object. The library sends none with parts:
 *     there the caller compares the MD5 of the answer.
 * U2  A source that fails, or that has another length than announced, makes no object: its last piece is held back until it ended.
 */
import { pipeline } from 'node:stream/promises';
import type { File } from '@google-cloud/storage';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { Client } from './client.ts';
import { type Failure, failureOf, headerOf, statusOf, type Where } from './failure.ts';
import type { ObjectBody, WriteOptions } from './objects.ts';
import { within } from './persist.ts';

export interface UploadOptions {
  readonly client: Client;
  /** Full name in the bucket. */
  readonly name: string;
  /** `0`: only if there is none. */
  readonly ifGeneration: string;
  readonly write: WriteOptions;
  readonly where: Where;
  readonly limitMs: number;
  readonly onDate: (headers: unknown) => void;
}

/** The resource as the server answers it. */
export type Uploaded = Promise<Result<unknown, Failure>>;

/** All in one request. */
export async function uploadAtOnce(bytes: Uint8Array, options: UploadOptions): Uploaded {
  const { client, name, write, limitMs, where } = options;
  const file = client.bucket.file(name);
  const crc32c = client.crc32c();
  crc32c.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const stream = file.createWriteStream({
    resumable: false,
    validation: false,
    metadata: { ...metadataOf(write), crc32c: crc32c.toString() },
    preconditionOpts: { ifGenerationMatch: options.ifGeneration },
    timeout: limitMs,
  });
  const done = new Promise<void>((resolve, reject) => {
    stream.on('response', (response: { headers?: unknown }) => options.onDate(response.headers));
    stream.on('error', reject);
    stream.on('finish', resolve);
  });
  stream.end(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  try {
    await within(limitMs, done);
    write.onProgress?.(bytes.length);
    return ok(file.metadata);
  } catch (cause) {
    stream.destroy();
    return err(refused(cause, options, where));
  }
}

/** In parts, each taken up again by the library when it fails. */
export async function uploadInParts(
  open: () => AsyncIterable<Uint8Array>,
  size: number,
  partBytes: number,
  options: UploadOptions,
): Uploaded {
  const { client, name, write, limitMs, where } = options;
  const file: File = await client.patientFile(name);
  const stream = file.createWriteStream({
    resumable: true,
    validation: false,
    chunkSize: partBytes,
    metadata: { ...metadataOf(write), contentLength: size },
    preconditionOpts: { ifGenerationMatch: options.ifGeneration },
  });
  stream.on('response', (response: { headers?: unknown }) => options.onDate(response.headers));
  let told = 0;
  stream.on('progress', ({ bytesWritten }: { bytesWritten: number }) => {
    // A part is begun only when the one before it is stored.
    const stored = Math.max(0, Math.floor((bytesWritten - 1) / partBytes)) * partBytes;
    if (stored > told) write.onProgress?.((told = stored));
  });
  try {
    await within(limitMs, pipeline(exactly(open, size, where.what), stream));
    write.onProgress?.(size);
    return ok(file.metadata);
  } catch (cause) {
    stream.destroy();
    return err(refused(cause, options, where));
  }
}

/** The whole of a source, in memory. */
export async function collect(
  body: ObjectBody,
  what: string,
  most: number,
): Promise<Result<Uint8Array, Failure>> {
  if (body instanceof Uint8Array) return ok(body);
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const part of body()) {
      parts.push(part);
      size += part.length;
      if (size > most) throw new Error(`it has more than the ${most} bytes announced`);
    }
  } catch (cause) {
    return err(sourceFailure(cause, what));
  }
  return ok(Buffer.concat(parts));
}

/** What was to be written cannot be read: asking the server again would not help. */
export class SourceError extends Error {}

export function sourceFailure(cause: unknown, what: string): Failure {
  const why = cause instanceof Error ? cause.message : String(cause);
  const message = `what is to be written to ${what} cannot be read: ${why}`;
  return { error: { kind: 'unavailable', message, retryable: false } };
}

/** U2. */
async function* exactly(
  open: () => AsyncIterable<Uint8Array>,
  size: number,
  what: string,
): AsyncIterable<Uint8Array> {
  let held: Uint8Array | null = null;
  let seen = 0;
  const fault = (why: string): SourceError =>
    new SourceError(sourceFailure(new Error(why), what).error.message);
  try {
    for await (const part of open()) {
      seen += part.length;
      if (seen > size) throw fault(`it has more than the ${size} bytes announced`);
      if (part.length === 0) continue;
      if (held !== null) yield held;
      held = part;
    }
  } catch (cause) {
    if (cause instanceof SourceError) throw cause;
    throw fault(cause instanceof Error ? cause.message : String(cause));
  }
  if (seen !== size) throw fault(`it has ${seen} bytes instead of the ${size} announced`);
  if (held !== null) yield held;
}

function refused(cause: unknown, { onDate }: UploadOptions, where: Where): Failure {
  if (cause instanceof SourceError)
    return { error: { kind: 'unavailable', message: cause.message, retryable: false } };
  const { response } = (cause ?? {}) as { response?: { headers?: unknown } };
  if (statusOf(cause) !== null && headerOf(response?.headers, 'date') !== undefined)
    onDate(response?.headers);
  return failureOf(cause, where);
}

function metadataOf({ contentType, metadata }: WriteOptions): {
  contentType: string;
  metadata?: Record<string, string>;
} {
  return { contentType, ...(metadata === undefined ? {} : { metadata: { ...metadata } }) };
}
