/**
 * One pass over a file's bytes: hands them out in order, counts them, and digests them all. Holds one chunk at a time.
 */
import { createHash } from 'node:crypto';
import { DebFailure } from './failure.ts';

const NOTHING = new Uint8Array(0);

export class ByteCursor {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #maxBytes: number;
  readonly #hash = createHash('sha256');
  #chunk: Uint8Array = NOTHING;
  #pulled = 0;

  constructor(source: AsyncIterable<Uint8Array>, maxBytes: number) {
    this.#source = source[Symbol.asyncIterator]();
    this.#maxBytes = maxBytes;
  }

  /** Bytes handed out so far. */
  get position(): number {
    return this.#pulled - this.#chunk.length;
  }

  /** Whether all bytes have been handed out. */
  async atEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** Exactly `count` bytes, for small counts: they are copied together. `what` names them in the error. */
  async take(count: number, what: string): Promise<Uint8Array> {
    const taken = new Uint8Array(count);
    let filled = 0;
    for await (const part of this.bytes(count, what)) {
      taken.set(part, filled);
      filled += part.length;
    }
    return taken;
  }

  /** Exactly `count` bytes as they come. */
  async *bytes(count: number, what: string): AsyncGenerator<Uint8Array, void, undefined> {
    let missing = count;
    while (missing > 0) {
      if (!(await this.#fill())) {
        throw new DebFailure(
          'truncated',
          `it ends at byte ${this.position}, ${missing} bytes before the end of ${what}`,
        );
      }
      const part = this.#chunk.subarray(0, missing);
      this.#chunk = this.#chunk.subarray(part.length);
      missing -= part.length;
      yield part;
    }
  }

  /** sha256 and size of everything; only meaningful at the end. */
  digest(): { readonly sha256: string; readonly size: number } {
    return { sha256: this.#hash.digest('hex'), size: this.#pulled };
  }

  /** Lets go of the source. Never throws: by now the outcome is known. */
  async close(): Promise<void> {
    try {
      await this.#source.return?.();
    } catch {
      // A file that cannot be closed after it was read to its end does not change what was read.
    }
  }

  async #fill(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const next = await this.#pull();
      if (next === null) return false;
      this.#hash.update(next);
      this.#chunk = next;
      this.#pulled += next.length;
      if (this.#pulled > this.#maxBytes) {
        throw new DebFailure(
          'too-large',
          `it is larger than ${this.#maxBytes} bytes, which no agent's package is`,
        );
      }
    }
    return true;
  }

  async #pull(): Promise<Uint8Array | null> {
    try {
      const next = await this.#source.next();
      return next.done === true ? null : next.value;
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DebFailure('unreadable', `it cannot be read beyond byte ${this.#pulled}: ${why}`);
    }
  }
}
