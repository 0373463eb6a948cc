/**
 * What of an instance's metadata is kept.
 *
 * M1  Every key is kept: that it is there is evidence. A value that may be a secret, or a program, is kept as empty
 *     (domain/withheld-metadata.ts).
 */
import { isWithheld } from '../../../domain/withheld-metadata.ts';

export function keptMetadata(
  items: readonly { readonly key?: string | null; readonly value?: string | null }[],
): Record<string, string> {
  const kept: [string, string][] = [];
  for (const { key, value } of items)
    if (typeof key === 'string' && key !== '')
      kept.push([key, isWithheld(key, value ?? '') ? '' : (value ?? '')]);
  return Object.fromEntries(kept);
}
