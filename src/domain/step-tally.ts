/** How many hosts are silent or over the limit at each step, all together and in each stratum, and whether that is too many. Pure. */
import type { GateWeight } from './policy.ts';
import type { StepMarks } from './step-track.ts';

/** One host of a stratum is that host's doing as well as the version's: a canary's busy neighbour would end every rollout. */
const FEWEST_OF_A_STRATUM = 2;

/** K5: of a hundred hosts one may lose a scrape now and then. */
const BORNE_OF_HOSTS = 1 / 100;

/** K6: one busy host of twenty is nobody's fault. */
const BORNE_OVER = 1 / 20;

export interface TallySettings {
  readonly steps: number;
  readonly strata: number;
  readonly weight: GateWeight;
  /** Silent hosts are not counted among the hosts either. */
  readonly leavesSilentOut: boolean;
}

export class StepTally {
  readonly #settings: TallySettings;
  /** Hosts of each stratum. */
  readonly #hosts: Uint32Array;
  /** By stratum and step. */
  readonly #missing: Uint32Array;
  /** By step: those of the missing that have only just lost a scrape. */
  readonly #lapsed: Uint32Array;
  /** Who they are: a host's place and the step, one after the other, in the hosts' order. */
  readonly #lapses: number[] = [];
  #all = 0;
  readonly #over: Uint32Array;
  readonly #lasted: Uint32Array;

  constructor(settings: TallySettings) {
    this.#settings = settings;
    this.#hosts = new Uint32Array(settings.strata);
    this.#missing = new Uint32Array(settings.strata * settings.steps);
    this.#lapsed = new Uint32Array(settings.steps);
    this.#over = new Uint32Array(settings.strata * settings.steps);
    this.#lasted = new Uint32Array(settings.strata * settings.steps);
  }

  /** What is marked from now on is of this host. */
  addHost(stratum: number): void {
    this.#all += 1;
    this.#hosts[stratum] = (this.#hosts[stratum] ?? 0) + 1;
  }

  /** A host of the stratum that has no number at any step. */
  addMissing(stratum: number): void {
    const { steps } = this.#settings;
    const first = stratum * steps;
    for (let at = first; at < first + steps; at += 1) this.#missing[at] = (this.#missing[at] ?? 0) + 1;
  }

  /** Where a host of a stratum is to be marked. `onlyLasted`: again, after `forgetLasted`. */
  marksOf(stratum: number, onlyLasted = false): StepMarks {
    const first = stratum * this.#settings.steps;
    const add = (counts: Uint32Array, step: number): void => {
      counts[first + step] = (counts[first + step] ?? 0) + 1;
    };
    return {
      missing: (step, lapsed) => {
        if (onlyLasted) return;
        add(this.#missing, step);
        if (!lapsed) return;
        this.#lapsed[step] = (this.#lapsed[step] ?? 0) + 1;
        this.#lapses.push(this.#all, step);
      },
      over: (step, lasted) => {
        if (!onlyLasted) add(this.#over, step);
        if (lasted) add(this.#lasted, step);
      },
    };
  }

  forgetLasted(): void {
    this.#lasted.fill(0);
  }

  /** Is there a host without a usable number at the step that is not borne (K5)? */
  isAnyMissing(step: number): boolean {
    let missing = 0;
    for (let at = step; at < this.#missing.length; at += this.#settings.steps)
      missing += this.#missing[at] ?? 0;
    return missing > (this.bearsLapses(step) ? (this.#lapsed[step] ?? 0) : 0);
  }

  /** K5: are the hosts that have only just lost a scrape at the step few enough? Once all hosts are marked. */
  bearsLapses(step: number): boolean {
    return (this.#lapsed[step] ?? 0) <= Math.floor(BORNE_OF_HOSTS * this.#all + 1e-9);
  }

  /** Hosts that lost a scrape at a step that bears it. */
  countBorne(): number {
    let hosts = 0;
    let last = 0;
    for (let at = 0; at < this.#lapses.length; at += 2) {
      const [host = 0, step = 0] = [this.#lapses[at], this.#lapses[at + 1]];
      if (host === last || !this.bearsLapses(step)) continue;
      hosts += 1;
      last = host;
    }
    return hosts;
  }

  /** Are too many hosts over the limit at the step? */
  isOver(step: number): boolean {
    return this.#isTooMany(this.#over, step);
  }

  /** Were too many hosts over the limit for long enough, at any step? */
  hasFailed(): boolean {
    for (let step = 0; step < this.#settings.steps; step += 1)
      if (this.#isTooMany(this.#lasted, step)) return true;
    return false;
  }

  /** K6: are more hosts over the limit for long enough at the step than can be borne? */
  isMoreThanBorne(step: number): boolean {
    const { steps, strata } = this.#settings;
    let [all, bad] = [0, 0];
    for (let stratum = 0; stratum < strata; stratum += 1) {
      all += this.#hostsAt(stratum, step);
      bad += this.#lasted[stratum * steps + step] ?? 0;
    }
    return isMoreThan(BORNE_OVER, bad, all);
  }

  #hostsAt(stratum: number, step: number): number {
    const { steps, leavesSilentOut } = this.#settings;
    const silent = leavesSilentOut ? (this.#missing[stratum * steps + step] ?? 0) : 0;
    return (this.#hosts[stratum] ?? 0) - silent;
  }

  #isTooMany(counts: Uint32Array, step: number): boolean {
    const { steps, strata, weight } = this.#settings;
    let all = 0;
    let bad = 0;
    for (let stratum = 0; stratum < strata; stratum += 1) {
      const at = stratum * steps + step;
      const hosts = this.#hostsAt(stratum, step);
      const here = counts[at] ?? 0;
      if (weight.kind === 'share' && here >= FEWEST_OF_A_STRATUM && isMoreThan(weight.share, here, hosts))
        return true;
      all += hosts;
      bad += here;
    }
    if (bad === 0) return false;
    switch (weight.kind) {
      case 'any':
        return true;
      case 'share':
        return isMoreThan(weight.share, bad, all);
      case 'quantile': {
        // The hosts in a row from the best to the worst: the one at the quantile is over where all from it on are.
        const place = Math.max(1, Math.ceil(weight.quantile * all - 1e-9));
        return bad >= all - place + 1;
      }
      default:
        return weight satisfies never;
    }
  }
}

/** 29 of 100 hosts are not more than a share of 0.29, whatever 0.29 is in binary. */
function isMoreThan(share: number, hosts: number, of: number): boolean {
  return hosts > share * of + 1e-9;
}
