/** One gate's comparison, as the gate asks for it. Pure. */
import type { GatePolicy } from '../policy.ts';
import { compareWithBefore } from './compare-with-before.ts';
import { compareWithControl } from './compare-with-control.ts';
import type { Compared } from './compared.ts';
import type { HostNumber } from './host-numbers.ts';

/** Null: the gate asks for none, or for control hosts where none is left. */
export function compareHosts(
  { compare, direction }: Pick<GatePolicy, 'compare' | 'direction'>,
  hosts: { readonly changed: readonly HostNumber[]; readonly control: readonly HostNumber[] },
  controls: number,
): Compared | null {
  if (compare === undefined) return null;
  if (compare.with === 'before') return compareWithBefore({ compare, direction, changed: hosts.changed });
  return controls === 0 ? null : compareWithControl({ compare, direction, ...hosts });
}
