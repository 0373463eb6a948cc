/**
 * Compiled code is kept between calls, so that a start costs a fraction: in a folder below the user's own cache folder and nowhere else.
 *
 * CC1  What lies there is run as our own. So every folder from the user's own on must belong to who we are and be writable by nobody else;
 *      what is linked, somebody else's (HOME under sudo) or open to a group is not used. CC2  Never an error: a folder that cannot be
 *      made, as on a read-only disk, means a slower start. CC3  Node's own variables go before: NODE_COMPILE_CACHE names another
 *      folder, NODE_DISABLE_COMPILE_CACHE=1 keeps nothing.
 */
import { lstatSync, mkdirSync, type Stats, statSync } from 'node:fs';
import module from 'node:module';
import { isAbsolute, join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;

/** To be called before anything else is imported: what is imported already is not kept. */
export function keepCompiledCode(env: Env, uid: number | undefined): void {
  if ((env['NODE_COMPILE_CACHE'] ?? '') !== '' || (env['NODE_DISABLE_COMPILE_CACHE'] ?? '') !== '') return;
  const folder = compiledCodeFolder(env, uid);
  if (folder === null) return;
  try {
    // Called by its module, since it is not there before Node 22.1, which is told that it is too old in a moment.
    module.enableCompileCache?.(folder);
  } catch {
    // CC2
  }
}

/** Made where it is not there. Null: there is no place for it (CC1, CC2). */
export function compiledCodeFolder(env: Env, uid: number | undefined): string | null {
  if (uid === undefined) return null;
  const isOurs = ({ uid: owner, mode }: Stats, closedTo: number): boolean =>
    owner === uid && (mode & closedTo) === 0;
  const { XDG_CACHE_HOME: cache = '', HOME: home = '' } = env;
  const [base, below] =
    cache === '' ? [home, ['.cache', 'rollout', 'compiled']] : [cache, ['rollout', 'compiled']];
  if (!isAbsolute(base)) return null;
  try {
    // A home may be reached over a link, which lies in a folder of root's.
    const own = statSync(base);
    if (!own.isDirectory() || !isOurs(own, WRITABLE_BY_OTHERS)) return null;
    let folder = base;
    for (const name of below) {
      folder = join(folder, name);
      makeFolder(folder);
      const made = lstatSync(folder);
      const closedTo = name === 'compiled' ? OPEN_TO_OTHERS : WRITABLE_BY_OTHERS;
      if (!made.isDirectory() || !isOurs(made, closedTo)) return null;
    }
    return folder;
  } catch {
    return null;
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
  }
}
