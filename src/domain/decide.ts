/**
 * Decides what comes next in a rollout. Pure: state and observations in, one decision out; called again after each.
 *
 * D1  More failed hosts than allowed, or a fail verdict, starts the rollback before any new work.
 * D2  No data and errors of the backend hold; they neither pass a wave nor start a rollback.
 * D3  No wave starts before the one before it has passed; the way from soak to pass leads over a fresh proof on the hosts.
 * D4  Whoever asked for a pause, an abort or a rollback is heard before new work.
 * D5  No host is left to go back by itself while the rollout goes on, and none that may have is taken for changed (decide-armed.ts).
 */
import { closedWords } from './closed.ts';
import { decideActing } from './decide-acting.ts';
import { decideAborted, decideArmed, soonEnough } from './decide-armed.ts';
import { decideFailed, settleVanished } from './decide-failed.ts';
import { decideRollback } from './decide-rollback.ts';
import { decideVerdict, decideWatching } from './decide-watching.ts';
import { type Decision, finish, hold, holdStopped, type Observations, record } from './decision.ts';
import { endCanary, startBake } from './ending.ts';
import { personOf } from './second-person.ts';
import type { RolloutState } from './state.ts';

export function decide(rollout: RolloutState, observed: Observations, now: number): Decision {
  return soonEnough(rollout, decideNext(rollout, observed, now));
}

function decideNext(rollout: RolloutState, observed: Observations, now: number): Decision {
  if (rollout.rollbackRequested) {
    return record(
      { kind: 'rollback-started', cause: { kind: 'operator' } },
      'operator-rollback',
      'rolling back: an operator asked for it',
    );
  }
  const phase = rollout.phase;
  switch (phase.kind) {
    case 'done':
      return finish('done', `${rollout.version} is done`);
    case 'aborted':
      return decideAborted(rollout, now);
    case 'rolled-back':
      return finish('rolled-back', 'every touched host is back on its previous version, proven');
    default:
  }
  const settled = settleVanished(rollout, observed);
  if (settled !== null) return settled;
  if (phase.kind === 'rolling-back' || phase.kind === 'rollback-incomplete')
    return decideRollback(rollout, phase, now);
  // Before hosts that failed when they were asked about the same: the verdict has the numbers.
  const isWatched = phase.kind === 'soaking' || phase.kind === 'baking';
  const verdict = isWatched ? decideVerdict(rollout, phase, now) : null;
  if (verdict !== null) return verdict;
  const failed = decideFailed(rollout, now);
  if (failed !== null) return failed;
  const armed = decideArmed(rollout, observed, now);
  if (armed !== null) return armed;
  if (isWatched) return decideWatching(rollout, phase, now, observed.held);
  if (rollout.stop !== null) return holdStopped(rollout, rollout.stop, now);
  switch (phase.kind) {
    case 'planned':
      return startWave(rollout, 0, observed);
    case 'acting':
      return decideActing(rollout, phase.wave, now);
    case 'passed':
      return afterWave(rollout, phase, observed);
    default:
      return phase satisfies never;
  }
}

function startWave(rollout: RolloutState, wave: number, { frozen }: Observations): Decision {
  // A canary never moves the pin, not even one that had nothing to change.
  if (wave >= rollout.waveCount) return rollout.kind === 'canary' ? endCanary(rollout) : startBake(rollout);
  // A freeze is there to keep things from getting worse: it does not close the way back.
  if (frozen !== null && rollout.kind !== 'rollback') {
    const { code, message } = closedWords(frozen);
    return hold(frozen.until, code, message);
  }
  return record(
    { kind: 'wave-started', wave },
    'wave-started',
    `starting wave ${wave + 1} of ${rollout.waveCount}`,
  );
}

function afterWave(rollout: RolloutState, { wave }: { wave: number }, observed: Observations): Decision {
  if (rollout.kind === 'canary') return endCanary(rollout);
  const approvalDue = wave === 0 && rollout.policy.approval === 'after-canary' && rollout.kind !== 'rollback';
  if (approvalDue && wave + 1 < rollout.waveCount && rollout.approvedAt === 0) {
    const who =
      rollout.policy.approvedBy === 'second-person'
        ? `somebody else than ${personOf(rollout.plannedBy)}`
        : 'a person';
    const message = `the canary wave passed; the next wave waits for ${who}: rollout approve`;
    return hold(null, 'approval-needed', message);
  }
  return startWave(rollout, wave + 1, observed);
}
