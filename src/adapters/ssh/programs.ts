/**
 * The host programs as the text that goes over stdin: the libraries that a program needs and the program.
 *
 * P1  The whole text is one compound command. A shell runs it only when it has read all of it, so a connection that dies
 *     while the text is sent runs nothing, and a command that reads stdin cannot eat the program.
 * P2  Comments stay here: they would be a third of what goes up a laptop's line to each host.
 * P3  What a program leaves on the host, to be run there later, is the same file that is sent by itself, never a copy; the libraries
 *     that both need are sent once.
 */
import { readFile } from 'node:fs/promises';
import type { HostOrder } from '../../domain/host-order.ts';
import { BROUGHT_ALONG, HOST_PROGRAM_FILES } from '../../domain/host-programs.ts';

export interface HostPrograms {
  /** The text for the stdin of `sh -s`. Throws when the file is not there: the installation is broken. */
  text(program: HostOrder['program']): Promise<string>;
}

/** Programs of the folder, read once; by default the ones that ship beside this file, `src/host` or `dist/host`. */
export function createHostPrograms(folder: URL = new URL('../../host/', import.meta.url)): HostPrograms {
  const texts = new Map<string, Promise<string>>();
  return {
    text(program) {
      const known = texts.get(program);
      if (known !== undefined) return known;
      const text = readProgram(program, folder);
      texts.set(program, text);
      return text;
    },
  };
}

async function readProgram(program: HostOrder['program'], folder: URL): Promise<string> {
  const read = async (file: string): Promise<string> =>
    withoutComments(await readFile(new URL(file, folder), 'utf8')).trimEnd();
  const parts = await Promise.all(HOST_PROGRAM_FILES[program].map(read));
  const along = BROUGHT_ALONG[program];
  if (along === undefined) return wholeOrNothing(parts.join('\n'));
  const [own = '', ...libraries] = parts.reverse();
  const shared = libraries.reverse().join('\n');
  return wholeOrNothing(
    [
      inVariable('rollout_shared', shared),
      inVariable('rollout_revert', await read(along)),
      'eval "$rollout_shared"',
      own,
    ].join('\n'),
  );
}

/** P3: a text as it stands, in a variable. Debian's sh hands it to cat by a pipe: no disk has to take it. */
function inVariable(name: string, text: string): string {
  const end = `END_OF_${name.toUpperCase()}`;
  if (text.split('\n').includes(end)) throw new Error(`a host program has a line ${end}`);
  return `${name}=$(cat <<'${end}'\n${text}\n${end}\n)`;
}

/** Makes a shell text all or nothing (P1). */
export function wholeOrNothing(text: string): string {
  return `{\n${text}\n}\n`;
}

/** P2: without the comments between functions. Inside one, a line that begins as a comment may be part of a text. */
export function withoutComments(text: string): string {
  let inside = false;
  const kept = text.split('\n').filter((line) => {
    if (/^\w+\(\) \{$/u.test(line)) inside = true;
    else if (line === '}') inside = false;
    return inside || !line.startsWith('#');
  });
  return kept.join('\n');
}
