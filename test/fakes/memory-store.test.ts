import { describe, expect, it } from 'vitest';
import { storeContract } from '../contract/artifact-store.ts';
import { CrashError } from './crash-error.ts';
import { memoryStore } from './memory-store.ts';
import { artifactOf, bytesOf, openerOf } from './some-artifacts.ts';

storeContract('the fake', async () => {
  const store = memoryStore('gstg');
  return {
    open: () => store,
    alter: async (artifact, text) => store.alter(artifact.sha256, bytesOf(text)),
    loseBytes: async (artifact) => store.loseBytes(artifact.sha256),
    close: async () => undefined,
  };
});

describe('the fake store on demand', () => {
  const publish = (store: ReturnType<typeof memoryStore>) => store.publish(artifactOf('a'), openerOf('a'));

  it('does not answer, once', async () => {
    const store = memoryStore('gstg');
    for (const on of ['publish', 'list', 'verify'] as const)
      store.failNext({ on, kind: 'unavailable', retryable: false });
    const error = { ok: false, error: { kind: 'unavailable', retryable: false } };
    expect(await publish(store)).toMatchObject(error);
    expect(await store.list()).toMatchObject(error);
    expect(await store.verify(artifactOf('a'))).toMatchObject(error);
    expect(await publish(store)).toMatchObject({ ok: true, value: { kind: 'published' } });
  });

  it('loses a reply: the second attempt finds it already there', async () => {
    const store = memoryStore('gstg');
    store.failNext({ on: 'publish', kind: 'lost-reply' });
    expect(await publish(store)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: true },
    });
    expect(await publish(store)).toMatchObject({ ok: true, value: { kind: 'already-there' } });
  });

  it('is overtaken by somebody else, and dies', async () => {
    const store = memoryStore('gstg');
    store.failNext({ on: 'publish', kind: 'overtaken', by: artifactOf('b') });
    expect(await publish(store)).toMatchObject({
      ok: false,
      error: { kind: 'conflict', existing: artifactOf('b') },
    });
    store.failNext({ on: 'publish', kind: 'crash-before' });
    await expect(publish(store)).rejects.toThrow(CrashError);
  });
});
