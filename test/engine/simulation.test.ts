/** SIM_SEEDS=n runs that many lives, SIM_SEED=n one, with its trace. */
import { describe, expect, it } from 'vitest';
import { type Life, simulate } from './simulation.ts';

const only = process.env.SIM_SEED;
const count = Number(process.env.SIM_SEEDS ?? 1_000);

function told(life: Life): string {
  return [`seed ${life.seed} ended ${life.end}:`, ...life.violations, ...life.trace.slice(-60)].join('\n  ');
}

describe('a random life of a rollout', () => {
  it('keeps the invariants at every step and comes to an end', { timeout: 600_000 }, async () => {
    const seeds =
      only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];
    const ends = new Map<string, number>();
    const wrong: Life[] = [];
    let joined = 0;
    let late = 0;
    for (const seed of seeds) {
      const life = await simulate(seed);
      joined += life.joined;
      late += life.late;
      ends.set(life.end, (ends.get(life.end) ?? 0) + 1);
      if (life.violations.length > 0) wrong.push(life);
      if (only !== undefined) console.log(told(life));
      if (wrong.length >= 5) break;
    }
    expect(wrong.map(told).join('\n\n')).toBe('');
    if (only === undefined) {
      // Else the lives would be too tame to show anything.
      expect(ends.get('done') ?? 0).toBeGreaterThan(seeds.length / 10);
      expect(ends.get('rolled-back') ?? 0).toBeGreaterThan(seeds.length / 10);
      expect(joined).toBeGreaterThan(seeds.length / 20);
      expect(late).toBeGreaterThan(seeds.length / 20);
    }
  });
});
