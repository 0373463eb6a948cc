/** Tables of VMs that fit a terminal: the last cell is folded below itself, or stands below its row where too little is left. */
import { fitColumns } from './fit-columns.ts';
import { columns, fold, hanging, type Paint, visibleLength } from './paint.ts';

/** Least width of the last column beside the others. */
const LEAST = 30;

/** Rows of a list that a terminal gets; everything goes to a pipe. */
const MOST_ROWS = 100;

/**
 * `heads` and every row have the same number of cells; the last one may be long. Indented by two. Where the others are wider than the
 * terminal those of `leastFirst` are left out, in that order and no more than must be; what is too wide even so is a block a row.
 */
export function tableLines(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  paint: Paint,
  leastFirst: readonly number[] = [],
): string[] {
  const width = paint.width - 2;
  const isCapped = Number.isFinite(paint.width) && rows.length > MOST_ROWS;
  const shown = isCapped ? rows.slice(0, MOST_ROWS) : rows;
  const more = rows.length - shown.length;
  const titles = heads.map((head) => (head === '' ? '' : paint.dim(head)));
  const room = { width, leastFirst, isLastFree: true };
  const { rows: all, dropped, isTooWide } = fitColumns([titles, ...shown], room);
  // Where one column only is too wide, the rest still stands beside each other.
  const others = columns(all.map((row) => [...row.slice(0, -1), '']));
  const taken = Math.max(...others.map((line) => visibleLength(line))) + 2;
  const lines = isTooWide
    ? all.flatMap((row) => blockLines(row, width))
    : width - taken >= LEAST
      ? columns(all, width)
      : all.flatMap((row, index) => [
          others[index] ?? '',
          ...fold(row.at(-1) ?? '', width - 4).flatMap((line) => (line === '' ? [] : [`    ${line}`])),
        ]);
  return [
    ...lines.map((line) => `  ${line}`),
    ...(dropped.length > 0 ? leftOutLines(dropped, heads, paint) : []),
    ...(more > 0 ? [`  and ${more} more (--json lists all)`] : []),
  ];
}

/** The first cell on a line of its own, what else there is below it. */
function blockLines([first = '', ...rest]: readonly string[], width: number): string[] {
  const middle = rest.slice(0, -1).filter((cell) => cell !== '');
  return [
    first,
    ...[middle.join('  '), rest.at(-1) ?? '']
      .filter((text) => text !== '')
      .flatMap((text) => fold(text, width - 4).map((line) => `    ${line}`)),
  ];
}

function leftOutLines(dropped: readonly number[], heads: readonly string[], paint: Paint): string[] {
  const names = dropped.map((index) => heads[index] ?? '').filter((head) => head !== '');
  if (names.length === 0) return [];
  return hanging('  ', `${names.join(', ')} left out: the terminal is narrow`, paint.width).map((line) =>
    paint.dim(line),
  );
}
