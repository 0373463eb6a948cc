/**
 * A Remote for large fleets: a handshake takes some 3 ms of one core, so beyond a number of hosts they are dealt out to threads,
 * each with a Remote of its own. What is promised is remote.ts'.
 *
 * SP1  Few hosts at once, few cores, a way that hosts share (jump hosts, proxy programs) or packages to deliver: all of it stays
 * in this thread, over the Remote that was given, and no thread is started. SP2  Threads divide what one Remote may have: its
 * connections and its side room. SP3  A thread that cannot be started is not missed: its hosts are done here. SP4  One that ends or
 * hangs has its hosts answered as `unknown`, which are looked at again; after that nothing new leaves this thread.
 */
import type { SshSettings } from '../../domain/connection.ts';
import { err } from '../../domain/result.ts';
import type { Remote, RemoteAnswer, RemoteHost, RemoteJob } from '../../ports/remote.ts';
import type { SshRemoteOptions } from './remote.ts';
import { type HandedJob, startThread, type Thread } from './thread.ts';
import type { AskUserName } from './user-name.ts';

export interface SpreadOptions
  extends Pick<SshRemoteOptions, 'settings' | 'clock' | 'agentSocket' | 'hostKeys' | 'userName'> {
  /** Does what stays in this thread. Closed with this one. */
  readonly here: Remote;
  /** What a thread runs; it calls `serveThread`. */
  readonly module: URL;
  /** Cores that may be used. */
  readonly cores: number;
  /** From so many jobs under way on, threads take part. Default 1,000: some 3 s of one core. */
  readonly from?: number;
  /** Default: one core is left to this thread, which tells and records; at most 8, and none below 4 cores. */
  readonly threads?: number;
  /** Between two questions for a sign of life, ms. Default 5,000. */
  readonly pingMs?: number;
}

const FROM = 1_000;
/** How many jobs are worth a thread: it takes some 0.6 s of a core to come up and warm, as much as 200 hosts. */
const JOBS_A_THREAD = 500;
const MOST_THREADS = 8;
const LEAST_CORES = 4;

interface Group {
  readonly number: number;
  readonly callOff: () => void;
  open: number;
}

export function spreadRemote(options: SpreadOptions): Remote {
  const { here, settings, from = FROM } = options;
  const count = Math.min(threadsFor(options), settings.concurrency);
  if (count < 2 || isShared(settings)) return here;

  let threads: readonly Thread[] | null = null;
  let mayLeave = true;
  let outstanding = 0;
  let numbers = 0;
  let dealt: HandedJob[] = [];
  const groups = new Map<AbortSignal, Group>();
  const userName = options.userName === undefined ? undefined : once(options.userName);

  const start = (): readonly Thread[] => {
    const sharers = Math.min(count, Math.max(2, Math.ceil(outstanding / JOBS_A_THREAD)));
    return Array.from({ length: sharers }, () =>
      startThread({
        ...options,
        ...(userName === undefined ? {} : { userName }),
        setup: {
          settings,
          sharers,
          publishesKeys: options.hostKeys !== undefined,
          namesUser: options.userName !== undefined,
          ...(options.agentSocket === undefined ? {} : { agentSocket: options.agentSocket }),
        },
        failed() {
          mayLeave = false;
        },
      }),
    );
  };
  /** One listener a signal: ten thousand of them take longer than what they are for. */
  const join = (signal: AbortSignal | undefined): Group | null => {
    if (signal === undefined) return null;
    let group = groups.get(signal);
    if (group === undefined) {
      numbers += 1;
      const number = numbers;
      const callOff = (): void => {
        for (const thread of threads ?? []) thread.callOff(number);
      };
      group = { number, callOff, open: 0 };
      groups.set(signal, group);
      signal.addEventListener('abort', callOff, { once: true });
    }
    group.open += 1;
    return group;
  };
  const leave = (signal: AbortSignal | undefined): void => {
    const group = signal === undefined ? undefined : groups.get(signal);
    if (signal === undefined || group === undefined) return;
    group.open -= 1;
    if (group.open > 0) return;
    groups.delete(signal);
    signal.removeEventListener('abort', group.callOff);
  };
  /** Once all that is asked for at once is known, since it is dealt out as a whole. */
  const deal = (): void => {
    const jobs = dealt;
    dealt = [];
    const isLarge = outstanding >= from || (threads ?? []).some(({ load }) => load > 0);
    if (isLarge && mayLeave) threads ??= start();
    for (const handed of jobs) {
      const thread = isLarge && mayLeave && handed.signal?.aborted !== true ? leastOf(threads ?? []) : null;
      if (thread === null) handed.handBack();
      else thread.take(handed);
    }
  };
  const hand = (host: RemoteHost, job: RemoteJob, signal: AbortSignal | undefined): Promise<RemoteAnswer> =>
    new Promise((resolve) => {
      const group = join(signal);
      dealt.push({
        host,
        job,
        signal,
        group: group?.number ?? null,
        answered: resolve,
        handBack: () => resolve(here.run(host, job, signal)),
      });
      if (dealt.length === 1) queueMicrotask(deal);
    });

  return {
    async run(host, job, signal) {
      outstanding += 1;
      const stays = !mayLeave || job.packages.length > 0 || signal?.aborted === true;
      try {
        if (stays) return await here.run(host, job, signal);
        const answer = await hand(host, job, signal);
        leave(signal);
        return answer;
      } finally {
        outstanding -= 1;
      }
    },
    async close() {
      mayLeave = false;
      await Promise.all([here.close(), ...(threads ?? []).map((thread) => thread.close())]);
    },
  };
}

function threadsFor({ cores, threads }: SpreadOptions): number {
  return threads ?? (cores < LEAST_CORES ? 0 : Math.min(MOST_THREADS, cores - 1));
}

/** More connections to a jump host, or processes that a lost thread would leave behind, are no gain. */
function isShared({ jump, proxyCommand }: SshSettings): boolean {
  return jump.length > 0 || proxyCommand.length > 0;
}

/** Threads ask each for itself, most of them in the same moment. */
function once(ask: AskUserName): AskUserName {
  let asked: ReturnType<AskUserName> | null = null;
  return async () => {
    const mine = (asked ??= ask());
    const answer = await mine.catch((cause: Error) => err(cause.message));
    if (!answer.ok && asked === mine) asked = null;
    return answer;
  };
}

function leastOf(threads: readonly Thread[]): Thread | null {
  let least: Thread | null = null;
  for (const thread of threads) if (least === null || thread.load < least.load) least = thread;
  return least;
}
