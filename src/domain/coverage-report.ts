/**
 * Who has the agent and who lacks it, as an auditor asks. Pure.
 *
 * CR1  Covered is a VM that must have the agent and whose agent was proven running; silent, unseen and undecided ones are not.
 * CR2  What nobody knows is no pass: with a zone that could not be listed, a VM that nobody has decided on, or no VM at all the
 *      report is held, whatever the share.
 * CR3  A share is never rounded up: 9,996 of 10,000 is not 100 percent.
 * CR4  A held VM is as little covered as any other that does not run. A hold past its end is told, whatever the verdict.
 */
import type { Environment } from './environment.ts';
import {
  type AgentState,
  countFleet,
  type FleetCounts,
  type FleetRow,
  type HeldShown,
  whyEligibility,
  whyHeld,
} from './fleet-view.ts';
import type { Eligibility, HostId } from './host.ts';
import { type Exemption, expiringSoon, lapsedExemptions } from './targeting.ts';

/** Names a VM beyond doubt: names are used again, ids are not. */
export interface NamedVm {
  readonly id: HostId;
  readonly name: string;
  readonly project?: string;
  readonly zone: string;
}

export interface UncoveredVm extends NamedVm {
  readonly state: AgentState | 'undecided';
  readonly why: string;
  /** When it was first seen without, ms since the epoch; null: not recorded. */
  readonly since: number | null;
  readonly hold: string;
  /** The hold that the journal knows of; absent: none. */
  readonly held?: HeldShown;
}

export interface CoveredVm extends NamedVm {
  readonly version: string;
  readonly versionBy: FleetRow['versionBy'];
  readonly isOffPin: boolean | null;
  readonly hold: string;
  /** When its agent was seen running, ms since the epoch. */
  readonly seenAt: number;
  /** As of UncoveredVm: it runs although it is held. */
  readonly held?: HeldShown;
}

export interface HeldVm extends NamedVm {
  readonly held: HeldShown;
  readonly state: AgentState;
}

/** VMs that need not have the agent, or cannot, by one rule. */
export interface RuleGroup {
  readonly kind: 'exempt' | 'unsupported' | 'not-running' | 'excluded';
  readonly rule: string;
  readonly reason: string;
  /** What matched, and for how many; most frequent first. */
  readonly evidence: readonly { readonly evidence: string; readonly vms: number }[];
  readonly vms: readonly NamedVm[];
}

export interface OperatorExemption extends Exemption {
  readonly state: 'in-force' | 'ends-soon' | 'lapsed';
  /** VMs that it exempts, or did until it lapsed. */
  readonly vms: number;
}

export interface UnknownZone {
  readonly zone: string;
  readonly why: string;
  /** VMs that were there when it was last listed; null: never recorded. */
  readonly lastKnown: number | null;
}

export interface CoverageReport {
  readonly environment: string;
  readonly target: number;
  /** What the environment is meant to run; null: no pin yet. */
  readonly pin: string | null;
  readonly counts: FleetCounts;
  /** VMs that must have the agent, with those that nobody has decided on. */
  readonly of: number;
  readonly covered: number;
  /** Covered of `of`, rounded down to two decimals; null where `of` is 0. */
  readonly percent: number | null;
  readonly verdict: 'met' | 'below-target' | 'held';
  /** What must be known or decided first; empty unless held. */
  readonly held: readonly string[];
  readonly unknownZones: readonly UnknownZone[];
  readonly uncovered: readonly UncoveredVm[];
  readonly coveredVms: readonly CoveredVm[];
  readonly groups: readonly RuleGroup[];
  /** Those that the journal knows a hold of, the longest due first. */
  readonly holds: readonly HeldVm[];
  /** What a person should look at though it decides no verdict, a sentence each. */
  readonly findings: readonly string[];
  /** From the environment's file as it is now; empty for a report about the past. */
  readonly exemptions: readonly OperatorExemption[];
}

export interface CoverageInput {
  readonly environment: Pick<Environment, 'name' | 'coverageTarget' | 'targeting'>;
  /** Every VM of the environment, in the order in which it is shown. */
  readonly rows: readonly FleetRow[];
  readonly unknownZones: readonly UnknownZone[];
  readonly pin: string | null;
  /** From uncovered-since.ts. */
  readonly since: ReadonlyMap<HostId, number>;
  /** What the report is about: now, or a time in the past, of which the file knows nothing. */
  readonly at: number;
  readonly isPast: boolean;
}

/** An exemption that ends within so long is pointed out, ms. */
const ENDS_SOON_MS = 30 * 86_400_000;

export function coverageReport(input: CoverageInput): CoverageReport {
  const { environment, rows, unknownZones } = input;
  const counts = countFleet(rows);
  const covered = counts.byState.running;
  const of = counts.byEligibility.eligible + counts.byEligibility.undecided;
  const held = heldBy(counts, unknownZones);
  const holds = heldVms(rows);
  const isMet = of === 0 || (covered * 100) / of >= environment.coverageTarget - 1e-9;
  return {
    environment: environment.name,
    target: environment.coverageTarget,
    pin: input.pin,
    counts,
    of,
    covered,
    percent: percentOf(covered, of),
    verdict: held.length > 0 ? 'held' : isMet ? 'met' : 'below-target',
    held,
    unknownZones,
    uncovered: rows.flatMap((row) => uncoveredVm(row, input.since)),
    coveredVms: rows.flatMap(coveredVm),
    groups: groupsOf(rows),
    holds,
    findings: findingsOf(holds, rows),
    exemptions: input.isPast ? [] : exemptionsOf(input),
  };
}

/** CR3. Null for a share of nothing. */
export function percentOf(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.floor((part * 10_000) / whole) / 100;
}

/** CR2. */
function heldBy({ all, byEligibility }: FleetCounts, unknownZones: readonly UnknownZone[]): string[] {
  const held: string[] = [];
  if (unknownZones.length > 0)
    held.push(`${unknownZones.length} zone(s) could not be listed: what runs there is unknown`);
  if (byEligibility.undecided > 0)
    held.push(
      `${byEligibility.undecided} VM(s): nobody has said whether they must have the agent; add a rule under targeting.eligible or targeting.exempt`,
    );
  if (byEligibility.excluded > 0 && byEligibility.eligible + byEligibility.undecided === 0)
    held.push(
      `${byEligibility.excluded} VM(s) are outside targeting.include and none must have the agent: a slip there would look the same`,
    );
  if (all === 0 && unknownZones.length === 0)
    held.push('the inventory lists no VM at all: there is nothing to tell of');
  return held;
}

function named({ id, name, project, zone }: FleetRow): NamedVm {
  return { id, name, ...(project === undefined ? {} : { project }), zone };
}

function heldVms(rows: readonly FleetRow[]): HeldVm[] {
  return rows
    .flatMap((row) => (row.held === undefined ? [] : [{ ...named(row), held: row.held, state: row.state }]))
    .sort((a, b) => a.held.until - b.held.until || compareText(a.name, b.name));
}

/** Most VMs that one finding names. */
const MOST_NAMED = 5;

/** CR4. */
function findingsOf(holds: readonly HeldVm[], rows: readonly FleetRow[]): string[] {
  const due = holds.filter(({ held }) => held.due);
  // What was seen before the stop says nothing about it.
  const running = rows.filter(
    ({ held, state, agentSeenAt }) =>
      held?.state === 'confirmed' && state === 'running' && agentSeenAt > held.since,
  );
  return [
    ...(due.length === 0
      ? []
      : [
          `${due.length} hold(s) are past their end and still in force: ${namesOf(due, ({ name, held }) => `${name} (${whyHeld(held)})`)}; osqueryd start lifts them`,
        ]),
    ...(running.length === 0
      ? []
      : [
          `${running.length} VM(s) run the agent although they are held: ${namesOf(running, ({ name }) => name)}`,
        ]),
  ];
}

function namesOf<Vm>(vms: readonly Vm[], word: (vm: Vm) => string): string {
  const rest = vms.length - MOST_NAMED;
  return `${vms.slice(0, MOST_NAMED).map(word).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function holdOf({ agent }: FleetRow): string {
  return agent.kind === 'installed' ? agent.hold : '';
}

function uncoveredVm(row: FleetRow, since: ReadonlyMap<HostId, number>): UncoveredVm[] {
  const { eligibility, state } = row;
  const isUndecided = eligibility.kind === 'undecided';
  if (!isUndecided && (eligibility.kind !== 'eligible' || state === 'running')) return [];
  return [
    {
      ...named(row),
      state: isUndecided ? 'undecided' : state,
      why: [
        isUndecided ? '' : whyUncovered(row),
        row.held === undefined ? '' : whyHeld(row.held),
        whyEligibility(eligibility),
      ]
        .filter(Boolean)
        .join('; '),
      since: since.get(row.id) ?? null,
      hold: holdOf(row),
      ...(row.held === undefined ? {} : { held: row.held }),
    },
  ];
}

function whyUncovered({ state, version, agent, silence, agentSeenAt }: FleetRow): string {
  switch (state) {
    case 'stopped':
      return `${version} is installed and does not run${agent.kind === 'installed' ? ` (${agent.service})` : ''}`;
    case 'absent':
      return 'the agent is not installed';
    case 'silent':
      return silence === '' ? 'it does not answer' : `it does not answer: ${silence}`;
    case 'unseen':
      return agentSeenAt === 0 ? 'nobody has looked there' : 'nobody has looked there since';
    case 'running':
      return '';
    default:
      return state satisfies never;
  }
}

function coveredVm(row: FleetRow): CoveredVm[] {
  if (row.eligibility.kind !== 'eligible' || row.state !== 'running') return [];
  const { version, versionBy, isOffPin, agentSeenAt: seenAt } = row;
  const held = row.held === undefined ? {} : { held: row.held };
  return [{ ...named(row), version, versionBy, isOffPin, hold: holdOf(row), seenAt, ...held }];
}

/** By rule, in the order exempt, unsupported, not running, excluded, and then by name. */
function groupsOf(rows: readonly FleetRow[]): RuleGroup[] {
  const groups = new Map<string, { group: RuleGroup; evidence: Map<string, number>; vms: NamedVm[] }>();
  for (const row of rows) {
    const by = ruleOf(row.eligibility);
    if (by === null) continue;
    const key = `${GROUP_ORDER.indexOf(by.kind)} ${by.rule}\n${by.reason}`;
    const found = groups.get(key) ?? {
      group: { kind: by.kind, rule: by.rule, reason: by.reason, evidence: [], vms: [] },
      evidence: new Map<string, number>(),
      vms: [],
    };
    groups.set(key, found);
    found.evidence.set(by.evidence, (found.evidence.get(by.evidence) ?? 0) + 1);
    found.vms.push(named(row));
  }
  return [...groups]
    .sort(([a], [b]) => compareText(a, b))
    .map(([, { group, evidence, vms }]) => ({
      ...group,
      evidence: [...evidence]
        .map(([text, count]) => ({ evidence: text, vms: count }))
        .sort((a, b) => b.vms - a.vms || compareText(a.evidence, b.evidence)),
      vms,
    }));
}

const GROUP_ORDER: readonly RuleGroup['kind'][] = ['exempt', 'unsupported', 'not-running', 'excluded'];

function ruleOf(
  eligibility: Eligibility,
): { kind: RuleGroup['kind']; rule: string; reason: string; evidence: string } | null {
  switch (eligibility.kind) {
    case 'exempt':
      return eligibility;
    case 'unsupported':
      return {
        kind: 'unsupported',
        rule: eligibility.rule ?? 'no dpkg',
        reason: 'it cannot carry the package',
        evidence: eligibility.evidence,
      };
    case 'not-running':
      return {
        kind: 'not-running',
        rule: 'VM status',
        reason: 'it does not run',
        evidence: `status ${eligibility.status}`,
      };
    case 'excluded':
      return {
        kind: 'excluded',
        rule: eligibility.rule,
        reason: 'not of this fleet',
        evidence: 'does not match',
      };
    case 'eligible':
    case 'undecided':
      return null;
    default:
      return eligibility satisfies never;
  }
}

function exemptionsOf({ environment: { targeting }, rows, at }: CoverageInput): OperatorExemption[] {
  const matched = new Map<string, number>();
  for (const { eligibility } of rows) {
    const rule =
      eligibility.kind === 'exempt'
        ? eligibility.rule
        : eligibility.kind === 'eligible'
          ? eligibility.lapsed?.rule
          : undefined;
    if (rule !== undefined) matched.set(rule, (matched.get(rule) ?? 0) + 1);
  }
  const lapsed = lapsedExemptions(targeting, at);
  const soon = expiringSoon(targeting, at, ENDS_SOON_MS);
  const inForce = expiringSoon(targeting, at, Number.POSITIVE_INFINITY).slice(soon.length);
  const told = (state: OperatorExemption['state']) => (one: Exemption) => ({
    ...one,
    state,
    vms: matched.get(one.rule) ?? 0,
  });
  return [...lapsed.map(told('lapsed')), ...soon.map(told('ends-soon')), ...inForce.map(told('in-force'))];
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
