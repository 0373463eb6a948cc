/** Upper tail of the standard normal distribution, to a relative error of 1e-12: p values are compared far out in the tail. Pure. */

const DENSITY_AT_0 = 1 / Math.sqrt(2 * Math.PI);

/** Where the series has used up its digits and the continued fraction has become quick. */
const FAR = 2.5;

/** P(Z >= z). */
export function normalTail(z: number): number {
  if (Number.isNaN(z)) return Number.NaN;
  if (z < 0) return 1 - normalTail(-z);
  const density = DENSITY_AT_0 * Math.exp((-z * z) / 2);
  if (z < FAR) {
    // Phi(z) - 1/2 = density * (z + z^3/3 + z^5/(3*5) + ...).
    let term = z;
    let sum = z;
    for (let odd = 3; odd < 200 && term > sum * 1e-17; odd += 2) {
      term *= (z * z) / odd;
      sum += term;
    }
    return 0.5 - density * sum;
  }
  // Mills' ratio: 1/(z + 1/(z + 2/(z + 3/(z + ...)))).
  let fraction = z;
  for (let depth = 120; depth >= 1; depth -= 1) fraction = z + depth / fraction;
  return density / fraction;
}
