/**
 * Hosts that go back by themselves unless they are told otherwise: who they are, and until when that need not be feared. Pure.
 *
 * AR1  `armedUntil` is counted from before the host was asked, so that a host whose clock runs like ours never goes back before it.
 * AR2  Near that time, and where our own clock went back, nobody knows any more what the host runs: it is asked before anything about
 *      it is judged or claimed.
 */
import { isDrifted, nameHosts, nextAttemptAt } from './attempts.ts';
import type { ArmedRevertPolicy } from './policy.ts';
import type { HostProgress, RolloutState } from './state.ts';

/** A host that has gone back so many times is not changed again before a person has looked why nobody was heard there. */
export const MOST_RETURNS = 3;

/** Longest time before `armedUntil` from which on the host is asked, ms; a tenth of the whole time where that is less. */
const MOST_MARGIN_MS = 60_000;

/** What upgrades of this rollout arm; null: nothing. A rollback to a version is itself the way back: nobody wants to go back from it. */
export function armedRevertOf({
  kind,
  policy,
}: Pick<RolloutState, 'kind' | 'policy'>): ArmedRevertPolicy | null {
  return kind === 'rollback' ? null : (policy.armedRevert ?? null);
}

/** Proven on the new version, and going back from it unless it hears from us. */
export function isArmed(
  host: HostProgress,
): host is HostProgress & { readonly state: 'verified'; readonly armedUntil: number } {
  return host.state === 'verified' && host.armedUntil !== null;
}

/** AR2. */
export function mayHaveGoneBack(host: HostProgress, rollout: RolloutState, now: number): boolean {
  if (!isArmed(host)) return false;
  const { afterMs } = armedRevertOf(rollout) ?? { afterMs: 0 };
  return now >= host.armedUntil - Math.min(MOST_MARGIN_MS, afterMs / 10) || now < host.lastAttemptAt;
}

/** Put back by itself, and not changed again since. */
export function hasGoneBack({ state, outcome }: HostProgress): boolean {
  return state === 'pending' && outcome?.kind === 'went-back';
}

/** From when on an armed host is told to wait on: half of its time is left then. */
export function renewAt(host: HostProgress & { readonly armedUntil: number }, rollout: RolloutState): number {
  const { afterMs } = armedRevertOf(rollout) ?? { afterMs: 0 };
  return host.armedUntil - afterMs / 2;
}

/** When the next armed host is to be told to wait on, ms since the epoch; null: there is none. */
export function nextRenewalAt(rollout: RolloutState): number | null {
  let next: number | null = null;
  for (const host of rollout.hosts.values()) {
    if (!isArmed(host) || isDrifted(host)) continue;
    const due = renewAt(host, rollout);
    const at = host.troubleSince === null ? due : Math.max(due, nextAttemptAt(host, rollout));
    if (next === null || at < next) next = at;
  }
  return next;
}

/** An armed host has less than a quarter of its time left: it cannot wait for the end of what is being done to others. */
export function isRenewalUrgent(rollout: RolloutState, now: number): boolean {
  const policy = armedRevertOf(rollout);
  if (policy === null) return false;
  for (const host of rollout.hosts.values()) {
    if (isArmed(host) && host.troubleSince === null && host.armedUntil - now < policy.afterMs / 4)
      return true;
  }
  return false;
}

/** Armed hosts, who goes back first before the others. */
export function armedHosts(rollout: RolloutState): (HostProgress & { readonly armedUntil: number })[] {
  return [...rollout.hosts.values()].filter(isArmed).sort((a, b) => a.armedUntil - b.armedUntil);
}

/** Changed, or meant to be, and neither proven nor put back: armed too, if the change has begun there. */
export function unprovenHosts(rollout: RolloutState): HostProgress[] {
  if (armedRevertOf(rollout) === null) return [];
  return [...rollout.hosts.values()].filter((host) => host.touched && host.state !== 'verified');
}

/** Aborted, with hosts that are still to hear that they stay as they are. */
export function isAbortUntold(rollout: RolloutState, now: number): boolean {
  return (
    rollout.phase.kind === 'aborted' &&
    armedHosts(rollout).some((host) => !mayHaveGoneBack(host, rollout, now))
  );
}

/** How many hosts go back by themselves unless they hear from us, from when to when, ms since the epoch; null: none does. */
export interface GoingBack {
  readonly hosts: number;
  readonly from: number;
  readonly to: number;
}

export function goingBack(rollout: RolloutState): GoingBack | null {
  const armed = armedHosts(rollout);
  const from = armed[0]?.armedUntil;
  const to = armed.at(-1)?.armedUntil;
  return from === undefined || to === undefined ? null : { hosts: armed.length, from, to };
}

/** Such as `14:05Z`, or with its day where that is another. */
export function timeOfDay(at: number, now: number): string {
  const text = new Date(at).toISOString();
  const day = text.slice(0, 10) === new Date(now).toISOString().slice(0, 10) ? '' : `${text.slice(0, 10)} `;
  return `${day}${text.slice(11, 16)}Z`;
}

/**
 * Which hosts go back by themselves and when, such as `web-01 goes back by itself at 14:05Z`, with `unless` behind those that can still be
 * kept from it; who is past its time may have gone back. null: none does.
 */
export function goingBackWords(rollout: RolloutState, now: number, unless = ''): string | null {
  const armed = armedHosts(rollout);
  const past = armed.filter(({ armedUntil }) => armedUntil <= now);
  const ahead = armed.slice(past.length);
  const words = [
    ...(past[0] === undefined
      ? []
      : [
          `${nameHosts(past)} may have gone back by ${themselves(past)} since ${timeOfDay(past[0].armedUntil, now)}`,
        ]),
    ...(ahead[0] === undefined ? [] : [`${aheadWords(ahead, now)}${unless === '' ? '' : ` ${unless}`}`]),
  ];
  return words.length === 0 ? null : words.join('; ');
}

function aheadWords(ahead: ReturnType<typeof armedHosts>, now: number): string {
  const from = timeOfDay(ahead[0]?.armedUntil ?? now, now);
  const to = timeOfDay(ahead.at(-1)?.armedUntil ?? now, now);
  const who =
    ahead.length === 1 ? `${nameHosts(ahead)} goes` : `${ahead.length} hosts (${nameHosts(ahead)}) go`;
  return `${who} back by ${themselves(ahead)} ${from === to ? `at ${from}` : `from ${from} to ${to}`}`;
}

function themselves({ length }: readonly HostProgress[]): string {
  return length === 1 ? 'itself' : 'themselves';
}
