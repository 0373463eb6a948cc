/** A gate as it was written over the built-in one that it names. Pure. */
import { BUILTIN_GATES, BUILTIN_READINGS } from '../domain/builtin-gates.ts';
import type { GateComparison, GatePolicy, GateSource, GateWeight } from '../domain/policy.ts';
import type { ProbeReadingName } from '../domain/probe.ts';
import { isWrittenTeller } from './gate-rules.ts';
import type { GateWritten } from './schema/gates.ts';

const MINUTE_MS = 60_000;

/** Of a gate of one's own; `with: control`, as the built-in ones. The floor must be given. */
export const DEFAULT_COMPARISON: GateComparison = {
  with: 'control',
  effect: 0,
  relativeEffect: 0,
  alpha: 0.005,
  overMs: 20 * MINUTE_MS,
  beforeMs: 60 * MINUTE_MS,
  settleMs: 10 * MINUTE_MS,
  tooFew: 'abstain',
};

/**
 * Of a gate that a witness gives the numbers of: less than one sign of life is bad. Five minutes lie between two reports of an agent
 * with the usual intervals.
 */
const WITNESSED = { unit: 'signs of life', direction: 'below', limit: 1, windowMs: 5 * MINUTE_MS } as const;

/** Such a one judges the time that it is asked about by itself: it looks back at nothing that would have to lie behind the change. */
const TELLING = { windowMs: 0, forMs: 0 } as const;

export interface Asking {
  /** false: nothing can be asked a query. */
  readonly hasPrometheus: boolean;
  /** Somebody wrote them; else they are the default, of which those that cannot be asked are left out. */
  readonly areWritten: boolean;
  /** The map `witnesses`, as it was written; absent: there is none. */
  readonly witnesses?: unknown;
}

export function resolveGates(
  gates: readonly GateWritten[],
  { hasPrometheus, areWritten, witnesses }: Asking,
): GatePolicy[] {
  const resolved = gates.map((gate) => resolveGate(gate, hasPrometheus, witnesses));
  return hasPrometheus || areWritten ? resolved : resolved.filter(({ source }) => source !== undefined);
}

/** Without Prometheus a built-in gate takes the probe's reading of the same number. */
export function resolveGate(gate: GateWritten, hasPrometheus = true, witnesses: unknown = {}): GatePolicy {
  const builtins: Readonly<Record<string, GatePolicy>> = BUILTIN_GATES;
  const readings: Readonly<Record<string, ProbeReadingName | null>> = BUILTIN_READINGS;
  const builtin = gate.use === undefined ? undefined : builtins[gate.use];
  const reading = gate.use === undefined ? null : (readings[gate.use] ?? null);
  const own = sourceOf(gate, builtin);
  const source: GateSource | undefined =
    own === undefined && !hasPrometheus && reading !== null ? { kind: 'probe', reading } : own;
  const base = builtin ?? (source?.kind === 'witness' ? WITNESSED : undefined);
  const telling =
    source?.kind === 'witness' && isWrittenTeller(witnesses, source.witness) ? TELLING : undefined;
  const { source: _, compare: __, weight: ___, ...kept }: Partial<GatePolicy> = builtin ?? {};
  const compare = compareOf(gate.compare, builtin?.compare);
  const weight = weightOf(gate.weight) ?? builtin?.weight;
  return {
    ...kept,
    name: gate.name ?? builtin?.name ?? '',
    query: source === undefined ? (gate.query ?? builtin?.query ?? '') : '',
    unit: gate.unit ?? base?.unit ?? '',
    direction: gate.direction ?? base?.direction ?? 'above',
    limit: gate.limit ?? base?.limit ?? 0,
    windowMs: gate.window ?? telling?.windowMs ?? base?.windowMs ?? 0,
    forMs: gate.for ?? telling?.forMs ?? builtin?.forMs ?? 0,
    ...given('source', source),
    ...given('minSamples', gate.minSamples),
    ...given('minCoverage', gate.minCoverage),
    ...given('compare', compare),
    ...given('weight', weight),
    ...given('failures', gate.failures),
    ...given('noData', gate.noData),
    ...given('backendErrors', gate.backendErrors),
  };
}

/** A query of one's own is asked of Prometheus, whatever the built-in gate's own source is. */
function sourceOf({ source, query }: GateWritten, builtin: GatePolicy | undefined): GateSource | undefined {
  if (source === undefined) return query === undefined ? builtin?.source : undefined;
  if (source === 'prometheus') return undefined;
  if (source.probe !== undefined) return { kind: 'probe', reading: source.probe };
  return source.witness === undefined ? undefined : { kind: 'witness', witness: source.witness };
}

function compareOf(
  written: GateWritten['compare'],
  builtin: GateComparison | undefined,
): GateComparison | undefined {
  if (written === 'none') return undefined;
  if (written === undefined) return builtin;
  const under = builtin ?? DEFAULT_COMPARISON;
  return {
    with: written.with ?? under.with,
    effect: written.effect ?? under.effect,
    relativeEffect: written.relativeEffect ?? under.relativeEffect,
    alpha: written.alpha ?? under.alpha,
    overMs: written.over ?? under.overMs,
    beforeMs: written.before ?? under.beforeMs,
    // Whoever shortens what is compared has shorter starts in mind too.
    ...given('settleMs', written.settle ?? (written.over === undefined ? under.settleMs : written.over / 2)),
    tooFew: written.tooFew ?? under.tooFew,
  };
}

function weightOf(written: GateWritten['weight']): GateWeight | undefined {
  if (written === undefined) return undefined;
  if (written === 'any') return { kind: 'any' };
  if (written.share !== undefined) return { kind: 'share', share: written.share };
  return written.quantile === undefined ? undefined : { kind: 'quantile', quantile: written.quantile };
}

function given<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
