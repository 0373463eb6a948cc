/** Where the keys that hosts show are published by somebody who can be trusted, such as the cloud itself. */
import type { RemoteHost } from './remote.ts';

export interface PublishedKey {
  /** As known_hosts has it, such as `ssh-ed25519`. */
  readonly type: string;
  /** The key's own bytes, as in known_hosts behind base64. */
  readonly blob: Uint8Array;
}

export type HostKeysAnswer =
  | { readonly kind: 'published'; readonly keys: readonly PublishedKey[]; readonly source: string }
  /** None are published for this host; `mend` says how to have them published. */
  | { readonly kind: 'none'; readonly mend: string }
  | { readonly kind: 'unavailable'; readonly message: string };

/** Keys by instance id. Bounds its own concurrency, and remembers what it was told. */
export interface HostKeySource {
  /** `fresh`: ask again, since a key that was remembered does not fit. Never rejects. */
  keysOf(
    host: RemoteHost,
    options?: { readonly fresh?: boolean; readonly signal?: AbortSignal },
  ): Promise<HostKeysAnswer>;
}
