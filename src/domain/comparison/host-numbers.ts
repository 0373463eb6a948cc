/**
 * What is compared: one number a host, turned so that larger is worse, by stratum. Single samples are never compared with each other,
 * since those of one host resemble one another and would count for more than they tell.
 *
 * C1  The number is the host's level after the change less its own before it, where three quarters of either side have a before; whoever
 *     has none is left out then. Else it is the level, for all of them: the two kinds are never mixed.
 * C2  A stratum without control hosts is compared on differences only, with what the control hosts of other strata did meanwhile. Levels
 *     of different strata say nothing about each other.
 */
import type { HostId } from '../host.ts';
import { medianOf } from './order.ts';

export interface HostNumber {
  readonly id: HostId;
  readonly stratum: string;
  /** Median over the time compared, finite. */
  readonly level: number;
  /** Median over the time before the first change; absent: there is none. */
  readonly before?: number | undefined;
}

export interface Stratum {
  readonly name: string;
  readonly ids: readonly HostId[];
  /** In the order of `ids`. */
  readonly changed: Float64Array;
  readonly control: Float64Array;
  /** Median of the control hosts' levels, as measured; of all of them where the stratum has none. */
  readonly controlLevel: number;
}

export interface Sides {
  readonly basis: 'difference' | 'level';
  readonly strata: readonly Stratum[];
  /** Medians of the levels, as measured. */
  readonly medianChanged: number;
  readonly medianControl: number;
}

/** Least share of either side that must have a before for differences to be compared. */
const MOST_HAVE_BEFORE = 0.75;

export function takeSides(
  changed: readonly HostNumber[],
  control: readonly HostNumber[],
  direction: 'above' | 'below',
): Sides {
  const basis = haveBefore(changed) && haveBefore(control) ? 'difference' : 'level';
  const usable = (hosts: readonly HostNumber[]): readonly HostNumber[] =>
    basis === 'level' ? hosts : hosts.filter(hasBefore);
  const [left, right] = [byStratum(usable(changed)), byStratum(usable(control))];
  const all = medianOf(usable(control).map(({ level }) => level));
  const sign = direction === 'above' ? 1 : -1;
  const numbers = (hosts: readonly HostNumber[]): Float64Array =>
    new Float64Array(
      hosts.map(({ level, before = 0 }) => sign * (basis === 'level' ? level : level - before)),
    );
  const strata = [...new Set([...left.keys(), ...right.keys()])].sort().map((name): Stratum => {
    const [ours, theirs] = [left.get(name) ?? [], right.get(name) ?? []];
    return {
      name,
      ids: ours.map(({ id }) => id),
      changed: numbers(ours),
      control: numbers(theirs),
      controlLevel: theirs.length === 0 ? all : medianOf(theirs.map(({ level }) => level)),
    };
  });
  const ofTheirKind = usable(control).filter(({ stratum }) => left.has(stratum));
  return {
    basis,
    strata,
    medianChanged: medianOf(usable(changed).map(({ level }) => level)),
    medianControl: ofTheirKind.length === 0 ? all : medianOf(ofTheirKind.map(({ level }) => level)),
  };
}

export function hasBefore({ before }: HostNumber): boolean {
  return before !== undefined && Number.isFinite(before);
}

function haveBefore(hosts: readonly HostNumber[]): boolean {
  return hosts.length > 0 && hosts.filter(hasBefore).length >= MOST_HAVE_BEFORE * hosts.length;
}

function byStratum(hosts: readonly HostNumber[]): Map<string, HostNumber[]> {
  const strata = new Map<string, HostNumber[]>();
  for (const host of hosts) {
    const same = strata.get(host.stratum);
    if (same === undefined) strata.set(host.stratum, [host]);
    else same.push(host);
  }
  return strata;
}
