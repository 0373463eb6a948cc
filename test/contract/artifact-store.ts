/** What every ArtifactStore does, whatever it is made of. Run on the fake and on each real store. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Artifact } from '../../src/domain/artifact.ts';
import type { Result } from '../../src/domain/result.ts';
import type { ArtifactStore } from '../../src/ports/artifact-store.ts';
import type { FetchRequest } from '../../src/ports/remote.ts';
import { artifactOf, openerOf } from '../fakes/some-artifacts.ts';

/** One empty store of the environment `gstg`, and what can befall it. */
export interface StoreHarness {
  /** Another user of the same store: another process, as far as the store can tell. */
  open(): ArtifactStore;
  /** Puts other bytes in place of a published artifact's. */
  alter(artifact: Artifact, text: string): Promise<void>;
  /** Takes a published artifact's bytes away. */
  loseBytes(artifact: Artifact): Promise<void>;
  /** Token of a host's own service account, where hosts fetch with one. */
  readonly bearer?: string;
  close(): Promise<void>;
}

/** As a host does. */
async function fetched(
  request: () => Promise<Result<FetchRequest, string>>,
  bearer: string | undefined,
): Promise<string> {
  const asked = await request();
  if (!asked.ok) throw new Error(asked.error);
  const { url, authorization } = asked.value;
  const answer = await fetch(
    url,
    authorization === 'in-url' ? {} : { headers: { authorization: `Bearer ${bearer}` } },
  );
  const text = await answer.text();
  if (!answer.ok) throw new Error(answer.status === 404 ? 'the bytes are gone' : `${answer.status}: ${text}`);
  return text;
}

export function storeContract(name: string, make: () => Promise<StoreHarness>): void {
  describe(`${name} is an artifact store`, () => {
    let harness: StoreHarness;
    let store: ArtifactStore;
    beforeEach(async () => {
      harness = await make();
      store = harness.open();
    });
    afterEach(() => harness.close());

    const publish = (text: string, more: Partial<Artifact> = {}, to = store) =>
      to.publish(artifactOf(text, more), openerOf(text));
    const published = async (text: string, more: Partial<Artifact> = {}): Promise<Artifact> => {
      const answer = await publish(text, more);
      if (!answer.ok) throw new Error(answer.error.message);
      return answer.value.artifact;
    };
    const listed = async (): Promise<readonly Artifact[]> => {
      const answer = await store.list();
      if (!answer.ok) throw new Error(answer.error.message);
      return answer.value;
    };
    const delivered = async (artifact: Artifact): Promise<string> => {
      const source = store.sourceOf(artifact);
      if (source.kind === 'url') return fetched(source.request, harness.bearer);
      const parts: Uint8Array[] = [];
      for await (const part of source.open()) parts.push(part);
      return Buffer.concat(parts).toString();
    };

    it('is empty before anything is published', async () => {
      expect(await store.list()).toEqual({ ok: true, value: [] });
      expect(await store.verify(artifactOf('a'))).toMatchObject({ ok: false, error: { kind: 'not-found' } });
    });

    it('gives back what was published, to others too', async () => {
      const answer = await publish('a');
      const { generation } = await published('a');
      expect(generation).not.toBe('');
      expect(answer).toEqual({
        ok: true,
        value: { kind: 'published', artifact: { ...artifactOf('a'), generation } },
      });
      expect(await harness.open().list()).toEqual({ ok: true, value: [{ ...artifactOf('a'), generation }] });
      expect(await harness.open().verify(artifactOf('a', { generation }))).toEqual({
        ok: true,
        value: undefined,
      });
    });

    it('gives hosts the very bytes, as often as they ask', async () => {
      const artifact = await published('the package');
      const source = store.sourceOf(artifact);
      expect(source).toMatchObject({ sha256: artifact.sha256, size: artifact.size });
      expect([await delivered(artifact), await delivered(artifact)]).toEqual(['the package', 'the package']);
    });

    it('keeps versions and architectures apart', async () => {
      const all = [
        await published('a'),
        await published('b', { architecture: 'arm64' }),
        await published('c', { version: '5.11.0' }),
      ];
      const byDigest = (list: readonly Artifact[]): unknown =>
        [...list].sort((x, y) => (x.sha256 < y.sha256 ? -1 : 1));
      expect(byDigest(await listed())).toEqual(byDigest(all));
    });

    it('takes the same digest again as already there, and changes nothing', async () => {
      const first = await published('a');
      const again = await publish('a', {
        stagedBy: 'bert@ci',
        stagedAt: 1_800_000_000_000,
        originalFileName: 'other.deb',
      });
      expect(again).toEqual({ ok: true, value: { kind: 'already-there', artifact: first } });
      expect(await listed()).toEqual([first]);
    });

    it('refuses another digest under the same version and architecture', async () => {
      const first = await published('a');
      const other = await publish('b');
      expect(other).toMatchObject({ ok: false, error: { kind: 'conflict', existing: first } });
      expect(other.ok ? '' : other.error.message).toContain(first.sha256);
      expect(await listed()).toEqual([first]);
      expect(await delivered(first)).toBe('a');
    });

    it('lets exactly one of two different packages win when both are published at once', async () => {
      const answers = await Promise.all(
        ['a', 'b', 'c', 'd'].map((text) => publish(text, {}, harness.open())),
      );
      const kinds = answers.map((answer) => (answer.ok ? answer.value.kind : answer.error.kind)).sort();
      expect(kinds).toEqual(['conflict', 'conflict', 'conflict', 'published']);
      const [winner, ...others] = await listed();
      expect(others).toEqual([]);
      expect(winner && (await store.verify(winner))).toEqual({ ok: true, value: undefined });
    });

    it('publishes once when the same package is published twice at once', async () => {
      const answers = await Promise.all([1, 2, 3].map(() => publish('a', {}, harness.open())));
      expect(answers.map((answer) => (answer.ok ? answer.value.kind : answer.error.message)).sort()).toEqual([
        'already-there',
        'already-there',
        'published',
      ]);
    });

    it('refuses bytes that are not those announced, and publishes nothing', async () => {
      const answer = await store.publish(artifactOf('a'), openerOf('b'));
      expect(answer).toMatchObject({ ok: false, error: { kind: 'altered' } });
      expect(await listed()).toEqual([]);
    });

    it('publishes nothing when the package fails in mid-reading', async () => {
      const answer = await store.publish(artifactOf('abc'), async function* () {
        yield Buffer.from('a');
        throw new Error('EIO: i/o error');
      });
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable' } });
      expect(await listed()).toEqual([]);
      expect(await publish('abc')).toMatchObject({ ok: true, value: { kind: 'published' } });
    });

    it('finds bytes that were changed after publishing, and does not paper over them', async () => {
      const artifact = await published('a');
      await harness.alter(artifact, 'x');
      expect(await store.verify(artifact)).toMatchObject({ ok: false, error: { kind: 'altered' } });
      expect(await publish('a')).toMatchObject({ ok: false, error: { kind: 'altered' } });
    });

    it('finds an artifact that is published under another digest than expected', async () => {
      await published('a');
      expect(await store.verify(artifactOf('b'))).toMatchObject({ ok: false, error: { kind: 'altered' } });
    });

    it('finds bytes that are gone; sending them fails; publishing them again puts them back', async () => {
      const artifact = await published('a');
      await harness.loseBytes(artifact);
      expect(await store.verify(artifact)).toMatchObject({ ok: false, error: { kind: 'not-found' } });
      await expect(delivered(artifact)).rejects.toThrow(/gone|ENOENT/);
      // Where a generation is a number of the writing, they come back as another one.
      const again = await publish('a');
      const generation = again.ok ? again.value.artifact.generation : '';
      expect(again).toEqual({
        ok: true,
        value: { kind: 'already-there', artifact: { ...artifact, generation } },
      });
      expect(await delivered(artifact)).toBe('a');
      expect(await harness.open().verify(artifact)).toEqual({ ok: true, value: undefined });
      expect(await listed()).toEqual([{ ...artifact, generation }]);
    });

    it('refuses the packages of another environment', async () => {
      const answer = await publish('a', { environment: 'gprd' });
      expect(answer).toMatchObject({ ok: false, error: { kind: 'unavailable', retryable: false } });
      expect(await listed()).toEqual([]);
    });
  });
}
