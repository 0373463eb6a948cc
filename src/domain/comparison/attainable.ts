/** What a test of so many hosts can show at best: the smallest p that it can come to. By numbers alone, before anything is measured. Pure. */

export interface Sizes {
  readonly changed: number;
  readonly control: number;
}

/** Smallest p of the Mann-Whitney test over these strata: all changed hosts above all of their control hosts. */
export function smallestP(strata: readonly Sizes[]): number {
  return Math.exp(
    -strata.reduce((sum, { changed, control }) => sum + logChoices(changed + control, changed), 0),
  );
}

/** Smallest p of the signed-rank test over so many pairs: all have become worse. */
export function smallestPairedP(pairs: number): number {
  return 2 ** -pairs;
}

/** Looked no further: whoever lacks more than that needs other means. */
const MOST_HOSTS = 10_000;

/** How many control hosts would do with as many changed ones, and the other way round. Absent: no number would. */
export function enoughHosts(
  { changed, control }: Sizes,
  alpha: number,
): { control?: number; changed?: number } {
  const forControl = changed === 0 ? undefined : least(alpha, (n) => smallestP([{ changed, control: n }]));
  const forChanged = control === 0 ? undefined : least(alpha, (n) => smallestP([{ changed: n, control }]));
  return {
    ...(forControl === undefined ? {} : { control: forControl }),
    ...(forChanged === undefined ? {} : { changed: forChanged }),
  };
}

/** How many pairs would do. */
export function enoughPairs(alpha: number): number | undefined {
  return least(alpha, smallestPairedP);
}

/** Smallest number with p(number) <= alpha; p falls. */
function least(alpha: number, p: (hosts: number) => number): number | undefined {
  if (!isAttained(p(MOST_HOSTS), alpha)) return undefined;
  let [from, to] = [1, MOST_HOSTS];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (isAttained(p(middle), alpha)) to = middle;
    else from = middle + 1;
  }
  return from;
}

/** 1/20 must be attained by one host among twenty, whatever logarithms make of it. */
export function isAttained(p: number, alpha: number): boolean {
  return p <= alpha * (1 + 1e-9);
}

function logChoices(all: number, some: number): number {
  const fewer = Math.min(some, all - some);
  let log = 0;
  for (let index = 1; index <= fewer; index += 1) log += Math.log((all - fewer + index) / index);
  return log;
}
