/** The artifact store in a bucket. */
import type { GcsArtifacts } from '../../../domain/cloud.ts';
import type { ArtifactStore } from '../../../ports/artifact-store.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Objects } from './objects.ts';

export interface GcsStoreOptions {
  readonly objects: Objects;
  readonly settings: GcsArtifacts;
  /** The environment whose packages these are. */
  readonly environment: string;
  readonly clock: Clock;
}

export function gcsStore(_options: GcsStoreOptions): ArtifactStore {
  throw new Error('being built');
}
