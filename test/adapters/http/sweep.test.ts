import { describe, expect, it } from 'vitest';
import { MOST_ITEMS, type Page, sweep } from '../../../src/adapters/http/sweep.ts';
import { err, ok } from '../../../src/domain/result.ts';

const page = (number: number, size: number, last: boolean | null = null): Page<string> => ({
  items: Array.from({ length: size }, (_, index) => `${number}-${index}`),
  last,
});
const self = (item: string) => item;

describe('a list in pages', () => {
  it('ends with its own word, or with an empty page, and not with a short one', async () => {
    const asked: number[] = [];
    const told = await sweep(async (number) => ok(page(number, 3, number === 1)), self);
    expect(told.ok && told.value.size).toBe(6);
    const empty = await sweep(async (number) => {
      asked.push(number);
      return ok(page(number, [5, 2, 2, 0][number] ?? 0));
    }, self);
    expect(empty.ok).toBe(true);
    expect(asked).toEqual([0, 1, 2, 3]);
  });

  it('that never ends is given up', async () => {
    let asked = 0;
    const endless = await sweep(async (number) => {
      asked += 1;
      return ok(page(number, 10_000, false));
    }, self);
    expect(endless).toMatchObject({ ok: false, error: { kind: 'rejected' } });
    expect(asked).toBe(MOST_ITEMS / 10_000 + 1);
  });

  it('that repeats itself is given up', async () => {
    const again = await sweep(async () => ok(page(0, 5)), self);
    expect(again).toMatchObject({ ok: false, error: { kind: 'invalid-answer' } });
  });

  it('of which one page fails has failed', async () => {
    const error = { kind: 'unavailable', message: 'gone' } as const;
    const failed = await sweep(async (number) => (number < 2 ? ok(page(number, 5)) : err(error)), self);
    expect(failed).toEqual({ ok: false, error });
  });

  it('gives the later word where it changed while it was read', async () => {
    const pages = [['a', 'old'], ['b', 'x'], ['a', 'new'], null].map((one) => (one === null ? [] : [one]));
    const read = await sweep(
      async (number) =>
        ok({ items: [...(pages[number] ?? []), ...(number < 3 ? [[`n${number}`, '']] : [])], last: null }),
      ([id = '']) => id,
    );
    expect(read.ok ? read.value.get('a') : read).toEqual(['a', 'new']);
  });
});
