/** Words about a judgement as a whole: who was asked for its numbers, and what decided it. Pure. */
import type { Judgement } from './gate.ts';
import type { GatePolicy } from './policy.ts';

/** Sentences that a person reads; the rest is counted. */
const MOST_TOLD = 3;

/** Who gives a gate's numbers, so that whoever is woken knows where to look. */
export function whoIsAsked({ source }: Pick<GatePolicy, 'source'>): string {
  if (source === undefined) return 'the metrics backend';
  switch (source.kind) {
    case 'probe':
      return "the hosts' probe";
    case 'witness':
      return `the witness ${source.witness}`;
    default:
      return source satisfies never;
  }
}

/** The gate that a watch waits for before it counts; null: none looks back at all. */
export function longestLookBack(gates: readonly GatePolicy[]): GatePolicy | null {
  const [longest] = gates.toSorted((a, b) => b.windowMs - a.windowMs);
  return longest === undefined || longest.windowMs === 0 ? null : longest;
}

/** Why an inconclusive judgement does not count: on numbers that are bad, or since nobody knows. */
export function whyNotCounting({ gates }: Pick<Judgement, 'gates'>): 'over-limit' | 'no-data' {
  return gates.some(({ overLimit, abstains }) => overLimit === true && abstains !== true)
    ? 'over-limit'
    : 'no-data';
}

/** Why it came out as it did, each reason once; of gates without a vote only where nobody has one. Empty: there was no gate. */
export function whyDecided({ kind, gates }: Pick<Judgement, 'kind' | 'gates'>): string {
  const all = gates.filter((gate) => gate.kind === kind);
  const voting = all.filter(({ abstains }) => abstains !== true);
  const whys = [...new Set((voting.length > 0 ? voting : all).map(({ why }) => why))];
  const rest = whys.length - MOST_TOLD;
  return [...whys.slice(0, MOST_TOLD), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}
