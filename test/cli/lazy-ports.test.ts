import { expect, it } from 'vitest';
import { lazyRemote } from '../../src/cli/lazy-ports.ts';
import type { Remote, RemoteAnswer, RemoteJob } from '../../src/ports/remote.ts';

const host = { id: '1', name: 'web-1', address: '10.0.0.1' };
const job = { packages: [], timeoutMs: 1 } as unknown as RemoteJob;
const answer: RemoteAnswer = { kind: 'no-answer', why: 'unreachable', message: 'refused' };

function lazily() {
  const calls: string[] = [];
  const remote: Remote = {
    run: async ({ name }, _job, signal) => {
      calls.push(`${name} ${signal?.aborted === true ? 'called off' : 'asked'}`);
      return answer;
    },
    close: async () => void calls.push('closed'),
  };
  const lazy = lazyRemote(async () => {
    calls.push('opened');
    return remote;
  });
  return { calls, lazy };
}

it('a Remote that nobody asks is neither opened nor closed', async () => {
  const { calls, lazy } = lazily();
  await lazy.close();
  expect(calls).toEqual([]);
});

it('two calls at once open one Remote, each is answered, and the end closes it', async () => {
  const { calls, lazy } = lazily();
  const off = AbortSignal.abort();
  const both = [lazy.run(host, job), lazy.run({ ...host, name: 'web-2' }, job, off)];
  expect(await Promise.all(both)).toEqual([answer, answer]);
  await lazy.close();
  expect(calls).toEqual(['opened', 'web-1 asked', 'web-2 called off', 'closed']);
});
