/** Tables of VMs that fit a terminal: the last cell is folded below itself, or stands below its row where too little is left. */
import { columns, fold, type Paint } from './paint.ts';

/** Least width of the last column beside the others. */
const LEAST = 30;

/** Rows of a list that a terminal gets; everything goes to a pipe. */
const MOST_ROWS = 100;

/** `heads` and every row have the same number of cells; the last one may be long. Indented by two. */
export function tableLines(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string[] {
  const width = paint.width - 2;
  const isCapped = Number.isFinite(paint.width) && rows.length > MOST_ROWS;
  const shown = isCapped ? rows.slice(0, MOST_ROWS) : rows;
  const more = rows.length - shown.length;
  const all = [heads.map((head) => (head === '' ? '' : paint.dim(head))), ...shown];
  // Where one column only is too wide, the rest still stands beside each other.
  const others = columns(all.map((row) => [...row.slice(0, -1), '']));
  const taken = Math.max(...others.map((line) => visible(line))) + 2;
  const lines =
    width - taken >= LEAST
      ? columns(all, width)
      : all.flatMap((row, index) => [
          others[index] ?? '',
          ...fold(row.at(-1) ?? '', width - 4).flatMap((line) => (line === '' ? [] : [`    ${line}`])),
        ]);
  return [
    ...lines.map((line) => `  ${line}`),
    ...(more > 0 ? [`  and ${more} more (--json lists all)`] : []),
  ];
}

function visible(line: string): number {
  return line.replace(/\u001b\[\d+m/gu, '').length;
}
