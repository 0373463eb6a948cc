/**
 * From measurements to a judgement. Pure; G1-G4 are in gate.ts.
 *
 * K1  Time is cut into steps (from+(k-1)*step, from+k*step]; k <= 0 lies before the span and serves only to know since when
 *     a limit has been exceeded. A last piece shorter than a step is not judged.
 * K2  At a step a host is missing, healthy or over the limit. Missing: no sample, NaN or infinity (G2), or ambiguous.
 * K3  A host fails a gate at a step when it has been over the limit at every step since one `forMs` ago, as Prometheus'
 *     own `for` has it. A missing or healthy step begins the count anew.
 * K4  A gate passes only if nothing failed and every host is healthy at the newest step. So a host that is over the limit
 *     for less than `forMs`, or silent, holds; a gap or an excess that is over only costs observed time.
 */
import { explainVerdict } from './explain-verdict.ts';
import type { GateMeasurement, GateOffender, GateVerdict, Judgement, VerdictKind } from './gate.ts';
import type { HostId } from './host.ts';
import { isWorse, StepTrack } from './step-track.ts';

/** A changed host that must be healthy. */
export interface JudgedHost {
  readonly id: HostId;
  readonly name: string;
  /** In words (`stratumOf`); absent: all of one kind. */
  readonly stratum?: string;
  /**
   * When the version came to it, ms since the epoch. Numbers at or before it are not the version's, and a comparison leaves out those
   * whose window (`windowMs`) reaches back before it. Absent: every number counts.
   */
  readonly changedAt?: number;
}

/** A host that is not changed yet. Silent or ambiguous, it is not counted; it never makes a verdict worse. */
export interface ControlHost {
  readonly id: HostId;
  readonly name: string;
  readonly stratum?: string;
}

export interface JudgeInput {
  readonly measurements: readonly GateMeasurement[];
  /** Every host that must be healthy: hosts whose agent an operator had stopped beforehand are not to be among them. */
  readonly hosts: readonly JudgedHost[];
  /**
   * Hosts not changed yet, whose numbers are in the measurements of the gates that compare. Absent or empty: there is none left,
   * and of a gate that compares with control the limit alone decides.
   */
  readonly controls?: readonly ControlHost[];
  /** The evaluation before this one, for the count of failing evaluations; it counts only where this span begins no later than a step after its end. */
  readonly last?: Judgement | null;
  /** Span (from, to], ms since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
}

/** Most hosts that a verdict names. */
const MAX_NAMED = 20;

/** Judges all gates over one span. Without hosts, gates or a whole step there is no witness: inconclusive. */
export function judge(input: JudgeInput): Judgement {
  const { measurements, hosts, from, to, stepMs } = input;
  const steps = stepMs > 0 && to > from ? Math.floor((to - from) / stepMs) : 0;
  const bad = new Uint8Array(steps);
  const gates = measurements.map((measurement) => judgeGate(measurement, input, steps, bad));
  const witnessed = hosts.length > 0 && gates.length > 0;
  return {
    from,
    to,
    kind: witnessed ? worstKind(gates.map((gate) => gate.kind)) : 'inconclusive',
    observedMs: witnessed ? stepMs * bad.reduce((healthy, step) => healthy + (step === 0 ? 1 : 0), 0) : 0,
    gates,
  };
}

/** fail beats error beats inconclusive beats pass. */
export function worstKind(kinds: readonly VerdictKind[]): VerdictKind {
  const order: readonly VerdictKind[] = ['fail', 'error', 'inconclusive'];
  return order.find((kind) => kinds.includes(kind)) ?? 'pass';
}

/** Judges one gate and marks in `bad` the steps at which not every host was healthy. */
function judgeGate(
  measurement: GateMeasurement,
  input: JudgeInput,
  steps: number,
  bad: Uint8Array,
): GateVerdict {
  const { gate, query, outcome } = measurement;
  const { hosts, from, stepMs } = input;
  const base = { gate: gate.name, unit: gate.unit, direction: gate.direction, limit: gate.limit, query };
  if (outcome.kind === 'backend-error') {
    bad.fill(1);
    const why = explainVerdict({ kind: 'backend-error', gate, message: outcome.message });
    return { ...base, kind: 'error', samples: 0, offenders: [], silent: [], why };
  }
  if (outcome.kind === 'told') {
    if (outcome.verdict !== 'pass') bad.fill(1);
    return { ...base, kind: outcome.verdict, samples: 1, offenders: [], silent: [], why: outcome.why };
  }

  const ambiguous = new Set(outcome.ambiguous);
  const before = stepMs > 0 ? Math.ceil(gate.forMs / stepMs) : 0;
  const track = new StepTrack({ steps, before, from, stepMs, gate });
  const failed: GateOffender[] = [];
  const over: GateOffender[] = [];
  const pending: GateOffender[] = [];
  const silent: string[] = [];
  const twice: string[] = [];
  let samples = 0;
  let worst: number | undefined;

  for (const host of hosts) {
    if (ambiguous.has(host.id)) {
      bad.fill(1);
      silent.push(host.name);
      twice.push(host.name);
      continue;
    }
    track.load(outcome.byHost.get(host.id) ?? []);
    const seen = track.walk(gate.forMs, bad);
    samples += seen.samples;
    if (seen.worst !== undefined && (worst === undefined || isWorse(gate.direction, seen.worst, worst)))
      worst = seen.worst;
    if (seen.newest === 'missing') silent.push(host.name);
    if (seen.worst !== undefined && seen.over) {
      const offender = {
        hostId: host.id,
        hostName: host.name,
        value: seen.worst,
        at: from + seen.worstStep * stepMs,
      };
      over.push(offender);
      if (seen.failed) failed.push(offender);
      if (seen.newest === 'over') pending.push(offender);
    }
  }
  // An answer that is not whole is no witness, neither for nor against the version (G1, G3).
  if (outcome.warnings.length > 0) bad.fill(1);

  const worstFirst = (offenders: GateOffender[]): readonly GateOffender[] =>
    offenders.sort((a, b) =>
      isWorse(gate.direction, a.value, b.value) ? -1 : a.value === b.value ? byName(a, b) : 1,
    );
  const verdict = (kind: VerdictKind, offenders: GateOffender[], why: string): GateVerdict => ({
    ...base,
    kind,
    ...(worst === undefined ? {} : { worst }),
    samples,
    offenders: worstFirst(offenders).slice(0, MAX_NAMED),
    silent: silent.slice(0, MAX_NAMED),
    why,
  });

  if (hosts.length === 0) return verdict('inconclusive', [], explainVerdict({ kind: 'no-hosts' }));
  if (outcome.warnings.length > 0) {
    return verdict(
      'inconclusive',
      over,
      explainVerdict({ kind: 'not-whole', gate, warnings: outcome.warnings }),
    );
  }
  if (failed.length > 0) {
    return verdict('fail', failed, explainVerdict({ kind: 'failed', gate, offenders: worstFirst(failed) }));
  }
  if (steps === 0) return verdict('inconclusive', [], explainVerdict({ kind: 'too-early', stepMs }));
  if (twice.length > 0)
    return verdict('inconclusive', over, explainVerdict({ kind: 'ambiguous', gate, hosts: twice }));
  if (silent.length > 0) {
    const why = explainVerdict({
      kind: 'silent',
      gate,
      hosts: silent,
      of: hosts.length,
      at: from + steps * stepMs,
      unmatched: outcome.unmatched,
    });
    return verdict('inconclusive', over, why);
  }
  if (pending.length > 0) {
    return verdict(
      'inconclusive',
      pending,
      explainVerdict({ kind: 'pending', gate, offenders: worstFirst(pending) }),
    );
  }
  const why = explainVerdict({
    kind: 'passed',
    gate,
    worst,
    hosts: hosts.length,
    samples,
    recovered: over.length,
  });
  return verdict('pass', over, why);
}

function byName(a: GateOffender, b: GateOffender): number {
  return a.hostName < b.hostName ? -1 : a.hostName > b.hostName ? 1 : 0;
}
