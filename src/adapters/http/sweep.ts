/**
 * Reads a list page by page, to its end. Knows no backend.
 *
 * W1  A list that is not whole is an error, never a shorter list. W2  It ends: by its own word, by an empty page, or as an error when
 * it repeats itself, goes on for too long, or is too long.
 */
import { err, ok, type Result } from '../../domain/result.ts';
import type { MetricsError } from '../../ports/metrics.ts';
import { invalid } from './reply.ts';

export interface Page<T> {
  readonly items: readonly T[];
  /** Whether the list says that this was the last one; null: it does not say. */
  readonly last: boolean | null;
}

/** Most items that are read: ten times the largest fleet that one process changes. */
export const MOST_ITEMS = 100_000;

/** `read` gives the n-th page, from 0; `idOf` tells items apart. */
export async function sweep<T>(
  read: (page: number) => Promise<Result<Page<T>, MetricsError>>,
  idOf: (item: T) => string,
): Promise<Result<ReadonlyMap<string, T>, MetricsError>> {
  const found = new Map<string, T>();
  for (let number = 0; ; number += 1) {
    const page = await read(number);
    if (!page.ok) return page;
    const { items, last } = page.value;
    const before = found.size;
    // The list may change while it is read: the later word counts.
    for (const item of items) found.set(idOf(item), item);
    if (last === true || items.length === 0) return ok(found);
    if (found.size === before) return invalid('the list repeats itself: a page brought nothing new');
    if (found.size > MOST_ITEMS) {
      const message = `more than ${MOST_ITEMS} machines: this is not the list of one fleet`;
      return err({ kind: 'rejected', message });
    }
  }
}
