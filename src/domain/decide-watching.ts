/**
 * What comes next while a wave soaks or an environment bakes. Pure.
 *
 * W1  Only observed time counts (judge.ts); a gap lengthens the watch. The newest judgement must be a pass.
 * W2  A fail verdict starts the rollback, paused or not; inconclusive and error only wait.
 * W3  The watch ends with a proof on every host: metrics cannot show which executable runs.
 * W4  Where nothing can be watched, a person must say so; silence is not health.
 * W5  What the metrics show of a time in which somebody stopped, started or restarted agents says nothing about the version. Behind it
 *     a soak's time is observed anew, since what was started again has not been watched yet.
 * W6  A host for which somebody's action was meant, and from which its end was never heard, is asked before it is judged.
 * W7  Agents that do not run are asked for on their hosts once before a verdict on that rolls anything back: a stop may be known there
 *     and not in the journal yet. Whatever else fails rolls back at once, and who does not answer excuses nothing. One that has gone back
 *     by itself meanwhile, or may have, was not there to be judged.
 */
import { hasGoneBack, mayHaveGoneBack } from './armed.ts';
import {
  describeTrouble,
  earliestAttempt,
  idsOf,
  isDrifted,
  isDue,
  isOverdue,
  nameHosts,
} from './attempts.ts';
import { controlHosts } from './control-hosts.ts';
import { leaveOut } from './decide-acting.ts';
import { decideConfirm } from './decide-armed.ts';
import { act, type Decision, hold, holdStopped, record, wait } from './decision.ts';
import { formatDuration } from './duration.ts';
import { endBake } from './ending.ts';
import type { Judgement } from './gate.ts';
import type { HostId } from './host.ts';
import { longestLookBack, whyDecided, whyNotCounting } from './judgement-words.ts';
import type { GatePolicy } from './policy.ts';
import type { HostProgress, Phase, RolloutState, Watch } from './state.ts';

type WatchedPhase = Extract<Phase, { kind: 'soaking' | 'baking' }>;

/** Hosts proven in one batch. */
const BATCH = 500;

/** Steps asked of the metrics backend at once; Prometheus allows 11,000 points a series. */
const MOST_STEPS = 1_000;

export function decideWatching(
  rollout: RolloutState,
  phase: WatchedPhase,
  now: number,
  held: ReadonlySet<HostId> = new Set(),
): Decision {
  const { watch } = phase;
  const neededMs = phase.kind === 'soaking' ? rollout.policy.soakMs : rollout.policy.bakeMs;
  const hosts = [...rollout.hosts.values()];
  const unheard = hosts.filter(isUnheard);
  const toAsk = unheard.filter((host) => isDue(host, rollout, now));
  if (toAsk.length > 0 && rollout.stop === null) {
    const actions = [...new Set(unheard.map((host) => host.unheard))].slice(0, 3).join(', ');
    const message = `asking ${nameHosts(toAsk)} what runs there: how ${actions} ended was never heard`;
    return act('prove', idsOf(toAsk.slice(0, BATCH)), 'asking-unheard', message);
  }
  const watched = judgeable(rollout, now);
  const blind =
    watched.length === 0 &&
    !hosts.some((host) => isUnheard(host) || isDrifted(host) || mayHaveGoneBack(host, rollout, now)) &&
    neededMs > 0 &&
    rollout.approvedAt === 0;
  if (!isSeenEnough(rollout, watch, neededMs) && watched.length > 0)
    return keepJudging(rollout, phase, { watched, held, neededMs, now });
  if (rollout.stop !== null) return holdStopped(rollout, rollout.stop, now);
  if (blind) {
    return hold(null, 'no-witness', blindWords(rollout));
  }
  return proveThenPass(rollout, phase, now);
}

/** W2, W7. Null: there is no fail verdict, or nobody is to blame for it but who stopped the agents. */
export function decideVerdict(rollout: RolloutState, { watch }: WatchedPhase, now: number): Decision | null {
  const judgement = watch.last;
  if (judgement?.kind !== 'fail') return null;
  const why = failedGates(judgement);
  const failed = judgement.gates.filter((gate) => gate.kind === 'fail');
  const ids = new Set(failed.flatMap(({ offenders }) => offenders.map(({ hostId }) => hostId)));
  const offenders = [...ids].flatMap((id) => rollout.hosts.get(id) ?? []);
  // A stopped agent uses nothing: it can only have too little of something. What names no host, such as a command's exit code, is of all
  // of them: nobody can be asked about it.
  if (failed.every((gate) => gate.direction === 'below' && gate.offenders.length > 0)) {
    const unasked = offenders.filter(
      (one) =>
        one.state === 'verified' && one.answeredSeq < watch.markSeq && !mayHaveGoneBack(one, rollout, now),
    );
    if (unasked.length > 0) {
      const message = `asking ${nameHosts(unasked)} whether somebody has stopped the agent there: ${why}`;
      return act('prove', idsOf(unasked), 'asking-offenders', message);
    }
    const isExcused = (one: HostProgress): boolean =>
      watch.excused?.has(one.host.id) === true ||
      isDrifted(one) ||
      hasGoneBack(one) ||
      mayHaveGoneBack(one, rollout, now);
    if (offenders.every(isExcused)) return null;
  }
  return record({ kind: 'rollback-started', cause: { kind: 'verdict', judgement } }, 'gate-failed', why);
}

/** W4. */
function blindWords({ hosts }: RolloutState): string {
  const stopped = [...hosts.values()].filter((host) => host.state === 'verified' && host.leftStopped);
  const approval = 'a person must approve that nobody watches: rollout approve';
  return stopped.length === 0
    ? `no changed host runs the agent, so no gate can see it; ${approval}`
    : `no gate can see the version, since somebody has stopped the agent on every changed host (${nameHosts(stopped)}): osqueryd start brings it back to be watched, or ${approval}`;
}

/** W6. */
function isUnheard(host: HostProgress): boolean {
  return host.state === 'verified' && host.unheard !== null;
}

/** Changed hosts that run the agent, as far as anybody can know, in the order of the plan. */
function judgeable(rollout: RolloutState, now: number): HostProgress[] {
  return [...rollout.hosts.values()].filter(
    (host) =>
      host.state === 'verified' &&
      !host.leftStopped &&
      host.unheard === null &&
      !isDrifted(host) &&
      !mayHaveGoneBack(host, rollout, now),
  );
}

/** W1, W5. */
function isSeenEnough({ policy }: RolloutState, watch: Watch, neededMs: number): boolean {
  if (watch.last !== null && watch.last.kind !== 'pass') return false;
  const { observedMs, disturbedMs } = watch;
  if (disturbedMs !== undefined && observedMs - disturbedMs < Math.min(neededMs, policy.soakMs)) return false;
  return observedMs >= neededMs;
}

interface Judging {
  readonly watched: readonly HostProgress[];
  readonly held: ReadonlySet<HostId>;
  readonly neededMs: number;
  readonly now: number;
}

function keepJudging(
  rollout: RolloutState,
  { kind, since, watch }: WatchedPhase,
  { watched, held, neededMs, now }: Judging,
): Decision {
  const { sampleEveryMs, sampleDelayMs, gates } = rollout.policy;
  // The window of a rate must lie wholly behind the change, or it would mix the old version in.
  const lookBackMs = Math.max(0, ...gates.map((gate) => gate.windowMs + gate.forMs));
  const warmUp = kind === 'soaking' ? longestLookBack(gates) : null;
  const newest = now - sampleDelayMs;
  const undisturbed = rollout.disturbedAt === 0 ? 0 : rollout.disturbedAt + lookBackMs; // W5
  const begun = Math.max(watch.judgedTo ?? 0, since + (warmUp?.windowMs ?? 0), undisturbed);
  const from = Math.max(begun, newest - MOST_STEPS * sampleEveryMs);
  const steps = Math.floor((newest - from) / sampleEveryMs);
  const lastTried = watch.lastAt + sampleEveryMs;
  if (steps >= 1 && now >= lastTried) {
    const to = from + steps * sampleEveryMs;
    const controls = controlHosts(rollout, watched, held);
    return {
      next: 'judge',
      hosts: idsOf(watched),
      ...(controls.length === 0 ? {} : { controls }),
      from,
      to,
      since: Math.max(since, rollout.disturbedAt),
      reason: { code: 'judging', message: 'asking for the numbers of the gates' },
    };
  }
  const next = Math.max(lastTried, from + sampleEveryMs + sampleDelayMs);
  // W2: whoever runs it goes on looking.
  if (rollout.stop !== null) return holdStopped(rollout, rollout.stop, now, next);
  const { consecutiveErrors = 0 } = rollout.policy;
  const isDisturbed = undisturbed >= newest;
  return waitingWords({ watch, next, kind, neededMs, warmUp, isDisturbed, consecutiveErrors });
}

interface Waiting {
  readonly watch: Watch;
  readonly next: number;
  readonly kind: WatchedPhase['kind'];
  readonly neededMs: number;
  /** The gate that looks back longest, for which it waits; null: for none. */
  readonly warmUp: GatePolicy | null;
  /** What somebody did to agents is still in the gates' look-back. */
  readonly isDisturbed: boolean;
  /** Evaluations in a row without an answer that are borne. */
  readonly consecutiveErrors: number;
}

function waitingWords({
  watch,
  next,
  kind,
  neededMs,
  warmUp,
  isDisturbed,
  consecutiveErrors,
}: Waiting): Decision {
  const seen = `${seconds(watch.observedMs)} of ${seconds(neededMs)} observed healthy`;
  const last = watch.last;
  if (isDisturbed) {
    const from = new Date(next).toISOString().slice(11, 19);
    const why = 'somebody has stopped or started agents, which must lie behind the gates’ look-back';
    return wait(next, kind, `${seen}; counting goes on at ${from} UTC: ${why}`);
  }
  if (last === null && warmUp !== null) {
    // Minutes or hours of silence look like a fault to whoever does not know what they are for.
    const from = new Date(next).toISOString().slice(11, 19);
    const why = `the look-back of the gate ${warmUp.name}, ${formatDuration(warmUp.windowMs)}, must lie behind the change`;
    return wait(next, kind, `${seen}; counting begins at ${from} UTC: ${why}`);
  }
  if (last === null || last.kind === 'pass' || last.kind === 'fail') return wait(next, kind, seen);
  const why = whyDecided(last) || 'nothing was measured';
  if (last.kind !== 'error') return hold(next, whyNotCounting(last), `${seen}; not counting: ${why}`);
  const message = `${seen}; not judged: ${why}`;
  const errors = watch.errorsInARow ?? 1;
  return errors > consecutiveErrors
    ? hold(next, 'metrics-error', message)
    : wait(
        next,
        'metrics-error',
        `${message}; ${errors} of ${consecutiveErrors} failures in a row that are borne`,
      );
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)}s`;
}

function failedGates(judgement: Judgement): string {
  return judgement.gates
    .filter((gate) => gate.kind === 'fail')
    .map((gate) => gate.why)
    .join('; ');
}

/** W3; and decide-armed.ts, G4. */
function proveThenPass(rollout: RolloutState, phase: WatchedPhase, now: number): Decision {
  const toProve = [...rollout.hosts.values()].filter(
    (host) =>
      host.state === 'verified' &&
      ((host.provenSeq < phase.watch.markSeq && (phase.kind === 'baking' || host.wave === phase.wave)) ||
        host.unheard !== null ||
        isDrifted(host) ||
        mayHaveGoneBack(host, rollout, now)),
  );
  const due = toProve.filter((host) => isDue(host, rollout, now));
  if (due.length > 0) {
    return act('prove', idsOf(due.slice(0, BATCH)), 'proving', `proving ${nameHosts(due)} once more`);
  }
  const overdue = toProve.filter((host) => isOverdue(host, rollout));
  const left = leaveOut(rollout, overdue);
  if (left !== null) return left;
  if (toProve.length > 0) {
    const next = earliestAttempt(toProve, rollout) ?? now;
    return hold(next, 'hosts-out-of-reach', `cannot prove ${describeTrouble(toProve)}`);
  }
  const confirm = decideConfirm(rollout, now);
  if (confirm !== null) return confirm;
  return phase.kind === 'soaking'
    ? record({ kind: 'wave-passed', wave: phase.wave }, 'wave-passed', `wave ${phase.wave + 1} has passed`)
    : endBake(rollout, phase.watch);
}
