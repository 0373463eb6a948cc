/**
 * Holds as they are made and as they are shown, and the names of actions. Pure; `now` is given.
 *
 * HO1  A hold is in force past its end, and is then shown as due: nothing lifts it by itself (LC2).
 * HO2  Its end lies behind its beginning.
 */
import { type Actor, canonicalJson, type Digest } from './journal.ts';
import type { HoldTerms, LifecycleSettings, LifecycleVerb } from './lifecycle.ts';
import { err, ok, type Result } from './result.ts';
import type { EnvironmentState, HeldHost } from './state.ts';

export interface HoldView extends HeldHost {
  /** Past its end. */
  readonly due: boolean;
  /** For how long it has been in force, ms; never below 0. */
  readonly heldMs: number;
  /** Until its end, ms; below 0: past it. */
  readonly leftMs: number;
}

/** Those that are due first, the longest due before the others; then by their end, and by name. */
export function holdsOf({ holds }: Pick<EnvironmentState, 'holds'>, now: number): HoldView[] {
  return [...holds.values()]
    .map((held) => ({ ...held, ...dueOf(held.terms, now) }))
    .sort((a, b) => a.terms.until - b.terms.until || compareText(a.name, b.name) || compareText(a.id, b.id));
}

export function dueOf(
  { since, until }: Pick<HoldTerms, 'since' | 'until'>,
  now: number,
): Pick<HoldView, 'due' | 'heldMs' | 'leftMs'> {
  return { due: now >= until, heldMs: Math.max(0, now - since), leftMs: until - now };
}

export interface HoldWish {
  readonly actionId: string;
  readonly environment: string;
  readonly actor: Actor;
  /** Empty: none was given. */
  readonly reason: string;
  readonly settings: Pick<LifecycleSettings, 'holdForMs'>;
  /** Ms since the epoch. */
  readonly now: number;
  /** `--until`, ms since the epoch. */
  readonly until?: number;
  /** `--for`, ms; not with `until`. Neither: as the environment has it. */
  readonly forMs?: number;
}

/** The last moment that a date can name; a hold for longer ends then. */
const LAST_MOMENT = 8_640_000_000_000_000;

/** The error is a sentence without its end mark. */
export function newHold(wish: HoldWish): Result<HoldTerms, string> {
  const { actionId, environment, actor, reason, settings, now, until, forMs } = wish;
  if (until !== undefined && forMs !== undefined)
    return err('a hold ends at a time (--until) or after a while (--for), not both');
  if (forMs !== undefined && !(forMs > 0)) return err('a hold must last for some time');
  const end = Math.min(until ?? now + (forMs ?? settings.holdForMs), LAST_MOMENT);
  // HO2.
  if (!(end > now))
    return err(`the hold would end at ${new Date(end).toISOString().slice(0, 19)}Z, which has passed`);
  return ok({
    actionId,
    environment,
    by: `${actor.user}@${actor.hostname}`,
    reason: reason.trim() === '' ? 'no reason was given' : reason.trim(),
    since: now,
    until: Math.floor(end),
  });
}

/**
 * Names an action in journals, on hosts and on screens, such as `stop-t8x2k1-4f21a0`: the second in which it was asked for, so that
 * names sort by time, and six digits of who asked for it, so that two persons in one second do not share it. `asker`: whatever tells
 * them apart, such as the actor, or a text with the process's number.
 */
export function actionIdOf(verb: LifecycleVerb, at: number, asker: Actor | string, digest: Digest): string {
  const seconds = Math.floor(at / 1000).toString(36);
  const mark = digest(canonicalJson([verb, at, asker]));
  return `${verb}-${seconds}-${mark.slice(0, 6)}`;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
