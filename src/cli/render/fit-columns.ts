/** Which columns of a table a terminal has room for: the least important go first, so that no cell is ever broken. */
import { visibleLength } from './paint.ts';

export interface Fitted {
  readonly rows: readonly (readonly string[])[];
  /** Indices of the columns that were left out, in the order in which they stood. */
  readonly dropped: readonly number[];
  /** Even so it is wider than there is room. */
  readonly isTooWide: boolean;
}

export interface Room {
  /** Columns of the terminal that the cells may take; Infinity: all stay. */
  readonly width: number;
  /** Columns that may go, the least important first. */
  readonly leastFirst: readonly number[];
  /** The last column is folded, so that it asks for no room. */
  readonly isLastFree?: boolean;
}

/** Cells are two spaces apart. Every row has the same number of them. */
export function fitColumns(
  rows: readonly (readonly string[])[],
  { width, leastFirst, isLastFree = false }: Room,
): Fitted {
  if (width === Number.POSITIVE_INFINITY) return { rows, dropped: [], isTooWide: false };
  const last = (rows[0]?.length ?? 0) - 1;
  const widths = Array.from({ length: isLastFree ? last : last + 1 }, (_, index) =>
    rows.reduce((most, row) => Math.max(most, visibleLength(row[index] ?? '')), 0),
  );
  const gone = new Set<number>();
  const taken = (): number => {
    const left = widths.filter((_, index) => !gone.has(index));
    return left.reduce((sum, cell) => sum + cell + 2, -2);
  };
  for (const index of leastFirst) {
    if (taken() <= width) break;
    gone.add(index);
  }
  return {
    rows: gone.size === 0 ? rows : rows.map((row) => row.filter((_, index) => !gone.has(index))),
    dropped: [...gone].sort((a, b) => a - b),
    isTooWide: taken() > width,
  };
}
