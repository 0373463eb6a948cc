/** When a gate fails, in one line for a plan: all that must come together, and what else it takes into account. Pure. */
import { formatDuration } from './duration.ts';
import type { GateComparison, GatePolicy, GateWeight } from './policy.ts';
import { amount, chanceText } from './verdict-words.ts';

/** `tells`: its witness says pass or fail itself, such as a command's exit code. */
export function gateRuleWords(gate: GatePolicy, tells: boolean): string {
  const parts = [tells ? 'fails where its witness says so' : limitWords(gate)];
  const { failures = 1, windowMs } = gate;
  if (failures > 1) parts[0] += `, at ${failures} evaluations in a row`;
  if (gate.compare !== undefined && !tells) parts.push(comparisonWords(gate, gate.compare));
  parts.push(...dataWords(gate));
  if (windowMs > 0) parts.push(`window ${formatDuration(windowMs)}`);
  return parts.join('; ');
}

function limitWords(gate: GatePolicy): string {
  const long = gate.forMs > 0 ? ` for ${formatDuration(gate.forMs)}` : '';
  return `fails ${gate.direction} ${amount(gate.limit, gate)}${long} on ${weightWords(gate.weight)}`;
}

function weightWords(weight: GateWeight = { kind: 'any' }): string {
  switch (weight.kind) {
    case 'any':
      return 'any host';
    case 'share': {
      const share = percent(weight.share);
      return `more than ${share} of the hosts, or on two hosts and more than ${share} of one kind`;
    }
    case 'quantile':
      return weight.quantile === 0.5 ? 'the median host' : `the host at quantile ${weight.quantile}`;
    default:
      return weight satisfies never;
  }
}

function comparisonWords(gate: GatePolicy, compare: GateComparison): string {
  const { effect, relativeEffect, alpha, overMs, tooFew } = compare;
  const against = compare.with === 'control' ? 'control hosts' : 'before';
  const floors = [
    ...(effect > 0 ? [amount(effect, gate)] : []),
    ...(relativeEffect > 0
      ? [`${percent(relativeEffect)} of what ${compare.with === 'control' ? 'those have' : 'it was'}`]
      : []),
  ];
  const few = tooFew === 'hold' ? ', and holds where there are too few to tell' : '';
  return `also fails where worse than ${against} by at least ${floors.join(' and ')} over ${formatDuration(overMs)} (${chanceText(alpha).replace('p ', 'p <= ')})${few}`;
}

function dataWords({ source, minSamples = 1, minCoverage = 0, noData, backendErrors }: GatePolicy): string[] {
  return [
    ...(source?.kind === 'probe' ? ["of the hosts' probe"] : []),
    ...(source?.kind === 'witness' ? [`of the witness ${source.witness}`] : []),
    ...(minSamples > 1 ? [`at least ${minSamples} numbers a host`] : []),
    ...(minCoverage > 0 ? [`numbers for at least ${percent(minCoverage)} of the time`] : []),
    ...(noData === 'fail' ? ['no number counts as over the limit'] : []),
    ...(noData === 'abstain' ? ['without a number the other gates decide'] : []),
    ...(backendErrors === 'abstain' ? ['where its source fails the other gates decide'] : []),
  ];
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`;
}
