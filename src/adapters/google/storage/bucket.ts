/** Objects by Google's storage library. */
import type { GcsPlace } from '../../../domain/cloud.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { GoogleAccess } from '../access.ts';
import type { Objects } from './objects.ts';

export interface BucketOptions {
  readonly place: GcsPlace;
  readonly access: GoogleAccess;
  readonly clock: Clock;
}

export function googleBucket(_options: BucketOptions): Objects {
  throw new Error('being built');
}
