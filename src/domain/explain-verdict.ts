/** The one sentence that a verdict carries: number, limit, unit, host and time, for somebody who has just been woken. */
import type { GateOffender } from './gate.ts';
import type { GatePolicy } from './policy.ts';
import { unreachable } from './result.ts';

type Gate = Pick<GatePolicy, 'unit' | 'direction' | 'limit' | 'forMs'>;

export type VerdictGrounds =
  | { readonly kind: 'no-hosts' }
  | { readonly kind: 'too-early'; readonly stepMs: number }
  | { readonly kind: 'backend-error'; readonly gate: Gate; readonly message: string }
  | { readonly kind: 'not-whole'; readonly gate: Gate; readonly warnings: readonly string[] }
  /** Worst first. */
  | { readonly kind: 'failed' | 'pending'; readonly gate: Gate; readonly offenders: readonly GateOffender[] }
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
    };

export function explainVerdict(grounds: VerdictGrounds): string {
  switch (grounds.kind) {
    case 'no-hosts':
      return 'there is no host to judge';
    case 'too-early':
      return `no data yet: the span holds no whole step of ${span(grounds.stepMs)}`;
    case 'backend-error':
      return `the metrics backend could not answer: ${grounds.message}`;
    case 'not-whole':
      return `the metrics backend says that its answer is not whole: ${grounds.warnings.slice(0, 3).join('; ')}`;
    case 'failed':
    case 'pending':
      return overLimit(grounds.kind, grounds.gate, grounds.offenders);
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
      const seen = worst === undefined ? '' : `, worst ${amount(worst, gate)}`;
      return `${count(hosts, 'host')}, ${count(samples, 'sample')}${seen}, ${limit}${back}`;
    }
    default:
      return unreachable(grounds);
  }
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

/** A number with its unit. `beside` is what it will be compared with by eye: the two must not be rounded to the same text. */
function amount(value: number, gate: Gate, beside: number | undefined = gate.limit): string {
  const [scale, unit] =
    gate.unit === 'bytes' ? byteScale(Math.max(Math.abs(value), Math.abs(beside))) : [1, gate.unit];
  for (let digits = 3; digits < 15; digits += 1) {
    const text = String(Number((value / scale).toPrecision(digits)));
    if (value === beside || text !== String(Number((beside / scale).toPrecision(digits))))
      return `${text} ${unit}`;
  }
  return `${value / scale} ${unit}`;
}

function byteScale(value: number): readonly [number, string] {
  if (value >= 1e9) return [1e9, 'GB'];
  if (value >= 1e6) return [1e6, 'MB'];
  if (value >= 1e3) return [1e3, 'kB'];
  return [1, 'bytes'];
}

function names(hosts: readonly string[]): string {
  const rest = hosts.length - 3;
  if (rest <= 0) return hosts.join(', ');
  return `${hosts.slice(0, 3).join(', ')} and ${rest} ${rest === 1 ? 'other' : 'others'}`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Time of day, UTC. */
function clock(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}

function span(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
}
