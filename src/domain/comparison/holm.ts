/**
 * Several tests within one level of significance (Holm), without those that could not come below it whatever was measured (Tarone).
 * Pure.
 */
import { isAttained } from './attainable.ts';

export interface FamilyMember {
  /** Smallest p that it could have come to. */
  readonly smallest: number;
}

/** The members that can tell, by their place in `family`. Chosen by sizes alone, so that the choice does not depend on what came out. */
export function tellingMembers(family: readonly FamilyMember[], alpha: number): number[] {
  for (let tests = 1; tests <= family.length; tests += 1) {
    const telling = family.flatMap(({ smallest }, index) =>
      isAttained(smallest, alpha / tests) ? [index] : [],
    );
    if (telling.length <= tests) return telling;
  }
  return [];
}

/** Every p as it counts against the level of all of them together, in the order given. */
export function holmAdjusted(ps: readonly number[]): number[] {
  const order = ps.map((_, index) => index).sort((a, b) => (ps[a] ?? 1) - (ps[b] ?? 1));
  const adjusted = ps.map(() => 1);
  let floor = 0;
  order.forEach((index, place) => {
    floor = Math.max(floor, Math.min(1, (ps[index] ?? 1) * (ps.length - place)));
    adjusted[index] = floor;
  });
  return adjusted;
}
