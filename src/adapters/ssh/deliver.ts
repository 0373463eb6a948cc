/**
 * Brings packages to a host on the connection that will run the program: over SFTP, or by having the host fetch them.
 *
 * DL1  Every wait ends with the connection, the time, or the caller's signal. DL2  All packages end in one folder, whichever way
 * they come. DL3  A URL that the host fetches is a secret: it is in no error.
 */
import type { SFTPWrapper } from 'ssh2';
import { err, ok, type Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PackageSource } from '../../ports/remote.ts';
import type { SshConnection } from './connection.ts';
import { fetchMissing, type UrlSource } from './fetch.ts';
import { type BytesSource, sendMissing } from './send.ts';
import { filesOver, type Wait } from './sftp-files.ts';
import { after, watchIdle } from './timing.ts';

export interface DeliveryOptions {
  readonly connection: SshConnection;
  readonly label: string;
  readonly packages: readonly PackageSource[];
  readonly clock: Clock;
  /** For all packages together, ms. */
  readonly timeoutMs: number;
  /** Without any answer from the host, ms. */
  readonly idleTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Delivers what the host does not keep yet. The value is the folder that holds it, absolute, or null when nothing had to be
 * delivered; the error is a sentence. May be repeated.
 */
export async function deliver(options: DeliveryOptions): Promise<Result<string | null, string>> {
  const { connection, label, packages, clock, signal } = options;
  const stop = Promise.withResolvers<never>();
  stop.promise.catch(() => {});
  const halt = (why: string): void => stop.reject(new Error(why));
  const idle = watchIdle(clock, options.idleTimeoutMs, () =>
    halt(`no answer for ${options.idleTimeoutMs} ms`),
  );
  const stopTimer = after(clock, options.timeoutMs, () => halt(`not done within ${options.timeoutMs} ms`));
  const cancel = (): void => halt('cancelled');
  void connection.lost.then(halt);
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted) cancel();
  const wait: Wait = async (call) => {
    const answer = Promise.withResolvers<never>();
    call((error, value) => {
      idle.touch();
      if (error) answer.reject(error);
      else answer.resolve(value as never);
    });
    return Promise.race([answer.promise, stop.promise]);
  };
  const sent = packages.filter((source): source is BytesSource => source.kind === 'bytes');
  const fetched = packages.filter((source): source is UrlSource => source.kind === 'url');
  try {
    let folder: string | null = null;
    if (sent.length > 0) {
      const files = filesOver(await wait<SFTPWrapper>((done) => connection.client.sftp(done)), wait);
      folder = await sendMissing(files, sent);
    }
    if (fetched.length > 0) {
      folder =
        (await fetchMissing({
          client: connection.client,
          sources: fetched,
          folder,
          timeoutMs: options.timeoutMs,
          stopped: stop.promise,
          touch: idle.touch,
        })) ?? folder;
    }
    return ok(folder);
  } catch (cause) {
    return err(`${label}: ${(cause as Error).message}`);
  } finally {
    idle.stop();
    stopTimer();
    signal?.removeEventListener('abort', cancel);
  }
}
