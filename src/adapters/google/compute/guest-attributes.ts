/** Host keys that VMs publish of themselves as guest attributes. */
import type { Clock } from '../../../ports/clock.ts';
import type { HostKeySource } from '../../../ports/host-keys.ts';
import type { GoogleAccess } from '../access.ts';

export interface GuestAttributeOptions {
  readonly access: GoogleAccess;
  readonly clock: Clock;
  /** Folder of this machine where keys are remembered by instance id; made with mode 0700. */
  readonly cacheFolder: string;
}

export function guestAttributeKeys(_options: GuestAttributeOptions): HostKeySource {
  throw new Error('being built');
}
