/**
 * Has every gate's numbers brought from where they come from: Prometheus, the hosts themselves, another witness. Decides nothing.
 *
 * MG1  Whatever a source does, its gates have an outcome: a failure is `backend-error`. Only a probe that is not due has none, and then
 *      its gates have no vote.
 * MG2  What was before the change is asked beside the numbers of gates that compare. Where it cannot be asked, that is a
 *      `backend-error`: by their levels alone, hosts that have always been busier than others would be blamed on the version. The same where
 *      earlier rollouts that were taken back leave no time that was usual (usual-time.ts).
 */
import { formatDuration } from '../domain/duration.ts';
import type { GateMeasurement, Judgement } from '../domain/gate.ts';
import type { GatePolicy } from '../domain/policy.ts';
import type { UnusualTime } from '../domain/state.ts';
import { type UsualTime, usualTime } from '../domain/usual-time.ts';
import { isTeller } from '../domain/witness.ts';
import type { Witness } from '../ports/witness.ts';
import { askBaseline } from './baseline.ts';
import type { EngineContext } from './context.ts';
import { type MeasuredHost, measure } from './measure.ts';
import { measureByProbe } from './probe-hosts.ts';

export interface GateHost extends MeasuredHost {
  readonly port?: number;
  readonly project?: string;
  readonly stratum?: string;
  /** When the version came to it, ms since the epoch; absent: it has not. */
  readonly changedAt?: number;
}

export interface GatesQuestion {
  readonly gates: readonly GatePolicy[];
  /** Changed hosts, in the plan's order. */
  readonly hosts: readonly GateHost[];
  /** Hosts not changed yet, for gates that compare with control. */
  readonly controls?: readonly GateHost[];
  /** Span (from, to] that will be judged, ms since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  /** Beginning of the watch (measure.ts); absent: no bound. */
  readonly since?: number;
  /**
   * What belongs to the time before: a rollout's id, when its first change began, and the times of earlier rollouts that were taken back.
   * Absent: nothing is compared with before.
   */
  readonly baseline?: {
    readonly of: string;
    readonly until: number;
    readonly unusual?: readonly UnusualTime[];
  };
  /** Name of the agent's process group. */
  readonly process: string;
  /** What the hosts run, for witnesses. */
  readonly version: string;
  readonly last?: Judgement | null;
  /** Ask every source, due or not. */
  readonly now?: boolean;
  readonly signal?: AbortSignal;
}

type Outcome = GateMeasurement['outcome'];
type WitnessSaid = Awaited<ReturnType<Witness['ask']>>;

/** One measurement a gate that was asked, in the gates' order (MG1). Never rejects for what a source does; may be repeated. */
export async function measureGates(
  context: EngineContext,
  question: GatesQuestion,
): Promise<GateMeasurement[]> {
  const { gates } = question;
  const [queried, probed, witnessed] = await Promise.all([
    byQuery(context, question),
    byProbe(context, question),
    byWitness(context, question),
  ]);
  return gates.flatMap((gate) => queried.get(gate) ?? probed.get(gate) ?? witnessed.get(gate) ?? []);
}

type ByGate = ReadonlyMap<GatePolicy, GateMeasurement>;

async function byQuery(context: EngineContext, question: GatesQuestion): Promise<ByGate> {
  const gates = question.gates.filter(({ source }) => source === undefined);
  const { hosts, controls = [], from, to, stepMs, since } = question;
  const { metrics, environment } = context;
  const measured = await measure({
    metrics,
    gates,
    hosts,
    controls,
    settings: environment.prometheus,
    process: question.process,
    environment: environment.name,
    from,
    to,
    stepMs,
    ...(since === undefined ? {} : { since }),
  });
  const whole: [GatePolicy, GateMeasurement][] = [];
  for (const one of measured) whole.push([one.gate, await withBefore(context, question, one)]);
  return new Map(whole);
}

/** MG2. */
async function withBefore(
  context: EngineContext,
  { hosts, controls = [], stepMs, baseline, from, to, process }: GatesQuestion,
  measurement: GateMeasurement,
): Promise<GateMeasurement> {
  const { gate, outcome } = measurement;
  const { compare } = gate;
  if (compare === undefined || baseline === undefined || outcome.kind !== 'measured') return measurement;
  const isControl = compare.with === 'control';
  if ((isControl && controls.length === 0) || to - from < stepMs) return measurement;
  const failed = (message: string): GateMeasurement => ({
    ...measurement,
    outcome: { kind: 'backend-error', message },
  });
  const usual = usualTime({
    until: baseline.until,
    unusual: baseline.unusual ?? [],
    beforeMs: compare.beforeMs,
    clearMs: gate.windowMs + (compare.settleMs ?? 0),
  });
  if (usual.kind === 'unknown') return failed(unknownWords(usual));
  const before = await askBaseline(context, {
    of: baseline.of,
    gate,
    hosts: isControl ? [...hosts, ...controls] : hosts,
    until: usual.until,
    beforeMs: usual.beforeMs,
    stepMs,
    process,
  });
  if (before.ok) return { ...measurement, outcome: { ...outcome, before: before.value } };
  return failed(`what was usual before the change could not be asked: ${before.error}`);
}

function unknownWords({ since, waitMs }: Extract<UsualTime, { kind: 'unknown' }>): string {
  const from = `${new Date(since).toISOString().slice(0, 19)}Z`;
  return (
    `what is usual on these hosts is not known: rollouts that were taken back have been at them since ${from}; ` +
    `take this one back (rollout rollback), and begin again ${formatDuration(waitMs)} behind that or later`
  );
}

async function byProbe(context: EngineContext, question: GatesQuestion): Promise<ByGate> {
  const { gates, hosts, controls = [], to, stepMs, last = null, now = false, signal } = question;
  const outcomes = await measureByProbe(context, {
    gates,
    hosts,
    controls,
    at: to,
    stepMs,
    last,
    now,
    ...(signal === undefined ? {} : { signal }),
  });
  return new Map(
    gates.flatMap((gate) => {
      const outcome = outcomes.get(gate.name);
      if (gate.source?.kind !== 'probe' || outcome === undefined) return [];
      return [[gate, { gate, query: `probe over SSH: ${gate.source.reading}`, outcome }] as const];
    }),
  );
}

async function byWitness(context: EngineContext, question: GatesQuestion): Promise<ByGate> {
  const asked = question.gates.map(async (gate) => {
    if (gate.source?.kind !== 'witness') return [];
    return [[gate, await askWitness(context, question, gate, gate.source.witness)] as const];
  });
  return new Map((await Promise.all(asked)).flat());
}

async function askWitness(
  { environment, witnesses }: EngineContext,
  question: GatesQuestion,
  gate: GatePolicy,
  name: string,
): Promise<GateMeasurement> {
  const { from, to, stepMs, version, signal } = question;
  const witness = witnesses?.get(name);
  if (witness === undefined) {
    const message = `no witness is called ${name} in ${environment.file}`;
    return { gate, query: `witness ${name}`, outcome: { kind: 'backend-error', message } };
  }
  const controls = gate.compare?.with === 'control' ? (question.controls ?? []) : [];
  const answer = await witness.ask(
    {
      environment: environment.name,
      version,
      hosts: [...question.hosts, ...controls].map(({ id, name: called, address, zone, role, changedAt }) => ({
        id,
        name: called,
        address,
        zone,
        role,
        changedAt: changedAt ?? 0,
      })),
      from: from - lookBack(gate, question, isTeller(environment.witnesses?.[name]?.kind)),
      to,
      stepMs,
    },
    signal,
  );
  return { gate, query: witness.shown, outcome: outcomeOf(answer, to) };
}

/**
 * How much is asked of the time before the span, in whole steps, ms. Of hosts one step in any case: who is silent for the first time is
 * told by it from who is silent for longer (K5 in domain/judge.ts). What judges a span itself has no business with what was before it.
 */
function lookBack(
  { forMs, compare }: GatePolicy,
  { from, to, stepMs }: GatesQuestion,
  tellsItself: boolean,
): number {
  if (tellsItself || !(stepMs > 0)) return 0;
  const compared = (compare?.overMs ?? 0) - (to - from);
  return Math.ceil(Math.max(stepMs, forMs, compared) / stepMs) * stepMs;
}

function outcomeOf(answer: WitnessSaid, at: number): Outcome {
  if (!answer.ok) return { kind: 'backend-error', message: answer.error.message };
  if (answer.value.kind === 'told') return { ...answer.value, at };
  const { byHost, ambiguous, warnings } = answer.value;
  return { kind: 'measured', byHost, ambiguous, warnings };
}
