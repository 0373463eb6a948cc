/** LIFE_SEEDS=n runs that many lives, LIFE_SEED=n one, with its trace. */
import { describe, expect, it } from 'vitest';
import { type Life, live } from './simulation.ts';

const only = process.env.LIFE_SEED;
const count = Number(process.env.LIFE_SEEDS ?? 250);

function told(life: Life): string {
  return [`seed ${life.seed}:`, ...life.violations, ...life.trace].join('\n  ');
}

describe('a random life of stops and starts under a rollout', () => {
  it('adds up', { timeout: 300_000 }, async () => {
    const seeds =
      only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
    const wrong: Life[] = [];
    const sums = { stops: 0, starts: 0, killed: 0, paused: 0, heldAtEnd: 0 };
    for (const seed of seeds) {
      const life = await live(seed);
      for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += life[key];
      if (life.violations.length > 0) wrong.push(life);
      if (only !== undefined) console.log(told(life));
      if (wrong.length >= 5) break;
    }
    expect(wrong.map(told).join('\n\n')).toBe('');
    if (only === undefined) {
      // Else the lives would be too tame to show anything.
      for (const [what, sum] of Object.entries(sums))
        expect({ what, isOften: sum > seeds.length / 8 }).toEqual({ what, isOften: true });
    }
  });
});
