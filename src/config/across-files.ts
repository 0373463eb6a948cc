/** Rules between environments: names, the chain of promotions, a journal, packages and values of role files of its own each. */
import { nearestWord } from '../domain/nearest.ts';
import { expandPath, type PathBase } from './paths.ts';
import { type Fault, fault, sortProblems } from './problem.ts';
import type { EnvironmentWritten } from './schema/environment.ts';
import { readKey } from './schema-walk.ts';
import { type ControllersOf, sharedRoleFileFaults } from './shared-role-files.ts';
import type { Written } from './written.ts';

/** One environment's file under the name that the file gives it. */
export type EnvironmentFile = Written<EnvironmentWritten> & { readonly name: string };

/** The same files with the problems added that only show between them; such a file counts as not written. */
export function acrossFiles(
  files: readonly EnvironmentFile[],
  baseOf: (file: string) => PathBase,
): EnvironmentFile[] {
  const placeOf = placesBy(baseOf);
  const owners = ownersOf(files, placeOf);
  const controllers = files.map(
    (file): ControllersOf => ({
      environment: file.name,
      controllers: valueOf(file, 'controllers'),
      absolute: (written) => expandPath(written, baseOf(file.file)),
    }),
  );
  return files.map((file) => {
    const { yaml } = file;
    if (yaml === null) return file;
    const faults = [
      ...nameFaults(file),
      ...chainFaults(file, files),
      ...placeFaults(file, owners, placeOf),
      ...sharedRoleFileFaults(file.name, controllers),
    ];
    if (faults.length === 0) return file;
    return {
      ...file,
      written: null,
      problems: sortProblems([...file.problems, ...faults.map((one) => yaml.problem(one))]),
    };
  });
}

function valueOf(file: EnvironmentFile | undefined, key: string): unknown {
  return readKey(file?.yaml?.value, key);
}

function nameFaults(file: EnvironmentFile): Fault[] {
  const written = valueOf(file, 'environment');
  if (typeof written !== 'string' || written === file.name) return [];
  const message = 'the name of the environment must be the name of its file';
  return [fault(['environment'], message, { found: written, allowed: [file.name], suggestion: file.name })];
}

function chainFaults(file: EnvironmentFile, files: readonly EnvironmentFile[]): Fault[] {
  const from = valueOf(file, 'promotesFrom');
  if (typeof from !== 'string') return [];
  const names = files.map((other) => other.name);
  if (!names.includes(from)) {
    const others = names.filter((name) => name !== file.name);
    const meant = nearestWord(from, others);
    const detail = { found: from, allowed: others, ...(meant === null ? {} : { suggestion: meant }) };
    return [fault(['promotesFrom'], 'there is no such environment', detail)];
  }
  const chain = [file.name];
  let next: unknown = from;
  while (typeof next === 'string' && !chain.includes(next)) {
    chain.push(next);
    const name = next;
    next = valueOf(
      files.find((other) => other.name === name),
      'promotesFrom',
    );
  }
  if (next !== file.name) return [];
  return [
    fault(['promotesFrom'], 'promotions go in a circle', { found: [...chain, file.name].join(' <- ') }),
  ];
}

/** What no two environments may keep in one place: a package or an entry of the one would be refused as the other's. */
const KEPT = [
  ['journal', 'its journal'],
  ['artifacts', 'its packages'],
] as const;
type Kept = (typeof KEPT)[number][0];

interface Place {
  readonly key: 'path' | 'bucket';
  /** The same for two files that name the same place in other words. */
  readonly place: string;
}

type PlaceOf = (file: EnvironmentFile, kept: Kept) => Place | null;

function placesBy(baseOf: (file: string) => PathBase): PlaceOf {
  return (file, kept) => {
    const written = valueOf(file, kept);
    const path = readKey(written, 'path');
    if (typeof path === 'string') return { key: 'path', place: expandPath(path, baseOf(file.file)) };
    const bucket = readKey(written, 'bucket');
    const prefix = readKey(written, 'prefix');
    return typeof bucket === 'string'
      ? { key: 'bucket', place: `gs://${bucket}/${typeof prefix === 'string' ? prefix : ''}` }
      : null;
  };
}

/** The first environment of each place; by what is kept there, too. */
function ownersOf(files: readonly EnvironmentFile[], placeOf: PlaceOf): Map<string, string> {
  const owners = new Map<string, string>();
  for (const file of files) {
    for (const [kept] of KEPT) {
      const found = placeOf(file, kept);
      const mark = `${kept} ${found?.place}`;
      if (found !== null && !owners.has(mark)) owners.set(mark, file.name);
    }
  }
  return owners;
}

function placeFaults(file: EnvironmentFile, owners: ReadonlyMap<string, string>, placeOf: PlaceOf): Fault[] {
  return KEPT.flatMap(([kept, what]) => {
    const found = placeOf(file, kept);
    const owner = owners.get(`${kept} ${found?.place}`);
    if (found === null || owner === undefined || owner === file.name) return [];
    const message = `${owner} keeps ${what} there; each environment needs a place of its own`;
    return [fault([kept, found.key], message, { found: found.place })];
  });
}
