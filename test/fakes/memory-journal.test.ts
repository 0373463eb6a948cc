/** The fake keeps the real journal's contract, and shows the failures that tests ask for. */
import { describe, expect, it } from 'vitest';
import type { Entry } from '../../src/domain/journal.ts';
import { journalContract } from '../contract/journal.ts';
import { CrashError } from './crash-error.ts';
import { someChain } from './journal-entries.ts';
import { memoryJournal } from './memory-journal.ts';

journalContract('the journal in memory', async () => {
  const journal = memoryJournal();
  return {
    open: () => journal,
    tear: async (seq) => journal.tear(seq),
    overwrite: async (seq, value) => journal.overwrite(seq, value),
    remove: async (seq) => journal.remove(seq),
    close: async () => undefined,
  };
});

describe('the journal in memory, on demand', () => {
  const [first, second] = someChain(2) as [Entry, Entry];

  it('does not answer once, then does', async () => {
    const journal = memoryJournal([first]);
    journal.failNext({ on: 'read', kind: 'unavailable' });
    expect(await journal.read(0)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: true },
    });
    expect(await journal.read(0)).toEqual({ ok: true, value: [first] });
  });

  it('is killed before or after an entry is durable', async () => {
    const journal = memoryJournal();
    journal.failNext({ on: 'append', kind: 'crash-before' });
    await expect(journal.append(first)).rejects.toThrow(CrashError);
    expect(journal.entries).toEqual([]);
    journal.failNext({ on: 'append', kind: 'crash-after' });
    await expect(journal.append(first)).rejects.toThrow(CrashError);
    expect(journal.entries).toEqual([first]);
  });

  it('keeps an entry whose reply it loses, and takes it again', async () => {
    const journal = memoryJournal([first]);
    journal.failNext({ on: 'append', kind: 'lost-reply' });
    expect(await journal.append(second)).toMatchObject({
      ok: false,
      error: { kind: 'unavailable', retryable: true },
    });
    expect(await journal.append(second)).toEqual({ ok: true, value: undefined });
    expect(journal.entries).toEqual([first, second]);
  });

  it('lets somebody else be first', async () => {
    const journal = memoryJournal([first]);
    const theirs = someChain(2, ' theirs')[1] as Entry;
    journal.failNext({ on: 'append', kind: 'conflict', by: theirs });
    expect(await journal.append(second)).toEqual({ ok: false, error: { kind: 'conflict', seq: 2 } });
    expect(journal.entries).toEqual([first, theirs]);
  });

  it('decides by a function for as long as one is set', async () => {
    const journal = memoryJournal();
    journal.failBy((call) =>
      call.on === 'append' && call.entry.seq === 2 ? { on: 'append', kind: 'unavailable' } : undefined,
    );
    expect((await journal.append(first)).ok).toBe(true);
    expect((await journal.append(second)).ok).toBe(false);
    journal.failBy(null);
    expect((await journal.append(second)).ok).toBe(true);
  });

  it('freezes what it stores', async () => {
    const journal = memoryJournal([first]);
    expect(() => Object.assign(journal.entries[0] as object, { reason: 'forged' })).toThrow(TypeError);
  });
});
