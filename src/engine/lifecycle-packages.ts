/**
 * What an install needs before any host is touched: the package of the environment's pin, trusted, and who lacks it.
 *
 * LP1  Only the pin's own digests are installed, never merely its version: the same version has another file elsewhere.
 * LP2  What is quarantined, missing or altered refuses the whole action; a host whose own state forbids it is left out by name.
 * LP3  An install changes nobody who has the agent: a version is changed by a rollout, which has a way back.
 */
import type { Architecture, Artifact, Sha256 } from '../domain/artifact.ts';
import type { Host, HostId } from '../domain/host.ts';
import type { Pin } from '../domain/journal.ts';
import { byName } from '../domain/planning.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { EnvironmentState, Quarantined } from '../domain/state.ts';
import { releaseOf } from '../domain/version.ts';
import type { StoreError } from '../ports/artifact-store.ts';
import { type EngineContext, type Refusal, refuse } from './context.ts';
import { calledOff, type LookedAt, lookAtHosts } from './survey.ts';

export interface NotInstalled {
  readonly host: Host;
  /**
   * `already-there`: it has the pin's version. `other-version`: another one (LP3). The others lack it, or nobody knows, and cannot be
   * helped now: they count as not covered.
   */
  readonly kind: 'already-there' | 'other-version' | 'broken' | 'unsupported' | 'no-artifact' | 'no-answer';
  /** A sentence without its end mark, with what to do. */
  readonly why: string;
}

export interface InstallPlan {
  readonly version: string;
  /** Those that lack the package and can have it, in the order of their names. */
  readonly hosts: readonly Host[];
  /** The package of each of them. */
  readonly artifacts: ReadonlyMap<HostId, Artifact>;
  readonly leftOut: readonly NotInstalled[];
}

/** Whether an operator who asked for the agent there must hear that it is not. */
export function isUncovered({ kind }: NotInstalled): boolean {
  return kind !== 'already-there' && kind !== 'other-version';
}

/**
 * Looks at the chosen hosts and reads the packages that they need back from the store. Changes nothing; may be repeated. Refuses
 * without a pin, where a needed package is missing, altered, unreadable or quarantined, and where it is called off.
 */
export async function prepareInstall(
  context: EngineContext,
  { chosen, state }: { readonly chosen: readonly Host[]; readonly state: EnvironmentState },
  signal?: AbortSignal,
): Promise<Result<InstallPlan, Refusal>> {
  const { name, promotesFrom } = context.environment;
  const { pin } = state;
  if (pin === null) return err(noPin(context));
  const staged = await context.store.list();
  if (!staged.ok) {
    const message = `cannot read the artifact store of ${name}: ${staged.error.message}`;
    return err(refuse('failed', 'store-failed', message, { next: `rollout doctor ${name}` }));
  }
  const change = promotesFrom === null ? `rollout deploy ${name} ${pin.version}` : `rollout promote ${name}`;
  const aim = { pin, staged: staged.value, change };
  const candidates = chosen.map((host) => ({ host, eligibility: { kind: 'eligible' } as const }));
  const looked = await lookAtHosts(context, candidates, signal);
  if (signal?.aborted === true) return err(calledOff(context, 'looking at'));
  const answers = new Map(looked.map((one) => [one.id, one]));
  const hosts: Host[] = [];
  const artifacts = new Map<HostId, Artifact>();
  const leftOut: NotInstalled[] = [];
  for (const host of [...chosen].sort(byName)) {
    const fate = fateOf(aim, answers.get(host.id));
    if (fate.kind !== 'lacks') {
      leftOut.push({ host, ...fate });
      continue;
    }
    const artifact = staged.value.find(({ sha256 }) => sha256 === fate.digest);
    if (artifact === undefined) return err(notStaged(context, pin, fate.digest));
    hosts.push(host);
    artifacts.set(host.id, artifact);
  }
  for (const artifact of new Set(artifacts.values())) {
    const held = state.quarantine.find(({ sha256 }) => sha256 === artifact.sha256);
    if (held !== undefined) return err(quarantined(context, artifact, held));
    const verified = await context.store.verify(artifact);
    if (!verified.ok) return err(untrusted(context, artifact, verified.error));
  }
  return ok({ version: pin.version, hosts, artifacts, leftOut });
}

type Fate =
  | Omit<NotInstalled, 'host'>
  | { readonly kind: 'lacks'; readonly architecture: Architecture; readonly digest: Sha256 };

interface Aim {
  readonly pin: Pin;
  readonly staged: readonly Artifact[];
  /** What changes a version here, as typed. */
  readonly change: string;
}

function fateOf({ pin, staged, change }: Aim, found: LookedAt | undefined): Fate {
  if (found === undefined) return { kind: 'no-answer', why: 'it was not looked at' };
  if (found.incapable !== null) return { kind: 'unsupported', why: found.incapable };
  if (found.answer.kind === 'none') return { kind: 'no-answer', why: found.answer.why };
  const { packageState, packageVersion, architecture, installedSha256 } = found.answer.look;
  if (packageState === 'broken') {
    const why = `its package is half installed (dpkg has ${packageVersion || 'no version of it'}); \`osqueryd remove\` it there first`;
    return { kind: 'broken', why };
  }
  const digest = Object.hasOwn(pin.digests, architecture) ? pin.digests[architecture] : undefined;
  if (packageState === 'absent') {
    if (digest !== undefined) return { kind: 'lacks', architecture, digest };
    const why = `the pin has ${pin.version} for ${Object.keys(pin.digests).join(', ')}, and it is ${architecture}`;
    return { kind: 'no-artifact', why };
  }
  const other = (what: string): Fate => ({
    kind: 'other-version',
    why: `it has ${what}, and an install changes no version: \`${change}\` does`,
  });
  if (!releaseOf(packageVersion, pin.version)) return other(packageVersion);
  // Another environment's file of the same version is another file (LP1).
  const ours = staged.find(({ sha256 }) => sha256 === digest);
  if (ours !== undefined && installedSha256 !== '' && installedSha256 !== ours.executable.sha256) {
    return other(`${packageVersion} with another executable than the pin's`);
  }
  return { kind: 'already-there', why: `it has ${packageVersion}` };
}

function noPin({ environment: { name, promotesFrom } }: EngineContext): Refusal {
  return refuse('failed', 'no-pin', `no version is pinned in ${name}: nobody has said which one to install`, {
    next: promotesFrom === null ? `rollout deploy ${name} VERSION` : `rollout promote ${name}`,
  });
}

function notStaged({ environment: { name } }: EngineContext, pin: Pin, digest: Sha256): Refusal {
  const message = `the package that is pinned in ${name} is not in its store: ${pin.version}, sha256 ${digest}`;
  return refuse('failed', 'artifact-not-found', message, {
    next: `rollout stage ${pin.version} --package ${name}=FILE --sha256 ${name}=${digest}`,
  });
}

function quarantined(
  { environment: { name } }: EngineContext,
  artifact: Artifact,
  held: Quarantined,
): Refusal {
  const { version, architecture, sha256 } = artifact;
  const message = `${version} (${architecture}) is pinned in ${name}, but was rolled back in ${held.rolloutId} and is quarantined: sha256 ${sha256}`;
  return refuse('failed', 'quarantined', message, {
    next: `rollout rollback ${name}, or rollout quarantine lift ${sha256} --reason TEXT`,
  });
}

function untrusted({ environment: { name } }: EngineContext, artifact: Artifact, error: StoreError): Refusal {
  const { version, architecture, sha256 } = artifact;
  const message = `the pinned package of ${version} (${architecture}) in ${name} cannot be trusted: ${error.message}`;
  const next =
    error.kind === 'unavailable'
      ? `rollout doctor ${name}`
      : `rollout stage ${version} --package ${name}=FILE --sha256 ${name}=${sha256}`;
  return refuse('failed', `artifact-${error.kind}`, message, { next });
}
