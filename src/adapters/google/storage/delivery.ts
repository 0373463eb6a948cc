/**
 * How hosts get a package's bytes: by a signed URL, as their own service account, or from here.
 *
 * D1  A signed URL is a secret: it is kept in memory, and given to hosts only while at least a third of its life is left.
 * D2  Bytes that go through this machine are fetched from the bucket once a process, not once a host; their digest is compared
 *     before the first of them leaves.
 */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Artifact } from '../../../domain/artifact.ts';
import type { GcsArtifacts } from '../../../domain/cloud.ts';
import { ok, type Result } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { FetchRequest, PackageSource } from '../../../ports/remote.ts';
import { GOOGLES_OWN } from './client.ts';
import { bytesName } from './layout.ts';
import { ObjectReadError, type Objects } from './objects.ts';

export interface DeliveryOptions {
  readonly objects: Objects;
  readonly settings: GcsArtifacts;
  readonly clock: Clock;
  /** The generation that holds the artifact's bytes now; the error is a sentence. */
  readonly generationOf: (artifact: Artifact) => Promise<Result<string, string>>;
}

/** Life of a signed URL, ms: a host begins its download within minutes, and what has begun is not cut off. */
const URL_LIFE_MS = 15 * 60_000;
/** How long a request is handed out before another is prepared, ms (D1). */
const USE_MS = 10 * 60_000;
const PIECE_BYTES = 256 * 1024;

const open = promisify(fs.open);
const close = promisify(fs.close);
const read = promisify(fs.read);
const write = promisify(fs.write);

export interface PackageDelivery {
  sourceOf(artifact: Artifact): PackageSource;
  /** What was found of it is no longer so. */
  forget(artifact: Artifact): void;
}

interface Prepared {
  readonly until: number;
  readonly request: Promise<Result<FetchRequest, string>>;
}

export function delivery(options: DeliveryOptions): PackageDelivery {
  const { settings, clock } = options;
  const prepared = new Map<string, Prepared>();
  const files = new Map<string, Promise<number>>();

  /** Hosts that ask at once, or soon after one another, share an answer. */
  const request = (artifact: Artifact): Promise<Result<FetchRequest, string>> => {
    const known = prepared.get(artifact.sha256);
    const now = clock.now();
    // A clock that was put back makes nothing live longer.
    if (known !== undefined && now < known.until && known.until <= now + USE_MS) return known.request;
    const fresh = { until: now + USE_MS, request: prepare(options, artifact) };
    prepared.set(artifact.sha256, fresh);
    void fresh.request.then((answer) => {
      if (!answer.ok && prepared.get(artifact.sha256) === fresh) prepared.delete(artifact.sha256);
    });
    return fresh.request;
  };

  const local = (artifact: Artifact): Promise<number> => {
    const known = files.get(artifact.sha256);
    if (known !== undefined) return known;
    const file = download(options, artifact);
    files.set(artifact.sha256, file);
    file.catch(() => files.delete(artifact.sha256));
    return file;
  };

  return {
    sourceOf(artifact) {
      const { sha256, size } = artifact;
      return settings.delivery === 'sftp'
        ? { kind: 'bytes', sha256, size, open: () => pieces(() => local(artifact), size) }
        : { kind: 'url', sha256, size, request: () => request(artifact) };
    },
    // A file that was downloaded stays right whatever becomes of the bucket.
    forget: ({ sha256 }) => prepared.delete(sha256),
  };
}

async function prepare(
  { objects, settings, generationOf }: DeliveryOptions,
  artifact: Artifact,
): Promise<Result<FetchRequest, string>> {
  const generation = await generationOf(artifact);
  if (!generation.ok) return generation;
  const name = bytesName(artifact);
  if (settings.delivery === 'service-account')
    return ok({ url: mediaUrl(settings, name, generation.value), authorization: 'vm-service-account' });
  const url = await objects.signedUrl(name, generation.value, URL_LIFE_MS);
  return url.ok ? ok({ url: url.value, authorization: 'in-url' }) : url;
}

/** The JSON API's address of one generation's bytes. */
export function mediaUrl(
  { bucket, prefix, project, fetchFrom }: GcsArtifacts,
  name: string,
  generation: string,
): string {
  const full = prefix === '' ? name : `${prefix}/${name}`;
  const url = new URL(
    `${fetchFrom ?? GOOGLES_OWN}/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(full)}`,
  );
  url.searchParams.set('alt', 'media');
  url.searchParams.set('generation', generation);
  if (project !== undefined) url.searchParams.set('userProject', project);
  return url.href;
}

/** Into a file that has no name any more when it is read: it ends with the process, however that ends. */
async function download({ objects, generationOf }: DeliveryOptions, artifact: Artifact): Promise<number> {
  const generation = await generationOf(artifact);
  if (!generation.ok) throw new Error(generation.error);
  const where = `${objects.label}/${bytesName(artifact)}`;
  const folder = await mkdtemp(join(tmpdir(), 'rollout-package-'));
  let file: number | null = null;
  try {
    // A bare descriptor: Node closes a FileHandle that nobody refers to, and means to throw then.
    file = await open(join(folder, 'package'), 'wx+', 0o600);
    const digest = createHash('sha256');
    let size = 0;
    for await (const piece of objects.open(bytesName(artifact), generation.value)) {
      digest.update(piece);
      for (let done = 0; done < piece.length; ) {
        const { bytesWritten } = await write(file, piece, done, piece.length - done, size + done);
        done += bytesWritten;
      }
      size += piece.length;
    }
    const found = digest.digest('hex');
    if (found !== artifact.sha256 || size !== artifact.size)
      throw new Error(`${where} is not what was published: it has sha256 ${found} (${size} bytes)`);
    return file;
  } catch (cause) {
    if (file !== null) await close(file);
    if (cause instanceof ObjectReadError && cause.error.kind === 'not-found')
      throw new Error(`${where} is gone, though its manifest is there; stage the same file again`, { cause });
    throw cause;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Many hosts read the same file at once, each from its own place. */
async function* pieces(opened: () => Promise<number>, size: number): AsyncIterable<Uint8Array> {
  const file = await opened();
  for (let at = 0; at < size; ) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, size - at));
    const { bytesRead } = await read(file, piece, 0, piece.length, at);
    if (bytesRead === 0) throw new Error('the downloaded package became shorter');
    yield piece.subarray(0, bytesRead);
    at += bytesRead;
  }
}
