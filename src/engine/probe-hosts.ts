/**
 * Asks hosts themselves, over SSH, for the numbers of gates whose source is the probe.
 *
 * PH1  A probe that fails is never the version's fault: a host that does not answer has no number, and where none answers it is the
 *      backend that fails.
 * PH2  At most `probe.hosts` changed hosts are asked and as many control hosts: of every stratum the first ones in the plan's order, so
 *      that canaries come first. Nobody else is missing (`asked`).
 * PH3  Beside Prometheus the probe is due every `probe.every`, and at every evaluation while something is not clear: a number beyond
 *      the limit or missing, a verdict that is no pass, a host that was not asked before. When it is not due its gates have no
 *      measurement, and so no vote. Where probes are all there is, they are due at every evaluation.
 */
import type { GateMeasurement, Judgement, Sample } from '../domain/gate.ts';
import type { HostId } from '../domain/host.ts';
import { identityTroubleOf, plainText } from '../domain/host-answer.ts';
import { type GatePolicy, RESULTS_LOG_PATH } from '../domain/policy.ts';
import { PROBE_READINGS, type ProbeAnswer, type ProbeReadingName, probeAnswerOf } from '../domain/probe.ts';
import { samplesOf } from '../domain/probe-numbers.ts';
import { DEFAULT_PROBE, type ProbeSettings } from '../domain/probe-settings.ts';
import type { Result } from '../domain/result.ts';
import { isWorse } from '../domain/step-track.ts';
import type { EngineContext } from './context.ts';
import { meantInstance } from './meant-instance.ts';

export interface ProbedHost {
  readonly id: HostId;
  readonly name: string;
  readonly address: string;
  readonly port?: number;
  readonly zone?: string;
  readonly project?: string;
  /** Absent: all of one kind. */
  readonly stratum?: string;
}

export interface ProbeRequest {
  /** Those that are not of a probe are passed over. */
  readonly gates: readonly GatePolicy[];
  /** Changed hosts, in the plan's order. */
  readonly hosts: readonly ProbedHost[];
  /** Asked too where one of the gates compares. */
  readonly controls?: readonly ProbedHost[];
  /** The newest step of the evaluation, ms since the epoch: the newest reading counts for it. */
  readonly at: number;
  readonly stepMs: number;
  /** The evaluation before (PH3). */
  readonly last?: Judgement | null;
  /** Ask now, due or not: somebody wants to see the numbers. */
  readonly now?: boolean;
  readonly signal?: AbortSignal;
}

type Outcome = GateMeasurement['outcome'];

/** When the probe was last asked by this process, of whom, and whether all was clear. */
interface Asked {
  readonly at: number;
  readonly hosts: ReadonlySet<HostId>;
  readonly clear: boolean;
}

/** A process that is started anew asks anew. */
const lastAsked = new WeakMap<EngineContext, Asked>();

/** Beyond the sample: for the connection and for the program, ms. */
const ALLOWANCE_MS = 30_000;

/** How many trouble words a failure tells. */
const MOST_TOLD = 3;

/** By the gate's name; empty where no gate is of a probe, or none is due. Never rejects. */
export async function measureByProbe(
  context: EngineContext,
  request: ProbeRequest,
): Promise<ReadonlyMap<string, Outcome>> {
  const gates = request.gates.filter(isProbed);
  const settings = context.environment.probe ?? DEFAULT_PROBE;
  if (gates.length === 0) return new Map();
  const changed = spread(request.hosts, settings.hosts);
  const isCompared = gates.some(({ compare }) => compare?.with === 'control');
  const controls = isCompared ? spread(request.controls ?? [], settings.hosts) : [];
  const all = [...new Map([...changed, ...controls].map((host) => [host.id, host])).values()];
  if (!isDue(context, request, gates, changed, settings)) return new Map();
  const answers = new Map(
    await Promise.all(
      all.map(async (host) => [host.id, await ask(context, host, settings, request.signal)] as const),
    ),
  );
  const outcomes = new Map(gates.map((gate) => [gate.name, outcomeOf(gate, all, answers, request)]));
  lastAsked.set(context, {
    at: request.at,
    hosts: new Set(changed.map(({ id }) => id)),
    clear: gates.every((gate) => isClear(gate, changed, outcomes.get(gate.name))),
  });
  return outcomes;
}

function isProbed(gate: GatePolicy): boolean {
  return gate.source?.kind === 'probe';
}

/** PH2. */
export function spread<H extends Pick<ProbedHost, 'stratum'>>(hosts: readonly H[], most: number): H[] {
  const byStratum = new Map<string, H[]>();
  for (const host of hosts) {
    const same = byStratum.get(host.stratum ?? '');
    if (same === undefined) byStratum.set(host.stratum ?? '', [host]);
    else same.push(host);
  }
  const chosen: H[] = [];
  for (let turn = 0; chosen.length < Math.min(most, hosts.length); turn += 1) {
    for (const same of byStratum.values()) {
      const host = same[turn];
      if (host !== undefined && chosen.length < most) chosen.push(host);
    }
  }
  return chosen;
}

/** PH3. */
function isDue(
  context: EngineContext,
  { at, last, now, gates }: ProbeRequest,
  probed: readonly GatePolicy[],
  changed: readonly ProbedHost[],
  { everyMs }: ProbeSettings,
): boolean {
  const before = lastAsked.get(context);
  if (now === true || before === undefined || gates.every(isProbed)) return true;
  if (!before.clear || at - before.at >= everyMs || at < before.at) return true;
  if (changed.some(({ id }) => !before.hosts.has(id))) return true;
  const names = new Set(probed.map(({ name }) => name));
  return (
    last?.gates.some((row) => names.has(row.gate) && row.kind !== 'pass' && row.abstains !== true) ?? false
  );
}

function isClear(gate: GatePolicy, hosts: readonly ProbedHost[], outcome: Outcome | undefined): boolean {
  if (outcome?.kind !== 'measured') return false;
  return hosts.every(({ id }) => {
    const value = outcome.byHost.get(id)?.at(-1)?.value;
    if (value === undefined) return gate.noData === 'abstain';
    return !isWorse(gate.direction, value, gate.limit);
  });
}

async function ask(
  context: EngineContext,
  host: ProbedHost,
  { sampleMs }: ProbeSettings,
  signal: AbortSignal | undefined,
): Promise<Result<ProbeAnswer, string>> {
  const {
    package: name,
    service,
    executable,
    resultsLog = RESULTS_LOG_PATH,
  } = context.environment.policy.agent;
  const { id, address, port, zone, project } = host;
  const answer = await context.remote.run(
    {
      id,
      name: host.name,
      address,
      ...(port === undefined ? {} : { port }),
      ...(zone === undefined ? {} : { zone }),
      ...(project === undefined ? {} : { project }),
    },
    {
      order: {
        program: 'probe',
        agent: { package: name, service, executable },
        ...meantInstance(context.environment, id),
        sampleMs,
        resultsLog,
      },
      packages: [],
      timeoutMs: ALLOWANCE_MS + sampleMs,
    },
    signal,
  );
  if (answer.kind === 'no-answer') return { ok: false, error: oneLine(`${answer.why}: ${answer.message}`) };
  const other = identityTroubleOf(answer);
  if (other !== null) return { ok: false, error: oneLine(other) };
  return probeAnswerOf(answer.exitCode, answer.steps);
}

function outcomeOf(
  gate: GatePolicy,
  hosts: readonly ProbedHost[],
  answers: ReadonlyMap<HostId, Result<ProbeAnswer, string>>,
  { at, stepMs }: ProbeRequest,
): Outcome {
  const reading = gate.source?.kind === 'probe' ? readingCalled(gate.source.reading) : undefined;
  if (reading === undefined) {
    const asked = gate.source?.kind === 'probe' ? gate.source.reading : '';
    const there = PROBE_READINGS.join(', ');
    return { kind: 'backend-error', message: `the probe has no reading ${asked}; it has ${there}` };
  }
  const byHost = new Map<HostId, readonly Sample[]>();
  const notes = new Map<HostId, string>();
  const troubles: string[] = [];
  for (const { id, name } of hosts) {
    const answer = answers.get(id);
    if (answer === undefined) continue;
    if (!answer.ok) {
      troubles.push(`${name}: ${answer.error}`);
      notes.set(id, answer.error);
      continue;
    }
    const { samples, note } = samplesOf(reading, answer.value, { gate, at, stepMs });
    if (samples.length > 0) byHost.set(id, samples);
    notes.set(id, note);
  }
  if (hosts.length > 0 && troubles.length === hosts.length) {
    const told = troubles.slice(0, MOST_TOLD).join('; ');
    const more = troubles.length > MOST_TOLD ? `; and ${troubles.length - MOST_TOLD} more` : '';
    return { kind: 'backend-error', message: `no host answered the probe: ${told}${more}` };
  }
  return { kind: 'measured', byHost, ambiguous: [], warnings: [], asked: hosts.map(({ id }) => id), notes };
}

function readingCalled(name: string): ProbeReadingName | undefined {
  return PROBE_READINGS.find((one) => one === name);
}

function oneLine(text: string): string {
  return plainText(text)
    .replaceAll(/\s*\n\s*/g, ' / ')
    .slice(0, 300);
}
