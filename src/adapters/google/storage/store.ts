/**
 * The artifact store in a bucket (layout.ts says where).
 *
 * G1  Bytes before manifest: who creates the manifest has published; a manifest's bytes were there and were those announced.
 * G2  The manifest names the generation of the bytes. A generation never changes, so bytes that this process has read and found right
 *     stay right as long as that generation is there: a later look compares what the server says of it, and reads nothing.
 * G3  412 on creating is no answer by itself: it may be our own writing whose reply was lost. What is there is read and compared.
 * G4  Nothing published is overwritten or removed. Bytes without a manifest were never published, and are replaced when they are wrong.
 */
import { createHash, randomUUID } from 'node:crypto';
import type { Artifact } from '../../../domain/artifact.ts';
import { decodeManifest, encodeManifest } from '../../../domain/artifact-manifest.ts';
import type { GcsArtifacts } from '../../../domain/cloud.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { ArtifactStore, StoreError } from '../../../ports/artifact-store.ts';
import type { Clock } from '../../../ports/clock.ts';
import { delivery } from './delivery.ts';
import { bytesName, isManifestName, manifestName, PACKAGES, unfitName } from './layout.ts';
import { type ObjectError, type ObjectFacts, ObjectReadError, type Objects } from './objects.ts';

export interface GcsStoreOptions {
  readonly objects: Objects;
  readonly settings: GcsArtifacts;
  /** The environment whose packages these are. */
  readonly environment: string;
  readonly clock: Clock;
}

type Published = { readonly kind: 'published' | 'already-there'; readonly artifact: Artifact };
type Answer<T> = Promise<Result<T, StoreError>>;

interface Manifest {
  readonly artifact: Artifact;
  /** The manifest's own generation. */
  readonly generation: string;
  /** Which writing it comes from. */
  readonly writer: string | undefined;
}

/** Manifests read at once while listing. */
const READERS = 16;
const DEB = 'application/vnd.debian.binary-package';

export function gcsStore({ objects, settings, environment, clock }: GcsStoreOptions): ArtifactStore {
  /** What was read and found right, by generation (G2). */
  const proven = new Map<string, ObjectFacts>();
  const deliver = delivery({
    objects,
    settings,
    clock,
    async generationOf(artifact) {
      const current = await currentOf(artifact);
      return current.ok ? ok(current.value.generation) : err(current.error.message);
    },
  });
  const addressOf = (name: string): string => `${objects.label}/${name}`;

  async function publish(
    announced: Omit<Artifact, 'generation'>,
    open: () => AsyncIterable<Uint8Array>,
    onProgress?: (bytes: number) => void,
  ): Answer<Published> {
    const wanted = { ...announced, generation: 'none' };
    const unfit = unfitName(wanted);
    if (unfit !== null) return unavailable(`${objects.label}: ${unfit}`, false);
    if (wanted.environment !== environment) return err(foreign(wanted.environment));
    const before = await manifestOf(wanted);
    if (!before.ok) return before;
    if (before.value !== null) {
      const settled = settle(before.value.artifact, wanted);
      if (!settled.ok) return settled;
      const sound = await inspect(before.value.artifact);
      if (sound.ok) return settled;
      if (sound.error.kind !== 'not-found') return sound;
    }
    const written = await placeBytes(wanted, open, onProgress);
    if (!written.ok) return written;
    const artifact = { ...(before.value?.artifact ?? wanted), generation: written.value };
    return before.value === null ? createManifest(artifact) : pointTo(before.value, artifact);
  }

  /** The generation that holds the bytes. */
  async function placeBytes(
    artifact: Artifact,
    open: () => AsyncIterable<Uint8Array>,
    onProgress?: (bytes: number) => void,
  ): Answer<string> {
    const name = bytesName(artifact);
    const source = checked(artifact, open);
    // Twice at most: once more after a wrong leftover was taken away.
    for (let attempt = 1; ; attempt++) {
      const created = await objects.create(name, source.open, {
        contentType: DEB,
        metadata: { sha256: artifact.sha256, version: artifact.version, architecture: artifact.architecture },
        size: artifact.size,
        ...(onProgress === undefined ? {} : { onProgress }),
      });
      if (source.fault !== null) return err(source.fault);
      if (created.ok) return confirm(artifact, created.value, source.md5);
      if (created.error.kind !== 'precondition') return failed(created.error);
      const there = await objects.facts(name);
      if (!there.ok) {
        if (there.error.kind === 'not-found' && attempt < 2) continue;
        return failed(there.error);
      }
      const same = await digestOf(artifact, there.value);
      if (same.ok) return ok(there.value.generation);
      if (same.error.kind !== 'altered' || attempt >= 2) return same;
      const gone = await objects.remove(name, there.value.generation);
      if (!gone.ok && gone.error.kind !== 'not-found' && gone.error.kind !== 'precondition')
        return failed(gone.error);
    }
  }

  /** Read back: what the server says that it has is what was digested on its way there. */
  async function confirm(artifact: Artifact, written: ObjectFacts, md5: string): Answer<string> {
    const facts = await objects.facts(written.name, { generation: written.generation });
    if (!facts.ok) return failed(facts.error);
    if (!fits(artifact, facts.value) || (facts.value.md5 !== undefined && facts.value.md5 !== md5))
      return err(altered(artifact, `${facts.value.size} bytes, sha256 ${facts.value.metadata.sha256}`));
    proven.set(facts.value.generation, facts.value);
    return ok(facts.value.generation);
  }

  async function createManifest(artifact: Artifact): Answer<Published> {
    const writer = randomUUID();
    const created = await objects.create(manifestName(artifact), Buffer.from(encodeManifest(artifact)), {
      contentType: 'application/json',
      metadata: { sha256: artifact.sha256, writer },
    });
    if (created.ok) return ok({ kind: 'published', artifact });
    if (created.error.kind !== 'precondition') return failed(created.error);
    const winner = await manifestOf(artifact);
    if (!winner.ok) return winner;
    if (winner.value === null)
      return unavailable(`${addressOf(manifestName(artifact))} came and went; do it again`, true);
    const settled = settle(winner.value.artifact, artifact);
    // G3: our own, the reply to which was lost.
    return settled.ok && winner.value.writer === writer ? ok({ kind: 'published', artifact }) : settled;
  }

  /** The same bytes were put back, as another generation: the manifest is told. */
  async function pointTo(before: Manifest, artifact: Artifact): Answer<Published> {
    const name = manifestName(artifact);
    const text = Buffer.from(encodeManifest(artifact));
    const done = await objects.replace(name, text, before.generation, {
      contentType: 'application/json',
      metadata: { sha256: artifact.sha256 },
    });
    deliver.forget(artifact);
    if (done.ok) return ok({ kind: 'already-there', artifact });
    if (done.error.kind !== 'precondition') return failed(done.error);
    const now = await manifestOf(artifact);
    if (!now.ok) return now;
    return now.value === null
      ? unavailable(`${addressOf(name)} went away; do it again`, true)
      : settle(now.value.artifact, artifact);
  }

  /** null when there is none. */
  async function manifestOf(artifact: Artifact, known?: ObjectFacts): Answer<Manifest | null> {
    const name = known?.name ?? manifestName(artifact);
    const read = await objects.read(name, known === undefined ? {} : { known });
    if (!read.ok) return read.error.kind === 'not-found' ? ok(null) : failed(read.error);
    return understand(read.value.facts, read.value.bytes);
  }

  function understand(
    { name, generation, metadata }: ObjectFacts,
    bytes: Uint8Array,
  ): Result<Manifest, StoreError> {
    const unreadable = (why: string): Result<never, StoreError> =>
      err({
        kind: 'altered',
        message: `${addressOf(name)} is no manifest that this program wrote: ${why}; restore an older generation of it, or move it away`,
      });
    const decoded = decodeManifest(Buffer.from(bytes).toString());
    if (!decoded.ok) return unreadable(decoded.error);
    if (decoded.value.environment !== environment) return err(foreign(decoded.value.environment));
    const place = manifestName(decoded.value);
    return place === name
      ? ok({ artifact: decoded.value, generation, writer: metadata.writer })
      : unreadable(`it belongs to ${place}`);
  }

  async function list(): Answer<readonly Artifact[]> {
    const listed = await objects.list({ prefix: PACKAGES });
    if (!listed.ok) return failed(listed.error);
    const manifests = listed.value.filter(({ name }) => isManifestName(name));
    const found: (Artifact | null)[] = new Array<Artifact | null>(manifests.length).fill(null);
    const errors: StoreError[] = [];
    let next = 0;
    const reader = async (): Promise<void> => {
      for (let at = next++; at < manifests.length && errors.length === 0; at = next++) {
        const known = manifests[at];
        if (known === undefined) return;
        const read = await objects.read(known.name, { known });
        // Replaced or taken away since it was listed: what it is now counts.
        const again = read.ok || read.error.kind !== 'not-found' ? read : await objects.read(known.name);
        if (!again.ok) {
          if (again.error.kind !== 'not-found') errors.push(storeError(again.error));
          continue;
        }
        const manifest = understand(again.value.facts, again.value.bytes);
        if (manifest.ok) found[at] = manifest.value.artifact;
        else errors.push(manifest.error);
      }
    };
    await Promise.all(Array.from({ length: READERS }, reader));
    return errors[0] === undefined ? ok(found.filter((each) => each !== null)) : err(errors[0]);
  }

  async function verify(artifact: Artifact): Answer<void> {
    const current = await currentOf(artifact);
    if (!current.ok) return current;
    const sound = await inspect(current.value);
    return sound.ok ? ok(undefined) : sound;
  }

  /** The artifact as the manifest has it: its bytes may have been put back as another generation. */
  async function currentOf(artifact: Artifact): Answer<Artifact> {
    const unfit = unfitName(artifact);
    if (unfit !== null) return err({ kind: 'not-found', message: `${objects.label}: ${unfit}` });
    const manifest = await manifestOf(artifact);
    if (!manifest.ok) return manifest;
    const what = `${artifact.version} for ${artifact.architecture}`;
    if (manifest.value === null)
      return err({
        kind: 'not-found',
        message: `${objects.label} has no ${what}; stage it, or check artifacts.bucket and artifacts.prefix`,
      });
    const published = manifest.value.artifact;
    return published.sha256 === artifact.sha256
      ? ok(published)
      : err({
          kind: 'altered',
          message: `${objects.label}: ${what} is published as ${published.sha256}, expected ${artifact.sha256}`,
        });
  }

  /** Whether the pinned generation is there and holds the right bytes; reads them at most once a process (G2). */
  async function inspect(artifact: Artifact): Answer<ObjectFacts> {
    const name = bytesName(artifact);
    const facts = await objects.facts(name, { generation: artifact.generation });
    if (!facts.ok) {
      if (facts.error.kind !== 'not-found') return failed(facts.error);
      proven.delete(artifact.generation);
      deliver.forget(artifact);
      const live = await objects.facts(name);
      if (live.ok) return err(altered(artifact, `generation ${live.value.generation} instead`));
      return live.error.kind === 'not-found'
        ? err({
            kind: 'not-found',
            message: `${addressOf(name)} is gone, though its manifest is there; stage the same file again to put it back`,
          })
        : failed(live.error);
    }
    const before = proven.get(artifact.generation);
    if (before !== undefined && sameObject(before, facts.value)) return ok(facts.value);
    const right = await digestOf(artifact, facts.value);
    return right.ok ? ok(facts.value) : right;
  }

  async function digestOf(artifact: Artifact, facts: ObjectFacts): Answer<void> {
    if (facts.size !== artifact.size) return err(altered(artifact, `${facts.size} bytes`));
    const hash = createHash('sha256');
    try {
      for await (const piece of objects.open(facts.name, facts.generation)) hash.update(piece);
    } catch (cause) {
      if (!(cause instanceof ObjectReadError)) throw cause;
      return failed(cause.error);
    }
    const found = hash.digest('hex');
    if (found !== artifact.sha256) return err(altered(artifact, `sha256 ${found}`));
    proven.set(facts.generation, facts);
    return ok(undefined);
  }

  function settle(existing: Artifact, artifact: Artifact): Result<Published, StoreError> {
    if (existing.sha256 === artifact.sha256) return ok({ kind: 'already-there', artifact: existing });
    return err({
      kind: 'conflict',
      existing,
      message:
        `${environment} already has ${artifact.version} for ${artifact.architecture} with sha256 ${existing.sha256} (staged by ` +
        `${existing.stagedBy}); ${artifact.originalFileName} has ${artifact.sha256}; a published version never changes: give the new package another version`,
    });
  }

  function altered(artifact: Artifact, found: string): StoreError {
    return {
      kind: 'altered',
      message:
        `${addressOf(bytesName(artifact))} is not what was published: expected sha256 ${artifact.sha256} (${artifact.size} bytes) in ` +
        `generation ${artifact.generation}, found ${found}; find out who changed it, then move it away and stage ${artifact.version} again`,
    };
  }

  function foreign(found: string): StoreError {
    return {
      kind: 'unavailable',
      retryable: false,
      message:
        `the artifact store ${objects.label} is that of ${environment}, but this is a package of ${found}; ` +
        `give each environment its own artifacts.prefix`,
    };
  }

  return { publish, list, verify, sourceOf: (artifact) => deliver.sourceOf(artifact) };
}

/**
 * Passes the bytes on while it digests them, and fails before the last piece is out when they are not those announced: then no object
 * comes of them. What went wrong on this side is kept apart from what the bucket answers.
 */
function checked(
  artifact: Artifact,
  open: () => AsyncIterable<Uint8Array>,
): {
  readonly open: () => AsyncIterable<Uint8Array>;
  readonly fault: StoreError | null;
  readonly md5: string;
} {
  const source = {
    fault: null as StoreError | null,
    /** Of all that was passed on, base64. */
    md5: '',
    async *open(): AsyncIterable<Uint8Array> {
      const hash = createHash('sha256');
      const md5 = createHash('md5');
      let size = 0;
      let held: Uint8Array | null = null;
      source.fault = null;
      try {
        for await (const piece of open()) {
          hash.update(piece);
          md5.update(piece);
          size += piece.length;
          if (held !== null) yield held;
          held = piece;
        }
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        source.fault = {
          kind: 'unavailable',
          message: `the package cannot be read: ${why}`,
          retryable: true,
        };
        throw cause;
      }
      const found = hash.digest('hex');
      if (found !== artifact.sha256 || size !== artifact.size) {
        const message =
          `${artifact.originalFileName} changed while it was being stored: it was read as ${artifact.sha256} ` +
          `(${artifact.size} bytes), now it is ${found} (${size} bytes); stage it again`;
        source.fault = { kind: 'altered', message };
        throw new Error(message);
      }
      source.md5 = md5.digest('base64');
      if (held !== null) yield held;
    },
  };
  return source;
}

function fits({ sha256, size }: Artifact, facts: ObjectFacts): boolean {
  return facts.size === size && facts.metadata.sha256 === sha256;
}

function sameObject(a: ObjectFacts, b: ObjectFacts): boolean {
  return (
    a.generation === b.generation &&
    a.size === b.size &&
    a.crc32c === b.crc32c &&
    a.md5 === b.md5 &&
    a.metadata.sha256 === b.metadata.sha256
  );
}

function unavailable(message: string, retryable: boolean): Result<never, StoreError> {
  return err({ kind: 'unavailable', message, retryable });
}

function failed(error: ObjectError): Result<never, StoreError> {
  return err(storeError(error));
}

function storeError(error: ObjectError): StoreError {
  switch (error.kind) {
    case 'not-found':
      return error;
    case 'unavailable':
      return error;
    case 'denied':
      return { kind: 'unavailable', message: error.message, retryable: false };
    case 'precondition':
      return { kind: 'unavailable', message: error.message, retryable: true };
  }
}
