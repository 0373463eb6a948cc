/** Rules between environments: names, the chain of promotions, one journal each. */
import { nearestWord } from '../domain/nearest.ts';
import { expandPath, type PathBase } from './paths.ts';
import { type Fault, fault, sortProblems } from './problem.ts';
import type { EnvironmentWritten } from './schema/environment.ts';
import { readKey } from './schema-walk.ts';
import type { Written } from './written.ts';

/** One environment's file under the name that the file gives it. */
export type EnvironmentFile = Written<EnvironmentWritten> & { readonly name: string };

/** The same files with the problems added that only show between them; such a file counts as not written. */
export function acrossFiles(
  files: readonly EnvironmentFile[],
  baseOf: (file: string) => PathBase,
): EnvironmentFile[] {
  const journals = journalOwners(files, baseOf);
  return files.map((file) => {
    const { yaml } = file;
    if (yaml === null) return file;
    const faults = [
      ...nameFaults(file),
      ...chainFaults(file, files),
      ...journalFaults(file, journals, baseOf),
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

interface JournalPlace {
  readonly key: 'path' | 'bucket';
  /** The same for two files that name the same place in other words. */
  readonly place: string;
}

function journalPlace(file: EnvironmentFile, baseOf: (file: string) => PathBase): JournalPlace | null {
  const journal = valueOf(file, 'journal');
  const path = readKey(journal, 'path');
  if (typeof path === 'string') return { key: 'path', place: expandPath(path, baseOf(file.file)) };
  const bucket = readKey(journal, 'bucket');
  const prefix = readKey(journal, 'prefix');
  return typeof bucket === 'string'
    ? { key: 'bucket', place: `gs://${bucket}/${typeof prefix === 'string' ? prefix : ''}` }
    : null;
}

function journalOwners(
  files: readonly EnvironmentFile[],
  baseOf: (file: string) => PathBase,
): Map<string, string> {
  const owners = new Map<string, string>();
  for (const file of files) {
    const found = journalPlace(file, baseOf);
    if (found !== null && !owners.has(found.place)) owners.set(found.place, file.name);
  }
  return owners;
}

function journalFaults(
  file: EnvironmentFile,
  owners: ReadonlyMap<string, string>,
  baseOf: (file: string) => PathBase,
): Fault[] {
  const found = journalPlace(file, baseOf);
  const owner = found === null ? undefined : owners.get(found.place);
  if (found === null || owner === undefined || owner === file.name) return [];
  return [
    fault(['journal', found.key], `${owner} keeps its journal there; each environment needs its own`, {
      found: found.place,
    }),
  ];
}
