/**
 * What armed hosts need while a rollout goes forward: to be told to wait on, to be asked, to be confirmed, to be changed again. Pure.
 *
 * G1  Whoever has less than half of its time left is told to wait on, before anything else is begun; not while the rollout is stopped:
 *     what a person holds up goes back at its time.
 * G2  Whoever may have gone back is asked before it is judged or counted as proven (armed.ts, AR2): by telling it to wait on, which a
 *     host answers under the lock that its own revert takes. A proof would fail where the revert begins meanwhile.
 * G3  Whoever has gone back is not the version's failure: its wave begins again and is watched anew. One that goes back again and again
 *     halts the rollout.
 * G4  The wave passes only when each of its hosts has confirmed that it stays. A canary that is put back is not confirmed at all.
 * G5  An abort leaves the hosts as they are: the armed ones are told so, once under each lease; who cannot be told goes back.
 */

import {
  armedHosts,
  armedRevertOf,
  goingBackWords,
  hasGoneBack,
  isArmed,
  MOST_RETURNS,
  mayHaveGoneBack,
  nextRenewalAt,
  renewAt,
  timeOfDay,
  unprovenHosts,
} from './armed.ts';
import {
  describeTrouble,
  earliestAttempt,
  idsOf,
  isDrifted,
  isDue,
  isOverdue,
  nameHosts,
} from './attempts.ts';
import { closedWords } from './closed.ts';
import { leaveOut } from './decide-acting.ts';
import { act, type Decision, finish, hold, type Observations, record } from './decision.ts';
import { formatDuration } from './duration.ts';
import type { HostProgress, RolloutState } from './state.ts';

/** Hosts asked or told in one batch. */
const BATCH = 500;

/** G1-G3. Null: no armed host needs anything now. */
export function decideArmed(rollout: RolloutState, { frozen }: Observations, now: number): Decision | null {
  const policy = armedRevertOf(rollout);
  const wave = waveOf(rollout);
  if (policy === null || wave === null || rollout.stop !== null) return null;
  const hosts = [...rollout.hosts.values()];
  const armed = hosts.filter((host) => isArmed(host) && isDue(host, rollout, now) && !isDrifted(host));
  if (policy.disarm === 'after-proof' && armed.length > 0) {
    const message = `${nameHosts(armed)}: proven, and so confirmed`;
    return act('confirm', idsOf(armed.slice(0, BATCH)), 'confirming', message);
  }
  const unsure = armed.filter((host) => mayHaveGoneBack(host, rollout, now));
  const waning = armed.filter(
    (host) => unsure.includes(host) || (isArmed(host) && now >= renewAt(host, rollout)),
  );
  if (waning.length > 0) {
    const batch = idsOf(waning.slice(0, BATCH));
    if (unsure.length > 0) {
      const message = `asking ${nameHosts(unsure)}: nobody was heard for so long that they may have gone back by themselves`;
      return act('renew', batch, 'asking-armed', message);
    }
    const message = `telling ${nameHosts(waning)} to wait ${formatDuration(policy.afterMs)} more before going back`;
    return act('renew', batch, 'renewing', message);
  }
  const back = hosts.filter((host) => hasGoneBack(host) && host.wave <= wave);
  const often = back.filter((host) => host.wentBack >= MOST_RETURNS);
  if (often.length > 0) {
    const message = `${nameHosts(often)}: gone back ${MOST_RETURNS} times by itself, since nobody was heard for ${formatDuration(policy.afterMs)}; run rollout advance more often than that, or set a longer revertTimer.after`;
    return record({ kind: 'halted', code: 'hosts-go-back', message }, 'hosts-go-back', message);
  }
  if (back.length === 0 || rollout.phase.kind === 'acting') return null;
  const message = `${nameHosts(back)}: gone back to ${versionsOf(back)} by itself, since nobody was heard in time; wave ${wave + 1} begins again`;
  if (frozen !== null)
    return hold(frozen.until, closedWords(frozen).code, `${closedWords(frozen).message}; ${message} then`);
  return record({ kind: 'wave-started', wave, wentBack: idsOf(back) }, 'hosts-went-back', message);
}

/** G4. Null: all that is proven stays. */
export function decideConfirm(rollout: RolloutState, now: number): Decision | null {
  if (rollout.kind === 'canary' && !rollout.keep) return null;
  const armed = armedHosts(rollout);
  if (armed.length === 0) return null;
  const due = armed.filter((host) => isDue(host, rollout, now));
  if (due.length > 0) {
    const message = `the version stays on ${nameHosts(due)}`;
    return act('confirm', idsOf(due.slice(0, BATCH)), 'confirming', message);
  }
  const left = leaveOut(
    rollout,
    armed.filter((host) => isOverdue(host, rollout)),
  );
  if (left !== null) return left;
  const words = `cannot confirm the version on ${describeTrouble(armed)}`;
  const at =
    armed[0] === undefined
      ? ''
      : `; without that it goes back by itself at ${timeOfDay(armed[0].armedUntil, now)}`;
  return hold(earliestAttempt(armed, rollout) ?? now, 'hosts-out-of-reach', `${words}${at}`);
}

/** G5. */
export function decideAborted(rollout: RolloutState, now: number): Decision {
  const armed = armedHosts(rollout);
  const due = armed.filter(
    (host) => (host.troubleSince === null || host.dueAtOnce) && !mayHaveGoneBack(host, rollout, now),
  );
  if (due.length > 0) {
    const message = `aborted: ${nameHosts(due)} stay as they are, and are told so`;
    return act('confirm', idsOf(due.slice(0, BATCH)), 'confirming-aborted', message);
  }
  return finish('aborted', `aborted by an operator: ${abortWords(rollout, now)}`);
}

/** What becomes of the hosts of an aborted rollout. */
export function abortWords(rollout: RolloutState, now: number): string {
  const armed = goingBackWords(rollout, now, 'unless told otherwise');
  const unproven = unprovenHosts(rollout);
  const policy = armedRevertOf(rollout);
  if (armed === null && (unproven.length === 0 || policy === null)) return 'the hosts stay as they are';
  const rest =
    unproven.length === 0 || policy === null
      ? []
      : [
          `${nameHosts(unproven)}, never proven, will have gone back within ${formatDuration(policy.afterMs)} of the change`,
        ];
  return ['the other hosts stay as they are', ...(armed === null ? [] : [armed]), ...rest].join('; ');
}

/** A decision to wait, no longer than armed hosts can. */
export function soonEnough(rollout: RolloutState, decision: Decision): Decision {
  if (decision.next !== 'wait' && decision.next !== 'hold') return decision;
  if (decision.until === null || rollout.stop !== null || waveOf(rollout) === null) return decision;
  const renewal = nextRenewalAt(rollout);
  return renewal === null ? decision : { ...decision, until: Math.min(decision.until, renewal) };
}

/** The wave that is being changed or was last; null: the rollout does not go forward, or has not begun. */
function waveOf({ phase, waveCount }: RolloutState): number | null {
  switch (phase.kind) {
    case 'acting':
    case 'soaking':
    case 'passed':
      return phase.wave;
    case 'baking':
      return waveCount - 1;
    default:
      return null;
  }
}

function versionsOf(hosts: readonly HostProgress[]): string {
  const versions = hosts.flatMap(({ outcome }) =>
    outcome?.kind === 'went-back' ? [outcome.packageVersion] : [],
  );
  return [...new Set(versions)].join(', ');
}
