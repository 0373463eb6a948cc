/** Is a witness' program there, and does it get what it wants? It is not run: nobody knows what it does. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { CommandWitnessSettings } from '../../domain/witness.ts';
import { broken, doubtful, type Finding, fine, type SelfCheck } from '../../ports/self-check.ts';
import type { CommandEnv } from './command-witness.ts';

export interface CommandCheckOptions {
  readonly settings: CommandWitnessSettings;
  readonly name: string;
  readonly env: CommandEnv;
  /** The environment's file, for mends. */
  readonly file: string;
}

export function commandCheck({ settings, name, env, file }: CommandCheckOptions): SelfCheck {
  const what = `witness ${name}`;
  return {
    area: 'metrics',
    what,
    whenSilent: `look at witnesses.${name} in ${file}`,
    async run() {
      const [program] = settings.run;
      const found = await findProgram(program, env['PATH'] ?? '');
      const where = program.includes('/') ? '' : ' on the PATH';
      if (found === null) {
        const mend = `put an executable program there, or write another into witnesses.${name}.run in ${file}`;
        return [broken(what, `there is no program ${program}${where} that may be executed`, mend)];
      }
      return [fine(what, `${found} is there; not run here`), ...missing(settings, what, env)];
    },
  };
}

function missing({ env: names }: CommandWitnessSettings, what: string, env: CommandEnv): Finding[] {
  const unset = names.filter((name) => env[name] === undefined);
  if (unset.length === 0) return [];
  const listed = unset.join(', ');
  return [doubtful(what, `it is to be given ${listed}, which nobody has set`, `export ${unset.join(' ')}`)];
}

async function findProgram(program: string, path: string): Promise<string | null> {
  const places = program.includes('/')
    ? [program]
    : path.split(delimiter).map((folder) => join(folder, program));
  for (const place of places) if (await isProgram(place)) return place;
  return null;
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
