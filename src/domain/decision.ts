/** What `decide` may ask for, and why: the vocabulary between deciding and doing. */
import { goingBackWords } from './armed.ts';
import type { Reason } from './event.ts';
import type { HostId } from './host.ts';
import type { EntryBody, HostAction } from './journal.ts';
import type { FreezeWindow } from './policy.ts';
import type { RolloutState, Stop } from './state.ts';

/** What the engine looked at before it asks for a decision. */
export interface Observations {
  /** Hosts of this rollout that the inventory no longer has, in zones that it could list. */
  readonly gone: ReadonlySet<HostId>;
  /** Hosts of this rollout that the inventory has: one that was gone may be back. */
  readonly present: ReadonlySet<HostId>;
  /** The freeze window that is in force now, if any. */
  readonly frozen: FreezeWindow | null;
  /** Hosts whose agent somebody wishes to stay stopped: no control to compare with. Absent: none. */
  readonly held?: ReadonlySet<HostId>;
}

export type Decision =
  /** Write this and decide again. */
  | { readonly next: 'record'; readonly body: EntryBody; readonly reason: Reason }
  /** Do this to these hosts, intent first, and decide again. */
  | {
      readonly next: 'act';
      readonly action: HostAction;
      readonly hosts: readonly HostId[];
      readonly reason: Reason;
    }
  /** Judge the gates over (from, to] for these hosts, and decide again. */
  | {
      readonly next: 'judge';
      readonly hosts: readonly HostId[];
      /** Hosts not changed yet that they are compared with; absent: none. */
      readonly controls?: readonly HostId[];
      readonly from: number;
      readonly to: number;
      /** When the watch began, or agents were last disturbed. Whoever is compared is looked at from then on alone. Absent: no bound. */
      readonly since?: number;
      readonly reason: Reason;
    }
  /** Nothing to do before `until`, ms since the epoch. */
  | { readonly next: 'wait'; readonly until: number; readonly reason: Reason }
  /** Something outside must change first; `until` is when looking again makes sense, null: when a person acts. */
  | { readonly next: 'hold'; readonly until: number | null; readonly reason: Reason }
  /** The rollout has ended. */
  | { readonly next: 'finish'; readonly reason: Reason };

export function record(body: EntryBody, code: string, message: string): Decision {
  return { next: 'record', body, reason: { code, message } };
}

export function act(action: HostAction, hosts: readonly HostId[], code: string, message: string): Decision {
  return { next: 'act', action, hosts, reason: { code, message } };
}

export function wait(until: number, code: string, message: string): Decision {
  return { next: 'wait', until, reason: { code, message } };
}

export function hold(until: number | null, code: string, message: string): Decision {
  return { next: 'hold', until, reason: { code, message } };
}

export function finish(code: string, message: string): Decision {
  return { next: 'finish', reason: { code, message } };
}

/** With when armed hosts go back: what a person holds up does not wait for ever. */
export function holdStopped(
  rollout: RolloutState,
  stop: Stop,
  now: number,
  until: number | null = null,
): Decision {
  const back = goingBackWords(rollout, now, 'unless it goes on before');
  const unless = back === null ? '' : `; ${back}`;
  switch (stop.kind) {
    case 'paused':
      return hold(
        until,
        'paused',
        `paused by ${stop.by.user}${stop.reason === '' ? '' : `: ${stop.reason}`}${unless}`,
      );
    case 'halted':
      return hold(until, stop.code, `${stop.message}${unless}`);
    default:
      return stop satisfies never;
  }
}
