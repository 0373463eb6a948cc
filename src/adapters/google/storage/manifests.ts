/**
 * The manifests of a store in a bucket: who creates one has published.
 *
 * N1  412 on creating is no answer by itself: it may be our own writing, the reply to which was lost. Each writing is marked.
 * N2  A manifest that cannot be understood is an error, never passed over: something was published there.
 */
import { randomUUID } from 'node:crypto';
import type { Artifact } from '../../../domain/artifact.ts';
import { decodeManifest, encodeManifest } from '../../../domain/artifact-manifest.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { StoreError } from '../../../ports/artifact-store.ts';
import { isManifestName, manifestName, PACKAGES } from './layout.ts';
import type { ObjectFacts, Objects, WriteOptions } from './objects.ts';
import { type Answer, failed, foreign, storeError, unavailable } from './store-errors.ts';

export type Published = { readonly kind: 'published' | 'already-there'; readonly artifact: Artifact };

export interface Manifest {
  readonly artifact: Artifact;
  /** The manifest's own generation. */
  readonly generation: string;
  /** Which writing it comes from. */
  readonly writer: string | undefined;
}

export interface Manifests {
  /** null when there is none. */
  read(artifact: Artifact): Answer<Manifest | null>;
  list(): Answer<readonly Artifact[]>;
  /** Publishes. */
  create(artifact: Artifact): Answer<Published>;
  /** The same bytes were put back, as another generation. */
  pointTo(before: Manifest, artifact: Artifact): Answer<Published>;
}

/** Read at once while listing. */
const READERS = 16;

export function manifests(objects: Objects, environment: string): Manifests {
  const addressOf = (name: string): string => `${objects.label}/${name}`;

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
    if (decoded.value.environment !== environment)
      return err(foreign(objects.label, environment, decoded.value.environment));
    const place = manifestName(decoded.value);
    return place === name
      ? ok({ artifact: decoded.value, generation, writer: metadata.writer })
      : unreadable(`it belongs to ${place}`);
  }

  async function readAt(name: string): Answer<Manifest | null> {
    const read = await objects.read(name);
    if (read.ok) return understand(read.value.facts, read.value.bytes);
    return read.error.kind === 'not-found' ? ok(null) : failed(read.error);
  }

  async function readListed(known: ObjectFacts): Answer<Manifest | null> {
    const read = await objects.read(known.name, { known });
    if (read.ok) return understand(read.value.facts, read.value.bytes);
    // Replaced or taken away since it was listed: what is there now counts.
    return read.error.kind === 'not-found' ? readAt(known.name) : failed(read.error);
  }

  return {
    read: (artifact) => readAt(manifestName(artifact)),

    async list() {
      const listed = await objects.list({ prefix: PACKAGES });
      if (!listed.ok) return failed(listed.error);
      const waiting = listed.value.filter(({ name }) => isManifestName(name)).entries();
      const found: [number, Artifact][] = [];
      const errors: StoreError[] = [];
      const reader = async (): Promise<void> => {
        for (const [at, known] of waiting) {
          const manifest = await readListed(known);
          if (!manifest.ok) errors.push(manifest.error);
          else if (manifest.value !== null) found.push([at, manifest.value.artifact]);
          if (errors.length > 0) return;
        }
      };
      await Promise.all(Array.from({ length: READERS }, reader));
      if (errors[0] !== undefined) return err(errors[0]);
      return ok(found.sort(([a], [b]) => a - b).map(([, artifact]) => artifact));
    },

    async create(artifact) {
      const writer = randomUUID();
      const name = manifestName(artifact);
      const created = await objects.create(name, textOf(artifact), optionsOf(artifact, writer));
      if (created.ok) return ok({ kind: 'published', artifact });
      if (created.error.kind !== 'precondition') return err(storeError(created.error));
      const winner = await readAt(name);
      if (!winner.ok) return winner;
      if (winner.value === null) return unavailable(`${addressOf(name)} came and went; do it again`, true);
      const settled = settle(winner.value.artifact, artifact);
      // N1.
      return settled.ok && winner.value.writer === writer ? ok({ kind: 'published', artifact }) : settled;
    },

    async pointTo(before, artifact) {
      const name = manifestName(artifact);
      const options = optionsOf(artifact, randomUUID());
      const done = await objects.replace(name, textOf(artifact), before.generation, options);
      if (done.ok) return ok({ kind: 'already-there', artifact });
      if (done.error.kind !== 'precondition') return failed(done.error);
      const now = await readAt(name);
      if (!now.ok) return now;
      return now.value === null
        ? unavailable(`${addressOf(name)} went away; do it again`, true)
        : settle(now.value.artifact, artifact);
    },
  };
}

/** What a manifest that is there means for an artifact that is to be published. */
export function settle(existing: Artifact, artifact: Artifact): Result<Published, StoreError> {
  if (existing.sha256 === artifact.sha256) return ok({ kind: 'already-there', artifact: existing });
  return err({
    kind: 'conflict',
    existing,
    message:
      `${artifact.environment} already has ${artifact.version} for ${artifact.architecture} with sha256 ${existing.sha256} (staged by ` +
      `${existing.stagedBy}); ${artifact.originalFileName} has ${artifact.sha256}; a published version never changes: give the new package another version`,
  });
}

function textOf(artifact: Artifact): Uint8Array {
  return Buffer.from(encodeManifest(artifact));
}

function optionsOf({ sha256 }: Artifact, writer: string): WriteOptions {
  return { contentType: 'application/json', metadata: { sha256, writer } };
}
