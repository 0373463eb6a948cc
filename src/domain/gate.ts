/**
 * Gates: from measured series to a verdict. Pure.
 *
 * G1  No data is never a pass. G2  NaN, infinity, or two series for one host are never a pass.
 * G3  An error of the metrics backend is `error`, never `fail`. G4  Observed time is counted in whole steps in which
 *     every gate had a healthy number for every host; what is borne of that is K5 and K6 in judge.ts.
 */
import type { HostId } from './host.ts';
import type { GatePolicy } from './policy.ts';

/** One number of one host at one time. */
export interface Sample {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly value: number;
}

/** What the backend answered for one gate: samples by host, and what could not be matched. */
export interface GateMeasurement {
  readonly gate: GatePolicy;
  /** The query as it was sent; with its host list cut where it is long. */
  readonly query: string;
  readonly outcome:
    | {
        readonly kind: 'measured';
        /**
         * Of changed and of control hosts: on the judge's grid, back to `to - overMs` of a gate that compares, and to `from - forMs`,
         * with the step before the span in any case. What lies before that does no harm.
         */
        readonly byHost: ReadonlyMap<HostId, readonly Sample[]>;
        /** Of a gate that compares: one number a host (the median of `beforeMs` before the first change), where there is one. */
        readonly before?: ReadonlyMap<HostId, number>;
        /** Hosts for which the backend gave more than one series. */
        readonly ambiguous: readonly HostId[];
        /** The backend said that its answer is not whole. */
        readonly warnings: readonly string[];
        /** Series that name none of the hosts asked about: a hint that the host label is configured wrongly. */
        readonly unmatched?: { readonly count: number; readonly example: string };
        /** Only these hosts were asked, as by a probe that spares the others: nobody else is missing, nor seen healthy. Absent: all. */
        readonly asked?: readonly HostId[];
        /** What a host said besides its number, such as the quota that its throttling is held against. For people. */
        readonly notes?: ReadonlyMap<HostId, string>;
      }
    /** A witness that does not tell hosts apart, such as a command's exit code. */
    | {
        readonly kind: 'told';
        readonly verdict: Exclude<VerdictKind, 'error'>;
        readonly at: number;
        readonly why: string;
      }
    | { readonly kind: 'backend-error'; readonly message: string };
}

export type VerdictKind = 'pass' | 'fail' | 'inconclusive' | 'error';

export interface GateOffender {
  readonly hostId: HostId;
  readonly hostName: string;
  /** The worst value seen. */
  readonly value: number;
  readonly at: number;
}

/** What a comparison found; lengths and numbers in the gate's unit. */
export interface Comparison {
  readonly with: 'control' | 'before';
  readonly kind: 'worse' | 'alike' | 'too-few';
  /** How many hosts on either side. */
  readonly changed: number;
  readonly control: number;
  /** What the hosts are ranked by: each one's difference from its own time before, or its number as it is. */
  readonly basis?: 'difference' | 'level';
  /** Medians of both sides over the time compared, as measured; of the control hosts of the changed ones' strata where there are any. */
  readonly medianChanged?: number;
  readonly medianControl?: number;
  /** How much worse the changed ones are (Hodges-Lehmann; of pairs the median), positive where worse; and the least that matters. */
  readonly shift?: number;
  readonly floor: number;
  /** One-sided, adjusted for all the strata looked at (Holm); and the level that it is held against. */
  readonly p?: number;
  readonly alpha: number;
  readonly method?: 'exact' | 'normal';
  /** The stratum in which they are worse, where it is not all of them; the numbers are of it then. */
  readonly stratum?: string;
  /** Strata of changed hosts with too few to be told by themselves, of how many; absent: there is none. A rise in one of them alone is not seen yet. */
  readonly untold?: { readonly strata: number; readonly of: number };
  /** Of too few: how many control hosts would do with as many changed ones, and how many changed ones with as many control hosts. */
  readonly enough?: { readonly control?: number; readonly changed?: number };
  /** Of too few: no number lies far enough behind the change yet; when the first will, ms since the epoch. Absent: there are some. */
  readonly notBefore?: number;
}

/** One gate's verdict with all that a person needs to check it. */
export interface GateVerdict {
  readonly gate: string;
  readonly kind: VerdictKind;
  readonly unit: string;
  readonly direction: 'above' | 'below';
  readonly limit: number;
  /** Worst value over all hosts and steps; absent when nothing was measured. */
  readonly worst?: number;
  readonly samples: number;
  readonly query: string;
  /** Hosts over the limit, worst first, at most 20. */
  readonly offenders: readonly GateOffender[];
  /** Names of hosts without a usable number at the newest step, at most 20. */
  readonly silent: readonly string[];
  /** One sentence: why this verdict. */
  readonly why: string;
  readonly comparison?: Comparison;
  /**
   * Evaluations in a row, with this one, that came out as failing; absent: none. Below the gate's `failures` the verdict is
   * inconclusive. One that could not tell (error, no data, too few) neither adds to it nor begins it anew.
   */
  readonly streak?: number;
  /** Beyond the limit, but control hosts as well: not blamed on the version, and no pass. */
  readonly siteWide?: true;
  /**
   * Inconclusive on numbers that are bad: over the limit, and not for long enough, by too few or too seldom in a row to fail, or by control
   * hosts as well. Absent: it rests on what nobody knows, or was written by a program that did not tell.
   */
  readonly overLimit?: true;
  /** It leaves the judgement to the other gates: neither a pass nor a hindrance. */
  readonly abstains?: true;
}

/** All gates over one span of time. */
export interface Judgement {
  /** Span judged, ms since the epoch: (from, to]. */
  readonly from: number;
  readonly to: number;
  /** Of the gates that vote: fail beats error beats inconclusive beats pass. Never a pass where none has passed. */
  readonly kind: VerdictKind;
  /** Time in the span that was observed healthy, ms. */
  readonly observedMs: number;
  readonly gates: readonly GateVerdict[];
}
