import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { enoughHosts, enoughPairs, smallestP } from '../../../src/domain/comparison/attainable.ts';
import { shiftOf } from '../../../src/domain/comparison/hodges-lehmann.ts';
import { holmAdjusted, tellingMembers } from '../../../src/domain/comparison/holm.ts';
import { takeSides } from '../../../src/domain/comparison/host-numbers.ts';
import { type Block, mannWhitney } from '../../../src/domain/comparison/mann-whitney.ts';
import { normalTail } from '../../../src/domain/comparison/normal-tail.ts';
import { doubledRanks, medianOf } from '../../../src/domain/comparison/order.ts';
import { residualsOf } from '../../../src/domain/comparison/residuals.ts';
import { signedRank } from '../../../src/domain/comparison/signed-rank.ts';

const block = (changed: readonly number[], control: readonly number[]): Block => ({
  changed: Float64Array.from(changed),
  control: Float64Array.from(control),
});

/** Two samples without ties whose U (pairs in which the changed one is larger) is as given. */
function withU(changed: number, control: number, u: number): Block {
  let left = u;
  const numbers = Array.from({ length: changed }, () => {
    const below = Math.min(control, left);
    left -= below;
    return below;
  });
  // Between two control hosts, apart from one another.
  return block(
    numbers.map((below, index) => below - 0.5 + index / 1_000),
    Array.from({ length: control }, (_, index) => index),
  );
}

/** All ways to choose `k` of the places 0 to n - 1. */
function choices(n: number, k: number): number[][] {
  if (k === 0) return [[]];
  if (n < k) return [];
  return [...choices(n - 1, k), ...choices(n - 1, k - 1).map((one) => [...one, n - 1])];
}

/** The aligned rank test by going through every choice within every stratum. */
function byEnumeration(blocks: readonly Block[]): number {
  const aligned = blocks.map(({ changed, control }) => {
    const all = [...changed, ...control];
    const centre = blocks.length > 1 ? medianOf(all) : 0;
    return all.map((number) => number - centre);
  });
  const ranks = doubledRanks(Float64Array.from(aligned.flat()));
  let at = 0;
  let sums = [0];
  let observed = 0;
  for (const [index, own] of aligned.entries()) {
    const scores = ranks.subarray(at, at + own.length);
    const k = blocks[index]?.changed.length ?? 0;
    const sumOf = (places: readonly number[]) => places.reduce((sum, place) => sum + (scores[place] ?? 0), 0);
    observed += sumOf(Array.from({ length: k }, (_, place) => place));
    const here = choices(own.length, k).map(sumOf);
    sums = sums.flatMap((sum) => here.map((one) => sum + one));
    at += own.length;
  }
  return sums.filter((sum) => sum >= observed).length / sums.length;
}

describe('Mann-Whitney', () => {
  // One-sided critical values of the smaller U (Mann and Whitney 1947; the tables of every textbook).
  const critical: readonly [n: number, m: number, alpha: number, u: number][] = [
    [3, 3, 0.05, 0],
    [4, 4, 0.05, 1],
    [5, 5, 0.05, 4],
    [5, 5, 0.025, 2],
    [5, 5, 0.01, 1],
    [6, 8, 0.05, 10],
    [7, 7, 0.025, 8],
    [8, 8, 0.01, 9],
    [10, 10, 0.05, 27],
    [10, 10, 0.025, 23],
    [10, 10, 0.01, 19],
    [12, 15, 0.025, 49],
    [20, 20, 0.05, 138],
    [20, 20, 0.025, 127],
    [20, 20, 0.01, 114],
  ];
  it.each(critical)('%i against %i at %f: U %i is significant, one more is not', (n, m, alpha, u) => {
    const at = mannWhitney([withU(n, m, n * m - u)]);
    const beside = mannWhitney([withU(n, m, n * m - u - 1)]);
    expect(at.method).toBe('exact');
    expect(at.p).toBeLessThanOrEqual(alpha);
    expect(beside.p).toBeGreaterThan(alpha);
  });

  it('gives the chances that counting by hand gives', () => {
    expect(mannWhitney([block([4, 5, 6], [1, 2, 3])]).p).toBeCloseTo(1 / 20, 12);
    expect(mannWhitney([block([9], [1, 2, 3, 4])]).p).toBeCloseTo(1 / 5, 12);
    expect(mannWhitney([block([1], [2, 3, 4])]).p).toBe(1);
    expect(mannWhitney([block([5, 5], [5, 5, 5])]).p).toBe(1);
  });

  const few = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 5 });
  it('with ties it is what enumeration gives, whatever the sizes', () => {
    fc.assert(
      fc.property(few, few, (changed, control) => {
        const one = [block(changed, control)];
        expect(mannWhitney(one).p).toBeCloseTo(byEnumeration(one), 10);
      }),
      { numRuns: 300 },
    );
  });

  it('over several strata it is what enumeration within the strata gives', () => {
    const side = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1, maxLength: 3 });
    const strata = fc.array(fc.tuple(side, side), { minLength: 2, maxLength: 3 });
    fc.assert(
      fc.property(strata, (pairs) => {
        const blocks = pairs.map(([changed, control]) => block(changed, control));
        expect(mannWhitney(blocks).p).toBeCloseTo(byEnumeration(blocks), 10);
      }),
      { numRuns: 150 },
    );
  });

  it('a stratum that is high as a whole tells nothing', () => {
    const low = block([1, 3, 5], [2, 4, 6]);
    const high = block([901, 903, 905], [902, 904, 906]);
    const many = block([], [1, 1, 1, 1]);
    expect(mannWhitney([low, high, many]).p).toBeGreaterThan(0.5);
  });

  it('one and two changed hosts among hundreds are counted, never guessed from a bell curve', () => {
    const control = Array.from({ length: 600 }, (_, index) => index);
    expect(mannWhitney([block([1_000], control)])).toEqual({ p: 1 / 601, method: 'exact' });
    expect(mannWhitney([block([597.5], control)])).toEqual({ p: 3 / 601, method: 'exact' });
    const two = mannWhitney([block([1_000, 1_001], control)]);
    expect(two.method).toBe('exact');
    expect(two.p).toBeCloseTo(1 / ((602 * 601) / 2), 15);
  });

  it('for many hosts the bell curve is near what counting gives', () => {
    // Alike and just small enough to be counted; the same numbers one more time over are not.
    const changed = Array.from({ length: 30 }, (_, index) => index + 3.5);
    const control = Array.from({ length: 30 }, (_, index) => index);
    const exact = mannWhitney([block(changed, control)]);
    const wide = mannWhitney([
      block([...changed, ...changed, ...changed], [...control, ...control, ...control]),
    ]);
    expect([exact.method, wide.method]).toEqual(['exact', 'normal']);
    // U 549 of 900, so z = (549 - 450 - 0.5) / sqrt(900 * 61 / 12) = 1.4563.
    expect(exact.p).toBeCloseTo(normalTail(1.4563), 3);
    expect(wide.p).toBeLessThan(exact.p);
  });

  it('where counting would take too long: U, its mean and its variance, with half a step for continuity', () => {
    const { p, method } = mannWhitney([withU(60, 60, 2_200)]);
    expect(method).toBe('normal');
    expect(p).toBeCloseTo(normalTail((2_200 - 1_800 - 0.5) / Math.sqrt((60 * 60 * 121) / 12)), 12);
  });

  it('an outlier, however far out, counts as one host', () => {
    const control = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    const near = mannWhitney([block([3.5, 5.5, 10], control)]);
    expect(mannWhitney([block([3.5, 5.5, 1e300], control)])).toEqual(near);
  });
});

describe('ranks', () => {
  it('those that tie share the middle of their places', () => {
    expect([...doubledRanks(Float64Array.of(5, 1, 5, 3))]).toEqual([7, 2, 7, 4]);
  });

  it('a control host is held against the others of its stratum, never against itself', () => {
    const host = (id: string, level: number) => ({ id, stratum: 'web', level });
    const sides = takeSides([host('new', 12)], [host('a', 1), host('b', 2), host('c', 10)], 'above');
    const residuals = residualsOf(sides);
    expect([...residuals.control]).toEqual([-5, -3.5, 8.5]);
    expect(sides.strata.map((stratum) => [...residuals.changedOf(stratum)])).toEqual([[10]]);
  });
});

describe('signed ranks', () => {
  it.each([
    // One-sided critical values of W (Wilcoxon 1945).
    [5, 0.05, 0],
    [8, 0.05, 5],
    [10, 0.05, 10],
    [10, 0.01, 5],
    [15, 0.025, 25],
    [20, 0.01, 43],
  ])('%i pairs at %f: W %i is significant, one more is not', (n, alpha, w) => {
    const withNegative = (sum: number): Float64Array => {
      let left = sum;
      const ranks = Array.from({ length: n }, (_, index) => n - index);
      return Float64Array.from(ranks, (rank) => {
        if (rank > left) return rank;
        left -= rank;
        return -rank;
      });
    };
    expect(signedRank(withNegative(w)).p).toBeLessThanOrEqual(alpha);
    expect(signedRank(withNegative(w + 1)).p).toBeGreaterThan(alpha);
  });

  it('with ties and zeros it is what enumeration of the signs gives', () => {
    const some = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(some, (differences) => {
        const telling = differences.filter((one) => one !== 0);
        const ranks = doubledRanks(Float64Array.from(telling, Math.abs));
        const sumOf = (isUp: (index: number) => boolean) =>
          ranks.reduce((sum, rank, index) => sum + (isUp(index) ? rank : 0), 0);
        const observed = sumOf((index) => (telling[index] ?? 0) > 0);
        let atLeast = 0;
        for (let signs = 0; signs < 2 ** telling.length; signs += 1)
          if (sumOf((index) => ((signs >> index) & 1) === 1) >= observed) atLeast += 1;
        expect(signedRank(Float64Array.from(differences)).p).toBeCloseTo(atLeast / 2 ** telling.length, 10);
      }),
      { numRuns: 200 },
    );
  });

  it('for many pairs the bell curve serves, and says so', () => {
    const up = Float64Array.from({ length: 400 }, (_, index) => (index % 5 === 0 ? -index : index));
    expect(signedRank(up).method).toBe('normal');
    expect(signedRank(up).p).toBeLessThan(1e-6);
    expect(signedRank(up.map((one) => -one)).p).toBeGreaterThan(0.999);
  });
});

describe('the normal tail', () => {
  it.each([
    [0, 0.5],
    [1.6448536269514722, 0.05],
    [2.3263478740408408, 0.01],
    [3.090232306167813, 0.001],
    [5, 2.866515718791939e-7],
    [8, 6.220960574271785e-16],
    [-1.959963984540054, 0.975],
  ])('beyond %f lies %f', (z, p) => {
    expect(Math.abs(normalTail(z) / p - 1)).toBeLessThan(1e-9);
  });
});

describe('the shift', () => {
  it('is the median of all differences within strata, for any numbers', () => {
    const side = fc.array(
      fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true, min: -1e6, max: 1e6 })),
      { maxLength: 7 },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(side, side), { minLength: 1, maxLength: 3 }), (pairs) => {
        const differences = pairs.flatMap(([changed, control]) =>
          changed.flatMap((one) => control.map((other) => one - other)),
        );
        const shift = shiftOf(pairs.map(([changed, control]) => block(changed, control)));
        if (differences.length === 0) expect(shift).toBeNaN();
        else expect(shift).toBeCloseTo(medianOf(differences), 9);
      }),
      { numRuns: 500 },
    );
  });

  it('of counts, most of which are alike, is found as exactly', () => {
    const counts = (n: number, ones: number) => Array.from({ length: n }, (_, at) => (at < ones ? 1 : 0));
    const shift = (ones: number, controlOnes: number) =>
      shiftOf([block(counts(100, ones), counts(60, controlOnes))]);
    expect([shift(0, 0), shift(49, 0), shift(50, 0), shift(51, 0), shift(100, 1), shift(0, 60)]).toEqual([
      0, 0, 0.5, 1, 1, -1,
    ]);
  });

  it('ten thousand hosts against five thousand take no fifty million steps', () => {
    const many = (n: number, from: number) =>
      Array.from({ length: n }, (_, index) => from + ((index * 7_919) % n) / n);
    const before = process.cpuUsage();
    const shift = shiftOf([block(many(10_000, 0.3), many(5_000, 0))]);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(1_000);
    expect(shift).toBeCloseTo(0.3, 3);
  });
});

describe('what so few hosts can tell', () => {
  it('the smallest p is one choice of all', () => {
    expect(smallestP([{ changed: 3, control: 3 }])).toBeCloseTo(1 / 20, 12);
    expect(
      smallestP([
        { changed: 1, control: 1 },
        { changed: 1, control: 1 },
      ]),
    ).toBeCloseTo(1 / 4, 12);
    expect(smallestP([{ changed: 5, control: 0 }])).toBe(1);
  });

  it('says how many would do, and that many do', () => {
    expect(enoughHosts({ changed: 1, control: 5 }, 0.05)).toEqual({ control: 19, changed: 2 });
    expect(enoughHosts({ changed: 1, control: 5 }, 0.01)).toEqual({ control: 99, changed: 4 });
    expect(enoughHosts({ changed: 4, control: 0 }, 0.05)).toEqual({ control: 3 });
    expect(enoughHosts({ changed: 0, control: 0 }, 0.05)).toEqual({});
    expect(enoughPairs(0.05)).toBe(5);
  });
});

describe('several tests in one', () => {
  it('multiplies the smallest by all, the next by one fewer, and never goes down', () => {
    expect(holmAdjusted([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
    expect(holmAdjusted([0.5, 0.9])).toEqual([1, 1]);
    expect(holmAdjusted([])).toEqual([]);
  });

  it('leaves out what could never come below the level, so that it takes nothing from the others', () => {
    const family = [{ smallest: 1e-6 }, { smallest: 0.2 }, { smallest: 0.3 }, { smallest: 0.004 }];
    expect(tellingMembers(family, 0.05)).toEqual([0, 3]);
    expect(tellingMembers(family, 0.001)).toEqual([0]);
    expect(tellingMembers([{ smallest: 0.2 }], 0.05)).toEqual([]);
    const weak = Array.from({ length: 5 }, () => ({ smallest: 0.02 }));
    expect(tellingMembers([{ smallest: 1e-6 }, ...weak], 0.05)).toEqual([0]);
  });

  it('on hosts that are all alike, alarms come no more often than the level says', () => {
    // Two strata of three and five changed and control hosts: every way to deal nine distinct numbers within them.
    const own = [0.3, 1.1, 1.9, 2.2, 3.7, 4.4, 5.8, 6.1];
    const dealt = choices(8, 3).map((changed) =>
      mannWhitney([
        block(
          changed.map((place) => own[place] ?? 0),
          own.filter((_, place) => !changed.includes(place)),
        ),
      ]),
    );
    for (const alpha of [0.01, 0.05, 0.1, 0.2])
      expect(dealt.filter(({ p }) => p <= alpha + 1e-12).length / dealt.length).toBeLessThanOrEqual(
        alpha + 1e-12,
      );
  });
});
