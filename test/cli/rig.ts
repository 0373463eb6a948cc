/** Runs the compiled program in folders of its own, as a person or a pipe would, and reads the journal that it leaves. */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { demoPackage } from '../../src/cli/demo-packages.ts';
import type { Entry } from '../../src/domain/journal.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MAIN = join(ROOT, 'dist/cli/main.js');
export const OSQUERYD = join(ROOT, 'dist/cli/osqueryd.js');

/** Line types that were seen by any run of this file, for the check against the README. */
export const seenTypes = new Set<string>();

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another program than `rollout`. */
  readonly main?: string;
}

export interface Started {
  readonly pid: number;
  readonly ended: Promise<Ran>;
  /** Types into standard input. */
  type(text: string): void;
  /** Resolves once stdout and stderr together match; rejects when the program ends without. */
  says(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Reads no more of stdout, as `head` does when it has enough. */
  closeStdout(): void;
}

export interface Line {
  readonly v: number;
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Place {
  readonly folder: string;
  readonly stateDir: string;
  readonly configDir: string;
  readonly env: Readonly<Record<string, string>>;
  run(args: readonly string[], options?: RunOptions): Promise<Ran>;
  start(args: readonly string[], options?: RunOptions): Started;
  /** On a terminal of 100 columns and 30 lines; stdout and stderr come as one. */
  onTerminal(args: readonly string[], options?: RunOptions): Started;
  /** `--package ENV=FILE` for the sandbox's own packages. */
  packages(version: string, ...environments: readonly ('gstg' | 'gprd')[]): string[];
  journal(environment: string): Entry[];
  journalFolder(environment: string): string;
  /** What every embedded host of the environment runs: name to version. */
  agents(environment: 'gstg' | 'gprd'): Promise<Record<string, string>>;
  /** Ends the sandbox, if there is one, and deletes everything. */
  remove(): Promise<void>;
}

/** A state folder, a configuration with the sandbox's two environments in haste, and nothing of the caller's. */
export function makePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-cli-'));
  const stateDir = join(folder, 'state');
  const configDir = join(folder, 'config');
  mkdirSync(join(configDir, 'environments'), { recursive: true });
  mkdirSync(join(folder, 'home'));
  cpSync(join(ROOT, 'playbooks'), join(configDir, 'playbooks'), { recursive: true });
  for (const name of ['sandbox-gstg', 'sandbox-gprd']) {
    const shipped = readFileSync(join(ROOT, 'environments', `${name}.yaml`), 'utf8');
    const hasty = shipped
      .replace(/window: 2s, for: 1s/gu, 'window: 1s, for: 500ms')
      .replace(/window: 2s/gu, 'window: 1s')
      .replace(/^sampleEvery: .*$/mu, 'sampleEvery: 500ms')
      .replace(/^prove: .*$/mu, 'prove: 100ms')
      .replace(/^soak: .*$/mu, 'soak: 500ms')
      .replace(/^bake: .*$/mu, 'bake: 500ms')
      .replace(/^ {2}then: .*$/mu, '  then: ["100%"]')
      .replace(
        /^ {2}maxUnavailable: .*$/mu,
        '  maxUnavailable: { environment: "100%", zone: "100%", role: "100%" }',
      );
    writeFileSync(join(configDir, 'environments', `${name}.yaml`), hasty);
  }
  const env = {
    PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
    HOME: join(folder, 'home'),
    ROLLOUT_STATE_DIR: stateDir,
    ROLLOUT_CONFIG: configDir,
    TERM: 'xterm',
    // Each run would else compile the same five hundred files anew.
    NODE_COMPILE_CACHE: join(ROOT, 'node_modules/.cache/compiled'),
  };
  const start = (args: readonly string[], options: RunOptions = {}): Started =>
    launch(
      [process.execPath, options.main ?? MAIN, ...args],
      { ...env, ...options.env },
      options.cwd ?? folder,
    );
  const run = async (args: readonly string[], options: RunOptions = {}): Promise<Ran> => {
    const started = start(args, options);
    const ran = await started.ended;
    if (args.includes('--json')) for (const line of jsonLines(ran.stdout)) seenTypes.add(line.type);
    return ran;
  };
  return {
    folder,
    stateDir,
    configDir,
    env,
    run,
    start,
    onTerminal: (args, options = {}) => {
      const command = [process.execPath, options.main ?? MAIN, ...args].map(quoted).join(' ');
      return launch(
        ['script', '-qec', `stty cols 100 rows 30; exec ${command}`, '/dev/null'],
        { ...env, ...options.env },
        options.cwd ?? folder,
      );
    },
    packages: (version, ...environments) =>
      environments.flatMap((name) => [
        '--package',
        `sandbox-${name}=${demoPackage(join(stateDir, 'sandbox/packages'), name, version)}`,
      ]),
    journal: (environment) => readJournal(journalOf(stateDir, environment)),
    journalFolder: (environment) => journalOf(stateDir, environment),
    agents: async (environment) => {
      const ran = await run(['sandbox', 'status', '--json']);
      const found: Record<string, string> = {};
      for (const line of jsonLines(ran.stdout)) {
        const { name } = line['host'] as { name: string };
        if (name.endsWith(environment)) found[name] = String(line['running']);
      }
      return found;
    },
    remove: async () => {
      await run(['sandbox', 'down']);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function journalOf(stateDir: string, environment: string): string {
  return join(stateDir, 'sandbox/journal', environment.replace('sandbox-', ''), 'entries');
}

function readJournal(folder: string): Entry[] {
  const names = readdirSync(folder, { withFileTypes: true }).filter((file) => file.isFile());
  return names
    .map(({ name }) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Entry)
    .sort((a, b) => a.seq - b.seq);
}

/** Every line must be JSON: throws where one is not. */
export function jsonLines(text: string): Line[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** The last line: how it ended. */
export function lastLine(ran: Ran): Line {
  const line = jsonLines(ran.stdout).at(-1);
  if (line === undefined) throw new Error(`nothing on stdout; stderr: ${ran.stderr}`);
  return line;
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function launch(
  [command = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): Started {
  const child = spawn(command, args, { env, cwd, stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  let everything = '';
  let over = false;
  const heard: (() => void)[] = [];
  const tellAll = (): void => {
    for (const hear of heard) hear();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    everything += text;
    tellAll();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    everything += text;
    tellAll();
  });
  // A program that ends without reading is no fault of the test.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<Ran>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      over = true;
      tellAll();
      resolve({ code, signal, stdout, stderr });
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    type: (text) => void child.stdin.write(text),
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(everything)) resolve();
          else if (over) reject(new Error(`ended without ${pattern}:\n${everything}`));
        };
        heard.push(look);
        look();
      }),
    kill: (signal) => void child.kill(signal),
    closeStdout: () => child.stdout.destroy(),
  };
}
