/** What a stop says of its hold: whom it covers, by the hosts' own word, and until when; never more than was seen. */
import type { LifecycleOutcome } from '../../domain/lifecycle.ts';
import type { LifecycleReport } from '../../engine/lifecycle-types.ts';
import type { ActionEnd } from './action-end.ts';
import { wishedWords } from './held-words.ts';
import { harmless, moment, type Paint } from './paint.ts';

/** Names of the hosts that the hold was wished for: those that said that they have it, that are down without it, and the others. */
export function heldBy({ hosts }: Pick<LifecycleReport, 'hosts'>): {
  readonly confirmed: readonly string[];
  readonly without: readonly string[];
  readonly unconfirmed: readonly string[];
} {
  const confirmed: string[] = [];
  const without: string[] = [];
  const unconfirmed: string[] = [];
  for (const { host, outcome } of hosts) {
    const answered = outcome.kind === 'proven' || outcome.kind === 'failed';
    if (answered && outcome.held) confirmed.push(host.name);
    else if (outcome.kind === 'proven') without.push(host.name);
    else if (isWished(outcome)) unconfirmed.push(host.name);
  }
  return { confirmed, without, unconfirmed };
}

/** Of a VM that is gone, that was not begun on, or that is another one, nobody wishes anything (FL2). */
function isWished(outcome: LifecycleOutcome): boolean {
  if (outcome.kind === 'gone') return false;
  if (outcome.kind === 'no-answer') return outcome.why !== 'cancelled';
  return outcome.kind !== 'blocked' || outcome.why !== 'wrong-host';
}

/** The fact `hold` of a stop; empty where it left none. */
export function holdText({ hold, typed, verb, now, reports }: ActionEnd, paint: Paint): string {
  if (hold === null) return '';
  const lifts = verb === 'disable' && now ? 'enable --now' : 'start';
  const all = reports.map(heldBy);
  const confirmed = all.flatMap((one) => one.confirmed);
  const unconfirmed = all.flatMap((one) => one.unconfirmed);
  const words = wishedWords(confirmed.length + unconfirmed.length, unconfirmed);
  const whose = `by ${harmless(hold.by)}, due ${moment(hold.until)}`;
  if (words !== null && confirmed.length === 0)
    return `${paint.bad(`only WISHED: ${words}`)}; the same command again goes on until it is so (${whose}: ${harmless(hold.reason)})`;
  if (confirmed.length === 0) return `on no host (${whose}: ${harmless(hold.reason)})`;
  const short = words === null ? '' : `${paint.warn(words)}; `;
  return `${short}${whose}, but nothing lifts it by itself: ${typed} ${lifts} does (${harmless(hold.reason)})`;
}
