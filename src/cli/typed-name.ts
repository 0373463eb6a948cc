/** How the program is typed from here: what is printed to be copied must work where it is read. Asks nobody and changes nothing. */
import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Invocation } from './invocation.ts';

/** Folder of package.json: where `npx` finds this program, and outside of which it would find another. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/u, '');

/** What npm and npx put on the PATH of what they run, and what is gone from it afterwards. */
const OF_NPM = /\/node_modules\/\.bin\/?$|\/node-gyp-bin\/?$/u;

/** `rollout` where the shell finds it, or where nothing better is known; else `npx rollout`, inside the clone. */
export function typedName(
  { env, cwd }: Pick<Invocation, 'env' | 'cwd'>,
  program = 'rollout',
  root = ROOT,
): string {
  const folders = (env.PATH ?? '').split(':').filter((folder) => folder !== '' && !OF_NPM.test(folder));
  if (folders.some((folder) => isProgram(join(folder, program)))) return program;
  return cwd === root || cwd.startsWith(`${root}/`) ? `npx ${program}` : program;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
