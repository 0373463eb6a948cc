/**
 * The packages' bytes in the bucket, each under its digest.
 *
 * P1  A generation never changes. Bytes that this process has read and found right, or has sent itself, stay right as long as that
 *     generation is there: a later look compares what the server says of it (size, checksums, digest in the metadata) and reads nothing.
 * P2  412 on creating is no answer by itself: what is there is read and compared.
 * P3  Bytes that no manifest names were never published: wrong ones are replaced. Others are never touched.
 */
import { createHash } from 'node:crypto';
import type { Artifact } from '../../../domain/artifact.ts';
import { err, ok } from '../../../domain/result.ts';
import type { StoreError } from '../../../ports/artifact-store.ts';
import { bytesName } from './layout.ts';
import { type ObjectFacts, ObjectReadError, type Objects } from './objects.ts';
import { type Answer, failed } from './store-errors.ts';

export interface PackageBytes {
  /** Sees to it that they are there; the generation that holds them. */
  place(
    artifact: Artifact,
    open: () => AsyncIterable<Uint8Array>,
    onProgress?: (bytes: number) => void,
  ): Answer<string>;
  /** Whether the pinned generation is there and holds the right bytes; reads them at most once a process (P1). */
  inspect(artifact: Artifact): Answer<void>;
}

const DEB = 'application/vnd.debian.binary-package';

export function packageBytes(objects: Objects): PackageBytes {
  /** What was found right, by generation. */
  const proven = new Map<string, ObjectFacts>();
  const addressOf = (artifact: Artifact): string => `${objects.label}/${bytesName(artifact)}`;

  const altered = (artifact: Artifact, found: string): StoreError => {
    const pinned = artifact.generation === '' ? '' : ` in generation ${artifact.generation}`;
    return {
      kind: 'altered',
      message:
        `${addressOf(artifact)} is not what was published: expected sha256 ${artifact.sha256} (${artifact.size} bytes)${pinned}, ` +
        `found ${found}; find out who changed it, then move it away and stage ${artifact.version} again`,
    };
  };

  /** The server has compared the checksum while writing, or says it now: it must be that of what was digested on its way there. */
  async function confirm(artifact: Artifact, { name, generation }: ObjectFacts, md5: string): Answer<string> {
    const facts = await objects.facts(name, { generation });
    if (!facts.ok) return failed(facts.error);
    const { value } = facts;
    const same = value.size === artifact.size && value.metadata.sha256 === artifact.sha256;
    if (!same || (value.md5 !== undefined && value.md5 !== md5))
      return err(altered(artifact, `${value.size} bytes with MD5 ${value.md5}`));
    proven.set(generation, value);
    return ok(generation);
  }

  async function compare(artifact: Artifact, facts: ObjectFacts): Answer<void> {
    if (facts.size !== artifact.size) return err(altered(artifact, `${facts.size} bytes`));
    const hash = createHash('sha256');
    try {
      for await (const piece of objects.open(facts.name, facts.generation)) hash.update(piece);
    } catch (cause) {
      if (!(cause instanceof ObjectReadError)) throw cause;
      return failed(cause.error);
    }
    const found = hash.digest('hex');
    if (found !== artifact.sha256) return err(altered(artifact, `sha256 ${found}`));
    proven.set(facts.generation, facts);
    return ok(undefined);
  }

  return {
    async place(artifact, open, onProgress) {
      const name = bytesName(artifact);
      const source = checked(artifact, open);
      const { sha256, version, architecture, size } = artifact;
      // Twice at most: once more after a wrong leftover was taken away (P3).
      for (let attempt = 1; ; attempt++) {
        const created = await objects.create(name, source.open, {
          contentType: DEB,
          metadata: { sha256, version, architecture },
          size,
          ...(onProgress === undefined ? {} : { onProgress }),
        });
        if (source.fault !== null) return err(source.fault);
        if (created.ok) return confirm(artifact, created.value, source.md5);
        if (created.error.kind !== 'precondition') return failed(created.error);
        const there = await objects.facts(name);
        if (!there.ok) {
          if (there.error.kind === 'not-found' && attempt < 2) continue;
          return failed(there.error);
        }
        const right = await compare(artifact, there.value);
        if (right.ok) return ok(there.value.generation);
        if (right.error.kind !== 'altered' || attempt >= 2) return right;
        const gone = await objects.remove(name, there.value.generation);
        if (!gone.ok && gone.error.kind !== 'not-found' && gone.error.kind !== 'precondition')
          return failed(gone.error);
      }
    },

    async inspect(artifact) {
      const name = bytesName(artifact);
      const facts = await objects.facts(name, { generation: artifact.generation });
      if (facts.ok) {
        const before = proven.get(artifact.generation);
        return before !== undefined && sameObject(before, facts.value)
          ? ok(undefined)
          : compare(artifact, facts.value);
      }
      if (facts.error.kind !== 'not-found') return failed(facts.error);
      proven.delete(artifact.generation);
      const live = await objects.facts(name);
      if (live.ok) return err(altered(artifact, `generation ${live.value.generation} instead`));
      if (live.error.kind !== 'not-found') return failed(live.error);
      return err({
        kind: 'not-found',
        message: `${addressOf(artifact)} is gone, though its manifest is there; stage the same file again to put it back`,
      });
    },
  };
}

interface Source {
  readonly open: () => AsyncIterable<Uint8Array>;
  /** What went wrong on this side, as against what the bucket answers. */
  readonly fault: StoreError | null;
  /** Of all that was passed on, base64. */
  readonly md5: string;
}

/** Digests what it passes on, and fails before the last piece is out when it is not what was announced: no object comes of it. */
function checked(artifact: Artifact, open: () => AsyncIterable<Uint8Array>): Source {
  const source = {
    fault: null as StoreError | null,
    md5: '',
    async *open(): AsyncIterable<Uint8Array> {
      const hash = createHash('sha256');
      const md5 = createHash('md5');
      let size = 0;
      let held: Uint8Array | null = null;
      source.fault = null;
      try {
        for await (const piece of open()) {
          hash.update(piece);
          md5.update(piece);
          size += piece.length;
          if (held !== null) yield held;
          held = piece;
        }
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        source.fault = {
          kind: 'unavailable',
          message: `the package cannot be read: ${why}`,
          retryable: true,
        };
        throw cause;
      }
      const found = hash.digest('hex');
      if (found !== artifact.sha256 || size !== artifact.size) {
        const message =
          `${artifact.originalFileName} changed while it was being stored: it was read as ${artifact.sha256} ` +
          `(${artifact.size} bytes), now it is ${found} (${size} bytes); stage it again`;
        source.fault = { kind: 'altered', message };
        throw new Error(message);
      }
      source.md5 = md5.digest('base64');
      if (held !== null) yield held;
    },
  };
  return source;
}

function sameObject(a: ObjectFacts, b: ObjectFacts): boolean {
  return (
    a.generation === b.generation &&
    a.size === b.size &&
    a.crc32c === b.crc32c &&
    a.md5 === b.md5 &&
    a.metadata.sha256 === b.metadata.sha256
  );
}
