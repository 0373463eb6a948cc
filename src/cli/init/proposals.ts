/** What a look at a project's VMs proposes for an environment's file. Pure: VMs in, proposals out. */

import type { ClassifiedHost, Host } from '../../domain/host.ts';
import type { StratumKey } from '../../domain/policy.ts';
import { classify } from '../../domain/targeting.ts';

export interface RoleLabel {
  readonly key: string;
  /** VMs that must have the agent and carry it. */
  readonly on: number;
  /** Its values, most frequent first. */
  readonly values: readonly string[];
}

export interface Proposals {
  readonly total: number;
  readonly eligible: number;
  /** Exempt by what Google marks them with, by rule, such as `built-in:gke-node`. */
  readonly exempt: ReadonlyMap<string, number>;
  readonly unsupported: number;
  readonly notRunning: number;
  /** Each needs a rule before a promotion. */
  readonly undecided: readonly { readonly name: string; readonly evidence: string }[];
  readonly zones: readonly string[];
  /** Best first; at most 5. */
  readonly roleLabels: readonly RoleLabel[];
}

/** A label on fewer of the VMs is no role. */
const LEAST_SHARE = 0.5;
/** More values than this are names, not roles. */
const MOST_VALUES = 50;
/** What roles are called where people name them. */
const ROLE_WORDS = ['type', 'role', 'component', 'service', 'app', 'tier', 'function'];

export function proposalsFrom(hosts: readonly Host[], now: number): Proposals {
  const classified = classify(hosts, { include: 'true', exempt: [], eligible: [] }, now);
  const eligible = classified.flatMap(({ host, eligibility }) =>
    eligibility.kind === 'eligible' ? [host] : [],
  );
  const exempt = new Map<string, number>();
  for (const { eligibility } of classified)
    if (eligibility.kind === 'exempt') exempt.set(eligibility.rule, (exempt.get(eligibility.rule) ?? 0) + 1);
  const of = (kind: ClassifiedHost['eligibility']['kind']): number =>
    classified.filter(({ eligibility }) => eligibility.kind === kind).length;
  return {
    total: hosts.length,
    eligible: eligible.length,
    exempt,
    unsupported: of('unsupported'),
    notRunning: of('not-running'),
    undecided: classified.flatMap(({ host, eligibility }) =>
      eligibility.kind === 'undecided' ? [{ name: host.name, evidence: eligibility.evidence }] : [],
    ),
    zones: [...new Set(eligible.map(({ zone }) => zone))].sort(),
    roleLabels: roleLabelsOf(eligible),
  };
}

/** Labels that sort most VMs into few kinds. */
export function roleLabelsOf(hosts: readonly Host[]): RoleLabel[] {
  const values = new Map<string, Map<string, number>>();
  for (const { labels } of hosts)
    for (const [key, value] of Object.entries(labels)) {
      const counts = values.get(key) ?? new Map<string, number>();
      counts.set(value, (counts.get(value) ?? 0) + 1);
      values.set(key, counts);
    }
  const labels = [...values].map(
    ([key, counts]): RoleLabel => ({
      key,
      on: [...counts.values()].reduce((sum, n) => sum + n, 0),
      values: [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([value]) => value),
    }),
  );
  const fits = labels.filter(
    (label) =>
      label.on >= hosts.length * LEAST_SHARE &&
      label.values.length >= 2 &&
      label.values.length <= Math.min(MOST_VALUES, Math.max(2, hosts.length / 2)),
  );
  return fits
    .sort((a, b) => wordRank(a) - wordRank(b) || b.on - a.on || (a.key < b.key ? -1 : 1))
    .slice(0, 5);
}

function wordRank({ key }: RoleLabel): number {
  const rank = ROLE_WORDS.indexOf(key);
  return rank < 0 ? ROLE_WORDS.length : rank;
}

export interface StrataProposal {
  readonly strata: readonly StratumKey[];
  /** Hosts of the canary wave: one of every combination. */
  readonly canaries: number;
}

/** As many attributes as tell VMs apart, with no more than a fifth of the fleet in the canary wave. */
export function strataFrom(hosts: readonly Host[], roleLabel: string): StrataProposal {
  const eligible = classify(hosts, { include: 'true', exempt: [], eligible: [] }, 0).flatMap(
    ({ host, eligibility }) =>
      eligibility.kind === 'eligible' ? [{ ...host, role: host.labels[roleLabel] ?? 'none' }] : [],
  );
  const combinations = (keys: readonly StratumKey[]): number =>
    new Set(eligible.map((host) => JSON.stringify(keys.map((key) => host[key])))).size;
  const tells = (['machineType', 'os'] as const).filter((key) => combinations([key]) > 1);
  const most = Math.max(1, Math.floor(eligible.length / 5));
  // Fewer attributes where all of them would make most of the fleet canaries.
  for (const strata of [['role', ...tells], ['role', ...tells.slice(1)], ['role']] as const) {
    const canaries = combinations(strata);
    if (canaries <= most || strata.length === 1) return { strata, canaries };
  }
  return { strata: ['role'], canaries: combinations(['role']) };
}

/** What was seen, for whoever answers the questions. */
export function proposalLines(proposals: Proposals): string[] {
  const { total, eligible, exempt, unsupported, notRunning, undecided, zones } = proposals;
  const exemptions = [...exempt].map(([rule, n]) => `${n} ${rule.replace(/^built-in:/, '')}`).join(', ');
  return [
    `${total} VMs, of which ${eligible} must have the agent (${zones.length} zones)`,
    ...(exemptions === '' ? [] : [`exempt by what Google marks them with: ${exemptions}`]),
    ...(unsupported === 0 ? [] : [`${unsupported} cannot have it (no dpkg)`]),
    ...(notRunning === 0 ? [] : [`${notRunning} do not run`]),
    ...(undecided.length === 0
      ? []
      : [
          `${undecided.length} need a rule under targeting before a promotion, such as ${undecided[0]?.name}: ${undecided[0]?.evidence}`,
        ]),
  ];
}
