/** How long `--help` takes, against what Node itself takes to do nothing. Goal: 150 ms. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type BenchRow, median } from './row.ts';

const RUNS = 20;
const WHAT = 'start-up';

export async function benchStartup(): Promise<BenchRow[]> {
  const main = join(import.meta.dirname, '..', 'dist', 'cli', 'main.js');
  const programs = [
    { name: 'node -e 0', argv: ['-e', '0'] },
    ...(existsSync(main) ? [{ name: 'rollout --help', argv: [main, '--help'], goalMs: 150 }] : []),
  ];
  const walls = programs.map((): number[] => []);
  // By turns, so that a busy moment of the machine falls on both.
  for (let run = 0; run < RUNS; run++) {
    for (const [index, program] of programs.entries()) walls[index]?.push(wallOf(program.argv));
  }
  const rows = programs.map(
    (program, index): BenchRow => ({
      name: program.name,
      what: WHAT,
      wallMs: median(walls[index] ?? []),
      ...('goalMs' in program ? { goalMs: program.goalMs } : {}),
      note: `median of ${RUNS}`,
    }),
  );
  if (programs.length === 2) return rows;
  return [
    ...rows,
    { name: 'rollout --help', what: WHAT, wallMs: Number.NaN, note: 'not built: npm run build' },
  ];
}

function wallOf(argv: readonly string[]): number {
  const from = performance.now();
  const ended = spawnSync(process.execPath, argv, { stdio: 'ignore' });
  const wall = performance.now() - from;
  if (ended.status !== 0)
    throw new Error(`node ${argv.join(' ')} ended with ${ended.status ?? ended.signal}`);
  return wall;
}
