/**
 * The process: argv, environment, streams, signals, exit. Nothing else in the program touches them.
 * A first Ctrl-C or SIGTERM begins nothing new and lets running host programs finish; a second ends at once, which
 * loses nothing: the journal says what was intended, and `advance` looks again.
 */
import { readFileSync } from 'node:fs';
import { homedir, hostname, userInfo } from 'node:os';
import { EXIT } from './exit-codes.ts';
import type { Invocation, Output } from './invocation.ts';
import type { ProgramOptions } from './program.ts';

/** Oldest Node that the libraries support (FACTS, "Dependencies"). */
const NODE_FLOOR: readonly [number, number] = [22, 12];

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
  const output = processOutput(argv.includes('--no-color'));
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // A closed pipe (`| head`) is the reader's wish, not a fault.
      if (error.code !== 'EPIPE') throw error;
    });
  }
  const stopping = new AbortController();
  const interrupt = (): void => {
    if (stopping.signal.aborted) process.exit(EXIT.interrupted);
    stopping.abort();
    output.err(
      '\nstopping: running host programs are let to finish, nothing new begins (again to end at once)',
    );
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const exit = await run(argv, {
      version: packageVersion(),
      output,
      execute: (module, args, options) =>
        module.run(invocationFrom(name, argv, { args, options, output, signal: stopping.signal })),
    });
    process.exitCode = exit;
  } catch (error) {
    output.err(`${name}: a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    output.err(
      'nothing is half-written: the journal holds every intent; look with `rollout status`, carry on with `rollout advance`',
    );
    process.exitCode = EXIT.bug;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function processOutput(noColor: boolean): Output {
  const env = process.env;
  const forced = env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '0';
  const wanted =
    process.stderr.isTTY === true &&
    process.stdout.isTTY === true &&
    env.NO_COLOR === undefined &&
    env.TERM !== 'dumb';
  return {
    out: (text) => void process.stdout.write(`${text}\n`),
    err: (text) => void process.stderr.write(`${text}\n`),
    errRaw: (text) => void process.stderr.write(text),
    outIsTerminal: process.stdout.isTTY === true,
    errIsTerminal: process.stderr.isTTY === true,
    inIsTerminal: process.stdin.isTTY === true,
    color: !noColor && (forced || wanted),
    width: process.stdout.columns ?? 100,
  };
}

function invocationFrom(
  name: string,
  argv: readonly string[],
  call: Pick<Invocation, 'args' | 'output' | 'signal'> & {
    readonly options: Readonly<Record<string, unknown>>;
  },
): Invocation {
  const { options } = call;
  return {
    ...call,
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
