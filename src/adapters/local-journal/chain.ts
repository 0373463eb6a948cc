/** The hash chain with a real digest: what the wiring gives to the ledger, and a check in one call for those who only read. */
import { createHash } from 'node:crypto';
import { type ChainBreak, type Digest, type Entry, verifyChain } from '../../domain/journal.ts';
import { err, type Result, unreachable } from '../../domain/result.ts';
import type { JournalError, JournalStore } from '../../ports/journal.ts';

/** sha256 of the text's UTF-8, lower-case hex. */
export const sha256Hex: Digest = (text) => createHash('sha256').update(text).digest('hex');

/** All entries, with their chain checked. A chain that is cut off at its end cannot be told from one that ended there. */
export async function readVerified(store: JournalStore): Promise<Result<readonly Entry[], JournalError>> {
  const read = await store.read(0);
  if (!read.ok) return read;
  const broken = verifyChain(read.value, sha256Hex);
  return broken ? err(chainError(broken)) : read;
}

/** A broken chain as the store's own error. */
export function chainError(broken: ChainBreak): JournalError {
  switch (broken.kind) {
    case 'gap':
      return corrupt(
        broken.expected,
        `entry ${broken.expected} is missing: entry ${broken.found} stands in its place`,
      );
    case 'altered':
      return corrupt(
        broken.seq,
        `entry ${broken.seq} was changed after it was written: its hash is not that of its content`,
      );
    case 'unlinked':
      return corrupt(
        broken.seq,
        `entry ${broken.seq} does not follow the entry before it: one of them was replaced`,
      );
    case 'unknown-schema':
      return corrupt(
        broken.seq,
        `entry ${broken.seq} has the schema ${JSON.stringify(broken.schema)}: written by a newer rollout?`,
      );
    case 'unknown-kind':
      return {
        kind: 'corrupt',
        seq: broken.seq,
        message: `journal: entry ${broken.seq} is of the kind ${JSON.stringify(broken.found)}, which this program does not know: use the version of rollout that wrote it, or a later one`,
      };
    default:
      return unreachable(broken);
  }
}

function corrupt(seq: number, message: string): JournalError {
  return { kind: 'corrupt', seq, message: `journal: ${message}. Restore the journal from a copy` };
}
