/** One measured thing. Rows that share `what` measure the same work; the first of them is what the others are compared with. */
export interface BenchRow {
  /** Who did it, such as `node -e 0` or `rollout --help`. */
  readonly name: string;
  /** The work, such as `start-up`. */
  readonly what: string;
  readonly wallMs: number;
  /** User and system time of the measured process, ms. */
  readonly cpuMs?: number;
  /** The most that `wallMs` should be. */
  readonly goalMs?: number;
  readonly note?: string;
}

export interface Bench {
  readonly name: string;
  run(): Promise<BenchRow[]>;
}

/** Runs once and tells wall and CPU time of this process. */
export async function measure<T>(
  run: () => T | Promise<T>,
): Promise<{ value: T; wallMs: number; cpuMs: number }> {
  const cpu = process.cpuUsage();
  const from = performance.now();
  const value = await run();
  const wallMs = performance.now() - from;
  const used = process.cpuUsage(cpu);
  return { value, wallMs, cpuMs: (used.user + used.system) / 1_000 };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
