/**
 * From measurements to a judgement. Pure; G1-G4 are in gate.ts.
 *
 * K1  Time is cut into steps (from+(k-1)*step, from+k*step]; k <= 0 lies before the span and serves only to know since when
 *     a limit has been exceeded, who has only just lost a scrape, and for what is compared. A last piece shorter than a step is not judged.
 * K2  At a step a host is missing, healthy or over the limit. Missing: no sample, NaN or infinity (G2), or ambiguous.
 * K3  A host fails a gate at a step when it has been over the limit at every step since one `forMs` ago, as Prometheus'
 *     own `for` has it. A missing or healthy step begins the count anew. The gate fails where too many hosts do (`weight`) at one step.
 * K4  A gate passes only if nothing failed and every host is healthy at the newest step. So a host that is over the limit
 *     for less than `forMs`, or silent, holds; a gap or an excess that is over only costs observed time.
 * K5  Hosts missing at a step that were healthy at the step right before are borne there, as if they were healthy, while they are at most
 *     1 % of the gate's hosts: of a large fleet some host always loses a scrape. Two steps in a row are silence. Never borne are NaN,
 *     infinity and ambiguity, a host that was over the limit right before, and silence that the gate counts as over the limit.
 * K6  Where a share of hosts makes a gate fail, hosts that have been over the limit for `forMs`, are not excused by control hosts and are too
 *     few for that, hold it and spoil the step while they are more than 5 % of the hosts judged: one bad canary of four is neither the
 *     version's fault nor a pass. Up to 5 % they are borne: of a large fleet some host is always busy.
 * K7  A gate that compares fails as well where the changed hosts are worse (V1-V3 in comparison/), and where far more of them are over the
 *     limit than of the control hosts, though fewer than the weight asks for (ML1, ML2). It is never blamed on the version where control
 *     hosts share the excess (X1-X3). Control hosts can excuse; they cannot hold.
 * K8  Below the gate's count of failing evaluations in a row, a failing one is inconclusive. What could not tell keeps the count; a gap
 *     between evaluations begins it anew.
 * K9  A gate that abstains neither spoils time nor votes. Where nobody votes there is no witness.
 */
import type { GateMeasurement, GateVerdict, Judgement, VerdictKind } from './gate.ts';
import type { HostId } from './host.ts';
import { judgeGate } from './judge-gate.ts';

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

/** Judges all gates over one span. Without hosts, gates or a whole step there is no witness: inconclusive. */
export function judge(input: JudgeInput): Judgement {
  const { measurements, hosts, controls = [], from, to, stepMs } = input;
  const steps = stepMs > 0 && to > from ? Math.floor((to - from) / stepMs) : 0;
  const last = input.last && from <= input.last.to + stepMs ? input.last : null;
  const bad = new Uint8Array(steps);
  const gates = measurements.map((measurement): GateVerdict => {
    const streak = last?.gates.find(({ gate }) => gate === measurement.gate.name)?.streak ?? 0;
    const { verdict, isSpoilt } = judgeGate(measurement, { hosts, controls, from, stepMs, steps, streak });
    // K9
    if (!verdict.abstains) for (let step = 0; step < steps; step += 1) if (isSpoilt(step)) bad[step] = 1;
    return verdict;
  });
  const voting = gates.filter(({ abstains }) => !abstains);
  const witnessed = hosts.length > 0 && voting.length > 0;
  return {
    from,
    to,
    kind: witnessed ? worstKind(voting.map((gate) => gate.kind)) : kindWithoutWitness(gates),
    observedMs: witnessed ? stepMs * bad.reduce((healthy, step) => healthy + (step === 0 ? 1 : 0), 0) : 0,
    gates,
  };
}

/** fail beats error beats inconclusive beats pass. */
export function worstKind(kinds: readonly VerdictKind[]): VerdictKind {
  const order: readonly VerdictKind[] = ['fail', 'error', 'inconclusive'];
  return order.find((kind) => kinds.includes(kind)) ?? 'pass';
}

/** A failing backend is said as such, so that the same time is asked about again. */
function kindWithoutWitness(gates: readonly GateVerdict[]): VerdictKind {
  return gates.some(({ kind, abstains }) => kind === 'error' && abstains) ? 'error' : 'inconclusive';
}
