/**
 * Are the changed hosts' numbers larger than the control hosts'? The Mann-Whitney test, one-sided; over several strata in its aligned
 * form (Hodges and Lehmann 1962): every number less the median of its stratum, all ranked together, and the chance counted over the
 * choices within each stratum. So a stratum that is high as a whole tells nothing, and the level is kept however small the strata are.
 * Pure.
 */

import { normalTail } from './normal-tail.ts';
import { doubledRanks, medianOf } from './order.ts';
import { type ScoreBlock, tailOfDrawnSum } from './subset-sums.ts';

/** One stratum's numbers, each of one host. */
export interface Block {
  readonly changed: Float64Array;
  readonly control: Float64Array;
}

export interface RankTest {
  readonly p: number;
  readonly method: 'exact' | 'normal';
}

/** P of ranks at least as high if the change did nothing. 1 where no stratum has hosts on both sides. */
export function mannWhitney(blocks: readonly Block[]): RankTest {
  const telling = blocks.filter(({ changed, control }) => changed.length > 0 && control.length > 0);
  if (telling.length === 0) return { p: 1, method: 'exact' };
  const { parts, observed } = ranked(telling);
  const exact = tailOfDrawnSum(parts, observed);
  if (exact !== null) return { p: exact, method: 'exact' };
  return { p: byNormal(parts, observed), method: 'normal' };
}

/** Changed hosts first within each block. */
function ranked(blocks: readonly Block[]): { parts: ScoreBlock[]; observed: number } {
  const size = blocks.reduce((sum, { changed, control }) => sum + changed.length + control.length, 0);
  const all = new Float64Array(size);
  let at = 0;
  for (const { changed, control } of blocks) {
    const own = all.subarray(at, at + changed.length + control.length);
    own.set(changed);
    own.set(control, changed.length);
    if (blocks.length > 1) {
      const centre = medianOf(own);
      own.forEach((number, index) => {
        own[index] = number - centre;
      });
    }
    at += own.length;
  }
  const ranks = doubledRanks(all);
  const parts: ScoreBlock[] = [];
  let observed = 0;
  at = 0;
  for (const { changed, control } of blocks) {
    const scores = ranks.subarray(at, at + changed.length + control.length);
    for (let index = 0; index < changed.length; index += 1) observed += scores[index] ?? 0;
    parts.push({ scores, drawn: changed.length });
    at += scores.length;
  }
  return { parts, observed };
}

/** Mean and variance of a sum drawn from the scores as they are: that is what the tie correction comes to. */
function byNormal(parts: readonly ScoreBlock[], observed: number): number {
  let mean = 0;
  let variance = 0;
  for (const { scores, drawn } of parts) {
    const all = scores.length;
    const average = scores.reduce((sum, score) => sum + score, 0) / all;
    const squares = scores.reduce((sum, score) => sum + (score - average) ** 2, 0);
    mean += drawn * average;
    variance += (drawn * (all - drawn) * squares) / (all * (all - 1));
  }
  if (!(variance > 0)) return 1;
  // Ranks are doubled, so half a step of U is 1 here.
  return normalTail((observed - mean - 1) / Math.sqrt(variance));
}
