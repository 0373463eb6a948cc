/**
 * The process: argv, environment, streams, signals, exit. Nothing else in the program touches them.
 * A first Ctrl-C, SIGTERM or a closed terminal begins nothing new and lets running host programs finish; a second ends at once, which
 * loses nothing: the journal says what was intended, and `advance` looks again. What holds fast, such as an emergency stop that was
 * agreed to, is called off by Ctrl-C and SIGTERM alone: that a reader, a terminal or a VPN goes away is nobody's wish to end it.
 */
import { readFileSync } from 'node:fs';
import { homedir, hostname, userInfo } from 'node:os';
import { EXIT } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import type { ProgramOptions } from './program.ts';
import { createOutput } from './terminal.ts';

/** Oldest Node that the libraries support (FACTS, "Dependencies"). */
const NODE_FLOOR: readonly [number, number] = [22, 12];

/** SIGHUP: the terminal was closed, or the connection to it is gone. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** How a stream ends that nobody reads any more: a closed pipe, a terminal that is gone, and whatever is written after that. */
const UNREAD: ReadonlySet<string> = new Set(['EPIPE', 'EIO', 'ERR_STREAM_DESTROYED']);

type Run = (argv: readonly string[], options: ProgramOptions) => Promise<number>;

export async function main(name: string, run: Run): Promise<void> {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < NODE_FLOOR[0] || (major === NODE_FLOOR[0] && minor < NODE_FLOOR[1])) {
    process.stderr.write(
      `${name} needs Node ${NODE_FLOOR.join('.')} or newer and found ${process.versions.node}; inside a clone, \`npx ${name}\` brings its own\n`,
    );
    process.exitCode = EXIT.usage;
    return;
  }
  const argv = process.argv.slice(2);
  const output = createOutput({
    stdout: process.stdout,
    stderr: process.stderr,
    inIsTerminal: process.stdin.isTTY === true,
    noColor: argv.includes('--no-color'),
    env: process.env,
  });
  silence('MetadataLookupWarning');
  const stopping = new AbortController();
  let holdsFast = false;
  let isUnwatchedTold = false;
  const goOnUnwatched = (): void => {
    if (isUnwatchedTold) return;
    isUnwatchedTold = true;
    output.err('nobody reads along any more: it goes on to its end (Ctrl-C or SIGTERM calls it off)');
  };
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (!UNREAD.has(error.code ?? '')) throw error;
      // A closed pipe (`| head`) or terminal is the reader's wish, not a fault; nothing new begins that nobody sees.
      if (holdsFast) goOnUnwatched();
      else stopping.abort();
    });
  }
  let changes = false;
  let signals = 0;
  const interrupt = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGHUP' && holdsFast) return goOnUnwatched();
    signals += 1;
    if (signals > 1) {
      output.screen(null);
      output.live('');
      process.exit(EXIT.interrupted);
    }
    stopping.abort();
    if (changes)
      output.err(
        '\nstopping: what runs on hosts now is let finish, nothing new begins (Ctrl-C again ends at once)',
      );
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    const exit = await run(argv, {
      version: packageVersion(),
      output,
      execute: (module, { args, options, ...command }) => {
        changes = command.changes;
        const holdFast = (): void => {
          holdsFast = true;
        };
        return module.run(
          invocationFrom(name, argv, { args, options, output, signal: stopping.signal, holdFast }),
        );
      },
    });
    process.exitCode = exit;
    // What was called off may still wait for an answer that nobody wants any more.
    if (signals > 0) {
      output.live('');
      process.exit(exit);
    }
  } catch (error) {
    output.err(`${name}: a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    output.err(
      'nothing is half-written: the journal holds every intent; look with `rollout status`, carry on with `rollout advance`',
    );
    // What the bug left open, such as a server, must not keep the process alive.
    process.exit(EXIT.bug);
  } finally {
    output.live('');
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

function invocationFrom(
  name: string,
  argv: readonly string[],
  call: Pick<Invocation, 'args' | 'output' | 'signal' | 'holdFast'> & {
    readonly options: Readonly<Record<string, unknown>>;
  },
): Invocation {
  const { options } = call;
  return {
    ...call,
    program: name,
    commandLine: [name, ...argv].join(' '),
    env: process.env,
    cwd: process.cwd(),
    home: process.env.HOME ?? homedir(),
    hostname: hostname(),
    user: userName(),
    pid: process.pid,
    json: options.json === true,
    yes: options.yes === true,
    reason: typeof options.reason === 'string' ? options.reason : '',
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under a uid that has no name.
    return process.env.USER ?? `uid-${process.getuid?.() ?? 0}`;
  }
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return version;
}

/** Google's library warns of what is then said in a sentence of ours, with what mends it (adapters/google/access-errors.ts). */
function silence(name: string): void {
  const emit = process.emitWarning.bind(process) as (...words: unknown[]) => void;
  process.emitWarning = (...words: unknown[]): void => {
    if (words[1] !== name) emit(...words);
  };
}
