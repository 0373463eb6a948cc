/** The artifact store of `gstg` in a folder of its own of the storage under test. */

import type { BucketOptions } from '../../../../src/adapters/google/storage/bucket.ts';
import { bytesName } from '../../../../src/adapters/google/storage/layout.ts';
import type { Objects } from '../../../../src/adapters/google/storage/objects.ts';
import { gcsStore } from '../../../../src/adapters/google/storage/store.ts';
import type { Artifact } from '../../../../src/domain/artifact.ts';
import type { Delivery, GcsArtifacts } from '../../../../src/domain/cloud.ts';
import type { ArtifactStore } from '../../../../src/ports/artifact-store.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import { hurriedClock, type StorageUnderTest } from '../../../fakes/google/storage-under-test.ts';

export interface StoreRig {
  readonly prefix: string;
  readonly objects: Objects;
  readonly settings: GcsArtifacts;
  /** As another process would open it. */
  open(more?: { readonly clock?: Clock; readonly bucket?: Partial<BucketOptions> }): ArtifactStore;
  /** Full name of its bytes in the bucket. */
  nameOf(artifact: Artifact): string;
  /** Somebody takes them away and writes other ones: another generation. */
  alter(artifact: Artifact, text: string): Promise<void>;
  loseBytes(artifact: Artifact): Promise<void>;
}

let folders = 0;

export function storeRig(
  storage: StorageUnderTest,
  delivery: Delivery,
  fetchFrom: string | null = storage.url,
): StoreRig {
  const prefix = `store-${folders++}/uptycs`;
  const settings: GcsArtifacts = {
    kind: 'gcs',
    bucket: storage.bucket,
    prefix,
    credentials: { keyFile: storage.identity.keyFile },
    delivery,
    ...(fetchFrom === null ? {} : { fetchFrom }),
  };
  const objects = storage.objects(prefix);
  const remove = async (artifact: Artifact): Promise<void> => {
    const facts = await objects.facts(bytesName(artifact));
    if (!facts.ok) throw new Error(facts.error.message);
    const gone = await objects.remove(facts.value.name, facts.value.generation);
    if (!gone.ok) throw new Error(gone.error.message);
  };
  return {
    prefix,
    objects,
    settings,
    open: ({ clock = hurriedClock, bucket = {} } = {}) =>
      gcsStore({
        objects: storage.objects(prefix, { place: settings, ...bucket }),
        settings,
        environment: 'gstg',
        clock,
      }),
    nameOf: (artifact) => `${prefix}/${bytesName(artifact)}`,
    async alter(artifact, text) {
      await remove(artifact);
      const made = await objects.create(bytesName(artifact), Buffer.from(text), { contentType: 'x/y' });
      if (!made.ok) throw new Error(made.error.message);
    },
    loseBytes: remove,
  };
}
