/** From what was asked and who was found to one request an environment: the same action, named alike in every journal. */
import { systemClock } from '../adapters/clock/system-clock.ts';
import { actionIdOf, newHold } from '../domain/holds.ts';
import type { HoldTerms, LifecycleVerb } from '../domain/lifecycle.ts';
import type { LifecyclePlaybook } from '../domain/lifecycle-playbook.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type LifecycleContext, type Refusal, refuse } from '../engine/context.ts';
import type { LifecycleRequest } from '../engine/lifecycle-types.ts';
import { planRoleFiles } from '../engine/role-files-step.ts';
import { readState } from '../engine/start-rollout.ts';
import type { GatheredAction } from './lifecycle-choice.ts';
import type { ActionAsked } from './lifecycle-question.ts';
import type { Session } from './session.ts';

/** One environment's part of an action. */
export interface Step {
  readonly action: GatheredAction;
  readonly request: LifecycleRequest;
  /** The one that was asked for; null: all hosts at once. */
  readonly playbook: LifecyclePlaybook | null;
}

/** For one attempt at one host without a playbook, ms: a service's stop may take 15 s, and commands of controllers as long again. */
const SERVICE_MS = 60_000;
/** The same where apt works, which may wait for its lock. */
const PACKAGE_MS = 300_000;

const TIMEOUT_MS: Readonly<Record<LifecycleVerb, number>> = {
  stop: SERVICE_MS,
  start: SERVICE_MS,
  restart: SERVICE_MS,
  enable: SERVICE_MS,
  disable: SERVICE_MS,
  install: PACKAGE_MS,
  remove: PACKAGE_MS,
  purge: PACKAGE_MS,
};

export async function stepsFor(
  session: Session,
  asked: ActionAsked,
  { actions, wholeFleet }: { readonly actions: readonly GatheredAction[]; readonly wholeFleet: boolean },
): Promise<Result<Step[], Refusal>> {
  const about = { now: systemClock.now(), reason: session.invocation.reason, wholeFleet };
  const steps: Step[] = [];
  for (const action of actions) {
    const playbook = playbookFor(session, asked, action.context.environment.name);
    if (!playbook.ok) return playbook;
    const request = requestFor(asked, action, playbook.value, about);
    if (!request.ok) return request;
    const withFiles = await withRoleFiles(action.context, request.value);
    steps.push({ action, request: withFiles, playbook: playbook.value });
  }
  return ok(steps);
}

/** What is shown is what will be done. The journal is only asked by what puts files back, and an emergency never does. */
async function withRoleFiles(
  context: LifecycleContext,
  request: LifecycleRequest,
): Promise<LifecycleRequest> {
  const { controllers } = context.environment.lifecycle;
  if (controllers.every(({ kind }) => kind !== 'role-file')) return request;
  const state = request.polarity === 'calm' ? await readState(context) : null;
  return {
    ...request,
    roleFiles: await planRoleFiles(context, request, state?.ok === true ? state.value : null),
  };
}

interface About {
  readonly now: number;
  readonly reason: string;
  readonly wholeFleet: boolean;
}

function requestFor(
  asked: ActionAsked,
  { context, targets }: GatheredAction,
  playbook: LifecyclePlaybook | null,
  { now, reason, wholeFleet }: About,
): Result<LifecycleRequest, Refusal> {
  const { lifecycle } = context.environment;
  const actionId = actionIdOf(asked.verb, now, context.actor, context.digest);
  const hold = holdFor(asked, context, { actionId, now, reason });
  if (!hold.ok) return err(refuse('usage', 'bad-hold', hold.error));
  return ok({
    actionId,
    verb: asked.verb,
    now: asked.now,
    polarity: asked.polarity,
    hosts: targets.chosen,
    inventoryAt: targets.inventory.at,
    hold: hold.value,
    timeoutMs: playbook?.timeoutMs ?? TIMEOUT_MS[asked.verb] + lifecycle.proveMs,
    deadlineMs: asked.deadline === 'complete' ? null : (asked.deadline ?? lifecycle.deadlineMs),
    settleMs: asked.settle ?? lifecycle.settleMs,
    reason,
    wholeFleet,
  });
}

function holdFor(
  { stops, hold }: ActionAsked,
  { environment, actor }: LifecycleContext,
  wish: { readonly actionId: string; readonly now: number; readonly reason: string },
): Result<HoldTerms | null, string> {
  if (!stops || hold.kind === 'none') return ok(null);
  return newHold({
    ...wish,
    environment: environment.name,
    actor,
    settings: environment.lifecycle,
    ...(hold.kind === 'for' ? { forMs: hold.ms } : {}),
    ...(hold.kind === 'until' ? { until: hold.at } : {}),
  });
}

/** The playbook that was named, which must be of this verb. */
function playbookFor(
  session: Session,
  { playbook, verb }: ActionAsked,
  environment: string,
): Result<LifecyclePlaybook | null, Refusal> {
  if (playbook === null) return ok(null);
  const found: Result<LifecyclePlaybook, Refusal> = session.lifecyclePlaybook(environment, playbook);
  if (!found.ok || found.value.action === verb) return found;
  const message = `the playbook ${found.value.name} is of ${found.value.action}, not of ${verb}`;
  return err(refuse('usage', 'other-action', message, { details: [found.value.file] }));
}
