/** The lease as one object, taken and renewed by its generation. */
import type { Clock } from '../../../ports/clock.ts';
import type { Lease } from '../../../ports/lease.ts';
import type { Objects } from './objects.ts';

export interface GcsLeaseOptions {
  readonly objects: Objects;
  readonly clock: Clock;
  readonly hostname: string;
  readonly pid: number;
}

export function gcsLease(_options: GcsLeaseOptions): Lease {
  throw new Error('being built');
}
