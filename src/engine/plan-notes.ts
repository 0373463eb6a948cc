/**
 * What whoever begins a planned rollout would meet, and what does not refuse it: `plan` says it, and so do `deploy`, `promote` and
 * `canary` before they ask. What refuses is among the plan's blockers (prepare-plan.ts).
 *
 * PN1  Nothing is said of a way back: no freeze, window, change request or receipt stands in its way.
 */
import { closingNow } from '../domain/closed.ts';
import { isFinished } from '../domain/fold.ts';
import type { Receipt, RolloutKind } from '../domain/journal.ts';
import type { PlannedHost } from '../domain/plan.ts';
import type { Result } from '../domain/result.ts';
import type { EnvironmentState } from '../domain/state.ts';
import type { EngineContext, Refusal } from './context.ts';
import type { PreparedPlan } from './prepare-plan.ts';
import { sameFileElsewhere } from './same-file.ts';

export interface PlanNote {
  /** Stable, for machines. */
  readonly code:
    | 'carries-on'
    | 'frozen'
    | 'outside-window'
    | 'change-needed'
    | 'not-proven'
    | 'agents-stopped'
    | 'same-file';
  readonly message: string;
}

export interface PlanNotesRequest {
  readonly kind: RolloutKind;
  readonly version: string;
  readonly state: EnvironmentState;
  readonly prepared: Pick<PreparedPlan, 'plan' | 'release' | 'looked'>;
  /** Every environment of the promotion line. */
  readonly line: readonly EngineContext[];
  /** Whether a change reference is there already. */
  readonly hasChange: boolean;
  /** What the environment before has proven, or why nothing may be taken from it; absent: that is not asked. */
  readonly proven?: Result<Receipt, Refusal>;
}

export async function planNotes(context: EngineContext, request: PlanNotesRequest): Promise<PlanNote[]> {
  if (request.kind === 'rollback') return [];
  const { version, prepared, line } = request;
  const files = Object.values(prepared.release.artifacts).map(({ architecture, sha256 }) => ({
    environment: context.environment.name,
    version,
    architecture,
    sha256,
  }));
  const elsewhere = line.map(({ environment, store }) => ({ name: environment.name, store }));
  const on = carriesOn(context, request);
  return [
    ...on,
    ...closed(context),
    // What is under way has been asked for both.
    ...(on.length > 0 ? [] : [...changeNeeded(context, request), ...notProven(context, request)]),
    ...agentsStopped(context, request),
    ...(await sameFileElsewhere(files, elsewhere)),
  ];
}

/** What is under way is another plan than the one that is shown. */
function carriesOn(
  { environment: { name } }: EngineContext,
  { kind, version, state: { rollout } }: PlanNotesRequest,
): PlanNote[] {
  if (rollout === null || isFinished(rollout)) return [];
  if (rollout.kind !== kind || rollout.version !== version) return [];
  const { id, stop, phase } = rollout;
  const how = stop === null ? phase.kind : stop.kind;
  const on = stop?.kind === 'paused' ? `rollout resume ${name}` : `rollout advance ${name}`;
  const message = `${id} (${kind} of ${version}, ${how}) is under way already: the same ${kind} again carries that on by its own plan, not by this one; ${on}`;
  return [{ code: 'carries-on', message }];
}

/** Everything that closes it, and when it opens. */
function closed({ environment, clock }: EngineContext): PlanNote[] {
  const closing = closingNow(environment, clock.now());
  if (closing === null) return [];
  const { opens } = closing;
  const when =
    opens === null
      ? 'no time is known at which waves may begin again'
      : `waves may begin again at ${new Date(opens).toISOString()}`;
  return [...closing.why.entries()].map(([index, { code = 'frozen', reason, until }]) => {
    const what = code === 'frozen' ? `frozen until ${new Date(until).toISOString()}: ${reason}` : reason;
    return { code, message: index === closing.why.length - 1 ? `${what}; ${when}` : what };
  });
}

function changeNeeded(
  { environment: { name, change } }: EngineContext,
  { kind, version, hasChange }: PlanNotesRequest,
): PlanNote[] {
  if (change?.required !== true || hasChange) return [];
  const form = change.pattern === undefined ? '' : `, a reference like ${change.pattern}`;
  const what = kind === 'promote' ? `promote ${name}` : `${kind} ${name} ${version}`;
  const message = `${name} is changed only with a change request (change.required): rollout ${what} --change REFERENCE${form}`;
  return [{ code: 'change-needed', message }];
}

function notProven(
  { environment: { name, promotesFrom } }: EngineContext,
  request: PlanNotesRequest,
): PlanNote[] {
  const { kind, version, proven } = request;
  if (kind !== 'promote' || proven === undefined || promotesFrom === null) return [];
  if (proven.ok && proven.value.version === version) return [];
  const message = proven.ok
    ? `${promotesFrom} has proven ${proven.value.version}: rollout promote ${name} takes that, and not ${version}`
    : `rollout promote ${name} does not take ${version} yet: ${proven.error.message}`;
  return [{ code: 'not-proven', message }];
}

/** Names of hosts that are listed. */
const MOST_NAMED = 8;

/** They get the version and nobody sees how it does there; where that is so of all canaries, the rollout stands behind them. */
function agentsStopped(
  { environment: { name, policy } }: EngineContext,
  { state, prepared: { plan, looked } }: PlanNotesRequest,
): PlanNote[] {
  const down = new Set(
    looked.flatMap(({ id, answer }) =>
      answer.kind === 'look' && answer.look.runningSha256 === '' ? [id] : [],
    ),
  );
  const isHeld = ({ id }: PlannedHost): boolean => state.holds.has(id);
  const isStopped = (host: PlannedHost): boolean => isHeld(host) || down.has(host.id);
  const hosts = plan.waves.flatMap((wave) => wave.hosts);
  const stopped = hosts.filter(isStopped);
  if (stopped.length === 0) return [];
  const names = stopped.map((host) => host.name);
  const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
  const held = stopped.filter(isHeld).length;
  const how =
    held === stopped.length ? 'held stopped' : held === 0 ? 'not running' : `stopped, ${held} of them held`;
  const [canaries] = plan.waves;
  const stands = policy.soakMs > 0 && canaries?.hosts.every(isStopped) === true;
  const end = stands
    ? `the rollout would stand at no-witness behind wave 1, until rollout osqueryd start, or rollout approve ${name}`
    : 'they get the version and stay so, and nobody sees how it does there';
  const message = `the agent is ${how} on ${stopped.length} of ${hosts.length} hosts of the plan (${names.slice(0, MOST_NAMED).join(', ')}${more}): ${end}`;
  return [{ code: 'agents-stopped', message }];
}
