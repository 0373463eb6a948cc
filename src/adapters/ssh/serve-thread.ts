/**
 * The far side of a thread for SSH: does over a Remote of its own what it is told, and asks the thread that started it for what
 * cannot be handed over: keys that the cloud publishes, and the name of who logs in. What is promised is remote.ts'.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Result } from '../../domain/result.ts';
import type { HostKeySource, HostKeysAnswer } from '../../ports/host-keys.ts';
import type { Remote, RemoteJob } from '../../ports/remote.ts';
import type { FromThread, ThreadJob, ThreadSetup, ToThread } from './thread-messages.ts';

/** What a Remote here is given in place of the starting thread's own. */
export interface AskedBack {
  readonly hostKeys?: HostKeySource;
  readonly userName?: () => Promise<Result<string, string>>;
}

interface Group {
  readonly stop: AbortController;
  running: number;
}

/** Serves until it is told to close, or the thread ends. */
export function serveThread(
  port: MessagePort,
  setup: ThreadSetup,
  remoteWith: (asked: AskedBack) => Remote,
): void {
  const tell = (message: FromThread): void => port.postMessage(message);
  const keysAsked = new Map<number, (answer: HostKeysAnswer) => void>();
  const userAsked = new Map<number, (answer: Result<string, string>) => void>();
  const groups = new Map<number, Group>();
  const running = new Set<Promise<void>>();
  let questions = 0;

  const hostKeys: HostKeySource = {
    keysOf(host, { fresh = false, signal } = {}) {
      questions += 1;
      const question = questions;
      return new Promise((resolve) => {
        const drop = (): void => {
          if (keysAsked.delete(question)) tell({ kind: 'drop-keys', question });
          resolve({ kind: 'unavailable', message: 'it was called off' });
        };
        keysAsked.set(question, (answer) => {
          signal?.removeEventListener('abort', drop);
          resolve(answer);
        });
        signal?.addEventListener('abort', drop, { once: true });
        tell({ kind: 'ask-keys', question, host, fresh });
      });
    },
  };
  const userName = (): Promise<Result<string, string>> => {
    questions += 1;
    const question = questions;
    return new Promise((resolve) => {
      userAsked.set(question, resolve);
      tell({ kind: 'ask-user', question });
    });
  };
  const remote = remoteWith({
    ...(setup.publishesKeys ? { hostKeys } : {}),
    ...(setup.namesUser ? { userName } : {}),
  });

  const join = (group: number): Group => {
    const joined = groups.get(group) ?? { stop: new AbortController(), running: 0 };
    groups.set(group, joined);
    joined.running += 1;
    return joined;
  };
  const run = async ({ id, host, order, timeoutMs, group, tellsSteps }: ThreadJob): Promise<void> => {
    const joined = group === null ? null : join(group);
    const job: RemoteJob = {
      order,
      packages: [],
      timeoutMs,
      ...(tellsSteps ? { onStep: (step) => tell({ kind: 'step', id, step }) } : {}),
    };
    const answer = await remote.run(host, job, joined?.stop.signal);
    if (group !== null && joined !== null) {
      joined.running -= 1;
      if (joined.running === 0) groups.delete(group);
    }
    tell({ kind: 'answer', id, answer });
  };
  const close = async (): Promise<void> => {
    await remote.close();
    await Promise.all(running);
    tell({ kind: 'closed' });
  };

  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'run': {
        const done = run(message).finally(() => running.delete(done));
        running.add(done);
        return;
      }
      case 'call-off':
        groups.get(message.group)?.stop.abort();
        return;
      case 'keys':
        keysAsked.get(message.question)?.(message.answer);
        keysAsked.delete(message.question);
        return;
      case 'user':
        userAsked.get(message.question)?.(message.answer);
        userAsked.delete(message.question);
        return;
      case 'ping':
        tell({ kind: 'pong' });
        return;
      case 'close':
        void close();
        return;
      default:
        message satisfies never;
    }
  });
  tell({ kind: 'ready' });
}
