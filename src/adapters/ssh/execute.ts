/**
 * Runs one program on a connection and tells its ends apart.
 *
 * EX1  Once the command was sent, an end without an exit status is `unknown` or `timed-out`: it may have acted. EX2  Without a
 * `begin` line nothing of ours ran. EX3  stdout and stderr are both read to their end, within bounds.
 */
import { StringDecoder } from 'node:string_decoder';
import type { ClientChannel } from 'ssh2';
import type { HostStep } from '../../domain/host-order.ts';
import type { Clock } from '../../ports/clock.ts';
import type { RemoteAnswer } from '../../ports/remote.ts';
import { createAnswerLines } from './answer-lines.ts';
import type { SshConnection } from './connection.ts';
import { after, watchIdle } from './timing.ts';

export interface ExecuteOptions {
  readonly connection: SshConnection;
  readonly label: string;
  readonly commandLine: string;
  /** Goes to stdin, which is then closed. */
  readonly programText: string;
  readonly clock: Clock;
  readonly commandTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly onStep?: ((step: HostStep) => void) | undefined;
}

/** Characters of stderr that are kept, from its end. */
const STDERR_KEPT = 2_000;
/** How long output may stay open after the exit status, ms: something the program started may hold it. */
const LINGER_MS = 2_000;
/** How long an exit status may come after the connection is known to be lost, ms: it may be in a buffer here. */
const LAST_WORDS_MS = 20;

export function execute(options: ExecuteOptions): Promise<RemoteAnswer> {
  const { connection, label, clock } = options;
  const lines = createAnswerLines((step) => options.onStep?.(step));
  const decoder = new StringDecoder('utf8');
  let stderr = '';
  let exitCode: number | null = null;
  let signal: string | null = null;

  return new Promise((resolve) => {
    let settled = false;
    const stops: (() => void)[] = [];
    const settle = (answer: RemoteAnswer): void => {
      if (settled) return;
      settled = true;
      for (const stop of stops) stop();
      resolve(answer);
    };
    const nothing = (why: 'timed-out' | 'unknown' | 'sudo-refused' | 'denied', message: string): void =>
      settle({ kind: 'no-answer', why, message: `${label}: ${message}${said(stderr)}` });
    const finish = (how: string): void => {
      lines.end();
      stderr = tail(stderr + decoder.end());
      if (signal !== null) {
        nothing('unknown', `the program was ended by ${signal}; what it did is not known, look again`);
      } else if (exitCode === null) {
        nothing(
          'unknown',
          `${how} before the program said how it ended; what it did is not known, look again`,
        );
      } else if (lines.begun && !lines.overflowed) {
        settle({ kind: 'answered', exitCode, steps: lines.steps, stderr });
      } else if (lines.overflowed) {
        nothing(
          'unknown',
          `the program said more than 1 MiB (exit ${exitCode}); its answer is not whole, look again`,
        );
      } else if (isSudo(stderr)) {
        nothing(
          'sudo-refused',
          `sudo refused to run the program (exit ${exitCode}); the user needs a NOPASSWD rule for sh`,
        );
      } else {
        nothing(
          'unknown',
          `the command ended with exit ${exitCode} and the program never began; is the login shell restricted?`,
        );
      }
    };

    const idle = watchIdle(clock, options.idleTimeoutMs, () =>
      nothing(
        'timed-out',
        `the program said nothing for ${options.idleTimeoutMs} ms; it may still run, look again`,
      ),
    );
    stops.push(
      idle.stop,
      after(clock, options.commandTimeoutMs, () =>
        nothing(
          'timed-out',
          `the program did not end within ${options.commandTimeoutMs} ms; it may still run, look again`,
        ),
      ),
    );
    // An exit status may still be in a buffer here, so the end of the connection waits a moment for it; the end of the channel
    // waits likewise, for the reason why the connection ended.
    const end = (why: string): void => {
      if (!settled) stops.push(after(clock, LAST_WORDS_MS, () => finish(why)));
    };
    let gone = false;
    void connection.lost.then((why) => {
      gone = true;
      return end(why);
    });

    const attach = (channel: ClientChannel): void => {
      channel.on('error', () => {});
      channel.stderr.on('error', () => {});
      channel.on('data', (chunk: Buffer) => {
        idle.touch();
        lines.push(chunk);
      });
      channel.stderr.on('data', (chunk: Buffer) => {
        idle.touch();
        stderr = tail(stderr + decoder.write(chunk));
      });
      channel.on('exit', (code: number | null, name?: string) => {
        exitCode = code;
        signal = code === null ? (name ?? 'a signal') : null;
        if (!settled) stops.push(after(clock, LINGER_MS, () => finish('')));
      });
      channel.on('close', () => {
        if (exitCode === null && signal === null) end('the channel was closed');
        else finish('');
      });
      channel.end(options.programText);
    };
    try {
      connection.client.exec(options.commandLine, (error, channel) => {
        if (error === undefined) {
          attach(channel);
          return;
        }
        // The host's own "no" comes while the connection lives: a forced command, or no session allowed.
        stops.push(
          after(clock, LAST_WORDS_MS, () => {
            if (!gone) nothing('denied', `the host allows no command for this user (${error.message})`);
          }),
        );
      });
    } catch (cause) {
      nothing('unknown', `the connection broke as the program was sent (${(cause as Error).message})`);
    }
  });
}

/** sudo prefixes its complaints with its name, in every language; a shell that lacks it names it too. */
function isSudo(stderr: string): boolean {
  return /\bsudo\b/.test(stderr);
}

function tail(text: string): string {
  return text.length > STDERR_KEPT ? text.slice(-STDERR_KEPT) : text;
}

function said(stderr: string): string {
  const lines = stderr.trim().split('\n').slice(-3).join(' / ');
  return lines === '' ? '' : `. It said: ${lines}`;
}
