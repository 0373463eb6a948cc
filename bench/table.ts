/** Rows as a Markdown table, with ratios to the first row of the same work. */
import type { BenchRow } from './row.ts';

export function benchTable(rows: readonly BenchRow[]): string {
  const head = ['work', 'by', 'wall ms', 'wall ratio', 'CPU ms', 'CPU ratio', 'goal', 'note'];
  const firsts = new Map<string, BenchRow>();
  for (const row of rows) if (!firsts.has(row.what)) firsts.set(row.what, row);
  const body = rows.map((row) => {
    const first = firsts.get(row.what) ?? row;
    return [
      row.what,
      row.name,
      rounded(row.wallMs),
      ratio(row.wallMs, first.wallMs),
      row.cpuMs === undefined ? '' : rounded(row.cpuMs),
      row.cpuMs === undefined || first.cpuMs === undefined ? '' : ratio(row.cpuMs, first.cpuMs),
      row.goalMs === undefined
        ? ''
        : `${row.wallMs <= row.goalMs ? 'met' : 'MISSED'}: ${rounded(row.goalMs)} ms`,
      row.note ?? '',
    ].map((cell) => cell.replaceAll('|', '\\|'));
  });
  const widths = head.map((title, i) =>
    Math.max(title.length, ...body.map((cells) => cells[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}

function rounded(ms: number): string {
  if (!Number.isFinite(ms)) return 'none';
  return ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);
}

function ratio(ms: number, first: number): string {
  return Number.isFinite(ms) && first > 0 ? `${(ms / first).toFixed(2)}x` : '';
}
