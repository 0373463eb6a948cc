/** What doctor found, for people: by area, failures with what mends them. */
import { CHECK_AREAS, type CheckResult } from '../../ports/self-check.ts';
import { count, fold, harmless, type Paint } from './paint.ts';

export interface Counts {
  readonly ok: number;
  readonly warning: number;
  readonly failed: number;
  readonly skipped: number;
}

export function countKinds(results: readonly CheckResult[]): Counts {
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 };
  for (const { kind } of results) counts[kind] += 1;
  return counts;
}

const MARKS = { ok: 'ok', warning: 'warning', failed: 'FAILED', skipped: 'skipped' } as const;
const MARK_WIDTH = 7;
/** A longer question has its answer below itself. */
const WHAT_WIDTH = 30;

export function doctorLines(title: string, results: readonly CheckResult[], paint: Paint): string[] {
  const lines = [paint.strong(title)];
  for (const area of CHECK_AREAS) {
    const here = results.filter((result) => result.area === area);
    if (here.length === 0) continue;
    lines.push(`  ${paint.dim(area)}`, ...here.flatMap((result) => resultLines(result, paint)));
  }
  return lines;
}

function resultLines(result: CheckResult, paint: Paint): string[] {
  const mark = MARKS[result.kind];
  const colour = { ok: paint.good, warning: paint.warn, failed: paint.bad, skipped: paint.dim }[result.kind];
  const what = harmless(result.what);
  const before = `    ${colour(mark)}${' '.repeat(MARK_WIDTH - mark.length)}  `;
  const indent = ' '.repeat(4 + MARK_WIDTH + 2 + WHAT_WIDTH + 2);
  const [first = '', ...rest] = fold(harmless(result.found), paint.width - indent.length);
  const beside = what.length <= WHAT_WIDTH;
  const lines = [
    beside ? `${before}${what.padEnd(WHAT_WIDTH)}  ${first}` : `${before}${what}`,
    ...(beside ? [] : [`${indent}${first}`]),
    ...rest.map((line) => `${indent}${line}`),
  ];
  // A command to type is never folded.
  if ('mend' in result) lines.push(`${indent}${paint.dim('mend:')} ${harmless(result.mend)}`);
  return lines;
}

/** `12 ok, 1 warning, 2 failed`. */
export function summary({ ok, warning, failed, skipped }: Counts, paint: Paint): string {
  return [
    paint.good(`${ok} ok`),
    warning === 0 ? '0 warnings' : paint.warn(count(warning, 'warning')),
    failed === 0 ? '0 failed' : paint.bad(`${failed} failed`),
    ...(skipped === 0 ? [] : [`${skipped} skipped`]),
  ].join(', ');
}
