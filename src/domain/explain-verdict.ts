/** The one sentence that a verdict carries: number, limit, unit, host and time, for somebody who has just been woken. */
import type { MoreOverLimit } from './comparison/more-over-limit.ts';
import { alikeWords, tooFewWords, worseWords } from './explain-comparison.ts';
import type { Comparison, GateOffender } from './gate.ts';
import { whoIsAsked } from './judgement-words.ts';
import type { GatePolicy } from './policy.ts';
import { unreachable } from './result.ts';
import { amount, chanceText, clock, count, type WordedGate as Gate, names, span } from './verdict-words.ts';

export type VerdictGrounds =
  | { readonly kind: 'no-hosts' }
  | { readonly kind: 'too-early'; readonly stepMs: number }
  | { readonly kind: 'backend-error'; readonly gate: Sourced; readonly message: string }
  | { readonly kind: 'not-whole'; readonly gate: Sourced; readonly warnings: readonly string[] }
  | {
      readonly kind: 'failed';
      readonly gate: Gate;
      /** Over the limit, worst first. */
      readonly offenders: readonly GateOffender[];
      /** Names of hosts whose silence counts as over the limit. */
      readonly silent: readonly string[];
      /** That found them worse; null: it did not, or there is none. */
      readonly comparison: Comparison | null;
      /** Fewer than the weight asks for, and yet far more than of the control hosts. */
      readonly more?: MoreOverLimit;
      /** What the worst of them said besides its number. */
      readonly note?: string;
    }
  /** Worst first. */
  | { readonly kind: 'pending'; readonly gate: Gate; readonly offenders: readonly GateOffender[] }
  /** Over the limit for long enough, and too few to make the gate fail: worst first, and names of hosts whose silence counts so (K6). */
  | {
      readonly kind: 'doubtful';
      readonly gate: Gate;
      readonly offenders: readonly GateOffender[];
      readonly silent: readonly string[];
      /** How many hosts were asked about. */
      readonly of: number;
    }
  | {
      readonly kind: 'site-wide';
      readonly gate: Gate;
      readonly offenders: readonly GateOffender[];
      /** Control hosts over the limit too; null: they have only risen alike. */
      readonly controlOver: { readonly over: number; readonly of: number } | null;
      readonly comparison: Comparison | undefined;
    }
  | { readonly kind: 'too-few'; readonly gate: Gate; readonly comparison: Comparison }
  | { readonly kind: 'sparse'; readonly gate: SparseGate; readonly hosts: readonly string[] }
  /** A failing evaluation that is not the last one needed. */
  | { readonly kind: 'counting'; readonly why: string; readonly count: number; readonly failures: number }
  /** It could not tell, and is not waited for. */
  | { readonly kind: 'abstaining'; readonly why: string }
  | { readonly kind: 'ambiguous'; readonly gate: Gate; readonly hosts: readonly string[] }
  | {
      readonly kind: 'silent';
      readonly gate: Gate;
      readonly hosts: readonly string[];
      /** How many hosts were asked about. */
      readonly of: number;
      readonly at: number;
      readonly unmatched: { readonly count: number; readonly example: string } | undefined;
    }
  | {
      readonly kind: 'passed';
      readonly gate: Gate;
      readonly worst: number | undefined;
      readonly hosts: number;
      readonly samples: number;
      /** Hosts that were over the limit for a while and no longer are. */
      readonly recovered: number;
      /** Hosts that still are, and not too many of them. */
      readonly stillOver: number;
      /** Hosts that lost a scrape that is not waited for (K5 in judge.ts). */
      readonly missedOnce: number;
      /** null: the gate asks for none. */
      readonly comparison: Comparison | 'none-left' | null;
    };

type Sourced = Pick<GatePolicy, 'source'>;

type SparseGate = Pick<GatePolicy, 'minSamples' | 'minCoverage'>;

export function explainVerdict(grounds: VerdictGrounds): string {
  switch (grounds.kind) {
    case 'no-hosts':
      return 'there is no host to judge';
    case 'too-early':
      return `no data yet: the span holds no whole step of ${span(grounds.stepMs)}`;
    case 'backend-error':
      return `${whoIsAsked(grounds.gate)} could not answer: ${grounds.message}`;
    case 'not-whole':
      return `${whoIsAsked(grounds.gate)} says that its answer is not whole: ${grounds.warnings.slice(0, 3).join('; ')}`;
    case 'failed':
      return failedWords(grounds);
    case 'pending':
      return overLimit(grounds.kind, grounds.gate, grounds.offenders);
    case 'doubtful':
      return doubtfulWords(grounds);
    case 'site-wide':
      return `${overLimit('failed', grounds.gate, grounds.offenders)}; not blamed on the version: ${sharedWords(grounds)}; waiting`;
    case 'too-few':
      return `nothing can be told yet, which is no pass: ${tooFewWords(grounds.comparison)}`;
    case 'sparse': {
      const { minSamples = 1, minCoverage = 0 } = grounds.gate;
      const share =
        minCoverage === 0 ? '' : `, and for ${Number((100 * minCoverage).toPrecision(3))}% of the time`;
      return `too few numbers of ${names(grounds.hosts)}: at least ${minSamples} are asked for${share}`;
    }
    case 'counting':
      return `${grounds.why}; this is failing evaluation ${grounds.count} of ${grounds.failures} in a row that make it fail`;
    case 'abstaining':
      return `${grounds.why}; so it has no vote, and the other gates decide`;
    case 'ambiguous':
      return (
        `more than one series for ${names(grounds.hosts)}, so none of them counts: ` +
        'narrow them down with prometheus.matchers, or check prometheus.hostLabel and hostValue'
      );
    case 'silent': {
      const { unmatched } = grounds;
      const all = grounds.hosts.length === grounds.of ? `, none of ${grounds.of} answered` : '';
      const hint =
        unmatched === undefined
          ? ''
          : `; ${unmatched.count} series name no host that was asked about, such as ${unmatched.example}`;
      return `no usable number at ${clock(grounds.at)} for ${names(grounds.hosts)}${all}${hint}`;
    }
    case 'passed': {
      const { gate, worst, hosts, samples, recovered } = grounds;
      const limit = limitText(gate, worst);
      const back = recovered === 0 ? '' : `; ${count(recovered, 'host')} went over it for a while`;
      const still =
        grounds.stillOver === 0 ? '' : `; ${count(grounds.stillOver, 'host')} over it, which is borne`;
      const missed =
        grounds.missedOnce === 0
          ? ''
          : `; ${count(grounds.missedOnce, 'host')} missed one scrape, which is borne`;
      const seen = worst === undefined ? '' : `, worst ${amount(worst, gate)}`;
      const compared = comparedWords(grounds.comparison, gate, hosts);
      return `${count(hosts, 'host')}, ${count(samples, 'sample')}${seen}, ${limit}${back}${still}${missed}${compared}`;
    }
    default:
      return unreachable(grounds);
  }
}

function failedWords({
  gate,
  offenders,
  silent,
  comparison,
  more,
  note,
}: Extract<VerdictGrounds, { kind: 'failed' }>): string {
  const said = note === undefined ? '' : ` (${note})`;
  return [
    ...(offenders.length > 0 ? [`${overLimit('failed', gate, offenders)}${said}`] : []),
    ...(silent.length > 0 ? [`no number of ${names(silent)}, which counts as over the limit`] : []),
    ...(more === undefined ? [] : [moreWords(more)]),
    ...(comparison === null ? [] : [worseWords(comparison, gate)]),
  ].join('; ');
}

function doubtfulWords({
  gate,
  offenders,
  silent,
  of,
}: Extract<VerdictGrounds, { kind: 'doubtful' }>): string {
  const hosts = offenders.length + silent.length;
  const each = [
    ...offenders.map(({ hostName, value }) => `${hostName} ${amount(value, gate)}`),
    ...silent.map((name) => `${name} no number`),
  ];
  const long = gate.forMs > 0 ? `, for ${span(gate.forMs)} or longer` : '';
  return (
    `${hosts} of ${count(of, 'host')} ${hosts === 1 ? 'is' : 'are'} over it (${names(each)}): ` +
    `too few to blame the version, too many to pass; ${limitText(gate, offenders[0]?.value)}${long}`
  );
}

function moreWords({ ids, of, control, controlOver, p }: MoreOverLimit): string {
  return (
    `${ids.size} of ${count(of, 'changed host')} are over it and have risen, ` +
    `against ${controlOver} of ${count(control, 'control host')} of their kind (${chanceText(p)})`
  );
}

function sharedWords({
  controlOver,
  comparison,
  gate,
}: Extract<VerdictGrounds, { kind: 'site-wide' }>): string {
  if (controlOver !== null)
    return `${controlOver.over} of ${count(controlOver.of, 'control host')} ${controlOver.over === 1 ? 'is' : 'are'} over it too`;
  const floor = comparison === undefined ? '' : ` by ${amount(comparison.floor, gate)}`;
  return `control hosts have risen alike, or it was so before (it is not worse than they explain${floor})`;
}

function comparedWords(comparison: Comparison | 'none-left' | null, gate: Gate, hosts: number): string {
  if (comparison === null) return '';
  if (comparison === 'none-left') return '; no host is left to compare with, so the limit alone decides';
  if (comparison.kind === 'too-few') {
    const told = comparison.notBefore === undefined ? 'the comparison told nothing: ' : '';
    return `; ${told}${tooFewWords(comparison)}`;
  }
  return `; ${alikeWords(comparison, gate, hosts)}`;
}

function overLimit(kind: 'failed' | 'pending', gate: Gate, offenders: readonly GateOffender[]): string {
  const [worst] = offenders;
  if (worst === undefined) return limitText(gate, undefined);
  const verb = gate.unit === 'cores' || gate.unit === 'bytes' ? 'used' : 'had';
  const rest = offenders.length - 1;
  const others = rest === 0 ? '' : `, and so did ${rest} ${rest === 1 ? 'other' : 'others'}`;
  const long =
    kind === 'pending'
      ? `; it counts after ${span(gate.forMs)} without a break`
      : gate.forMs > 0
        ? `, for ${span(gate.forMs)} or longer`
        : '';
  const at = `${worst.hostName} ${verb} ${amount(worst.value, gate)} at ${clock(worst.at)}`;
  return `${at}, ${limitText(gate, worst.value)}${long}${others}`;
}

function limitText(gate: Gate, beside: number | undefined): string {
  const name = gate.direction === 'above' ? 'limit' : 'must be at least';
  return `${name} ${amount(gate.limit, gate, beside)}`;
}
