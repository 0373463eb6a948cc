/**
 * A program whose stdin and stdout are the connection to a host, as ssh_config's ProxyCommand, but without a shell.
 *
 * PC1  One program a connection, and none outlives it: closing its stdin asks it to end, then SIGTERM, then SIGKILL, to its whole
 * process group, since the program may be a script that starts another (gcloud is). PC2  Nothing that it says on stderr is lost
 * to who reads the failure, and no more than its end is kept. PC3  What it sent before it ended is read before its end is told.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { Duplex, type Readable, type Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { plainText } from '../../domain/host-answer.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import { after } from './timing.ts';
import type { Way, WayEnd } from './way.ts';

/** How long a program may take to end by itself when it is asked to, ms, before SIGKILL. */
const GRACE_MS = 2_000;
/** How long its output may stay open once it has ended, ms, and the other way round. */
const LINGER_MS = 500;
/** Characters of stderr that are kept, from its end. */
const STDERR_KEPT = 900;

type Program = ChildProcessByStdio<Writable, Readable, Readable>;

export interface Proxies {
  /** Starts the program. The error is a part of a sentence. */
  start(words: readonly [string, ...string[]]): Result<Way, string>;
  /** Ends those that still run, and waits for their end. */
  close(): Promise<void>;
}

export function createProxies(clock: Clock): Proxies {
  const running = new Map<Duplex, Promise<void>>();
  return {
    start([program, ...words]) {
      let child: Program;
      try {
        // A process group of its own (PC1); Ctrl-C in the terminal is ours to hear, not the proxy's.
        child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
      } catch (cause) {
        return err(`the proxy \`${program}\` cannot be started: ${(cause as Error).message}`);
      }
      const { way, gone } = follow(child, program, clock);
      running.set(way.stream, gone);
      void gone.then(() => running.delete(way.stream));
      return ok(way);
    },
    async close() {
      for (const stream of running.keys()) stream.destroy();
      await Promise.all(running.values());
    },
  };
}

function follow(child: Program, program: string, clock: Clock): { way: Way; gone: Promise<void> } {
  const decoder = new StringDecoder('utf8');
  const gone = Promise.withResolvers<void>();
  let stderr = '';
  let end: WayEnd | null = null;
  let exited = false;
  let silent = false;

  const signal = (name: 'SIGTERM' | 'SIGKILL'): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // The whole group has ended.
    }
  };
  const stop = (): void => {
    if (exited) return;
    signal('SIGTERM');
    const spare = after(clock, GRACE_MS, () => signal('SIGKILL'));
    child.once('exit', spare);
  };
  const stream = new ProgramStream(child, stop);
  const finish = (how: WayEnd): void => {
    if (end !== null) return;
    stderr = tail(stderr + decoder.end());
    end = how;
    stream.finish();
    gone.resolve();
  };

  child.stderr.on('data', (chunk: Buffer) => {
    stderr = tail(stderr + decoder.write(chunk));
  });
  for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.on('error', () => {});
  child.on('error', (error: NodeJS.ErrnoException) => {
    exited = true;
    finish({ message: notStarted(program, error), dropped: false });
  });
  child.stdout.on('end', () => {
    if (exited) return;
    // It has nothing more to say, so that there is no connection any more.
    const spare = after(clock, LINGER_MS, () => {
      silent = true;
      stop();
    });
    child.once('exit', spare);
  });
  child.on('exit', (code, name) => {
    exited = true;
    const how = silent ? closedOutput(program) : howEnded(program, code, name);
    // Something it started may hold its output open for ever.
    const spare = after(clock, LINGER_MS, () => {
      signal('SIGKILL');
      finish(how);
    });
    child.once('close', () => {
      spare();
      finish(how);
    });
  });
  return {
    way: { stream, ended: () => end, said: () => said(stderr) },
    gone: gone.promise,
  };
}

/** The program's stdout to be read and its stdin to be written. */
class ProgramStream extends Duplex {
  readonly #child: Program;
  readonly #stop: () => void;

  constructor(child: Program, stop: () => void) {
    super();
    this.#child = child;
    this.#stop = stop;
    child.stdout.on('data', (chunk: Buffer) => {
      if (!this.destroyed && !this.push(chunk)) child.stdout.pause();
    });
  }

  /** There is nothing more to read: all that came is read first (PC3). */
  finish(): void {
    if (!this.destroyed && !this.readableEnded) this.push(null);
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  /** A program that ended takes no bytes: its end tells, not the write. */
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#child.stdin.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    this.#child.stdin.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { stdin, stdout } = this.#child;
    stdin.destroy();
    // Else a program that cannot get rid of its output would not end.
    stdout.resume();
    this.#stop();
    done(error);
  }
}

function howEnded(program: string, code: number | null, signal: string | null): WayEnd {
  const how = code === null ? `was ended by ${signal ?? 'a signal'}` : `ended with exit status ${code}`;
  // A proxy that ends well has passed on the end of the other side.
  return { message: `the proxy \`${program}\` ${how}`, dropped: code === 0 };
}

function closedOutput(program: string): WayEnd {
  return { message: `the proxy \`${program}\` closed its output`, dropped: false };
}

const TO_INSTALL: Readonly<Record<string, string>> = {
  gcloud: 'install the Google Cloud CLI (https://cloud.google.com/sdk/docs/install)',
  nc: 'install it (Debian: apt-get install netcat-openbsd)',
  ncat: 'install it (Debian: apt-get install ncat)',
  socat: 'install it (Debian: apt-get install socat)',
  cloudflared: 'install it (https://developers.cloudflare.com)',
};

function notStarted(program: string, error: NodeJS.ErrnoException): string {
  const name = program.split('/').at(-1) ?? program;
  if (error.code === 'ENOENT') {
    const install = Object.hasOwn(TO_INSTALL, name) ? TO_INSTALL[name] : 'install it';
    const where = program.includes('/') ? 'is not there' : 'is not on the PATH';
    return `the proxy \`${program}\` ${where}; ${install}, or write another program into ssh.proxyCommand`;
  }
  if (error.code === 'EACCES')
    return `the proxy \`${program}\` may not be executed (EACCES); is it a program, and is its x bit set?`;
  return `the proxy \`${program}\` cannot be started (${error.code ?? error.message})`;
}

function tail(text: string): string {
  return text.length > STDERR_KEPT ? text.slice(-STDERR_KEPT) : text;
}

function said(stderr: string): string {
  const lines = plainText(stderr)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(-3)
    .join(' / ');
  return lines === '' ? '' : `. The proxy said: ${lines}`;
}
