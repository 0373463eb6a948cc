/**
 * What is left of a host's number when what its control hosts did is taken off. Serves where a stratum has too few control hosts to be
 * tested by itself: its changed hosts are then ranked among the residuals of all control hosts. Pure.
 *
 * R1  A control host's residual is against the OTHERS of its stratum. Against its own median too it would be too small, and every changed
 *     host would look large beside it.
 * R2  Fewer than three control hosts make a poor median: on differences, the median of all control hosts serves instead.
 */

import type { Sides, Stratum } from './host-numbers.ts';
import { medianOf } from './order.ts';

const FEWEST_FOR_MEDIAN = 3;

export interface Residuals {
  /** What the control hosts explain of the stratum's numbers; null: there is nothing to tell it by. */
  centreOf(stratum: Stratum): number | null;
  /** Of the stratum's changed hosts, in their order; empty where it cannot be tested so. */
  changedOf(stratum: Stratum): Float64Array;
  /** Of all control hosts, sorted. */
  readonly control: Float64Array;
}

export function residualsOf({ basis, strata }: Sides): Residuals {
  const everyControl = strata.flatMap(({ control }) => [...control]);
  const all = everyControl.length === 0 ? null : medianOf(everyControl);
  const hasOwn = ({ control }: Stratum): boolean => control.length >= FEWEST_FOR_MEDIAN;
  const centres = new Map(
    strata.map((stratum) => {
      const { control } = stratum;
      if (basis === 'difference') return [stratum.name, hasOwn(stratum) ? medianOf(control) : all];
      return [stratum.name, control.length === 0 ? null : medianOf(control)];
    }),
  );
  const centreOf = ({ name }: Stratum): number | null => centres.get(name) ?? null;
  const control = strata.flatMap((stratum): number[] => {
    if (basis === 'difference' && !hasOwn(stratum))
      return [...stratum.control].map((number) => number - (all ?? 0));
    return stratum.control.length < 2 ? [] : againstOthers(stratum.control);
  });
  return {
    centreOf,
    changedOf: (stratum) => {
      const centre = centreOf(stratum);
      if (centre === null || (basis === 'level' && stratum.control.length < 2)) return new Float64Array();
      return stratum.changed.map((number) => number - centre);
    },
    control: new Float64Array(control).sort(),
  };
}

/** Each number less the median of the others. At least two numbers. */
function againstOthers(numbers: Float64Array): number[] {
  const sorted = new Float64Array(numbers).sort();
  const others = sorted.length - 1;
  return [...sorted].map((number, place) => {
    const at = (index: number): number => sorted[index < place ? index : index + 1] ?? 0;
    const median = others % 2 === 1 ? at(others >> 1) : at((others >> 1) - 1) / 2 + at(others >> 1) / 2;
    return number - median;
  });
}
