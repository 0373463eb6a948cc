/** An artifact store in memory, with every failure that a real one can show. */
import { createHash } from 'node:crypto';
import type { Artifact } from '../../src/domain/artifact.ts';
import { err, ok, type Result } from '../../src/domain/result.ts';
import type { ArtifactStore, StoreError } from '../../src/ports/artifact-store.ts';
import { CrashError } from './crash-error.ts';

export type StoreFault =
  /** The store does not answer; nothing was changed. */
  | { readonly on: 'publish' | 'list' | 'verify'; readonly kind: 'unavailable'; readonly retryable?: boolean }
  /** It was published, but the caller is told `unavailable` (retryable). */
  | { readonly on: 'publish'; readonly kind: 'lost-reply' }
  /** Somebody else published `by` just before. */
  | { readonly on: 'publish'; readonly kind: 'overtaken'; readonly by: Artifact }
  /** The process is killed: CrashError is thrown, nothing having been published. */
  | { readonly on: 'publish'; readonly kind: 'crash-before' };

export interface MemoryStore extends ArtifactStore {
  /** What is published, oldest first. */
  readonly artifacts: readonly Artifact[];
  /** The next call that the fault is about shows it, once; several queue up. */
  failNext(fault: StoreFault): void;
  /** Has an artifact published without asking for its bytes. It verifies, and hosts get `bytes`. */
  seed(artifact: Artifact, bytes?: Uint8Array): void;
  /** Puts other bytes in place of an artifact's. */
  alter(sha256: string, bytes: Uint8Array): void;
  /** Takes an artifact's bytes away, but leaves it listed. */
  loseBytes(sha256: string): void;
}

type Bytes =
  | { readonly kind: 'as-published' | 'altered'; readonly content: Uint8Array }
  | { readonly kind: 'lost' };

export function memoryStore(environment: string, initial: readonly Artifact[] = []): MemoryStore {
  const published = new Map<string, Artifact>();
  const stored = new Map<string, Bytes>();
  const faults: StoreFault[] = [];

  const keyOf = (artifact: Pick<Artifact, 'version' | 'architecture'>): string =>
    `${artifact.version} for ${artifact.architecture}`;
  const fault = (on: StoreFault['on']): StoreFault | undefined => {
    const index = faults.findIndex((each) => each.on === on);
    return index < 0 ? undefined : faults.splice(index, 1)[0];
  };
  const unavailable = (retryable = true): Result<never, StoreError> =>
    err({ kind: 'unavailable', message: `the store of ${environment} does not answer`, retryable });
  const altered = (message: string): Result<never, StoreError> => err({ kind: 'altered', message });

  const conflict = (existing: Artifact): Result<never, StoreError> =>
    err({
      kind: 'conflict',
      existing,
      message: `${environment} already has ${keyOf(existing)} with sha256 ${existing.sha256}`,
    });

  function seed(artifact: Artifact, content: Uint8Array = new Uint8Array(0)): void {
    published.set(keyOf(artifact), structuredClone(artifact));
    stored.set(artifact.sha256, { kind: 'as-published', content });
  }
  for (const artifact of initial) seed(artifact);

  const store: MemoryStore = {
    get artifacts() {
      return [...published.values()];
    },
    failNext: (next) => faults.push(next),
    seed,
    alter: (sha256, content) => stored.set(sha256, { kind: 'altered', content }),
    loseBytes: (sha256) => stored.set(sha256, { kind: 'lost' }),

    async publish(artifact, open, onProgress) {
      const shown = fault('publish');
      if (shown?.kind === 'crash-before') throw new CrashError('publish');
      if (shown?.kind === 'unavailable') return unavailable(shown.retryable);
      if (artifact.environment !== environment) return unavailable(false);
      if (shown?.kind === 'overtaken') seed(shown.by);
      const existing = published.get(keyOf(artifact));
      if (existing !== undefined && existing.sha256 !== artifact.sha256) return conflict(existing);
      const bytes = stored.get(artifact.sha256);
      if (existing !== undefined && bytes?.kind === 'altered')
        return altered(`${keyOf(existing)} is not what was published`);
      if (existing !== undefined && bytes?.kind === 'as-published')
        return ok({ kind: 'already-there', artifact: existing });
      const read = await readAll(open);
      if (!read.ok) return read;
      for (const part of [0.5, 1]) onProgress?.(Math.floor(artifact.size * part));
      const found = createHash('sha256').update(read.value).digest('hex');
      if (found !== artifact.sha256 || read.value.length !== artifact.size) {
        return altered(`${artifact.originalFileName} changed while it was being stored: now it is ${found}`);
      }
      // Somebody else may have published while these bytes were read: only who finds the place free has published.
      const winner = published.get(keyOf(artifact));
      if (winner !== undefined && winner.sha256 !== artifact.sha256) return conflict(winner);
      seed(winner ?? { ...artifact, generation: 'memory' }, read.value);
      if (shown?.kind === 'lost-reply') return unavailable();
      return winner === undefined
        ? ok({ kind: 'published', artifact: { ...artifact, generation: 'memory' } })
        : ok({ kind: 'already-there', artifact: winner });
    },

    async list() {
      const shown = fault('list');
      if (shown?.kind === 'unavailable') return unavailable(shown.retryable);
      return ok([...published.values()]);
    },

    async verify(artifact) {
      const shown = fault('verify');
      if (shown?.kind === 'unavailable') return unavailable(shown.retryable);
      const existing = published.get(keyOf(artifact));
      const bytes = stored.get(artifact.sha256);
      if (existing === undefined)
        return err({ kind: 'not-found', message: `${environment} has no ${keyOf(artifact)}` });
      if (existing.sha256 !== artifact.sha256)
        return altered(`${keyOf(artifact)} is published as ${existing.sha256}`);
      if (bytes === undefined || bytes.kind === 'lost') {
        return err({ kind: 'not-found', message: `the bytes of ${keyOf(artifact)} are gone` });
      }
      return bytes.kind === 'altered'
        ? altered(`${keyOf(artifact)} is not what was published`)
        : ok(undefined);
    },

    sourceOf: (artifact) => ({
      kind: 'bytes',
      sha256: artifact.sha256,
      size: artifact.size,
      async *open() {
        const bytes = stored.get(artifact.sha256);
        if (bytes === undefined || bytes.kind === 'lost')
          throw new Error(`the bytes of ${keyOf(artifact)} are gone`);
        yield bytes.content;
      },
    }),
  };
  return store;
}

async function readAll(open: () => AsyncIterable<Uint8Array>): Promise<Result<Buffer, StoreError>> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of open()) parts.push(part);
  } catch (cause) {
    return err({
      kind: 'unavailable',
      message: `the package cannot be read: ${String(cause)}`,
      retryable: true,
    });
  }
  return ok(Buffer.concat(parts));
}
