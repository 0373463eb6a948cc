/** Where packages are kept: immutable, pinned by sha256, one store an environment. */
import type { Artifact } from '../domain/artifact.ts';
import type { Result } from '../domain/result.ts';
import type { PackageSource } from './remote.ts';

export type StoreError =
  /** Another digest is already published under the same version and architecture. */
  | { readonly kind: 'conflict'; readonly existing: Artifact; readonly message: string }
  | { readonly kind: 'not-found'; readonly message: string }
  /** The stored bytes are not the ones that were published. */
  | { readonly kind: 'altered'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string; readonly retryable: boolean };

/** Immutable packages of one environment, pinned by sha256. */
export interface ArtifactStore {
  /** Create-only: bytes first, then the manifest. The same digest again is `already-there` and changes nothing. */
  publish(
    artifact: Omit<Artifact, 'generation'>,
    open: () => AsyncIterable<Uint8Array>,
    /** Told of the bytes that are stored so far; not by every store. */
    onProgress?: (bytes: number) => void,
  ): Promise<
    Result<{ readonly kind: 'published' | 'already-there'; readonly artifact: Artifact }, StoreError>
  >;
  /** Every artifact published here. */
  list(): Promise<Result<readonly Artifact[], StoreError>>;
  /** Reads the stored bytes and compares size and digest with the manifest. */
  verify(artifact: Artifact): Promise<Result<void, StoreError>>;
  /** How a host gets the bytes. */
  sourceOf(artifact: Artifact): PackageSource;
}
