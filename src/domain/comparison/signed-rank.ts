/** Have the same hosts become worse than they were? Wilcoxon's signed-rank test, one-sided, of one difference a host. Pure. */
import type { RankTest } from './mann-whitney.ts';
import { normalTail } from './normal-tail.ts';
import { doubledRanks } from './order.ts';

/** Up to here the chance is counted: 2^n choices of signs, by their sum. */
const MOST_EXACT = 100;

/** `differences`: after less before, finite. Those that are 0 tell nothing and are left out; 1 where nothing is left. */
export function signedRank(differences: Float64Array): RankTest {
  const telling = differences.filter((difference) => difference !== 0);
  const ranks = doubledRanks(telling.map(Math.abs));
  const observed = ranks.reduce((sum, rank, index) => sum + ((telling[index] ?? 0) > 0 ? rank : 0), 0);
  const total = ranks.reduce((sum, rank) => sum + rank, 0);
  if (telling.length <= MOST_EXACT) return { p: exactTail(ranks, total, observed), method: 'exact' };
  const squares = ranks.reduce((sum, rank) => sum + rank * rank, 0);
  return { p: normalTail((observed - total / 2 - 1) / Math.sqrt(squares / 4)), method: 'normal' };
}

function exactTail(ranks: Float64Array, total: number, observed: number): number {
  const chances = new Float64Array(total + 1);
  chances[0] = 1;
  let reached = 0;
  for (const rank of ranks) {
    reached += rank;
    for (let sum = reached; sum >= 0; sum -= 1)
      chances[sum] = ((chances[sum] ?? 0) + (sum >= rank ? (chances[sum - rank] ?? 0) : 0)) / 2;
  }
  let tail = 0;
  for (let sum = total; sum >= observed; sum -= 1) tail += chances[sum] ?? 0;
  return Math.min(1, tail);
}
