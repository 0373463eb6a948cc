/** One gate's verdict over one span. Pure; K1-K9 are in judge.ts. */
import { compareHosts } from './comparison/compare-hosts.ts';
import { type Compared, reaches } from './comparison/compared.ts';
import { explainExcess } from './comparison/explain-excess.ts';
import { type MoreOverLimit, moreOverLimit } from './comparison/more-over-limit.ts';
import { explainVerdict, type VerdictGrounds } from './explain-verdict.ts';
import type { Comparison, GateMeasurement, GateOffender, GateVerdict, VerdictKind } from './gate.ts';
import { type HostToLookAt, type Looked, lookAtHosts, type Measured } from './look-at-hosts.ts';
import type { GatePolicy } from './policy.ts';
import { isWorse } from './step-track.ts';

export interface GateInput {
  readonly hosts: readonly HostToLookAt[];
  readonly controls: readonly HostToLookAt[];
  readonly from: number;
  readonly stepMs: number;
  /** Whole steps of the span. */
  readonly steps: number;
  /** Failing evaluations in a row before this one. */
  readonly streak: number;
}

export interface JudgedGate {
  readonly verdict: GateVerdict;
  /** Was this step of the span (from 0) not a healthy one? */
  isSpoilt(step: number): boolean;
}

/** Most hosts that a verdict names. */
const MAX_NAMED = 20;

const wholly = (): boolean => true;
const notAtAll = (): boolean => false;

export function judgeGate({ gate, query, outcome }: GateMeasurement, input: GateInput): JudgedGate {
  const { name, unit, direction, limit } = gate;
  const empty = { gate: name, unit, direction, limit, query, samples: 0, offenders: [], silent: [] };
  switch (outcome.kind) {
    case 'backend-error': {
      const why = explainVerdict({ kind: 'backend-error', gate, message: outcome.message });
      const verdict: GateVerdict = { ...empty, kind: 'error', why };
      return { verdict: keepingCount(verdict, gate.backendErrors === 'abstain', input), isSpoilt: wholly };
    }
    case 'told': {
      const verdict: GateVerdict = { ...empty, samples: 1, kind: outcome.verdict, why: outcome.why };
      if (outcome.verdict === 'pass') return { verdict, isSpoilt: notAtAll };
      if (outcome.verdict === 'fail')
        return { verdict: overLimit(counting(verdict, gate, input)), isSpoilt: wholly };
      return { verdict: keepingCount(verdict, gate.noData === 'abstain', input), isSpoilt: wholly };
    }
    case 'measured':
      return judgeMeasured(gate, query, outcome, askedOf(outcome, input));
    default:
      return outcome satisfies never;
  }
}

/** A probe asks some hosts and spares the others: those are not missing. */
function askedOf({ asked }: Measured, input: GateInput): GateInput {
  if (asked === undefined) return input;
  const ids = new Set(asked);
  const only = (hosts: readonly HostToLookAt[]): readonly HostToLookAt[] =>
    hosts.filter(({ id }) => ids.has(id));
  return { ...input, hosts: only(input.hosts), controls: only(input.controls) };
}

function judgeMeasured(gate: GatePolicy, query: string, outcome: Measured, input: GateInput): JudgedGate {
  const { hosts, from, stepMs, steps } = input;
  const { noData = 'hold' } = gate;
  const looked = lookAtHosts({ gate, outcome, ...input });
  const { tally, silent, unknown, twice, sparse } = looked;
  const over = worstFirst(gate, looked.over);
  const end = from + steps * stepMs;
  const compared = outcome.warnings.length > 0 ? null : compareHosts(gate, looked, input.controls.length);
  const comparison = compared === null ? undefined : timed(compared.comparison, looked, end);
  const blame = blameFor(gate, looked, compared);
  const doubtful = blame.kind === 'none' ? doubtfulOf(gate, looked, compared) : null;

  const verdict = (
    kind: VerdictKind,
    offenders: readonly GateOffender[],
    grounds: VerdictGrounds,
  ): GateVerdict => ({
    gate: gate.name,
    unit: gate.unit,
    direction: gate.direction,
    limit: gate.limit,
    query,
    kind,
    ...(looked.worst === undefined ? {} : { worst: looked.worst }),
    samples: looked.samples,
    offenders: offenders.slice(0, MAX_NAMED),
    silent: silent.slice(0, MAX_NAMED),
    why: explainVerdict(grounds),
    ...(comparison === undefined ? {} : { comparison }),
  });
  const isSpoilt = (step: number): boolean =>
    (noData !== 'abstain' && tally.isAnyMissing(step)) ||
    tally.isOver(step) ||
    doubtful?.atStep[step] === true;
  /** It could not tell: the count of failing evaluations stays. */
  const cannotTell = (told: GateVerdict, mayAbstain = false): JudgedGate => ({
    verdict: keepingCount(told, mayAbstain, input),
    isSpoilt,
  });

  if (hosts.length === 0)
    return { ...cannotTell(verdict('inconclusive', [], { kind: 'no-hosts' })), isSpoilt: wholly };
  if (outcome.warnings.length > 0) {
    const grounds = { kind: 'not-whole', gate, warnings: outcome.warnings } as const;
    // An answer that is not whole is no witness, neither for nor against the version (G1, G3).
    return { ...cannotTell(verdict('inconclusive', over, grounds)), isSpoilt: wholly };
  }
  if (blame.kind === 'blamed' || comparison?.kind === 'worse') {
    const byLimit = blame.kind === 'blamed' ? worstFirst(gate, blame.offenders) : [];
    const bySilence = blame.kind === 'blamed' ? blame.silent : [];
    const worse = comparison?.kind === 'worse' ? comparison : null;
    const first = byLimit[0];
    const note = first === undefined ? undefined : outcome.notes?.get(first.hostId);
    const grounds = {
      kind: 'failed',
      gate,
      offenders: byLimit,
      silent: bySilence.map(({ name }) => name),
      comparison: worse,
      ...(blame.kind === 'blamed' && blame.more !== undefined ? { more: blame.more } : {}),
      ...(note === undefined ? {} : { note }),
    } as const;
    const offenders =
      byLimit.length > 0
        ? byLimit
        : [...bySilenceOf(gate, bySilence, end), ...worseThanControl(compared, hosts, end)];
    const counted = counting(verdict('fail', offenders, grounds), gate, input);
    // Silence that counts as over the limit is still silence.
    const isNumber = byLimit.length > 0 || worse !== null;
    const told = isNumber ? overLimit(counted) : counted;
    return { verdict: told, isSpoilt: told.kind === 'fail' && worse === null ? isSpoilt : wholly };
  }
  if (steps === 0) return cannotTell(verdict('inconclusive', [], { kind: 'too-early', stepMs }));
  if (twice.length > 0) {
    const told = verdict('inconclusive', over, { kind: 'ambiguous', gate, hosts: twice });
    return { ...cannotTell(told), isSpoilt: wholly };
  }
  const { unmatched } = outcome;
  const isBlind = unknown.length > 0 || silent.length === hosts.length;
  const ofSilence = { kind: 'silent', gate, hosts: silent, of: hosts.length, at: end, unmatched } as const;
  if (isBlind && noData !== 'abstain') return cannotTell(verdict('inconclusive', over, ofSilence));
  const ofSparse = { kind: 'sparse', gate, hosts: sparse } as const;
  if (sparse.length > 0 && noData !== 'abstain') return cannotTell(verdict('inconclusive', over, ofSparse));
  if (blame.kind === 'shared') {
    const offenders = worstFirst(gate, looked.failed);
    const { controlOver } = blame;
    const told = verdict('inconclusive', offenders, {
      kind: 'site-wide',
      gate,
      offenders,
      controlOver,
      comparison,
    });
    return { verdict: overLimit({ ...told, siteWide: true }), isSpoilt: wholly };
  }
  if (tally.isOver(steps - 1)) {
    const pending = worstFirst(gate, looked.pending);
    const grounds =
      pending.length === 0 ? ofSilence : ({ kind: 'pending', gate, offenders: pending } as const);
    const told = verdict('inconclusive', pending, grounds);
    return { verdict: pending.length === 0 ? told : overLimit(told), isSpoilt };
  }
  if (doubtful?.atStep[steps - 1]) {
    const offenders = worstFirst(gate, doubtful.offenders);
    const silentToo = doubtful.silent.map((host) => host.name);
    const grounds = { kind: 'doubtful', gate, offenders, silent: silentToo, of: hosts.length } as const;
    const told = verdict('inconclusive', offenders, grounds);
    return { verdict: offenders.length === 0 ? told : overLimit(told), isSpoilt };
  }
  if (isBlind || sparse.length > 0)
    return cannotTell(verdict('inconclusive', over, isBlind ? ofSilence : ofSparse), true);
  if (comparison?.kind === 'too-few' && gate.compare?.tooFew === 'hold') {
    const told = verdict('inconclusive', over, { kind: 'too-few', gate, comparison });
    return { ...cannotTell(told), isSpoilt: wholly };
  }
  const passed = verdict('pass', over, {
    kind: 'passed',
    gate,
    worst: looked.worst,
    hosts: hosts.length,
    samples: looked.samples,
    recovered: over.length - looked.pending.length,
    stillOver: looked.pending.length,
    missedOnce: tally.countBorne(),
    comparison: comparison ?? (gate.compare === undefined ? null : 'none-left'),
  });
  return { verdict: passed, isSpoilt };
}

/** Too few hosts, or only too soon: whoever reads it must not look for hosts that are all there. */
function timed(comparison: Comparison, { comparesFrom }: Looked, end: number): Comparison {
  return comparison.kind === 'too-few' && comparesFrom > end
    ? { ...comparison, notBefore: comparesFrom }
    : comparison;
}

type Blame =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'blamed';
      readonly offenders: readonly GateOffender[];
      readonly silent: readonly HostToLookAt[];
      /** Why it is held against the version although the weight asks for more. */
      readonly more?: MoreOverLimit;
    }
  /** Too many are over the limit, and control hosts share the reason. */
  | { readonly kind: 'shared'; readonly controlOver: { readonly over: number; readonly of: number } | null };

/** K6: over the limit for long enough, not excused, and too few to fail. */
interface Doubtful {
  /** Those that still are. */
  readonly offenders: readonly GateOffender[];
  readonly silent: readonly HostToLookAt[];
  /** By step of the span, from 0: are they too many to be borne? */
  readonly atStep: readonly boolean[];
}

/** Null: there is none, or the gate's weight is no share. */
function doubtfulOf(gate: GatePolicy, looked: Looked, compared: Compared | null): Doubtful | null {
  const { failed, failedSilent } = looked;
  if (gate.weight?.kind !== 'share' || failed.length + failedSilent.length === 0) return null;
  const ids = failed.map(({ hostId }) => hostId);
  const canExcuse = compared !== null && compared.comparison.with === 'control';
  const own = new Set(canExcuse ? explainExcess({ ...looked, gate, compared, failed: ids }).blamed : ids);
  const atStep = looked.stepsNotBorne([...looked.hosts.filter(({ id }) => own.has(id)), ...failedSilent]);
  const still = new Set(looked.pending.map(({ hostId }) => hostId));
  const silent = new Set(looked.silent);
  return {
    offenders: failed.filter(({ hostId }) => own.has(hostId) && still.has(hostId)),
    silent: failedSilent.filter(({ name }) => silent.has(name)),
    atStep,
  };
}

/** K3, K7, ML1, ML2: whether the limit makes the gate fail, and through whom. */
function blameFor(gate: GatePolicy, looked: Looked, compared: Compared | null): Blame {
  const { failed, failedSilent } = looked;
  const isOver = looked.tally.hasFailed();
  if (compared === null || compared.comparison.with === 'before')
    return isOver ? { kind: 'blamed', offenders: failed, silent: failedSilent } : { kind: 'none' };
  const asked = { ...looked, gate, compared, failed: failed.map(({ hostId }) => hostId) };
  if (!isOver) {
    const more = moreOverLimit(asked);
    if (more === null) return { kind: 'none' };
    return {
      kind: 'blamed',
      offenders: failed.filter(({ hostId }) => more.ids.has(hostId)),
      silent: [],
      more,
    };
  }
  const explained = explainExcess(asked);
  if (explained.blamed.length === failed.length && failed.length > 0)
    return { kind: 'blamed', offenders: failed, silent: failedSilent };
  const blamedIds = new Set(explained.blamed);
  const blamed = looked.hosts.filter(({ id }) => blamedIds.has(id));
  if (looked.wouldFail([...blamed, ...failedSilent]))
    return {
      kind: 'blamed',
      offenders: failed.filter(({ hostId }) => blamedIds.has(hostId)),
      silent: failedSilent,
    };
  return { kind: 'shared', controlOver: explained.controlOver };
}

/** Silence where there should be something is a number: nothing. Where little is good it is none, and nobody is named with one. */
function bySilenceOf({ direction }: GatePolicy, hosts: readonly HostToLookAt[], at: number): GateOffender[] {
  return direction === 'above'
    ? []
    : hosts.map(({ id, name }) => ({ hostId: id, hostName: name, value: 0, at }));
}

/** Hosts by how much worse they are than what they are compared with, where it matters. */
function worseThanControl(
  compared: Compared | null,
  hosts: readonly HostToLookAt[],
  at: number,
): GateOffender[] {
  if (compared?.comparison.kind !== 'worse') return [];
  const { stratum } = compared.comparison;
  const excess = compared.excess();
  return hosts
    .flatMap(({ id, name }) => {
      const own = excess.get(id);
      const isMeant =
        own !== undefined && reaches(own.excess, own.floor) && (stratum ?? own.stratum) === own.stratum;
      return isMeant ? [{ own, offender: { hostId: id, hostName: name, value: own.level, at } }] : [];
    })
    .sort((a, b) => b.own.excess - a.own.excess || byName(a.offender, b.offender))
    .map(({ offender }) => offender);
}

/** K8. */
function counting(verdict: GateVerdict, { failures = 1 }: GatePolicy, { streak }: GateInput): GateVerdict {
  if (failures <= 1) return verdict;
  const count = streak + 1;
  if (count >= failures) return { ...verdict, streak: count };
  const why = explainVerdict({ kind: 'counting', why: verdict.why, count, failures });
  return { ...verdict, kind: 'inconclusive', streak: count, why };
}

/** A verdict that fails says by itself that the numbers are bad. */
function overLimit(verdict: GateVerdict): GateVerdict {
  return verdict.kind === 'inconclusive' ? { ...verdict, overLimit: true } : verdict;
}

/** K8, K9. */
function keepingCount(verdict: GateVerdict, abstains: boolean, { streak }: GateInput): GateVerdict {
  const kept = streak > 0 ? { ...verdict, streak } : verdict;
  if (!abstains) return kept;
  return { ...kept, abstains: true, why: explainVerdict({ kind: 'abstaining', why: verdict.why }) };
}

function worstFirst({ direction }: GatePolicy, offenders: readonly GateOffender[]): GateOffender[] {
  return offenders.toSorted((a, b) =>
    isWorse(direction, a.value, b.value) ? -1 : a.value === b.value ? byName(a, b) : 1,
  );
}

function byName(a: GateOffender, b: GateOffender): number {
  return a.hostName < b.hostName ? -1 : a.hostName > b.hostName ? 1 : 0;
}
