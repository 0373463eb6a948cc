import { describe, expect, it } from 'vitest';
import { joinPieces, MAX_POINTS, splitRange } from '../../../src/adapters/prometheus/pieces.ts';

const range = (from: number, to: number, stepMs: number) => ({ query: 'x', from, to, stepMs });
const pieces = (from: number, to: number, stepMs: number) => {
  const split = splitRange(range(from, to, stepMs));
  return split.ok ? split.value.map((piece) => [piece.from, piece.to]) : split.error;
};

describe('a long range', () => {
  it('of few points stays whole', () => {
    expect(pieces(5, 25, 10)).toEqual([[5, 25]]);
  });

  it('is cut on its own grid, each step once', () => {
    expect(pieces(0, MAX_POINTS - 1, 1)).toEqual([[0, MAX_POINTS - 1]]);
    expect(pieces(0, MAX_POINTS, 1)).toEqual([
      [0, MAX_POINTS - 1],
      [MAX_POINTS, MAX_POINTS],
    ]);
  });

  it('that ends before it begins asks for nothing', () => {
    expect(pieces(10, 0, 5)).toEqual([]);
  });

  it('beyond reason is rejected, as is one without a step', () => {
    expect(pieces(0, 1e9, 1)).toMatchObject({ kind: 'rejected' });
    expect(pieces(0, 10, 0)).toMatchObject({ kind: 'rejected' });
    expect(pieces(0, Number.NaN, 1)).toMatchObject({ kind: 'rejected' });
  });

  it('is joined by labels in any order, and two series of one piece stay two', () => {
    const one = (at: number) => ({ labels: { a: '1', b: '2' }, samples: [{ at, value: at }] });
    const turned = { labels: { b: '2', a: '1' }, samples: [{ at: 2, value: 2 }] };
    expect(
      joinPieces([
        { series: [one(1)], warnings: ['w'] },
        { series: [turned, one(3)], warnings: ['w'] },
      ]),
    ).toEqual({
      warnings: ['w'],
      series: [
        {
          labels: { a: '1', b: '2' },
          samples: [
            { at: 1, value: 1 },
            { at: 2, value: 2 },
          ],
        },
        { labels: { a: '1', b: '2' }, samples: [{ at: 3, value: 3 }] },
      ],
    });
  });
});
