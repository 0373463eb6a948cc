/** The last line of an output of any length. */
import { StringDecoder } from 'node:string_decoder';

/** Characters that are kept: a line that is longer is cut anyway. */
const KEPT = 4_096;

export class LastLine {
  readonly #decoder = new StringDecoder('utf8');
  #tail = '';

  add(chunk: Buffer): void {
    this.#tail = (this.#tail + this.#decoder.write(chunk)).slice(-KEPT);
  }

  /** Without blanks around; empty where nothing was said. */
  get text(): string {
    const lines = this.#tail.split('\n').map((line) => line.trim());
    return lines.findLast((line) => line !== '') ?? '';
  }
}
