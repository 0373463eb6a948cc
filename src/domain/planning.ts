/**
 * Makes a plan. Pure and reproducible: the same hosts, survey and policy always give the same waves in the same order.
 *
 * P1  The canary wave has one host of every stratum and architecture, spread over zones: each architecture has its own package.
 * P2  A later wave is a cumulative share of the hosts behind the canaries, spread over roles and zones in proportion; the last has
 *     the rest.
 * P3  Every host of the inventory is either in exactly one wave or left out with its reason.
 * P4  A host without a staged package of what it runs now is left out: there would be no way back. Nor is there one where different
 *     packages are staged of that very Debian version.
 * P5  Of each stratum that has more than its canaries, one host is left for the last wave: until then there is somebody to compare with.
 *     A canary's plan names its controls instead.
 */
import { type Artifact, artifactFor, type Release } from './artifact.ts';
import { chooseControls } from './control-hosts.ts';
import type { ClassifiedHost, Host, HostId } from './host.ts';
import type {
  InstalledAgent,
  LeftOutHost,
  NotPlanned,
  Plan,
  PlannedHost,
  PlannedWave,
  Population,
} from './plan.ts';
import type { Bound, StratumKey, WavePolicy } from './policy.ts';

/** What a look at an eligible host found. */
export type SurveyResult =
  | {
      readonly kind: 'surveyed';
      readonly agent: Omit<InstalledAgent, 'artifact'>;
      readonly runsTarget: boolean;
    }
  | { readonly kind: 'agent-absent' }
  | { readonly kind: 'incapable'; readonly evidence: string }
  | { readonly kind: 'unreachable'; readonly why: string };

export interface PlanningInput {
  readonly hosts: readonly ClassifiedHost[];
  readonly survey: ReadonlyMap<HostId, SurveyResult>;
  readonly target: Release;
  /** Every artifact in the environment's store: where the way back is looked up. */
  readonly staged: readonly Artifact[];
  readonly policy: WavePolicy;
  /** Waves behind the canaries are cut to this many hosts, for what their starts cost others (pacing.ts); absent: no bound. */
  readonly mostInWave?: number;
  /** Canary only: no waves behind the first. */
  readonly canaryOnly?: boolean;
  /** Everything at once, in one wave: a rollback. */
  readonly singleWave?: boolean;
}

export function planRollout(input: PlanningInput): Plan {
  const wayBack = waysBack(input.staged);
  const planned: PlannedHost[] = [];
  const leftOut: LeftOutHost[] = [];
  for (const { host, eligibility } of input.hosts) {
    const fate = eligibility.kind === 'eligible' ? fateOf(host, input, wayBack) : eligibility;
    if ('from' in fate) planned.push(fate);
    else leftOut.push({ id: host.id, name: host.name, zone: host.zone, role: host.role, why: fate });
  }
  planned.sort(byName);
  leftOut.sort(byName);
  const waves = wavesOf(planned, input);
  const controls = input.canaryOnly === true ? controlsOf(planned, waves) : [];
  return {
    population: populationOf(input.hosts),
    waves,
    leftOut,
    ...(controls.length === 0 ? {} : { controls }),
  };
}

/** P4. The staged package of what a host runs: undefined: there is none; null: different packages of that very version are staged. */
export type WayBack = (
  installed: Pick<InstalledAgent, 'packageVersion' | 'architecture'>,
) => Artifact | null | undefined;

export function waysBack(staged: readonly Artifact[]): WayBack {
  const ways = new Map<string, Artifact | null>();
  for (const artifact of staged) {
    const key = `${artifact.architecture} ${artifact.control.version}`;
    const other = ways.get(key);
    ways.set(key, other === undefined || other?.sha256 === artifact.sha256 ? artifact : null);
  }
  return ({ architecture, packageVersion }) => ways.get(`${architecture} ${packageVersion}`);
}

/** P5. */
function controlsOf(planned: readonly PlannedHost[], waves: readonly PlannedWave[]): PlannedHost[] {
  const canaries = waves.flatMap(({ hosts }) => hosts);
  const chosen = new Set(canaries.map(({ id }) => id));
  const rest = spread(planned.filter(({ id }) => !chosen.has(id)));
  return chooseControls(rest, new Set(canaries.map(({ stratum }) => stratum)));
}

function fateOf(
  host: Host,
  { survey, target, policy }: PlanningInput,
  wayBack: WayBack,
): PlannedHost | NotPlanned {
  const seen = survey.get(host.id) ?? { kind: 'unreachable', why: 'it was not looked at' };
  if (seen.kind !== 'surveyed') return seen;
  const { packageVersion, architecture } = seen.agent;
  if (seen.runsTarget) return { kind: 'already-there', packageVersion };
  const aim = artifactFor(target.artifacts, architecture);
  if (aim === undefined) return { kind: 'no-artifact', architecture };
  const artifact = wayBack(seen.agent);
  if (artifact === null) return { kind: 'no-way-back', packageVersion, architecture, twice: true };
  // The target's own version installed, but not what runs: nobody knows what ran before.
  if (artifact === undefined || artifact.sha256 === aim.sha256)
    return { kind: 'no-way-back', packageVersion, architecture };
  return {
    id: host.id,
    name: host.name,
    address: host.address,
    ...(host.port === undefined ? {} : { port: host.port }),
    zone: host.zone,
    ...(host.project === undefined ? {} : { project: host.project }),
    role: host.role,
    stratum: stratumOf(host, policy.strata),
    architecture,
    from: { packageVersion, architecture, artifact },
  };
}

/** The stratum that a host is of, in words. */
export function stratumOf(host: Host, keys: readonly StratumKey[]): string {
  return keys.length === 0 ? 'all' : keys.map((key) => host[key]).join('/');
}

function wavesOf(hosts: readonly PlannedHost[], input: PlanningInput): PlannedWave[] {
  if (hosts.length === 0) return [];
  if (input.singleWave === true) return [{ index: 0, hosts: spread(hosts) }];
  const waves =
    input.canaryOnly === true
      ? [chooseCanaries(hosts)]
      : capped(cutIntoWaves(hosts, input.policy), input.mostInWave);
  return waves.map((members, index) => ({ index, hosts: members }));
}

/** The canary wave stays whole: its verdict is over one host of every kind. */
function capped<T>(waves: readonly T[][], most = Number.POSITIVE_INFINITY): T[][] {
  const [canaries, ...rest] = waves;
  if (canaries === undefined) return [];
  return [
    canaries,
    ...rest.flatMap((wave) => {
      const parts = Math.max(1, Math.ceil(wave.length / Math.max(1, most)));
      const size = Math.ceil(wave.length / parts);
      return Array.from({ length: parts }, (_, part) => wave.slice(part * size, (part + 1) * size));
    }),
  ];
}

/** What a host's place in the waves depends on. */
export interface WaveHost {
  readonly id: HostId;
  readonly name: string;
  readonly zone: string;
  readonly role: string;
  readonly stratum: string;
  readonly architecture: string;
}

/** P1, P2, P5, for hosts given in the order of their names. */
export function cutIntoWaves<T extends WaveHost>(
  hosts: readonly T[],
  { then }: Pick<WavePolicy, 'then'>,
): T[][] {
  if (hosts.length === 0) return [];
  const canaries = chooseCanaries(hosts);
  const waves = [canaries];
  const chosen = new Set(canaries.map((host) => host.id));
  const { rest, free } = lastOfStrataLast(spread(hosts.filter((host) => !chosen.has(host.id))));
  let taken = 0;
  for (const bound of then) {
    const wanted = Math.max(taken + 1, cumulative(bound, rest.length, taken));
    if (wanted >= rest.length) break;
    const upTo = Math.min(free, wanted);
    if (upTo <= taken) continue;
    waves.push(rest.slice(taken, upTo));
    taken = upTo;
  }
  if (taken < rest.length) waves.push(rest.slice(taken));
  return waves;
}

/** P5: the last host of each stratum behind all others; the first `free` ones may go in any wave. */
function lastOfStrataLast<T extends WaveHost>(hosts: readonly T[]): { rest: T[]; free: number } {
  const last = new Map<string, T>();
  for (const host of hosts) last.set(host.stratum, host);
  const kept = new Set(last.values());
  const rest = [...hosts.filter((host) => !kept.has(host)), ...hosts.filter((host) => kept.has(host))];
  return { rest, free: rest.length - kept.size };
}

/** A percentage is a share of all hosts behind the canaries; a count is the size of this wave. */
function cumulative(bound: Bound, total: number, taken: number): number {
  return bound.kind === 'percent' ? Math.floor((total * bound.percent) / 100) : taken + bound.count;
}

/** P1: each in the zone that has fewest canaries so far. */
function chooseCanaries<T extends WaveHost>(hosts: readonly T[]): T[] {
  const perZone = new Map<string, number>();
  const canaries: T[] = [];
  const alike = groupBy(hosts, ({ stratum, architecture }) => `${stratum}\n${architecture}`);
  for (const [, members] of [...alike].sort(([a], [b]) => compareText(a, b))) {
    let best: T | undefined;
    for (const host of members) {
      if (best === undefined || (perZone.get(host.zone) ?? 0) < (perZone.get(best.zone) ?? 0)) best = host;
    }
    if (best === undefined) continue;
    canaries.push(best);
    perZone.set(best.zone, (perZone.get(best.zone) ?? 0) + 1);
  }
  return canaries;
}

/** Orders hosts, given by name, so that every prefix has roles and zones in about their overall proportion. */
function spread<T extends WaveHost>(hosts: readonly T[]): T[] {
  // The rank stands for the name: comparing 100,000 names again would take longer than everything else.
  const ranked = hosts.map((host, rank) => ({ host, rank, at: 0 }));
  const placed: typeof ranked = [];
  for (const [, members] of groupBy(ranked, ({ host }) => `${host.role}\n${host.zone}`)) {
    members.forEach((one, index) => {
      one.at = (index + 0.5) / members.length;
      placed.push(one);
    });
  }
  placed.sort((a, b) => a.at - b.at || a.rank - b.rank);
  return placed.map(({ host }) => host);
}

function populationOf(hosts: readonly ClassifiedHost[]): Population {
  // Maps: a zone or a role may be called `constructor`.
  const byZone = new Map<string, number>();
  const byRole = new Map<string, number>();
  let environment = 0;
  for (const { host, eligibility } of hosts) {
    if (eligibility.kind !== 'eligible') continue;
    environment += 1;
    byZone.set(host.zone, (byZone.get(host.zone) ?? 0) + 1);
    byRole.set(host.role, (byRole.get(host.role) ?? 0) + 1);
  }
  return { environment, byZone: Object.fromEntries(byZone), byRole: Object.fromEntries(byRole) };
}

/** How many hosts a bound allows out of `total`: percent rounds down, but is at least 1. */
export function hostsAllowed(bound: Bound, total: number): number {
  return bound.kind === 'count' ? bound.count : Math.max(1, Math.floor((total * bound.percent) / 100));
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [item]);
    else group.push(item);
  }
  return groups;
}

/** The order in which hosts are given and listed. */
export function byName(a: { name: string; id: string }, b: { name: string; id: string }): number {
  return compareText(a.name, b.name) || compareText(a.id, b.id);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
