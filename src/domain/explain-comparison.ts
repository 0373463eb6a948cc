/** What a comparison found, in words for somebody who has just been woken: how many hosts, medians, chance, and what is allowed. Pure. */
import type { Comparison } from './gate.ts';
import { amount, chanceText, clock, count, twoAmounts, type WordedGate } from './verdict-words.ts';

/** `4 changed hosts use 0.041 cores more than 9 control hosts (0.071 against 0.03, p 0.003); allowed 0.02 cores`. */
export function worseWords(comparison: Comparison, gate: WordedGate): string {
  const { changed, stratum, shift = 0, floor } = comparison;
  const kind = stratum === undefined ? '' : ` (${stratum})`;
  const direction = gate.direction === 'above' ? 'more' : 'less';
  const by = `${verbOf(gate, changed)} ${amount(shift, gate, floor)} ${direction} than ${otherSide(comparison)}`;
  return `${count(changed, 'changed host')}${kind} ${by}${figures(comparison, gate)}; allowed ${amount(floor, gate, shift)}`;
}

/** Behind the words of a pass, for so many hosts: `like 9 control hosts (0.031 against 0.03, p 0.41)`. */
export function alikeWords(comparison: Comparison, gate: WordedGate, hosts: number): string {
  const { changed, p = 1, alpha, shift = 0, floor, untold } = comparison;
  const other = comparison.with === 'before' ? 'as before' : `like ${otherSide(comparison)}`;
  // Told apart, but by less than matters: whoever reads the p must not wonder.
  const little =
    p <= alpha && shift > 0 && shift < floor
      ? `; ${amount(shift, gate, floor)} worse, allowed ${amount(floor, gate, shift)}`
      : '';
  // The others have no time before, or no control host of their kind.
  const some = changed < hosts ? `${changed} of them ` : '';
  const unseen =
    untold === undefined
      ? ''
      : `; ${untold.strata} of ${count(untold.of, 'kind')} ${untold.strata === 1 ? 'has' : 'have'} too few hosts to be told alone yet`;
  return `${some}${other}${figures(comparison, gate)}${little}${unseen}`;
}

/** Why the comparison told nothing, and what would do. */
export function tooFewWords(comparison: Comparison): string {
  const { with: other, changed, control, alpha, notBefore } = comparison;
  if (notBefore !== undefined)
    return `hosts are compared from ${clock(notBefore)} on, when what a start does lies behind them`;
  const have =
    other === 'before'
      ? `only ${control} of ${count(changed, 'changed host')} ${control === 1 ? 'has' : 'have'} numbers of before and after`
      : `${count(changed, 'changed host')} and ${count(control, 'control host')} with enough numbers are too few`;
  const would = enoughWords(comparison);
  return `${have} to tell at ${alpha}${would === '' ? '' : `; ${other === 'control' ? 'within one kind of host (waves.strata) ' : ''}${would} would be enough`}`;
}

/** `19 control hosts or 2 changed hosts`; empty where nothing is known that would do. */
export function enoughWords({ enough }: Pick<Comparison, 'enough'>): string {
  return [
    ...(enough?.control === undefined ? [] : [count(enough.control, 'control host')]),
    ...(enough?.changed === undefined ? [] : [count(enough.changed, 'changed host')]),
  ].join(' or ');
}

/** Whom the changed hosts are held against. */
function otherSide({ with: other, control, basis }: Comparison): string {
  if (other === 'before') return 'before';
  const own = basis === 'difference' ? ', each against its own time before' : '';
  return `${count(control, 'control host')}${own}`;
}

function figures(
  { with: other, basis, medianChanged, medianControl, p }: Comparison,
  gate: WordedGate,
): string {
  // What they are ranked by is the difference; the two numbers are what each side has now.
  const now = other === 'control' && basis === 'difference' ? 'now ' : '';
  const medians =
    medianChanged === undefined || medianControl === undefined
      ? []
      : [`${now}${twoAmounts(medianChanged, medianControl, gate)}`];
  const all = [...medians, ...(p === undefined ? [] : [chanceText(p)])];
  return all.length === 0 ? '' : ` (${all.join(', ')})`;
}

function verbOf({ unit }: WordedGate, hosts: number): string {
  if (unit === 'cores' || unit === 'bytes') return hosts === 1 ? 'uses' : 'use';
  return hosts === 1 ? 'has' : 'have';
}
