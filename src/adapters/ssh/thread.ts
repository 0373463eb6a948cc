/**
 * The near side of one thread for SSH: starts it, hands it jobs, and ends it.
 *
 * TH1  Every job comes back exactly once: with its answer; handed back, if the thread never had it; or `unknown`, if the thread
 * ended or hung with it. TH2  A thread without jobs keeps no process alive.
 */
import { Worker } from 'node:worker_threads';
import type { Result } from '../../domain/result.ts';
import type { Clock } from '../../ports/clock.ts';
import type { HostKeySource } from '../../ports/host-keys.ts';
import type { RemoteAnswer, RemoteHost, RemoteJob } from '../../ports/remote.ts';
import type { FromThread, ThreadSetup, ToThread } from './thread-messages.ts';

/** A job on its way, with who waits for it. */
export interface HandedJob {
  readonly host: RemoteHost;
  readonly job: RemoteJob;
  readonly signal: AbortSignal | undefined;
  readonly group: number | null;
  readonly answered: (answer: RemoteAnswer) => void;
  /** Nothing was done about it. */
  readonly handBack: () => void;
}

export interface Thread {
  /** Jobs that it has. */
  readonly load: number;
  take(job: HandedJob): void;
  callOff(group: number): void;
  /** Lets it end what it has, as a Remote's close does, and ends it. */
  close(): Promise<void>;
}

export interface ThreadOptions {
  /** The module that it runs. */
  readonly module: URL;
  readonly setup: ThreadSetup;
  readonly clock: Clock;
  readonly hostKeys?: HostKeySource;
  readonly userName?: () => Promise<Result<string, string>>;
  /** It ended by itself, hung, or could not be started. Told once. */
  readonly failed: () => void;
  /** ms; for tests. */
  readonly pingMs?: number;
}

/** How often a thread with jobs is asked for a sign of life, ms. */
const PING_MS = 5_000;
/** So many without an answer, and it hangs: half a minute. Handshakes at full load keep it from answering for a second or two. */
const UNANSWERED = 6;
/** Longest that closing waits for what a thread has, ms: its connections take a second to say goodbye. */
const CLOSING_MS = 3_000;

export function startThread(options: ThreadOptions): Thread {
  const { clock, setup } = options;
  const jobs = new Map<number, HandedJob>();
  const notSent = new Map<number, HandedJob>();
  const keyQuestions = new Map<number, AbortController>();
  const closed = Promise.withResolvers<void>();
  let state: 'starting' | 'ready' | 'over' = 'starting';
  let closing = false;
  let ids = 0;
  let unanswered = 0;
  let broke: string | null = null;
  let watch: AbortController | null = null;
  const worker = spawn(options);

  const load = (): number => jobs.size + notSent.size;
  const tell = (message: ToThread): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    if (state !== 'over') worker?.postMessage(message);
  };
  /** TH2, and no clock runs for nothing. */
  const rest = (): void => {
    if (load() > 0) return;
    watch?.abort();
    watch = null;
    worker?.unref();
  };
  const work = (): void => {
    if (watch !== null) return;
    worker?.ref();
    watch = new AbortController();
    void listen(watch.signal);
  };
  const listen = async (stop: AbortSignal): Promise<void> => {
    unanswered = 0;
    while (!stop.aborted) {
      tell({ kind: 'ping' });
      await clock.sleep(options.pingMs ?? PING_MS, stop);
      if (stop.aborted) return;
      unanswered += 1;
      if (unanswered >= UNANSWERED) end('it said nothing any more');
    }
  };
  /** TH1. */
  const end = (why: string): void => {
    if (state === 'over') return;
    state = 'over';
    void worker?.terminate();
    for (const question of keyQuestions.values()) question.abort();
    if (!closing) options.failed();
    const [mine, theirs] = [[...notSent.values()], [...jobs.values()]];
    notSent.clear();
    jobs.clear();
    rest();
    closed.resolve();
    for (const { handBack } of mine) handBack();
    for (const { host, answered } of theirs) answered(unknown(host, why));
  };
  const send = (id: number, handed: HandedJob): void => {
    const { host, job, group } = handed;
    const { order, timeoutMs, onStep } = job;
    jobs.set(id, handed);
    try {
      tell({ kind: 'run', id, host, order, timeoutMs, group, tellsSteps: onStep !== undefined });
    } catch {
      // What cannot be cloned was never sent.
      jobs.delete(id);
      handed.handBack();
    }
  };
  const answerKeys = async (question: number, host: RemoteHost, fresh: boolean): Promise<void> => {
    if (options.hostKeys === undefined) return;
    const drop = new AbortController();
    keyQuestions.set(question, drop);
    const answer = await options.hostKeys.keysOf(host, { fresh, signal: drop.signal });
    if (!keyQuestions.delete(question)) return;
    // A key may be a piece of a larger buffer, all of which would be copied.
    const copied =
      answer.kind === 'published'
        ? { ...answer, keys: answer.keys.map(({ type, blob }) => ({ type, blob: Uint8Array.from(blob) })) }
        : answer;
    tell({ kind: 'keys', question, answer: copied });
  };
  const answerUser = async (question: number): Promise<void> => {
    const ask = options.userName ?? (async () => ({ ok: false, error: 'nobody knows who logs in' }) as const);
    const answer = await ask().catch((cause: Error) => ({ ok: false as const, error: cause.message }));
    tell({ kind: 'user', question, answer });
  };
  const hear = (message: FromThread): void => {
    if (state === 'over') return;
    unanswered = 0;
    switch (message.kind) {
      case 'ready': {
        state = 'ready';
        const waiting = [...notSent];
        notSent.clear();
        for (const [id, handed] of waiting) send(id, handed);
        return;
      }
      case 'step':
        jobs.get(message.id)?.job.onStep?.(message.step);
        return;
      case 'answer': {
        const handed = jobs.get(message.id);
        jobs.delete(message.id);
        rest();
        handed?.answered(message.answer);
        return;
      }
      case 'ask-keys':
        void answerKeys(message.question, message.host, message.fresh);
        return;
      case 'drop-keys':
        keyQuestions.get(message.question)?.abort();
        keyQuestions.delete(message.question);
        return;
      case 'ask-user':
        void answerUser(message.question);
        return;
      case 'pong':
        return;
      case 'closed':
        closed.resolve();
        return;
      default:
        message satisfies never;
    }
  };

  if (worker === null) queueMicrotask(() => end('it could not be started'));
  worker?.on('message', hear);
  worker?.on('messageerror', (cause: Error) => end(cause.message));
  // Behind the exit alone is nothing of what it said still on its way.
  worker?.on('error', (cause: unknown) => {
    broke = cause instanceof Error ? cause.message : String(cause);
  });
  worker?.on('exit', (code) => end(broke ?? `it ended with ${code}`));
  worker?.unref();

  return {
    get load() {
      return load();
    },
    take(handed) {
      if (state === 'over') {
        handed.handBack();
        return;
      }
      ids += 1;
      if (state === 'starting') notSent.set(ids, handed);
      else send(ids, handed);
      work();
    },
    callOff(group) {
      tell({ kind: 'call-off', group });
      for (const [id, handed] of notSent) {
        if (handed.group !== group) continue;
        notSent.delete(id);
        handed.handBack();
      }
      rest();
    },
    async close() {
      closing = true;
      const done = new AbortController();
      const late = clock.sleep(CLOSING_MS, done.signal);
      if (state === 'ready' && load() > 0) {
        tell({ kind: 'close' });
        await Promise.race([closed.promise, late]);
      }
      end('it was closed');
      await Promise.race([worker?.terminate(), late]);
      done.abort();
    },
  };

  function spawn({ module }: ThreadOptions): Worker | null {
    try {
      return new Worker(module, { workerData: setup, name: 'ssh' });
    } catch {
      // No memory, or no threads left to have.
      return null;
    }
  }
}

function unknown(host: RemoteHost, why: string): RemoteAnswer {
  const message = `${host.name} (${host.address}): the thread that talked with it was lost (${why}); what was done there is not known, look again`;
  return { kind: 'no-answer', why: 'unknown', message };
}
