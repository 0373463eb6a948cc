/**
 * Evaluates every gate now, on the fleet as it is, without a rollout: so that limits and comparisons can be tuned before they decide.
 * Changes nothing, writes nothing, needs no lease.
 *
 * CG1  By its limit a gate is judged as if every host had been changed: one evaluation, without the count of failures in a row.
 * CG2  A comparison is rehearsed on the split that a rollout would begin with, its canaries against those who would be control. Nothing
 *      has changed, so that whatever it finds is a false alarm.
 * CG3  Hosts whose agent somebody wishes to stay stopped are left out, as a rollout leaves them out. Where the journal cannot be read
 *      nobody knows of them: that is said, and hinders nothing.
 */
import { chooseControls } from '../domain/control-hosts.ts';
import type { GateMeasurement, GateVerdict, VerdictKind } from '../domain/gate.ts';
import type { Host, HostId } from '../domain/host.ts';
import { startCommand } from '../domain/host-standing.ts';
import { judge, worstKind } from '../domain/judge.ts';
import { nearestWord } from '../domain/nearest.ts';
import { byName, cutIntoWaves, stratumOf } from '../domain/planning.ts';
import type { GatePolicy } from '../domain/policy.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { EnvironmentState } from '../domain/state.ts';
import { names as hostNames } from '../domain/verdict-words.ts';
import { type EngineContext, type Refusal, refuse } from './context.ts';
import { type GateHost, measureGates } from './measure-gates.ts';
import { readState } from './start-rollout.ts';
import { type Fleet, listFleet } from './survey.ts';

export interface GateNumbers {
  /** Hosts with a number: the median of what each gave in the time looked at. */
  readonly hosts: number;
  readonly median: number;
  /** Nine hosts of ten are no worse. */
  readonly p90: number;
  /** The worst single number, as the verdict's sentence has it, and whose it is: two numbers of one thing would be a riddle. */
  readonly worst: { readonly host: string; readonly value: number };
}

export interface GateCheck {
  readonly gate: string;
  /** `prometheus`, `probe READING` or `witness NAME`. */
  readonly source: string;
  /** CG1. */
  readonly verdict: GateVerdict;
  /** null: nobody has a number. */
  readonly numbers: GateNumbers | null;
  /** CG2. null: it compares with nothing, or there is nobody to compare. */
  readonly rehearsal: {
    /** Names of the hosts that would be changed first. */
    readonly changed: readonly string[];
    readonly control: number;
    readonly verdict: GateVerdict;
  } | null;
}

export interface GatesChecked {
  /** Time looked at, (from, to], ms since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly hosts: number;
  /** Names of hosts that were left out since they are held (CG3); null: the journal cannot be read. */
  readonly held: readonly string[] | null;
  /** Names of hosts that are looked at although their agent was last proven not to run. */
  readonly stopped: readonly string[];
  readonly unknownZones: Fleet['unknownZones'];
  readonly gates: readonly GateCheck[];
  /** Of all gates that vote; a comparison that finds a difference where nothing has changed fails too. */
  readonly kind: VerdictKind;
}

export interface GatesRequest {
  /** Names of hosts; empty: all that must have the agent. */
  readonly hosts: readonly string[];
  readonly signal?: AbortSignal;
}

/** Steps that are judged at least: one number may be the odd one. */
const LEAST_STEPS = 5;

export async function checkGates(
  context: EngineContext,
  { hosts: named, signal }: GatesRequest,
): Promise<Result<GatesChecked, Refusal>> {
  const { policy, name } = context.environment;
  const fleet = await listFleet(context, signal);
  if (!fleet.ok) return fleet;
  const eligible = fleet.value.hosts.flatMap(({ host, eligibility }) =>
    eligibility.kind === 'eligible' ? [host] : [],
  );
  const meant = chooseNamed(eligible, named, name);
  if (!meant.ok) return meant;
  const state = await readState(context);
  const isHeld = ({ id }: Host): boolean => state.ok && state.value.holds.has(id);
  const asked = meant.value.filter((host) => !isHeld(host)).sort(byName);
  if (asked.length === 0 && meant.value.length > 0) return err(allHeld(name, meant.value.toSorted(byName)));
  if (asked.length === 0) {
    return err(
      refuse('held', 'no-hosts', `no VM of ${name} that must have the agent is there to be looked at`, {
        next: `rollout fleet ${name} says why of each`,
      }),
    );
  }
  const stepMs = policy.sampleEveryMs;
  const to = Math.floor((context.clock.now() - policy.sampleDelayMs) / stepMs) * stepMs;
  const hosts = asked.map((host): GateHost & { readonly stratum: string } => ({
    ...host,
    stratum: stratumOf(host, policy.waves.strata),
  }));
  const version = state.ok ? (state.value.pin?.version ?? '') : '';
  const asking: Asking = { hosts, version, from: to - LEAST_STEPS * stepMs, to, stepMs, signal };
  const gates = await checkAll(context, asking);
  if (signal?.aborted === true)
    return err(refuse('interrupted', 'called-off', `looking at the gates of ${name} was called off`));
  return ok({
    from: asking.from,
    to,
    hosts: hosts.length,
    held: state.ok ? meant.value.filter(isHeld).map((host) => host.name) : null,
    stopped: asked.filter(({ id }) => state.ok && isStopped(state.value, id)).map((host) => host.name),
    unknownZones: fleet.value.unknownZones,
    gates,
    kind: overall(gates),
  });
}

function allHeld(name: string, hosts: readonly Host[]): Refusal {
  const names = hosts.map((host) => host.name);
  return refuse(
    'held',
    'no-hosts',
    `the agent is held stopped on every VM asked about (${hostNames(names)}): no gate can see it`,
    { next: startCommand(name, names) },
  );
}

function isStopped({ rollout }: EnvironmentState, id: HostId): boolean {
  const host = rollout?.hosts.get(id);
  return host?.state === 'verified' && host.leftStopped;
}

function chooseNamed(
  eligible: readonly Host[],
  named: readonly string[],
  environment: string,
): Result<readonly Host[], Refusal> {
  if (named.length === 0) return ok(eligible);
  const byHostName = new Map(eligible.map((host) => [host.name, host]));
  const unknown = named.filter((one) => !byHostName.has(one));
  if (unknown.length === 0) return ok([...new Set(named)].flatMap((one) => byHostName.get(one) ?? []));
  const [first = ''] = unknown;
  const near = nearestWord(first, [...byHostName.keys()]);
  return err(
    refuse(
      'usage',
      'unknown-host',
      `no VM of ${environment} that must have the agent is called ${unknown.slice(0, 5).join(', ')}`,
      {
        next: near === null ? `rollout fleet ${environment} lists them` : `did you mean ${near}?`,
      },
    ),
  );
}

interface Asking {
  readonly hosts: readonly (GateHost & { readonly stratum: string })[];
  readonly version: string;
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  readonly signal: AbortSignal | undefined;
}

async function checkAll(context: EngineContext, asking: Asking): Promise<GateCheck[]> {
  const { gates } = context.environment.policy;
  const limited = gates.map((gate) => ({ gate, alone: byLimitAlone(gate) }));
  const measured = await ask(context, asking, {
    gates: limited.map(({ alone }) => alone),
    hosts: asking.hosts,
  });
  const rehearsals = await rehearse(context, asking);
  return limited.flatMap(({ gate, alone }) => {
    const measurement = measured.find((one) => one.gate === alone);
    if (measurement === undefined) return [];
    const { hosts, from, to, stepMs } = asking;
    const [verdict] = judge({ measurements: [measurement], hosts, from, to, stepMs }).gates;
    if (verdict === undefined) return [];
    return [
      {
        gate: gate.name,
        source: sourceOf(gate),
        verdict,
        numbers: numbersOf(measurement, asking, verdict.worst),
        rehearsal: rehearsals.get(gate.name) ?? null,
      },
    ];
  });
}

/** CG1. */
function byLimitAlone(gate: GatePolicy): GatePolicy {
  const { compare: _, failures: __, ...alone } = gate;
  return alone;
}

/** CG1. Not by how often it comes out so. */
function inOneGo(gate: GatePolicy): GatePolicy {
  const { failures: _, ...once } = gate;
  return once;
}

function sourceOf({ source }: GatePolicy): string {
  if (source === undefined) return 'prometheus';
  return source.kind === 'probe' ? `probe ${source.reading}` : `witness ${source.witness}`;
}

interface AskedOf {
  readonly gates: readonly GatePolicy[];
  readonly hosts: readonly GateHost[];
  readonly controls?: readonly GateHost[];
}

function ask(
  context: EngineContext,
  { from, to, stepMs, version, signal }: Asking,
  { gates, hosts, controls = [] }: AskedOf,
): Promise<GateMeasurement[]> {
  const overMs = Math.max(0, ...gates.map(({ compare }) => compare?.overMs ?? 0));
  return measureGates(context, {
    gates,
    hosts,
    controls,
    from,
    to,
    stepMs,
    // The time compared is behind the change that there was none of: what was usual is what was before it.
    baseline: { of: 'a rehearsal', until: to - overMs },
    process: context.environment.policy.agent.process,
    version,
    now: true,
    ...(signal === undefined ? {} : { signal }),
  });
}

/** CG2. */
async function rehearse(
  context: EngineContext,
  asking: Asking,
): Promise<ReadonlyMap<string, NonNullable<GateCheck['rehearsal']>>> {
  const { policy } = context.environment;
  const [canaries = [], ...later] = cutIntoWaves(
    // Which package a host has is known only on the host.
    asking.hosts.map((host) => ({ ...host, architecture: '' })),
    policy.waves,
  );
  const controls = chooseControls(later.flat(), new Set(canaries.map(({ stratum }) => stratum)));
  const comparing = policy.gates.filter(({ compare }) => compare !== undefined).map(inOneGo);
  const sides = { control: { hosts: canaries, controls }, before: { hosts: asking.hosts, controls: [] } };
  const rehearsed = new Map<string, NonNullable<GateCheck['rehearsal']>>();
  for (const kind of ['control', 'before'] as const) {
    const gates = comparing.filter(({ compare }) => compare?.with === kind);
    const { hosts, controls: others } = sides[kind];
    if (gates.length === 0 || (kind === 'control' && others.length === 0)) continue;
    const measurements = await ask(context, asking, { gates, hosts, controls: others });
    const { from, to, stepMs } = asking;
    for (const verdict of judge({ measurements, hosts, controls: others, from, to, stepMs }).gates)
      rehearsed.set(verdict.gate, {
        changed: hosts.map(({ name }) => name),
        control: kind === 'control' ? others.length : hosts.length,
        verdict,
      });
  }
  return rehearsed;
}

/** One number a host, since samples of one host resemble one another; the worst is `told`, which the verdict names. */
function numbersOf(
  { gate, outcome }: GateMeasurement,
  { hosts, from, to }: Asking,
  told: number | undefined,
): GateNumbers | null {
  if (outcome.kind !== 'measured') return null;
  const ambiguous = new Set(outcome.ambiguous);
  // From the best to the worst.
  const order = (a: number, b: number): number => (gate.direction === 'above' ? a - b : b - a);
  const numbers = hosts.flatMap(({ id, name }) => {
    if (ambiguous.has(id)) return [];
    const values = (outcome.byHost.get(id) ?? [])
      .filter(({ at, value }) => at > from && at <= to && Number.isFinite(value))
      .map(({ value }) => value)
      .sort(order);
    const [value, extreme] = [values[(values.length - 1) >> 1], values.at(-1)];
    return value === undefined || extreme === undefined ? [] : [{ host: name, value, extreme, values }];
  });
  const medians = numbers.map(({ value }) => value).sort(order);
  const [median, p90] = [medians[(medians.length - 1) >> 1], medians[Math.ceil(medians.length * 0.9) - 1]];
  const worst =
    numbers.find(({ values }) => told !== undefined && values.includes(told)) ??
    numbers.toSorted((a, b) => order(a.extreme, b.extreme)).at(-1);
  if (worst === undefined || median === undefined || p90 === undefined) return null;
  const value = told !== undefined && worst.values.includes(told) ? told : worst.extreme;
  return { hosts: numbers.length, median, p90, worst: { host: worst.host, value } };
}

function overall(gates: readonly GateCheck[]): VerdictKind {
  const voting = gates.filter(({ verdict }) => verdict.abstains !== true).map(({ verdict }) => verdict.kind);
  const isFalseAlarm = gates.some(({ rehearsal }) => rehearsal?.verdict.comparison?.kind === 'worse');
  if (isFalseAlarm) return 'fail';
  return voting.includes('pass') ? worstKind(voting) : worstKind([...voting, 'inconclusive']);
}
