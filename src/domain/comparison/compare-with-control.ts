/**
 * Changed hosts against hosts that are not changed yet, at the same time. Pure.
 *
 * V1  Worse is what is both significant and substantial: p at most alpha, and the shift at least the floor.
 * V2  All strata together are one test, and each stratum is one more, all within one alpha (Holm): so a rise in one role alone is found
 *     although the mean is fine, and a hundred roles do not make a hundred chances of a false alarm.
 * V3  Where not even the clearest outcome would be significant, it is too few: nothing was told, and nothing is claimed. The same of a
 *     single stratum beside others: that is counted (`untold`), and later waves, with more changed hosts of it, tell.
 */
import type { Comparison } from '../gate.ts';
import type { HostId } from '../host.ts';
import type { GateComparison } from '../policy.ts';
import { enoughHosts, isAttained, smallestP } from './attainable.ts';
import { type Compared, type Excess, floorOf, reaches } from './compared.ts';
import { shiftOf } from './hodges-lehmann.ts';
import { holmAdjusted, tellingMembers } from './holm.ts';
import { type HostNumber, type Sides, type Stratum, takeSides } from './host-numbers.ts';
import { type Block, mannWhitney } from './mann-whitney.ts';
import { medianOf } from './order.ts';
import { type Residuals, residualsOf } from './residuals.ts';

export interface ToCompare {
  readonly compare: GateComparison;
  readonly direction: 'above' | 'below';
  readonly changed: readonly HostNumber[];
  readonly control: readonly HostNumber[];
}

interface Member {
  readonly stratum: Stratum | null;
  readonly blocks: readonly Block[];
  readonly smallest: number;
  readonly floor: number;
}

/** Most control residuals that three or more changed hosts are ranked among: more tells no more and takes long to count. */
const MOST_REFERENCE = 200;

export function compareWithControl({ compare, direction, changed, control }: ToCompare): Compared {
  const { alpha } = compare;
  const sides = takeSides(changed, control, direction);
  let made: Residuals | undefined;
  // Large fleets are told without them, and they take long there.
  const residuals = (): Residuals => {
    made ??= residualsOf(sides);
    return made;
  };
  const family = familyOf(sides, residuals, compare);
  const counted = sizesOf(family[0]?.blocks ?? []);
  const known = {
    with: 'control' as const,
    basis: sides.basis,
    ...(changed.length === 0 ? {} : { medianChanged: sides.medianChanged }),
    ...(control.length === 0 ? {} : { medianControl: sides.medianControl }),
    alpha,
  };
  const excess = (): Map<HostId, Excess> => excessOf(sides, residuals(), compare, changed);
  const telling = tellingMembers(family, alpha).flatMap((index) => family[index] ?? []);
  if (telling.length === 0) {
    const sizes = { changed: changed.length, control: control.length };
    const enough = enoughHosts(sizes, alpha);
    const comparison = {
      ...known,
      ...sizes,
      kind: 'too-few',
      floor: floorOf(compare, sides.medianControl),
      enough,
    } as const;
    return { comparison, excess };
  }
  const tests = telling.map((member) => mannWhitney(member.blocks));
  const adjusted = holmAdjusted(tests.map(({ p }) => p));
  const found = telling.map((member, index) => {
    const p = adjusted[index] ?? 1;
    const isWorse = isAttained(p, alpha) && reaches(shiftOf(member.blocks), member.floor);
    return { member, p, isWorse, method: tests[index]?.method ?? 'exact' };
  });
  const worse = found.filter(({ isWorse }) => isWorse).sort((a, b) => a.p - b.p);
  const all = found.find(({ member }) => member.stratum === null);
  const told = worse.find(({ member }) => member.stratum === null) ?? worse[0] ?? all ?? found[0];
  if (told === undefined) throw new Error('a family of tests has told nothing');
  const { member, p, method } = told;
  const own = member.stratum === null ? counted : sizesOf(member.blocks);
  const alone = family.filter(({ stratum }) => stratum !== null);
  const untold = alone.filter((one) => !telling.includes(one)).length;
  const comparison: Comparison = {
    ...known,
    ...own,
    ...(member.stratum === null
      ? {}
      : { stratum: member.stratum.name, ...mediansOf(member.stratum, changed) }),
    ...(untold === 0 ? {} : { untold: { strata: untold, of: alone.length } }),
    kind: worse.length > 0 ? 'worse' : 'alike',
    shift: shiftOf(member.blocks),
    floor: member.floor,
    p,
    method,
  };
  return { comparison, excess };
}

/** V2. The first is of all strata together. */
function familyOf(sides: Sides, residuals: () => Residuals, compare: GateComparison): Member[] {
  const { alpha } = compare;
  const changed = sides.strata.filter((stratum) => stratum.changed.length > 0);
  const within = blocksOf(sides);
  const choose = (own: readonly Block[], among: readonly Stratum[], level: number): readonly Block[] => {
    const smallest = smallestOf(own);
    if (isAttained(smallest, level)) return own;
    const other = amongResiduals(among, residuals());
    return smallestOf([other]) < smallest ? [other] : own;
  };
  const pooled = choose(within, changed, alpha);
  const all: Member = {
    stratum: null,
    blocks: pooled,
    smallest: smallestOf(pooled),
    floor: floorOf(compare, sides.medianControl),
  };
  if (changed.length < 2) return [all];
  return [
    all,
    ...changed.map((stratum): Member => {
      const blocks = choose([stratum], [stratum], alpha / (changed.length + 1));
      return { stratum, blocks, smallest: smallestOf(blocks), floor: floorOf(compare, stratum.controlLevel) };
    }),
  ];
}

/** Strata with hosts on both sides; on differences, the others as one more (C2). */
function blocksOf({ basis, strata }: Sides): Block[] {
  const whole = strata.filter(({ changed, control }) => changed.length > 0 && control.length > 0);
  if (basis === 'level') return whole;
  const rest = strata.filter((stratum) => !whole.includes(stratum));
  const changed = new Float64Array(rest.flatMap((stratum) => [...stratum.changed]));
  const control = new Float64Array(rest.flatMap((stratum) => [...stratum.control]));
  return changed.length > 0 && control.length > 0 ? [...whole, { changed, control }] : whole;
}

function amongResiduals(strata: readonly Stratum[], residuals: Residuals): Block {
  const changed = new Float64Array(strata.flatMap((stratum) => [...residuals.changedOf(stratum)]));
  const { control } = residuals;
  const every = changed.length < 3 ? 1 : Math.ceil(control.length / MOST_REFERENCE);
  return {
    changed,
    control: every === 1 ? control : control.filter((_, index) => index % every === every >> 1),
  };
}

function smallestOf(blocks: readonly Block[]): number {
  return smallestP(
    blocks.map(({ changed, control }) => ({ changed: changed.length, control: control.length })),
  );
}

function sizesOf(blocks: readonly Block[]): { changed: number; control: number } {
  return {
    changed: blocks.reduce((sum, { changed }) => sum + changed.length, 0),
    control: blocks.reduce((sum, { control }) => sum + control.length, 0),
  };
}

function mediansOf({ ids, controlLevel }: Stratum, changed: readonly HostNumber[]) {
  const own = new Set(ids);
  const levels = changed.filter(({ id }) => own.has(id)).map(({ level }) => level);
  return { medianChanged: medianOf(levels), medianControl: controlLevel };
}

function excessOf(
  { strata }: Sides,
  residuals: Residuals,
  compare: GateComparison,
  changed: readonly HostNumber[],
): Map<HostId, Excess> {
  const levels = new Map(changed.map(({ id, level }) => [id, level]));
  const excess = new Map<HostId, Excess>();
  for (const stratum of strata) {
    const centre = residuals.centreOf(stratum);
    if (centre === null) continue;
    const floor = floorOf(compare, stratum.controlLevel);
    stratum.ids.forEach((id, index) => {
      const number = (stratum.changed[index] ?? 0) - centre;
      excess.set(id, { excess: number, floor, level: levels.get(id) ?? 0, stratum: stratum.name });
    });
  }
  return excess;
}
