/**
 * A program of one's own as a witness. Exit status 0 pass, 1 fail, 2 inconclusive; anything else, a signal, a timeout or no such program
 * is an error. The last line of its output is the reason.
 *
 * C1  Never a shell: words as they are written, with two placeholders filled in, and everything else on stdin.
 * C2  Nothing of it outlives the question: its whole process group ends with it. C3  It gets PATH, HOME, LANG and what its `env` names,
 * and no secret of another part.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { formatDuration } from '../../domain/duration.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { type CommandWitnessSettings, questionJson, reasonFrom } from '../../domain/witness.ts';
import type { Clock } from '../../ports/clock.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import type { Witness, WitnessAnswer, WitnessQuestion } from '../../ports/witness.ts';
import { LastLine } from './last-line.ts';

export type CommandEnv = Readonly<Record<string, string | undefined>>;

export interface CommandOptions {
  readonly settings: CommandWitnessSettings;
  /** Its name in the environment's file. */
  readonly name: string;
  /** Our own, of which it gets a part (C3). */
  readonly env: CommandEnv;
  readonly clock: Clock;
}

/** How long a program that is asked to end may take, ms, before it is killed. */
const GRACE_MS = 1_000;
/** How long something that it started may hold its output open once it has ended, ms. */
const LINGER_MS = 500;

const ALWAYS = ['PATH', 'HOME', 'LANG'];

const VERDICTS: ReadonlyMap<number, 'pass' | 'fail' | 'inconclusive'> = new Map([
  [0, 'pass'],
  [1, 'fail'],
  [2, 'inconclusive'],
]);

export function commandWitness(options: CommandOptions): Witness {
  return {
    shown: `command ${options.settings.run.join(' ')}`,
    async ask(question, signal) {
      const end = await run(options, question, signal);
      return read(options, end);
    },
  };
}

/** What a program of `env` is given (C3). */
export function givenEnv(env: CommandEnv, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    [...ALWAYS, ...names].flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

type End =
  | {
      readonly kind: 'ended';
      readonly code: number | null;
      readonly signal: string | null;
      readonly said: string;
    }
  | { readonly kind: 'not-started'; readonly code: string }
  | { readonly kind: 'timed-out' | 'called-off'; readonly said: string };

function read({ settings, name }: CommandOptions, end: End): Result<WitnessAnswer, MetricsError> {
  const what = `the command of witnesses.${name}, ${settings.run[0]},`;
  const unavailable = (message: string): Result<never, MetricsError> => err({ kind: 'unavailable', message });
  switch (end.kind) {
    case 'not-started':
      return unavailable(`${what} cannot be started: ${whyNotStarted(end.code)}`);
    case 'timed-out': {
      const said = end.said === '' ? '' : `; its last words: ${reasonFrom(end.said, '')}`;
      return unavailable(
        `${what} took longer than ${formatDuration(settings.timeoutMs)} (timeout) and was killed${said}`,
      );
    }
    case 'called-off':
      return unavailable(`${what} was called off`);
    case 'ended': {
      const verdict = end.code === null ? undefined : VERDICTS.get(end.code);
      const how = end.code === null ? `was ended by ${end.signal ?? 'a signal'}` : `ended with ${end.code}`;
      if (verdict !== undefined)
        return ok({ kind: 'told', verdict, why: reasonFrom(end.said, `${settings.run[0]} ${how}`) });
      const said = end.said === '' ? '' : `: ${reasonFrom(end.said, '')}`;
      return err({
        kind: 'invalid-answer',
        message: `${what} ${how}, which is no verdict (0 pass, 1 fail, 2 inconclusive)${said}`,
      });
    }
    default:
      return end satisfies never;
  }
}

function whyNotStarted(code: string): string {
  if (code === 'ENOENT') return 'there is no such program, or no such folder to run it in';
  if (code === 'EACCES') return 'it may not be executed (EACCES); is its x bit set?';
  return code;
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>;

async function run(
  { settings, env, clock }: CommandOptions,
  question: WitnessQuestion,
  off: AbortSignal | undefined,
): Promise<End> {
  if (off?.aborted === true) return { kind: 'called-off', said: '' };
  const [program, ...words] = settings.run;
  const fillings: Readonly<Record<string, string>> = {
    '{environment}': question.environment,
    '{version}': question.version,
  };
  const args = words.map((word) =>
    word.replaceAll(/\{(?:environment|version)\}/g, (place) => fillings[place] ?? place),
  );
  let child: Child;
  try {
    child = spawn(program, args, {
      cwd: settings.folder,
      env: givenEnv(env, settings.env),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A process group of its own (C2); Ctrl-C in the terminal is ours to hear.
      detached: true,
    });
  } catch (cause) {
    return { kind: 'not-started', code: (cause as NodeJS.ErrnoException).code ?? 'it cannot be run' };
  }
  return follow(child, { timeoutMs: settings.timeoutMs, clock, off, input: questionJson(question) });
}

interface Following {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly off: AbortSignal | undefined;
  readonly input: string;
}

async function follow(child: Child, { timeoutMs, clock, off, input }: Following): Promise<End> {
  const stdout = new LastLine();
  const stderr = new LastLine();
  child.stdout.on('data', (chunk: Buffer) => stdout.add(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.add(chunk));
  // A program that reads no stdin ends before it has taken everything.
  for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.on('error', () => undefined);
  child.stdin.end(input);
  const said = (): string => stdout.text || stderr.text;

  const failed = once<End>((resolve) =>
    child.once('error', ({ code = 'it cannot be run' }: NodeJS.ErrnoException) =>
      resolve({ kind: 'not-started', code }),
    ),
  );
  const closed = once<void>((resolve) => child.once('close', () => resolve()));
  const exited = once<End>((resolve) =>
    child.once('exit', (code, signal) => {
      // Said is read when its output is closed, or has been open for long enough.
      const own = new AbortController();
      void Promise.race([closed, clock.sleep(LINGER_MS, own.signal)]).then(() => {
        own.abort();
        kill(child, 'SIGKILL');
        resolve({ kind: 'ended', code, signal, said: said() });
      });
    }),
  );
  const timer = new AbortController();
  const late = clock.sleep(timeoutMs, timer.signal).then((): 'timed-out' => 'timed-out');
  const calledOff = Promise.withResolvers<'called-off'>();
  const callOff = (): void => calledOff.resolve('called-off');
  off?.addEventListener('abort', callOff, { once: true });
  const first = await Promise.race([failed, exited, late, calledOff.promise]);
  timer.abort();
  off?.removeEventListener('abort', callOff);
  if (typeof first !== 'string') return first;
  kill(child, 'SIGTERM');
  const grace = new AbortController();
  await Promise.race([exited, clock.sleep(GRACE_MS, grace.signal)]);
  grace.abort();
  kill(child, 'SIGKILL');
  return { kind: first, said: said() };
}

function once<T>(listen: (resolve: (value: T) => void) => unknown): Promise<T> {
  return new Promise((resolve) => void listen(resolve));
}

/** To its whole group: it may be a script that started another. */
function kill({ pid }: Child, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The whole group has ended.
  }
}
