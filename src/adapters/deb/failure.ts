/**
 * Why reading a `.deb` ends early. Thrown inside this folder only, because generators and streams carry nothing else out;
 * `read.ts` catches it at the edge and hands it on as a value.
 */
import type { DebErrorKind } from '../../ports/package-reader.ts';

export class DebFailure extends Error {
  readonly kind: DebErrorKind;

  constructor(kind: DebErrorKind, message: string) {
    super(message);
    this.name = 'DebFailure';
    this.kind = kind;
  }
}
