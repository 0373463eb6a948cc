/** How a rollout that went forward comes to its end: pin, receipt, and who is not covered. Pure. */
import { nameHosts } from './attempts.ts';
import { isUncovered } from './coverage.ts';
import { type Decision, record } from './decision.ts';
import type { RolloutState, Watch } from './state.ts';

/** From here on the environment is meant to run this version. */
export function startBake(rollout: RolloutState): Decision {
  return record(
    { kind: 'bake-started', pin: { version: rollout.version, digests: digestsOf(rollout) } },
    'bake-started',
    'all waves passed; baking',
  );
}

/** The receipt is given only for a bake that was really observed, and counts whom it saw: a stopped agent has shown nothing. */
export function endBake(rollout: RolloutState, watch: Watch): Decision {
  const verified = [...rollout.hosts.values()].filter((host) => host.state === 'verified');
  const stopped = verified.filter((host) => host.leftStopped);
  const covered = verified.length - stopped.length;
  const left =
    stopped.length === 0
      ? ''
      : `, and installed on ${stopped.length} whose agent is left stopped: ${nameHosts(stopped)}`;
  const environment = Object.values(rollout.artifacts)[0]?.environment ?? '';
  const observed = watch.observedMs > 0 && watch.observedMs >= rollout.policy.bakeMs;
  const receipt = {
    environment,
    rolloutId: rollout.id,
    version: rollout.version,
    digests: digestsOf(rollout),
    observedMs: watch.observedMs,
    hosts: covered,
  };
  return record(
    {
      kind: 'rollout-done',
      notCovered: notCovered(rollout),
      ...(observed && rollout.kind !== 'rollback' ? { receipt } : {}),
    },
    'done',
    `${rollout.version} is proven on ${covered} host(s)${left}`,
  );
}

export function endCanary(rollout: RolloutState): Decision {
  if (rollout.keep) {
    return record(
      { kind: 'rollout-done', notCovered: notCovered(rollout) },
      'done',
      'the canaries passed and keep the version',
    );
  }
  return record(
    { kind: 'rollback-started', cause: { kind: 'canary-finished' } },
    'canary-finished',
    'the canaries passed; putting them back',
  );
}

/** Hosts that were to have the version and are not proven to. */
export function notCovered(rollout: RolloutState): string[] {
  const ids: string[] = [];
  for (const [id, host] of rollout.hosts) {
    if (host.state !== 'verified' && host.state !== 'gone') ids.push(id);
  }
  if (rollout.kind === 'canary') return ids;
  // Who was left out of the plan is in it, and was agreed to; who came since is told here.
  const late = rollout.leftOut.filter((one) => rollout.newcomers.has(one.id) && isUncovered(one));
  return [...ids, ...late.map(({ id }) => id)];
}

function digestsOf(rollout: RolloutState): Record<string, string> {
  const digests: Record<string, string> = {};
  for (const [architecture, artifact] of Object.entries(rollout.artifacts))
    digests[architecture] = artifact.sha256;
  return digests;
}
