/** How a package file is read. */
import type { DebFacts } from '../domain/artifact.ts';
import type { Result } from '../domain/result.ts';

/** Why a package file cannot be taken. None of these is worth a retry with the same file, but for `unreadable`. */
export type DebErrorKind =
  /** The file cannot be opened or read to its end. */
  | 'unreadable'
  /** It is something else than a `.deb`. */
  | 'not-a-deb'
  | 'truncated'
  /** It breaks the format: damaged, or made by something that dpkg would refuse too. */
  | 'malformed'
  /** It may be a good package, but needs what this program does not have. */
  | 'unsupported'
  /** It is, or unpacks to, more than the limits allow. */
  | 'too-large'
  /** Names or links in it lead out of their place. */
  | 'unsafe-path'
  /** Its control file does not say what it must. */
  | 'bad-control'
  /** The agent's executable is not in it. */
  | 'missing-executable';

export interface DebError {
  readonly kind: DebErrorKind;
  /** One sentence that names the file. */
  readonly message: string;
}

/** Package files on the machine that runs the command. */
export interface PackageReader {
  /** Reads a whole file once. `executable` is the daemon's absolute path on a host. Never rejects. */
  read(file: string, executable: string): Promise<Result<DebFacts, DebError>>;
  /** The file's bytes; fails inside the iteration. May be called again. */
  open(file: string): AsyncIterable<Uint8Array>;
}
