/** Medians and ranks of plain numbers, quick enough for some ten thousand. Every number must be finite; the caller sees to that. Pure. */

/** NaN of nothing. */
export function medianOf(numbers: readonly number[] | Float64Array): number {
  const sorted = new Float64Array(numbers).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  // Halved first: two numbers near the largest must not give infinity.
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1] ?? Number.NaN) / 2 + upper / 2;
}

/** Twice the midrank of each number (1 based), so that ties too have whole numbers. In the order of `numbers`. */
export function doubledRanks(numbers: Float64Array): Float64Array {
  const sorted = new Float64Array(numbers).sort();
  const ranks = new Float64Array(numbers.length);
  for (let index = 0; index < ranks.length; index += 1) {
    const number = numbers[index] ?? 0;
    const below = countBelow(sorted, number);
    // Most numbers have no equal, and need no second search.
    const upTo = sorted[below + 1] === number ? countUpTo(sorted, number) : below + 1;
    ranks[index] = below + upTo + 1;
  }
  return ranks;
}

/** How many of `sorted` are less than `number`. */
export function countBelow(sorted: Float64Array, number: number): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? 0) < number) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** How many of `sorted` are at most `number`. */
export function countUpTo(sorted: Float64Array, number: number): number {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? 0) <= number) from = middle + 1;
    else to = middle;
  }
  return from;
}
