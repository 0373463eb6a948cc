/** What every Outbox does, whatever it is made of. Run on the fake and on the folder. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Outbox, StoredEntry, WaitingEntry } from '../../src/ports/outbox.ts';

/** One empty outbox. */
export interface OutboxHarness {
  /** Another process on the same machine, as far as the outbox can tell. */
  open(): Outbox;
  close(): Promise<void>;
}

/** The `part`th entry of an action, told apart by it. */
export function someWaiting(part: number, reason?: string): WaitingEntry {
  return {
    actor: { user: 'ops', hostname: 'laptop', command: 'osqueryd stop --fleet' },
    ...(reason === undefined ? {} : { reason }),
    body: {
      kind: 'lifecycle-settled',
      actionId: 'stop-1',
      part,
      happenedAt: 1_700_000_000_000 + part,
      stayedDown: part,
      startedAgain: [{ id: '4711', name: 'web-01' }],
      unseen: [],
    },
  };
}

export async function waitingIn(outbox: Outbox): Promise<readonly StoredEntry[]> {
  const waiting = await outbox.waiting();
  if (!waiting.ok) throw new Error(waiting.error);
  return waiting.value.entries;
}

export function outboxContract(name: string, make: () => Promise<OutboxHarness>): void {
  describe(`${name} is an outbox`, () => {
    let harness: OutboxHarness;
    beforeEach(async () => {
      harness = await make();
    });
    afterEach(() => harness.close());

    const parts = async (): Promise<unknown[]> =>
      (await waitingIn(harness.open())).map(({ entry: { body } }) => ('part' in body ? body.part : null));

    it('holds nothing before the first entry', async () => {
      expect(await harness.open().waiting()).toEqual({ ok: true, value: { entries: [], unreadable: [] } });
    });

    it('gives another process what was put there, whole and oldest first', async () => {
      const outbox = harness.open();
      const entries = Array.from({ length: 12 }, (_, part) =>
        someWaiting(part, part === 3 ? 'CPU "é"\nline' : undefined),
      );
      for (const entry of entries) expect(await outbox.put(entry)).toEqual({ ok: true, value: undefined });
      expect((await waitingIn(harness.open())).map(({ entry }) => entry)).toEqual(entries);
    });

    it('keeps the order of calls that nobody waited for', async () => {
      const outbox = harness.open();
      await Promise.all(Array.from({ length: 12 }, (_, part) => outbox.put(someWaiting(part))));
      expect(await parts()).toEqual(Array.from({ length: 12 }, (_, part) => part));
    });

    it('loses nothing when two processes write at once, and keeps the order of each', async () => {
      const [one, other] = [harness.open(), harness.open()];
      const puts = Array.from({ length: 20 }, (_, part) =>
        (part % 2 === 0 ? one : other).put(someWaiting(part)),
      );
      for (const put of await Promise.all(puts)) expect(put.ok).toBe(true);
      const found = (await parts()).map(Number);
      expect([...found].sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, part) => part));
      for (const rest of [0, 1]) {
        const own = found.filter((part) => part % 2 === rest);
        expect(own).toEqual([...own].sort((a, b) => a - b));
      }
    });

    it('gives an entry again and again until it is done, also to whoever comes after one that died', async () => {
      const outbox = harness.open();
      for (const part of [0, 1, 2]) await outbox.put(someWaiting(part));
      const [first, second] = await waitingIn(outbox);
      await first?.done();
      expect(await parts()).toEqual([1, 2]);
      await first?.done();
      await second?.done();
      expect(await parts()).toEqual([2]);
      await harness.open().put(someWaiting(3));
      expect(await parts()).toEqual([2, 3]);
    });

    it('is done with an entry that another process has sent as well', async () => {
      await harness.open().put(someWaiting(0));
      const [[mine], [theirs]] = [await waitingIn(harness.open()), await waitingIn(harness.open())];
      await Promise.all([mine?.done(), theirs?.done()]);
      expect(await parts()).toEqual([]);
    });
  });
}
