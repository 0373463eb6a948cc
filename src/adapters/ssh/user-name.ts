/**
 * Whose account it is on the hosts: the settings' own, or one that is asked for.
 *
 * UN1  It is asked for once, whoever waits; a name stays for good. UN2  A failure is told to every host that needed the name, and
 * not asked about again for a while: ten thousand hosts are no reason for ten thousand questions.
 */
import type { SshSettings } from '../../domain/connection.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';

export type AskUserName = () => Promise<Result<string, string>>;

export interface UserNameWait {
  /** Most that this caller waits, ms; the question itself goes on for the others. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** How long a failure counts, ms. */
const AGAIN_MS = 30_000;

export function createUserName(
  settings: SshSettings,
  ask: AskUserName | undefined,
  clock: Clock,
): (wait: UserNameWait) => Promise<Result<string, string>> {
  if (!settings.osLogin) return async () => ok(settings.user);
  let asked: Promise<Result<string, string>> | null = null;
  let failedAt: number | null = null;
  return async ({ withinMs, signal }) => {
    if (ask === undefined)
      return err('ssh.osLogin needs `inventory.kind: gce`, which knows whose profile it is');
    const age = failedAt === null ? 0 : clock.now() - failedAt;
    // A clock that was set back makes no failure last.
    if (age < 0 || age >= AGAIN_MS) {
      asked = null;
      failedAt = null;
    }
    asked ??= askedSafely(ask);
    const mine = asked;
    void mine.then((answer) => {
      if (!answer.ok && asked === mine) failedAt ??= clock.now();
    });
    const stop = new AbortController();
    const late = clock
      .sleep(withinMs, AbortSignal.any([signal, stop.signal]))
      .then(() => err(`who logs in was not told within ${withinMs} ms`));
    const answer = await Promise.race([mine, late]);
    stop.abort();
    return answer;
  };
}

async function askedSafely(ask: AskUserName): Promise<Result<string, string>> {
  try {
    return await ask();
  } catch (cause) {
    return err(`the user name could not be asked for: ${(cause as Error).message}`);
  }
}
