/** BLAME_SEEDS=n runs that many lives, BLAME_SEED=n one, with its trace. */
import { describe, expect, it } from 'vitest';
import { type Blame, liveBlameless } from './blame.ts';

const only = process.env.BLAME_SEED;
const count = Number(process.env.BLAME_SEEDS ?? 120);

function told({ seed, violations, trace }: Blame): string {
  return [`seed ${seed}:`, ...violations, ...trace.slice(-80)].join('\n  ');
}

describe('a good version, while people stop and start its hosts', () => {
  it('is never blamed for that, and comes to its end', { timeout: 300_000 }, async () => {
    const seeds =
      only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
    const wrong: Blame[] = [];
    let killed = 0;
    for (const seed of seeds) {
      const life = await liveBlameless(seed);
      killed += life.killed;
      if (life.violations.length > 0) wrong.push(life);
      if (only !== undefined) console.log(told(life));
      if (wrong.length >= 3) break;
    }
    expect(wrong.map(told).join('\n\n')).toBe('');
    // Else the lives would be too tame to show anything.
    if (only === undefined) expect(killed).toBeGreaterThan(seeds.length / 10);
  });
});
