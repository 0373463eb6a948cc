/** What the engine tells while it works. Only the renderers turn it into words; `--json` writes it as it is. */

import type { HostId } from './host.ts';
import type { HostStep } from './host-order.ts';
import type { HostOutcome } from './host-outcome.ts';
import type { Entry, HostAction } from './journal.ts';
import type { LifecycleOutcome, LifecycleVerb } from './lifecycle.ts';

/** Why a rollout stands where it stands: a stable code for machines, a sentence for people. */
export interface Reason {
  readonly code: string;
  readonly message: string;
}

export type EngineEvent =
  /** An entry became durable. Every change of state is one of these. */
  | { readonly kind: 'recorded'; readonly environment: string; readonly at: number; readonly entry: Entry }
  /** A host is being worked on (not durable: progress only). */
  | {
      readonly kind: 'host-step';
      readonly environment: string;
      readonly at: number;
      readonly action: HostAction | 'look';
      readonly host: { readonly id: HostId; readonly name: string };
      readonly step: HostStep;
    }
  | {
      readonly kind: 'host-answered';
      readonly environment: string;
      readonly at: number;
      readonly action: HostAction;
      readonly host: { readonly id: HostId; readonly name: string };
      readonly outcome: HostOutcome;
      readonly tookMs: number;
    }
  /** One attempt of a lifecycle action at a host has ended. */
  | {
      readonly kind: 'lifecycle-answered';
      readonly environment: string;
      readonly at: number;
      readonly verb: LifecycleVerb;
      readonly host: { readonly id: HostId; readonly name: string };
      readonly outcome: LifecycleOutcome;
      /** From 1. */
      readonly attempt: number;
      /** It will be tried again. */
      readonly again: boolean;
      readonly tookMs: number;
    }
  /** Nothing to do until `until` (null: until somebody acts). */
  | {
      readonly kind: 'waiting';
      readonly environment: string;
      readonly at: number;
      readonly reason: Reason;
      readonly until: number | null;
    }
  /** Something a person should know that changes nothing, such as a lease that was taken over. */
  | { readonly kind: 'notice'; readonly environment: string; readonly at: number; readonly reason: Reason };

export type Tell = (event: EngineEvent) => void;
