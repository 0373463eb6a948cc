/** Runs the compiled program as a person or a CI job does: another process, its words and its exit status. */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './command.ts';

const PROJECT = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** One line of `--json` output. */
export type CliEvent = Readonly<Record<string, unknown>>;

export interface CliOptions {
  /** Given as `--config`; also its home folder, so that nothing of this machine's user is read or written. */
  readonly configDir?: string;
  /** Default: the project. */
  readonly cwd?: string;
  /** Besides PATH, HOME, NO_COLOR and NODE_COMPILE_CACHE; nothing else is inherited, `CI` least of all. */
  readonly env?: Readonly<Record<string, string>>;
  /** After it the program is killed and the run throws with what it had said. Default 240 s. */
  readonly timeoutMs?: number;
  /** `kill -9` so long after the start. */
  readonly killAfterMs?: number;
  /** `kill -9` at the first event that this says yes to. */
  readonly killWhen?: (event: CliEvent) => boolean;
  /** For its standard input, which then ends. */
  readonly input?: string;
  /** Another program than `dist/cli/main.js` (or ROLLOUT_RIG_ENTRY: an installed one), such as the project's `dist/cli/osqueryd.js`. */
  readonly entry?: string;
}

export interface CliResult {
  /** Exit status; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The lines of stdout that are JSON objects, in order. */
  readonly events: readonly CliEvent[];
  readonly tookMs: number;
}

export interface StartedCli {
  /** Never rejects but for the timeout. */
  readonly result: Promise<CliResult>;
  /** Default SIGKILL. */
  kill(signal?: NodeJS.Signals): void;
  /** The first event, past or to come, that `match` says yes to. Throws when the program ends without one. */
  sees(what: string, match: (event: CliEvent) => boolean, timeoutMs?: number): Promise<CliEvent>;
}

function parsed(line: string): CliEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as CliEvent;
  } catch {
    return undefined;
  }
}

/** Starts it and returns at once, for what is to happen while it works. */
export function startCli(args: readonly string[], options: CliOptions = {}): StartedCli {
  const began = performance.now();
  const bin = join(PROJECT, 'node_modules/.bin');
  const config = options.configDir === undefined ? [] : ['--config', options.configDir];
  const child = spawn(
    join(bin, 'node'),
    [
      options.entry ?? process.env['ROLLOUT_RIG_ENTRY'] ?? join(PROJECT, 'dist/cli/main.js'),
      ...args,
      ...config,
    ],
    {
      cwd: options.cwd ?? PROJECT,
      env: {
        PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin`,
        HOME: options.configDir ?? '/nonexistent',
        NO_COLOR: '1',
        // Each run would else compile the same files anew.
        NODE_COMPILE_CACHE: join(PROJECT, 'node_modules/.cache/compiled'),
        ...options.env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const events: CliEvent[] = [];
  let stdout = '';
  let stderr = '';
  let rest = '';
  let over = false;
  const kill = (signal: NodeJS.Signals = 'SIGKILL'): void => {
    child.kill(signal);
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = parsed(line);
      if (event === undefined) continue;
      events.push(event);
      if (options.killWhen?.(event) === true) kill();
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdin.on('error', () => {
    // It ended without reading: its own affair.
  });
  child.stdin.end(options.input ?? '');

  const said = (): string => `rollout ${args.join(' ')}\nstdout:\n${stdout}\nstderr:\n${stderr}`;
  const result = new Promise<CliResult>((resolve, reject) => {
    const timeoutMs = options.timeoutMs ?? 240_000;
    const timeout = setTimeout(() => {
      kill();
      reject(new Error(`no end after ${timeoutMs} ms: ${said()}`));
    }, timeoutMs);
    const death = options.killAfterMs === undefined ? undefined : setTimeout(kill, options.killAfterMs);
    const end = (): void => {
      over = true;
      clearTimeout(timeout);
      clearTimeout(death);
    };
    child.on('error', (error) => {
      end();
      reject(error);
    });
    child.on('close', (code, signal) => {
      end();
      resolve({ code, signal, stdout, stderr, events, tookMs: performance.now() - began });
    });
  });
  return {
    result,
    kill,
    sees: async (what, match, timeoutMs = 150_000) =>
      await until(
        `${what} is told`,
        () => {
          const found = events.find(match);
          if (found === undefined && over) throw new Error(`it ended and never told ${what}: ${said()}`);
          return found;
        },
        { timeoutMs, everyMs: 10 },
      ),
  };
}

/** Starts it and waits for its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return await startCli(args, options).result;
}
