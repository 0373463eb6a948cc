/**
 * What an agent and its host use, minute by minute, while nothing is wrong with the agent. It is meant to be no kinder than the days that
 * made somebody write the alert:
 *
 *  N1  Levels. An agent at rest uses 1 to 5 % of a core (the median 2 %); what its role does (processes, logins, files) decides how much, so roles differ
 *      by a factor and hosts of one role too, with a heavy tail. Nobody's mean is above 0.05 at the day's peak: a busy hour would raise the alert
 *      OSQueryHighCPU (0.1 for 15 min, FACTS.md) there every day, and it would have been seen to.
 *  N2  Load moves with the hour, and what moves it moves all hosts; roles follow it more or less.
 *  N3  A host's own noise is autocorrelated (minutes), and multiplies: who does more varies more.
 *  N4  Noisy neighbours: bursts on single hosts, 3 to 60 min, of any size. Their rate is chosen so that the alert goes off about
 *      twice a day for 1,000 hosts (2.2 on ordinary days): more often, and its limit would have been raised; never, and it would not exist.
 *  N5  The schedule's heavy queries: each host for two minutes an hour.
 *  N6  Others deploy: a role at a time, one host after another, once a day. Site-wide load and troubles of one zone happen on any day.
 *  N7  A number is missing now and then, for a few minutes: an exporter restarts, a scrape times out.
 */
import type { Seeded } from './seeded.ts';
import { type SomeFleet, ZONES } from './some-fleet.ts';

/** Minutes before the first change, and of all. Nobody waits longer than that for a rollout of a day. */
export const BEFORE = 90;
export const MINUTES = BEFORE + 40 * 60;

/** The stock unit's CPUQuota. */
export const QUOTA = 0.2;

const MINUTES_A_DAY = 1_440;

export interface Trouble {
  /** Minutes after the first change. */
  readonly begin: number;
  readonly minutes: number;
  /** What the load is multiplied with. */
  readonly factor: number;
}

export interface DayKind {
  /** Hour at which the first host is changed. */
  readonly hour: number;
  /** Largest rise over the day's mean, as a share, of the roles that follow the hour most. */
  readonly diurnal: number;
  readonly site?: Trouble;
  readonly zone?: Trouble;
  /** A burst on one of the hosts that are changed first, in cores. */
  readonly neighbour?: { readonly begin: number; readonly minutes: number; readonly cores: number };
}

export interface HostDay {
  /** Cores that the agent wants, by minute. */
  readonly wanted: Float32Array;
  /** Resident bytes. */
  readonly memory: Float32Array;
  /** Seconds a second and core that tasks wait for a core. */
  readonly wait: Float32Array;
  /** Share of the quota's periods that are throttled for each share of the quota that is used. */
  readonly burstiness: number;
  /** How much of what a version costs on average it costs here. */
  readonly weight: number;
  /** Minutes without a number. */
  readonly missing: Uint8Array;
}

export function someDay(random: Seeded, fleet: SomeFleet, kind: DayKind): readonly HostDay[] {
  const site = everywhere(random, kind);
  const zones = ZONES.map(() => trouble(random, 0.03, [1.3, 2], [30, 180]));
  if (kind.zone !== undefined) raise(zones[random.whole(0, 2)] ?? site, kind.zone);
  const roles = Array.from({ length: fleet.roles }, () => ({
    level: Math.min(0.04, Math.max(0.006, random.lognormal(0.018, 0.45))),
    spread: random.between(0.15, 0.45),
    noise: random.between(0.1, 0.3),
    diurnal: kind.diurnal * random.between(0.3, 1),
    memory: random.lognormal(95e6, 0.15),
    wait: random.lognormal(0.04, 0.8),
    deploys: starts(random, 1),
  }));
  // Some fleets live with more neighbours than others.
  const neighbours = random.lognormal(0.4, 0.5);
  const victim = random.whole(0, fleet.hosts.filter(({ wave }) => wave <= 1).length - 1);
  const hour = hourly(kind);
  return fleet.hosts.map((host, index) => {
    const role = roles[host.role];
    const zone = zones[host.zone];
    if (role === undefined || zone === undefined) throw new Error('a host of no role or zone');
    const tail = random.unit() < 0.03 ? random.pareto(1.3, 3) : 1; // N1
    const level = Math.min(0.05 / (1 + role.diurnal), random.lognormal(role.level, role.spread) * tail);
    const burst = bursts(random, neighbours);
    if (kind.neighbour !== undefined && index === victim) {
      const { begin, minutes, cores } = kind.neighbour;
      burst.fill(cores, BEFORE + begin, BEFORE + begin + minutes);
    }
    const own = deployed(random, role.deploys);
    const wanted = new Float32Array(MINUTES);
    const wait = new Float32Array(MINUTES);
    const keep = Math.exp(-1 / random.between(5, 30)); // N3
    const fresh = Math.sqrt(1 - keep * keep);
    const heavy = random.whole(0, 59);
    const query = level * random.between(0.5, 3); // N5
    const slow = random.lognormal(role.wait, 0.5);
    let drift = random.normal();
    for (let minute = 0; minute < MINUTES; minute += 1) {
      drift = keep * drift + fresh * random.normal();
      const load =
        (1 + role.diurnal * (hour[minute] ?? 0)) *
        (site[minute] ?? 1) *
        (zone[minute] ?? 1) *
        (own[minute] ?? 1);
      const scheduled = (minute + heavy) % 60 < 2 ? query : 0;
      const extra = burst[minute] ?? 0;
      const rough = Math.exp(role.noise * drift - (role.noise * role.noise) / 2);
      wanted[minute] = level * load * rough + scheduled + extra;
      // Waiting grows faster than load; a neighbour takes the CPU itself away.
      wait[minute] = slow * load * load * rough * rough * (1 + 40 * extra);
    }
    return {
      wanted,
      wait,
      memory: resident(random, role.memory),
      burstiness: random.between(0.3, 0.9),
      weight: random.lognormal(1, 0.2),
      missing: gaps(random),
    };
  });
}

/** N2: -1 at four in the morning, 1 at four in the afternoon. */
function hourly({ hour }: DayKind): Float32Array {
  return Float32Array.from({ length: MINUTES }, (_, minute) =>
    Math.sin((2 * Math.PI * (hour - 10 + (minute - BEFORE) / 60)) / 24),
  );
}

function everywhere(random: Seeded, kind: DayKind): Float32Array {
  const site = trouble(random, 0.3, [1.1, 1.6], [20, 120]); // N6
  if (kind.site !== undefined) raise(site, kind.site);
  return site;
}

/** Times at which something happens, at `rate` a day, in minutes. */
function starts(random: Seeded, rate: number): number[] {
  const at: number[] = [];
  for (
    let next = random.exponential(rate / MINUTES_A_DAY);
    next < MINUTES;
    next += random.exponential(rate / MINUTES_A_DAY)
  ) {
    at.push(Math.floor(next));
  }
  return at;
}

function trouble(
  random: Seeded,
  rate: number,
  factor: readonly [number, number],
  minutes: readonly [number, number],
): Float32Array {
  const factors = new Float32Array(MINUTES).fill(1);
  for (const at of starts(random, rate)) {
    raise(factors, {
      begin: at - BEFORE,
      minutes: random.whole(...minutes),
      factor: random.between(...factor),
    });
  }
  return factors;
}

/** With ten minutes of rise and of fall: load does not jump. */
function raise(factors: Float32Array, { begin, minutes, factor }: Trouble): void {
  const from = Math.max(0, BEFORE + begin);
  const to = Math.min(MINUTES, BEFORE + begin + minutes);
  for (let minute = from; minute < to; minute += 1) {
    const edge = Math.min(1, (minute - BEFORE - begin + 1) / 10, (BEFORE + begin + minutes - minute) / 10);
    factors[minute] = Math.max(factors[minute] ?? 1, 1 + (factor - 1) * edge);
  }
}

/** N4, N5. */
function bursts(random: Seeded, rate: number): Float32Array {
  const cores = new Float32Array(MINUTES);
  for (const at of starts(random, rate)) {
    const minutes = Math.round(Math.min(60, Math.max(3, random.lognormal(12, 0.7))));
    const height = Math.min(0.5, random.pareto(0.006, 1.6));
    for (let minute = at; minute < Math.min(MINUTES, at + minutes); minute += 1) {
      cores[minute] = (cores[minute] ?? 0) + height;
    }
  }
  return cores;
}

/** N6: within half an hour it reaches every host of the role. */
function deployed(random: Seeded, deploys: readonly number[]): Float32Array {
  const factors = new Float32Array(MINUTES).fill(1);
  for (const at of deploys) {
    const begin = at - BEFORE + random.whole(0, 30);
    raise(factors, { begin, minutes: random.whole(5, 20), factor: random.between(1.1, 1.8) });
  }
  return factors;
}

/** Steady, with slow changes, and here and there a host whose tables grow for some hours. */
function resident(random: Seeded, median: number): Float32Array {
  const level = Math.min(190e6, random.lognormal(median, 0.12));
  const memory = new Float32Array(MINUTES);
  let drift = random.normal();
  for (let begin = 0; begin < MINUTES; begin += 5) {
    drift = 0.98 * drift + 0.2 * random.normal();
    memory.fill(level * (1 + 0.06 * drift), begin, begin + 5);
  }
  for (const at of starts(random, 0.02)) {
    const minutes = random.whole(10, 240);
    const bytes = random.pareto(25e6, 2);
    for (let minute = at; minute < Math.min(MINUTES, at + minutes); minute += 1) {
      memory[minute] = (memory[minute] ?? 0) + (bytes * (minute - at + 1)) / minutes;
    }
  }
  return memory;
}

/** N7. */
function gaps(random: Seeded): Uint8Array {
  const missing = new Uint8Array(MINUTES);
  for (const at of starts(random, 0.02)) missing.fill(1, at, at + random.whole(1, 8));
  return missing;
}
