/**
 * What was usual on each host before a rollout changed anything: the median of the gate's numbers over `beforeMs` up to the first change, or
 * up to an earlier one (domain/usual-time.ts).
 * The past stays as it is, so that it is asked once a process, rollout and gate, and again for hosts that were not asked about.
 *
 * BL1  Only a whole answer is remembered; a failure is asked again at the next evaluation.
 * BL2  A host without numbers then has none: that is remembered too.
 */
import type { HostId } from '../domain/host.ts';
import type { GatePolicy } from '../domain/policy.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { EngineContext } from './context.ts';
import { type MeasuredHost, type MeasureInput, measure } from './measure.ts';

/** Numbers asked of each host at most: a median of more tells no more. */
const MOST_NUMBERS = 120;

export interface BaselineQuestion {
  /** What the past belongs to, such as a rollout's id. */
  readonly of: string;
  readonly gate: GatePolicy;
  readonly hosts: readonly MeasuredHost[];
  /** The end of what was usual, ms since the epoch. */
  readonly until: number;
  readonly beforeMs: number;
  readonly stepMs: number;
  /** Name of the agent's process group. */
  readonly process: string;
}

/** null: it had no number. */
type Known = Map<HostId, number | null>;

/** A process that is started anew asks anew. */
const remembered = new WeakMap<EngineContext, Map<string, Known>>();

/** One number a host, where it had any. The error is a sentence. */
export async function askBaseline(
  context: EngineContext,
  question: BaselineQuestion,
): Promise<Result<ReadonlyMap<HostId, number>, string>> {
  const { gate, hosts } = question;
  const known = knownOf(context, question);
  const unasked = hosts.filter(({ id }) => !known.has(id));
  if (unasked.length > 0) {
    const [measured] = await measure(inputFor(context, question, unasked));
    const outcome = measured?.outcome;
    if (outcome?.kind === 'backend-error') return err(outcome.message);
    if (outcome?.kind !== 'measured') return err(`nothing was measured for ${gate.name}`);
    if (outcome.warnings.length > 0) return err(`the answer is not whole: ${outcome.warnings[0]}`);
    const ambiguous = new Set(outcome.ambiguous);
    for (const { id } of unasked) {
      const samples = ambiguous.has(id) ? [] : (outcome.byHost.get(id) ?? []);
      known.set(id, medianOf(samples.map(({ value }) => value)));
    }
  }
  const before = new Map<HostId, number>();
  for (const { id } of hosts) {
    const number = known.get(id) ?? null;
    if (number !== null) before.set(id, number);
  }
  return ok(before);
}

/** BL1. */
function knownOf(context: EngineContext, { of, gate, until, beforeMs }: BaselineQuestion): Known {
  const gates = remembered.get(context) ?? new Map<string, Known>();
  remembered.set(context, gates);
  const key = JSON.stringify([of, gate.name, gate.query, gate.windowMs, until, beforeMs]);
  const known = gates.get(key) ?? new Map();
  gates.set(key, known);
  return known;
}

function inputFor(
  { metrics, environment }: EngineContext,
  { gate, until, beforeMs, stepMs, process }: BaselineQuestion,
  hosts: readonly MeasuredHost[],
): MeasureInput {
  const { compare: _, ...plain } = gate;
  const apart = Math.min(beforeMs, Math.max(stepMs, Math.ceil(beforeMs / MOST_NUMBERS)));
  return {
    metrics,
    gates: [{ ...plain, forMs: 0 }],
    hosts,
    settings: environment.prometheus,
    process,
    environment: environment.name,
    from: until - Math.floor(beforeMs / apart) * apart,
    to: until,
    stepMs: apart,
    onlySpan: true,
  };
}

function medianOf(values: readonly number[]): number | null {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) return null;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
