/**
 * What this thread and a thread of its own for SSH say to each other. Plain values that can be cloned.
 *
 * MS1  No secret is among them: a secret goes by its name, and who needs it reads it. MS2  Nothing is sent to a thread before it
 * has said that it is ready, so that nothing can have run in one that never was.
 */
import type { SshSettings } from '../../domain/connection.ts';
import type { HostOrder, HostStep } from '../../domain/host-order.ts';
import type { Result } from '../../domain/result.ts';
import type { HostKeysAnswer } from '../../ports/host-keys.ts';
import type { RemoteAnswer, RemoteHost } from '../../ports/remote.ts';

/** What a thread is started with. */
export interface ThreadSetup {
  /** All of it: `sharers` says among how many the connections are divided. */
  readonly settings: SshSettings;
  readonly sharers: number;
  readonly agentSocket?: string;
  /** The starting thread can be asked for published host keys. */
  readonly publishesKeys: boolean;
  /** The starting thread can be asked whose account it is. */
  readonly namesUser: boolean;
}

export interface ThreadJob {
  readonly kind: 'run';
  readonly id: number;
  readonly host: RemoteHost;
  readonly order: HostOrder;
  readonly timeoutMs: number;
  /** Jobs that are called off together; null: never. */
  readonly group: number | null;
  /** Steps are told as they come, and not in the answer alone. */
  readonly tellsSteps: boolean;
}

export type ToThread =
  | ThreadJob
  | { readonly kind: 'call-off'; readonly group: number }
  | { readonly kind: 'keys'; readonly question: number; readonly answer: HostKeysAnswer }
  | { readonly kind: 'user'; readonly question: number; readonly answer: Result<string, string> }
  | { readonly kind: 'ping' }
  | { readonly kind: 'close' };

export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'step'; readonly id: number; readonly step: HostStep }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: RemoteAnswer }
  | {
      readonly kind: 'ask-keys';
      readonly question: number;
      readonly host: RemoteHost;
      readonly fresh: boolean;
    }
  /** Nobody waits for the answer any more. */
  | { readonly kind: 'drop-keys'; readonly question: number }
  | { readonly kind: 'ask-user'; readonly question: number }
  | { readonly kind: 'pong' }
  /** All is answered and closed. */
  | { readonly kind: 'closed' };
