/** What deploy, promote, canary and a rollback to a version share: prepare, show, ask, run, say how it ended. */

import { asPlannedWords } from '../../domain/as-planned.ts';
import { parseDuration } from '../../domain/duration.ts';
import type { Receipt, RolloutKind } from '../../domain/journal.ts';
import type { RolloutState } from '../../domain/state.ts';
import { type LifecycleContext, type Refusal, refuse } from '../../engine/context.ts';
import { planNotes } from '../../engine/plan-notes.ts';
import { preparePlan } from '../../engine/prepare-plan.ts';
import { runRollout } from '../../engine/run-rollout.ts';
import {
  beginRollout,
  inTheWay,
  readQuarantine,
  readState,
  type StartRequest,
} from '../../engine/start-rollout.ts';
import { filesBesidePlans } from '../as-planned.ts';
import { askConsent } from '../confirm.ts';
import { sayEnd } from '../ending.ts';
import { EXIT } from '../exit-codes.ts';
import { flag, type Invocation, textOption } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { count } from '../render/paint.ts';
import { planLines } from '../render/plan-view.ts';
import { sendWaitingFirst } from '../send-waiting.ts';
import { type Session, sayRefused } from '../session.ts';

/** Complete "About to ...". */
const VERBS: Readonly<Record<RolloutKind, string>> = {
  deploy: 'deploy',
  promote: 'promote',
  canary: 'try',
  rollback: 'go back to',
};

export interface Forward {
  readonly kind: RolloutKind;
  readonly version: string;
  readonly receipt?: Receipt;
  readonly override?: string;
  readonly keep?: boolean;
}

export async function rollForward(
  session: Session,
  context: LifecycleContext,
  forward: Forward,
): Promise<number> {
  const { invocation } = session;
  const { name } = context.environment;
  await sendWaitingFirst(session, [context]);
  const state = await readState(context);
  if (!state.ok) return sayRefused(invocation, [state.error]);
  const obstacle = inTheWay(state.value, forward, context);
  if (obstacle === 'carry-on') {
    if (!invocation.json) invocation.output.err(`${name}: carrying on with ${state.value.rollout?.id ?? ''}`);
    return carryOn(session, context, 'rollout');
  }
  if (obstacle !== null) return sayRefused(invocation, [obstacle]);
  const change = textOption(invocation, 'change');
  const unnamed = whyNoChange(context.environment, forward.kind, change);
  if (unnamed !== null) return sayRefused(invocation, [unnamed]);
  const line = session.line(name);
  if (!line.ok) return sayRefused(invocation, [line.error]);
  const quarantine = await readQuarantine(line.value);
  if (!quarantine.ok) return sayRefused(invocation, [quarantine.error]);
  if (!invocation.json) invocation.output.err(`${name}: looking at the fleet ...`);
  const prepared = await preparePlan(
    context,
    {
      version: forward.version,
      quarantine: quarantine.value,
      ...(forward.kind === 'canary' ? { canaryOnly: true } : {}),
      ...(forward.kind === 'rollback' ? { singleWave: true } : {}),
    },
    invocation.signal,
  );
  if (!prepared.ok)
    return prepared.error.exit === 'interrupted'
      ? sayNotBegun(invocation, name, prepared.error.message)
      : sayRefused(invocation, [prepared.error]);
  const { plan, blockers } = prepared.value;
  const notes = await planNotes(context, {
    ...forward,
    state: state.value,
    prepared: prepared.value,
    line: line.value,
    hasChange: change !== undefined,
  });
  if (invocation.json)
    jsonLine(invocation, 'plan', { environment: name, version: forward.version, plan, blockers, notes });
  else
    for (const text of planLines(context, prepared.value, session.paint, { brief: true, notes }))
      invocation.output.err(text);
  if (blockers.length > 0) return sayRefused(invocation, blockers);
  const hosts = plan.waves.reduce((sum, wave) => sum + wave.hosts.length, 0);
  if (hosts === 0 && state.value.pin?.version === forward.version) {
    return sayNothingToDo(invocation, name, forward.version);
  }
  const consent = await askConsent(
    invocation,
    context.environment,
    `${VERBS[forward.kind]} ${forward.version} ${forward.kind === 'rollback' ? 'on' : 'to'} ${count(hosts, 'host')} of ${name} in ${count(plan.waves.length, 'wave')}`,
  );
  if (!consent.given) return consent.exit;
  const request: StartRequest = {
    ...forward,
    ...(change === undefined ? {} : { change }),
    reason: invocation.reason,
    after: state.value.rollout?.id ?? null,
    line: line.value,
  };
  const refusals: Refusal[] = [];
  const begin = beginRollout(context, request, prepared.value, (refusal) => refusals.push(refusal));
  const end = await runRollout(context, { ...runOptions(invocation), begin });
  session.narrator.close();
  if (refusals.length > 0) return sayRefused(invocation, refusals);
  return sayEnd(session, context, end, forward.kind === 'rollback' ? 'rollback' : 'rollout');
}

/** Why the change reference that was given, or none, will not do. A way back never needs one. */
function whyNoChange(
  { name, change: rule = { required: false } }: LifecycleContext['environment'],
  kind: RolloutKind,
  given: string | undefined,
): Refusal | null {
  const form = rule.pattern === undefined ? 'REFERENCE' : `a reference like ${rule.pattern}`;
  if (given === undefined) {
    if (!rule.required || kind === 'rollback') return null;
    return refuse(
      'usage',
      'change-needed',
      `${name} is changed only with a change request (change.required)`,
      {
        next: `the same with --change and ${form}`,
      },
    );
  }
  const isOdd = given.trim() === '' || given.length > 200 || /\p{Cc}/u.test(given);
  if (!isOdd && (rule.pattern === undefined || new RegExp(rule.pattern, 'u').test(given))) return null;
  const message = `--change ${JSON.stringify(given.slice(0, 60))} is not what ${name} takes for a change request: ${form}`;
  return refuse('usage', 'wrong-change', message);
}

export async function carryOn(
  session: Session,
  context: LifecycleContext,
  asked: 'rollout' | 'rollback',
): Promise<number> {
  const { invocation, narrator } = session;
  await sendWaitingFirst(session, [context]);
  const state = await readState(context);
  if (!state.ok) return sayRefused(invocation, [state.error]);
  for (const host of state.value.rollout?.hosts.values() ?? [])
    narrator.names.set(host.host.id, host.host.name);
  if (asked === 'rollout') await tellAsPlanned(session, context, state.value.rollout);
  const end = await runRollout(context, runOptions(invocation));
  narrator.close();
  return sayEnd(session, context, end, asked);
}

async function tellAsPlanned(
  { invocation }: Session,
  { environment: { name }, clock, tell }: LifecycleContext,
  rollout: RolloutState | null,
): Promise<void> {
  const keys = await filesBesidePlans(invocation)(name, rollout);
  if (keys.length === 0) return;
  const reason = { code: 'as-planned', message: asPlannedWords(keys) };
  tell({ kind: 'notice', environment: name, at: clock.now(), reason });
}

/** A wrong `--give-up-after` was refused before: see checkDurations. */
function runOptions(invocation: Invocation): {
  mode: 'foreground' | 'advance';
  signal: AbortSignal;
  holdLimitMs: number;
} {
  const limit = parseDuration(textOption(invocation, 'giveUpAfter') ?? '30m');
  const advance = flag(invocation, 'detach') || invocation.options.advance === true;
  return {
    mode: advance ? 'advance' : 'foreground',
    signal: invocation.signal,
    holdLimitMs: limit.ok ? limit.value : 0,
  };
}

/** Refuses a duration that cannot be read, before anything is done. */
export function checkDurations(invocation: Invocation): number | null {
  const given = textOption(invocation, 'giveUpAfter');
  if (given === undefined) return null;
  const parsed = parseDuration(given);
  if (parsed.ok) return null;
  return sayRefused(invocation, [
    {
      exit: 'usage',
      code: 'bad-duration',
      message: `--give-up-after ${given}: ${parsed.error}`,
      details: [],
      next: 'write it like 90s, 30m or 1h30m',
    },
  ]);
}

function sayNotBegun(invocation: Invocation, name: string, message: string): number {
  if (invocation.json)
    jsonLine(invocation, 'result', {
      environment: name,
      exit: EXIT.interrupted,
      code: 'interrupted',
      message,
    });
  else invocation.output.err(`${name}: interrupted before anything was changed: ${message}`);
  return EXIT.interrupted;
}

function sayNothingToDo(invocation: Invocation, name: string, version: string): number {
  if (invocation.json)
    jsonLine(invocation, 'result', { environment: name, exit: EXIT.done, code: 'nothing-to-do', version });
  else
    invocation.output.out(
      `${name}: every eligible host runs ${version} already, and it is the pin; nothing to do`,
    );
  return EXIT.done;
}
