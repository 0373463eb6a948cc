/**
 * Runs self-checks at once, each within its deadline, and gives what they found. Decides nothing and knows no outside system.
 *
 * D1  Every check comes to a result: one that is silent is a failure with its deadline named, one that throws is a failure too.
 * D2  Called off, it answers at once, with what is known by then.
 * D3  Results stand in the order of the checks, whichever came first.
 */
import type { Clock } from '../ports/clock.ts';
import { broken, type CheckResult, type Finding, type SelfCheck } from '../ports/self-check.ts';

/** Longest wait for one check, ms; twice that for one that waits for another. */
export const CHECK_DEADLINE_MS = 20_000;

export interface ExamineOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Default 20 s. */
  readonly deadlineMs?: number;
  /** Told of each check's results as they come. */
  readonly onResults?: (results: readonly CheckResult[]) => void;
}

export interface Examination {
  readonly results: readonly CheckResult[];
  /** Some checks were called off: nothing is known of them. */
  readonly interrupted: boolean;
  /** Some checks have been given up and may not have ended. */
  readonly abandoned: boolean;
}

type Ended =
  | { readonly kind: 'found'; readonly findings: readonly Finding[] }
  | { readonly kind: 'silent' | 'off' };

export async function examine(checks: readonly SelfCheck[], options: ExamineOptions): Promise<Examination> {
  const ended = await Promise.all(
    checks.map(async (check) => {
      const end = await within(check, options);
      const results = resultsOf(check, end, options).map((finding) => ({ ...finding, area: check.area }));
      if (results.length > 0) options.onResults?.(results);
      return { end, results };
    }),
  );
  return {
    results: ended.flatMap(({ results }) => results),
    interrupted: ended.some(({ end }) => end.kind === 'off'),
    abandoned: ended.some(({ end }) => end.kind !== 'found'),
  };
}

function resultsOf(check: SelfCheck, end: Ended, options: ExamineOptions): readonly Finding[] {
  switch (end.kind) {
    case 'found':
      return end.findings;
    case 'silent':
      return [
        broken(check.what, `no answer within ${deadlineOf(check, options) / 1000} s`, check.whenSilent),
      ];
    case 'off':
      return [];
    default:
      return end satisfies never;
  }
}

function deadlineOf(check: SelfCheck, { deadlineMs = CHECK_DEADLINE_MS }: ExamineOptions): number {
  return check.waits === true ? 2 * deadlineMs : deadlineMs;
}

/** D1, D2. */
async function within(check: SelfCheck, options: ExamineOptions): Promise<Ended> {
  const { clock, signal } = options;
  if (signal.aborted) return { kind: 'off' };
  const own = new AbortController();
  const off = Promise.withResolvers<Ended>();
  const callOff = (): void => off.resolve({ kind: 'off' });
  signal.addEventListener('abort', callOff, { once: true });
  const found = answered(check, own.signal);
  const late = clock.sleep(deadlineOf(check, options), own.signal).then((): Ended => ({ kind: 'silent' }));
  try {
    return await Promise.race([found, off.promise, late]);
  } finally {
    signal.removeEventListener('abort', callOff);
    own.abort();
  }
}

async function answered(check: SelfCheck, signal: AbortSignal): Promise<Ended> {
  try {
    return { kind: 'found', findings: await check.run(signal) };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const mend = 'this is a bug of rollout: report it with the output of the same command with --json';
    return { kind: 'found', findings: [broken(check.what, `the check itself failed: ${message}`, mend)] };
  }
}
