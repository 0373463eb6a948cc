/** Where a written path leads: relative to its file, `~/` to the user's home, `${state}` to the state folder. */
import { dirname, join, resolve } from 'node:path';

export interface PathBase {
  /** The file that the path stands in, absolute. */
  readonly file: string;
  readonly stateDir: string;
  readonly homeDir: string;
}

/** Absolute; `.` and `..` are gone. */
export function expandPath(written: string, base: PathBase): string {
  if (written === '~' || written.startsWith('~/')) return join(base.homeDir, written.slice(1));
  const inState = /^\$\{state\}(?=\/|$)/.exec(written);
  if (inState !== null) return join(base.stateDir, written.slice(inState[0].length));
  return resolve(dirname(base.file), written);
}
