/**
 * How often a sum comes about by chance: k of some scores drawn without putting back, every choice equally likely, independently in
 * every block. Exact, by counting (Harding's recurrence), ties and all. Pure.
 */

export interface ScoreBlock {
  /** Whole numbers. */
  readonly scores: Float64Array;
  /** How many of them are drawn. */
  readonly drawn: number;
}

/** Additions that one exact answer may cost: some 10 ms. */
const MOST_WORK = 8e6;

/** P(sum of what is drawn >= observed); null where counting would take too long. */
export function tailOfDrawnSum(blocks: readonly ScoreBlock[], observed: number): number | null {
  const [only] = blocks;
  if (blocks.length === 1 && only !== undefined) {
    const quick = tailOfFew(only, observed);
    if (quick !== null) return quick;
  }
  if (workOf(blocks) > MOST_WORK) return null;
  let offset = 0;
  let chances: Float64Array = Float64Array.of(1);
  for (const block of blocks) {
    const one = distribution(block);
    offset += one.offset;
    chances = blocks.length === 1 ? one.chances : convolve(chances, one.chances);
  }
  let tail = 0;
  for (let index = chances.length - 1; index >= 0 && index + offset >= observed; index -= 1)
    tail += chances[index] ?? 0;
  return Math.min(1, tail);
}

/** One or two drawn of one block: one changed host against hundreds is the usual canary. */
function tailOfFew({ scores, drawn }: ScoreBlock, observed: number): number | null {
  const all = scores.length;
  if (drawn === 1) return scores.reduce((count, score) => count + (score >= observed ? 1 : 0), 0) / all;
  if (drawn !== 2) return null;
  const sorted = Float64Array.from(scores).sort();
  let pairs = 0;
  let low = 0;
  for (let high = all - 1; high > low; ) {
    if ((sorted[low] ?? 0) + (sorted[high] ?? 0) >= observed) {
      pairs += high - low;
      high -= 1;
    } else low += 1;
  }
  return pairs / ((all * (all - 1)) / 2);
}

function workOf(blocks: readonly ScoreBlock[]): number {
  let work = 0;
  let width = 1;
  for (const { scores, drawn } of blocks) {
    const fewer = Math.min(drawn, scores.length - drawn);
    const range = fewer * (largest(scores) - smallest(scores)) + 1;
    work += scores.length * fewer * range + (blocks.length > 1 ? width * range : 0);
    width += range;
  }
  return work;
}

interface Distribution {
  /** The sum that `chances[0]` is of. */
  readonly offset: number;
  readonly chances: Float64Array;
}

function distribution({ scores, drawn }: ScoreBlock): Distribution {
  const all = scores.length;
  const least = smallest(scores);
  const range = largest(scores) - least;
  // Hosts of which nothing is to be told, such as those without alerts: whoever is drawn, the sum is the same.
  if (range === 0) return { offset: drawn * least, chances: Float64Array.of(1) };
  const fewer = Math.min(drawn, all - drawn);
  const width = fewer * range + 1;
  // counts[k * width + s]: choices of k scores, each less `least`, with the sum s; kept as chances so that nothing overflows.
  const counts = new Float64Array((fewer + 1) * width);
  counts[0] = 1;
  scores.forEach((score, seen) => {
    const step = score - least;
    for (let k = Math.min(fewer, seen + 1); k >= 1; k -= 1) {
      const below = (k - 1) * width;
      const here = k * width;
      for (let sum = Math.min((k - 1) * range, width - 1 - step); sum >= 0; sum -= 1)
        counts[here + sum + step] = (counts[here + sum + step] ?? 0) + (counts[below + sum] ?? 0);
    }
  });
  const chances = counts.subarray(fewer * width);
  const whole = chances.reduce((sum, count) => sum + count, 0);
  for (let sum = 0; sum < width; sum += 1) chances[sum] = (chances[sum] ?? 0) / whole;
  if (fewer === drawn) return { offset: drawn * least, chances };
  // The rest was drawn: what they sum up to is missing from the total.
  const total = scores.reduce((sum, score) => sum + score, 0);
  return { offset: total - fewer * least - (width - 1), chances: chances.toReversed() };
}

function convolve(a: Float64Array, b: Float64Array): Float64Array {
  const both = new Float64Array(a.length + b.length - 1);
  a.forEach((chance, at) => {
    if (chance === 0) return;
    for (let index = 0; index < b.length; index += 1)
      both[at + index] = (both[at + index] ?? 0) + chance * (b[index] ?? 0);
  });
  return both;
}

function smallest(scores: Float64Array): number {
  return scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY);
}

function largest(scores: Float64Array): number {
  return scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
}
