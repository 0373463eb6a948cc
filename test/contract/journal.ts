/** What every JournalStore does, whatever it is made of. Run on the fake and on each real store. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Entry, verifyChain } from '../../src/domain/journal.ts';
import type { JournalStore } from '../../src/ports/journal.ts';
import { chainOf, draft, sha256, someChain } from '../fakes/journal-entries.ts';

/** One empty journal and what can befall it. */
export interface JournalHarness {
  /** Another writer or reader of the same journal: another process, as far as the store can tell. */
  open(): JournalStore;
  /** Breaks the stored entry so that only a part of it is left. */
  tear(seq: number): Promise<void>;
  /** Replaces what is stored under a number by any JSON value. */
  overwrite(seq: number, value: unknown): Promise<void>;
  /** Takes an entry away. */
  remove(seq: number): Promise<void>;
  close(): Promise<void>;
  /**
   * A store whose entries are there whole or not at all takes one of which only a part is left for altered, also as the last.
   * Default: `left-out`.
   */
  readonly tornEntries?: 'left-out' | 'refused';
  /** Reading behind an entry also looks for gaps before it. Default: true. */
  readonly looksBack?: boolean;
}

export function journalContract(name: string, make: () => Promise<JournalHarness>): void {
  describe(`${name} is a journal`, () => {
    let harness: JournalHarness;
    let store: JournalStore;
    beforeEach(async () => {
      harness = await make();
      store = harness.open();
    });
    afterEach(() => harness.close());

    const append = async (entries: readonly Entry[], to: JournalStore = store): Promise<void> => {
      for (const entry of entries) expect(await to.append(entry)).toEqual({ ok: true, value: undefined });
    };
    const corruptAt = async (seq: number, after = 0): Promise<string> => {
      const read = await store.read(after);
      expect(read).toMatchObject({ ok: false, error: { kind: 'corrupt', seq } });
      return read.ok || read.error.kind !== 'corrupt' ? '' : read.error.message;
    };

    it('is empty before its first entry', async () => {
      expect(await store.read(0)).toEqual({ ok: true, value: [] });
    });

    it('gives back what was appended, in order, to another process too', async () => {
      const chain = someChain(40);
      await append(chain);
      expect(await harness.open().read(0)).toEqual({ ok: true, value: chain });
      expect(verifyChain(chain, sha256)).toBeNull();
    });

    it('gives only what is newer than asked', async () => {
      const chain = someChain(5);
      await append(chain);
      expect(await store.read(3)).toEqual({ ok: true, value: chain.slice(3) });
      expect(await store.read(5)).toEqual({ ok: true, value: [] });
    });

    it('keeps every character of what people wrote, and no undefined field', async () => {
      const [entry] = chainOf([
        draft({ kind: 'halted', code: 'x', message: 'a"\\\n\u2028 é 🦉 \u0000' }, { reason: '' }),
      ]);
      await append([entry as Entry]);
      const read = await store.read(0);
      expect(read).toEqual({ ok: true, value: [entry] });
      expect(read.ok && verifyChain(read.value, sha256)).toBeNull();
    });

    it('takes the very same entry again as a success', async () => {
      const chain = someChain(2);
      await append(chain);
      await append(chain, harness.open());
      expect(await store.read(0)).toEqual({ ok: true, value: chain });
    });

    it('refuses another entry under a number that is taken, and keeps the first', async () => {
      const mine = someChain(2, ' mine');
      const theirs = someChain(2, ' theirs');
      await append(mine);
      expect(await harness.open().append(theirs[1] as Entry)).toEqual({
        ok: false,
        error: { kind: 'conflict', seq: 2 },
      });
      expect(await store.read(0)).toEqual({ ok: true, value: mine });
    });

    it('lets exactly one of many at once take a number', async () => {
      const rivals = Array.from({ length: 16 }, (_, i) => someChain(1, ` rival ${i}`)[0] as Entry);
      const answers = await Promise.all(rivals.map((entry) => harness.open().append(entry)));
      expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
      expect(answers.filter((a) => !a.ok && a.error.kind === 'conflict')).toHaveLength(15);
      const winner = rivals[answers.findIndex((answer) => answer.ok)];
      expect(await store.read(0)).toEqual({ ok: true, value: [winner] });
    });

    it('refuses an entry whose predecessor is not there', async () => {
      const chain = someChain(3);
      await append(chain.slice(0, 1));
      expect(await store.append(chain[2] as Entry)).toMatchObject({
        ok: false,
        error: { kind: 'corrupt', seq: 2 },
      });
      expect(await store.read(0)).toEqual({ ok: true, value: chain.slice(0, 1) });
    });

    it('leaves out a torn last entry, and takes its number again; or refuses it, where nothing tears', async () => {
      const chain = someChain(3);
      await append(chain);
      await harness.tear(3);
      if (harness.tornEntries === 'refused') {
        expect(await corruptAt(3)).toContain('torn');
        const instead = someChain(3, ' instead')[2] as Entry;
        expect(await harness.open().append(instead)).toMatchObject({
          ok: false,
          error: { kind: 'corrupt', seq: 3 },
        });
        return;
      }
      expect(await store.read(0)).toEqual({ ok: true, value: chain.slice(0, 2) });
      expect(await store.read(2)).toEqual({ ok: true, value: [] });
      const instead = someChain(3, ' instead').slice(2);
      await append(instead, harness.open());
      expect(await store.read(2)).toEqual({ ok: true, value: instead });
    });

    it('lets at most one of many at once replace a torn last entry', async () => {
      await append(someChain(1));
      await harness.tear(1);
      const rivals = Array.from({ length: 8 }, (_, i) => someChain(1, ` rival ${i}`)[0] as Entry);
      const answers = await Promise.all(rivals.map((entry) => harness.open().append(entry)));
      if (harness.tornEntries === 'refused') {
        expect(answers.filter((answer) => !answer.ok && answer.error.kind === 'corrupt')).toHaveLength(8);
        return;
      }
      expect(answers.filter((answer) => answer.ok)).toHaveLength(1);
      expect(await store.read(0)).toEqual({
        ok: true,
        value: [rivals[answers.findIndex((answer) => answer.ok)]],
      });
    });

    it('is corrupt where a torn entry is followed by another, and does not replace it', async () => {
      const chain = someChain(3);
      await append(chain);
      await harness.tear(2);
      expect(await corruptAt(2)).toContain('torn');
      expect(await store.append(chain[1] as Entry)).toMatchObject({
        ok: false,
        error: { kind: 'corrupt', seq: 2 },
      });
    });

    it('is corrupt where an entry in the middle is missing, read from wherever', async () => {
      await append(someChain(4));
      await harness.remove(2);
      expect(await corruptAt(2)).toContain('missing');
      if (harness.looksBack ?? true) expect(await corruptAt(2, 3)).toContain('missing');
      expect(await corruptAt(2, 1)).toContain('missing');
    });

    it('is corrupt for a reader that has seen more than is there', async () => {
      await append(someChain(3));
      await harness.remove(3);
      expect(await corruptAt(3, 3)).toContain('missing');
    });

    it.each([2, 99])(
      'refuses an entry of the later schema %s by saying so, even as the last',
      async (schema) => {
        const chain = someChain(2);
        await append(chain);
        await harness.overwrite(2, { ...chain[1], schema });
        expect(await corruptAt(2)).toContain('written by a newer rollout');
      },
    );

    it.each(['1', 0, null, undefined])('refuses an entry of the schema %j', async (schema) => {
      const chain = someChain(1);
      await append(chain);
      await harness.overwrite(1, { ...chain[0], schema });
      expect(await corruptAt(1)).not.toContain('newer');
    });

    it('gives back an altered entry as it stands: the chain shows it', async () => {
      const chain = someChain(3);
      await append(chain);
      await harness.overwrite(2, { ...chain[1], reason: 'forged' });
      const read = await store.read(0);
      expect(read.ok && verifyChain(read.value, sha256)).toEqual({ kind: 'altered', seq: 2 });
    });
  });
}
