import { describe, expect, it } from 'vitest';
import { spread } from '../../../src/engine/sweep.ts';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

describe('the order in which hosts are begun', () => {
  it('has everyone once, however many there are', () => {
    for (let count = 0; count <= 200; count += 1)
      expect([...spread(upTo(count))].sort((a, b) => a - b)).toEqual(upTo(count));
  });

  it('mixes a zone that is away among the others: of the first 32 most answer', () => {
    const firstIsAway = spread(upTo(200)).map((index) => index < 60);
    for (let from = 0; from + 32 <= 200; from += 32)
      expect(firstIsAway.slice(from, from + 32).filter(Boolean).length).toBeLessThanOrEqual(12);
  });
});
