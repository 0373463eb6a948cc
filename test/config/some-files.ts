/** A right environment to make wrong in one place, and folders of such files on disk. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type LoadedConfig, type LoadedEnvironment, loadConfig } from '../../src/config/load.ts';
import type { Problem } from '../../src/config/problem.ts';
import { readEnvironmentText } from '../../src/config/written.ts';

/** Lines as an engineer would write them; `{name}` is the environment's name. No two environments have the same VM. */
const ENVIRONMENT = `environment: {name}
inventory:
  kind: static
  hosts:
    - { id: "{id}1", name: web-01, address: 10.0.0.1, zone: us-east1-b, role: web }
    - { id: "{id}2", name: web-02, address: 10.0.0.2, zone: us-east1-c, role: web }
artifacts: { kind: local, path: artifacts/{name} }
journal: { kind: local, path: journal/{name} }
ssh:
  user: ops
  agent: true
prometheus:
  url: http://127.0.0.1:9090
`;

export function environmentText(name = 'lab', more = ''): string {
  const ids = name === 'lab' ? '' : `${name}-`;
  return ENVIRONMENT.replaceAll('{name}', name).replaceAll('{id}', ids) + more;
}

/** The same with one piece replaced, which must be there. */
export function changed(from: string, to: string, text = environmentText()): string {
  if (!text.includes(from)) throw new Error(`${from} is not in the text`);
  return text.replace(from, to);
}

/** Problems of an environment's text, without opening a file. */
export function problemsOf(text: string): readonly Problem[] {
  return readEnvironmentText('/config/environments/lab.yaml', text).problems;
}

/** Problems of a right environment with `more` behind it. */
export function problemsWith(more: string): readonly Problem[] {
  return problemsOf(environmentText('lab', more));
}

/** `line:column` of a piece of the text, as an editor counts. */
export function placeOf(text: string, piece: string): { line: number; column: number } {
  const at = text.indexOf(piece);
  if (at < 0) throw new Error(`${piece} is not in the text`);
  const before = text.slice(0, at).split('\n');
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 };
}

export interface Loaded extends LoadedConfig {
  readonly dir: string;
  environment(name: string): LoadedEnvironment;
}

/** Writes the files into a folder of their own, reads the configuration there, and removes the folder. */
export async function loadFiles(files: Readonly<Record<string, string | Uint8Array>>): Promise<Loaded> {
  const dir = await mkdtemp(join(tmpdir(), 'rollout-config-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(dir, name)), { recursive: true });
      await writeFile(join(dir, name), content);
    }
    const loaded = await loadConfig({
      dir,
      playbookDirs: [join(dir, 'shipped'), join(dir, 'playbooks')],
      stateDir: join(dir, 'state'),
      homeDir: join(dir, 'home'),
    });
    return {
      ...loaded,
      dir,
      environment: (name) => {
        const found = loaded.environments.get(name);
        if (found === undefined) throw new Error(`no environment ${name}`);
        return found;
      },
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
