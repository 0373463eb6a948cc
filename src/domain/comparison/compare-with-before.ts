/**
 * The same hosts before the change and after it, in pairs. It cannot tell a bad version from a bad day: whoever asks for it knows that no
 * host is left to tell them apart. V1-V3 are in compare-with-control.ts. Pure.
 */
import type { Comparison } from '../gate.ts';
import type { HostId } from '../host.ts';
import { enoughPairs, isAttained, smallestPairedP } from './attainable.ts';
import type { ToCompare } from './compare-with-control.ts';
import { type Compared, type Excess, floorOf, reaches } from './compared.ts';
import { holmAdjusted, tellingMembers } from './holm.ts';
import { type HostNumber, hasBefore } from './host-numbers.ts';
import { medianOf } from './order.ts';
import { signedRank } from './signed-rank.ts';

interface Member {
  readonly stratum: string | null;
  readonly pairs: readonly HostNumber[];
  readonly smallest: number;
}

export function compareWithBefore({ compare, direction, changed }: Omit<ToCompare, 'control'>): Compared {
  const { alpha } = compare;
  const pairs = changed.filter(hasBefore);
  const worseBy = ({ level, before = 0 }: HostNumber): number =>
    direction === 'above' ? level - before : before - level;
  const family = familyOf(pairs);
  const telling = tellingMembers(family, alpha).flatMap((index) => family[index] ?? []);
  const tests = telling.map((member) => signedRank(Float64Array.from(member.pairs, worseBy)));
  const adjusted = holmAdjusted(tests.map(({ p }) => p));
  const found = telling.map((member, index) => {
    const p = adjusted[index] ?? 1;
    const shift = medianOf(member.pairs.map(worseBy));
    const floor = floorOf(compare, mediansOf(member.pairs).medianControl ?? Number.NaN);
    const isWorse = isAttained(p, alpha) && reaches(shift, floor);
    return { member, p, shift, floor, isWorse, method: tests[index]?.method ?? 'exact' };
  });
  const worse = found.filter(({ isWorse }) => isWorse).sort((a, b) => a.p - b.p);
  const told = worse.find(({ member }) => member.stratum === null) ?? worse[0] ?? found[0];
  const known = { with: 'before', basis: 'difference', alpha } as const;
  const excess = (): Map<HostId, Excess> => excessOf(pairs, worseBy, compare);
  if (told === undefined) {
    const enough = enoughPairs(alpha);
    const comparison: Comparison = {
      ...known,
      ...mediansOf(pairs),
      kind: 'too-few',
      changed: changed.length,
      control: pairs.length,
      floor: floorOf(compare, mediansOf(pairs).medianControl ?? Number.NaN),
      ...(enough === undefined ? {} : { enough: { changed: enough } }),
    };
    return { comparison, excess };
  }
  const { member, p, shift, floor, method } = told;
  const comparison: Comparison = {
    ...known,
    ...mediansOf(member.pairs),
    kind: worse.length > 0 ? 'worse' : 'alike',
    changed: member.pairs.length,
    control: member.pairs.length,
    shift,
    floor,
    p,
    method,
    ...(member.stratum === null ? {} : { stratum: member.stratum }),
  };
  return { comparison, excess };
}

function familyOf(pairs: readonly HostNumber[]): Member[] {
  const member = (stratum: string | null, of: readonly HostNumber[]): Member => ({
    stratum,
    pairs: of,
    smallest: smallestPairedP(of.length),
  });
  const strata = [...Map.groupBy(pairs, ({ stratum }) => stratum)].sort(([a], [b]) => (a < b ? -1 : 1));
  const all = member(null, pairs);
  return strata.length < 2 ? [all] : [all, ...strata.map(([name, of]) => member(name, of))];
}

function mediansOf(pairs: readonly HostNumber[]): { medianChanged?: number; medianControl?: number } {
  if (pairs.length === 0) return {};
  return {
    medianChanged: medianOf(pairs.map(({ level }) => level)),
    medianControl: medianOf(pairs.map(({ before = 0 }) => before)),
  };
}

function excessOf(
  pairs: readonly HostNumber[],
  worseBy: (pair: HostNumber) => number,
  compare: ToCompare['compare'],
): Map<HostId, Excess> {
  return new Map(
    pairs.map((pair) => [
      pair.id,
      {
        excess: worseBy(pair),
        floor: floorOf(compare, pair.before ?? Number.NaN),
        level: pair.level,
        stratum: pair.stratum,
      },
    ]),
  );
}
