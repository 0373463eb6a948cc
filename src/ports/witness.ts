/** Whoever else notices an agent that has gone silent or wrong: the log's readers, the fleet manager, a command of one's own. */
import type { Sample } from '../domain/gate.ts';
import type { HostId } from '../domain/host.ts';
import type { Result } from '../domain/result.ts';
import type { MetricsError } from './metrics.ts';

export interface WitnessHost {
  readonly id: HostId;
  readonly name: string;
  readonly address: string;
  readonly zone: string;
  readonly role: string;
  /** When its agent was last (re)started by us, ms since the epoch; 0: not by this rollout. What was heard before does not count. */
  readonly changedAt: number;
}

export interface WitnessQuestion {
  readonly environment: string;
  readonly version: string;
  readonly hosts: readonly WitnessHost[];
  /** Span (from, to] that is judged, and the distance of its steps, ms. */
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
}

export type WitnessAnswer =
  /** Numbers of hosts at times, as a metric's. Whoever is missing has given none. */
  | {
      readonly kind: 'by-host';
      readonly byHost: ReadonlyMap<HostId, readonly Sample[]>;
      readonly ambiguous: readonly HostId[];
      readonly warnings: readonly string[];
    }
  /** One word over all of them. */
  | { readonly kind: 'told'; readonly verdict: 'pass' | 'fail' | 'inconclusive'; readonly why: string };

/** Asked once an evaluation. Never rejects; may be repeated. */
export interface Witness {
  /** What was asked, for the verdict: a query, an address without secrets, a command. */
  readonly shown: string;
  ask(question: WitnessQuestion, signal?: AbortSignal): Promise<Result<WitnessAnswer, MetricsError>>;
}
