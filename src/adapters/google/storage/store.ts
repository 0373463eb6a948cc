/**
 * The artifact store in a bucket (layout.ts says where).
 *
 * G1  Bytes before manifest: who creates the manifest has published; a manifest's bytes were there and were those announced.
 * G2  The digest is what an artifact is; the generation says where its bytes are. They may have been put back as another generation:
 *     the manifest knows which.
 * G3  Nothing published is overwritten or removed, but the generation in a manifest whose bytes were put back.
 */
import type { Artifact } from '../../../domain/artifact.ts';
import type { GcsArtifacts } from '../../../domain/cloud.ts';
import { err, ok } from '../../../domain/result.ts';
import type { ArtifactStore } from '../../../ports/artifact-store.ts';
import type { Clock } from '../../../ports/clock.ts';
import { delivery } from './delivery.ts';
import { unfitName } from './layout.ts';
import { manifests, type Published, settle } from './manifests.ts';
import type { Objects } from './objects.ts';
import { packageBytes } from './package-bytes.ts';
import { type Answer, foreign, unavailable } from './store-errors.ts';

export interface GcsStoreOptions {
  readonly objects: Objects;
  readonly settings: GcsArtifacts;
  /** The environment whose packages these are. */
  readonly environment: string;
  readonly clock: Clock;
}

export function gcsStore({ objects, settings, environment, clock }: GcsStoreOptions): ArtifactStore {
  const published = manifests(objects, environment);
  const stored = packageBytes(objects);
  const deliver = delivery({
    objects,
    settings,
    clock,
    async generationOf(artifact) {
      const current = await currentOf(artifact);
      return current.ok ? ok(current.value.generation) : err(current.error.message);
    },
  });

  async function inspect(artifact: Artifact): Answer<void> {
    const sound = await stored.inspect(artifact);
    if (!sound.ok) deliver.forget(artifact);
    return sound;
  }

  async function publish(
    announced: Omit<Artifact, 'generation'>,
    open: () => AsyncIterable<Uint8Array>,
    onProgress?: (bytes: number) => void,
  ): Answer<Published> {
    const wanted = { ...announced, generation: '' };
    const unfit = unfitName(wanted);
    if (unfit !== null) return unavailable(`${objects.label}: ${unfit}`, false);
    if (wanted.environment !== environment)
      return err(foreign(objects.label, environment, wanted.environment));
    const before = await published.read(wanted);
    if (!before.ok) return before;
    if (before.value !== null) {
      const settled = settle(before.value.artifact, wanted);
      if (!settled.ok) return settled;
      const sound = await inspect(before.value.artifact);
      if (sound.ok) return settled;
      if (sound.error.kind !== 'not-found') return sound;
    }
    const generation = await stored.place(wanted, open, onProgress);
    if (!generation.ok) return generation;
    if (before.value === null) return published.create({ ...wanted, generation: generation.value });
    return published.pointTo(before.value, { ...before.value.artifact, generation: generation.value });
  }

  async function verify(artifact: Artifact): Answer<void> {
    const current = await currentOf(artifact);
    return current.ok ? inspect(current.value) : current;
  }

  /** G2. */
  async function currentOf(artifact: Artifact): Answer<Artifact> {
    const unfit = unfitName(artifact);
    if (unfit !== null) return err({ kind: 'not-found', message: `${objects.label}: ${unfit}` });
    const manifest = await published.read(artifact);
    if (!manifest.ok) return manifest;
    const what = `${artifact.version} for ${artifact.architecture}`;
    if (manifest.value === null)
      return err({
        kind: 'not-found',
        message: `${objects.label} has no ${what}; stage it, or check artifacts.bucket and artifacts.prefix`,
      });
    const found = manifest.value.artifact;
    if (found.sha256 === artifact.sha256) return ok(found);
    return err({
      kind: 'altered',
      message: `${objects.label}: ${what} is published as ${found.sha256}, expected ${artifact.sha256}`,
    });
  }

  return {
    publish,
    list: () => published.list(),
    verify,
    sourceOf: (artifact) => deliver.sourceOf(artifact),
  };
}
