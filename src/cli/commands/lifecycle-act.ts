/**
 * `osqueryd stop|start|restart|enable|disable|install|remove|purge`: choose, show, ask, act, say exactly what is not covered.
 *
 * A stop fails open: all environments at once, without a lease, and what cannot be used or listed is said and left. The calm verbs
 * fail closed: one environment after the other, and the first that is refused or halted ends it.
 */
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { formatDuration } from '../../domain/duration.ts';
import { asksAgent } from '../../domain/expression-agent.ts';
import type { LifecycleVerb } from '../../domain/lifecycle.ts';
import type { Result } from '../../domain/result.ts';
import type { Refusal } from '../../engine/context.ts';
import { isStop } from '../../engine/lifecycle-orders.ts';
import type { LifecycleReport } from '../../engine/lifecycle-types.ts';
import { runLifecycleInWaves } from '../../engine/lifecycle-waves.ts';
import { runLifecycle } from '../../engine/run-lifecycle.ts';
import type { CommandModule } from '../command-module.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { gatherActions } from '../lifecycle-choice.ts';
import { askLifecycleConsent } from '../lifecycle-consent.ts';
import { sayDryRun } from '../lifecycle-dry-run.ts';
import { sayActionEnd } from '../lifecycle-ending.ts';
import { openEnvironments } from '../lifecycle-environments.ts';
import { type ActionAsked, actionAsked, carriedOn, typedAs } from '../lifecycle-question.ts';
import { type Step, stepsFor } from '../lifecycle-steps.ts';
import type { ActionEnd, NotBegun } from '../render/action-end.ts';
import { actionPlanLines } from '../render/lifecycle-plan-view.ts';
import { count } from '../render/paint.ts';
import { sendWaitingFirst } from '../send-waiting.ts';
import { type Session, sayRefused, withSession } from '../session.ts';

export function act(verb: LifecycleVerb): CommandModule {
  return {
    run: async (invocation) => {
      const asked = actionAsked(invocation, verb);
      if (!asked.ok) return sayRefused(invocation, [asked.error]);
      // A slip in a playbook of one's own must not stand before a stop that did not ask for one.
      const playbooks = asked.value.playbook === null ? 'shipped' : 'own';
      return withSession(invocation, (session) => actOn(session, asked.value), playbooks);
    },
  };
}

async function actOn(session: Session, asked: ActionAsked): Promise<number> {
  const { invocation } = session;
  const { polarity, verb } = asked;
  const wide = polarity === 'emergency';
  const endsUnwatched = wide && !asked.dryRun;
  // --yes has agreed already.
  if (endsUnwatched && invocation.yes) invocation.holdFast();
  const opened = openEnvironments(session, asked.scope.environments, { polarity, wide });
  if (!opened.ok) return sayRefused(invocation, opened.error);
  // An emergency waits for no journal; what it leaves behind is sent along with its own record.
  if (polarity === 'calm') await sendWaitingFirst(session, opened.value.contexts);
  sayGathering(invocation, asked);
  const gathered = await gatherActions(session, asked, opened.value);
  invocation.output.live('');
  if (!gathered.ok) return sayRefused(invocation, gathered.error);
  const { actions, wholeFleet, warnings } = gathered.value;
  const planned = await stepsFor(session, asked, gathered.value);
  if (!planned.ok) return sayRefused(invocation, [planned.error]);
  const steps = planned.value;
  say(session, asked, steps);
  for (const warning of warnings) warn(session, warning);
  if (asked.dryRun) return sayDryRun(session, steps);
  const hosts = actions.reduce((sum, { targets }) => sum + targets.chosen.length, 0);
  const names = actions.map(({ context }) => context.environment.name);
  const consent = await askLifecycleConsent(invocation, {
    asked,
    environments: actions.map(({ context }) => context.environment),
    wholeFleet,
    what: `${verb}${asked.now ? ' --now' : ''} the agent on ${count(hosts, 'host')} of ${names.join(', ')}`,
  });
  if (!consent.given) return consent.exit;
  if (endsUnwatched) invocation.holdFast();
  const startedAt = systemClock.now();
  session.narrator.countLifecycle({
    verb,
    now: asked.now,
    total: hosts,
    then: (isAnyDone) => thenText(steps, isAnyDone),
  });
  const run: Run = ({ action, request, playbook }) =>
    playbook === null
      ? runLifecycle(action.context, request, invocation.signal)
      : runLifecycleInWaves(action.context, request, playbook, invocation.signal);
  const ran = polarity === 'emergency' ? await allAtOnce(steps, run) : await oneByOne(steps, run, invocation);
  session.narrator.close();
  // Said in full, and once more where the end lists what is not covered.
  const refused = ran.refusals.length === 0 ? EXIT.done : sayRefused(invocation, ran.refusals);
  if (ran.reports.length === 0) return refused;
  const end: ActionEnd = {
    verb,
    now: asked.now,
    reports: ran.reports,
    notBegun: [...gathered.value.notBegun, ...ran.notBegun],
    notReached: gathered.value.notReached,
    hold: steps[0]?.request.hold ?? null,
    typed: typedAs(invocation),
    notOwn: session.notOwn,
    carried: carriedOn(invocation),
    startedAt,
    tookMs: systemClock.now() - startedAt,
  };
  const exit = sayActionEnd(invocation, end, session.paint);
  return refused === EXIT.locked && exit === EXIT.incomplete ? EXIT.locked : exit;
}

/** A cloud that does not answer is waited for some seconds, and so are hosts that --where has to ask: nobody should wonder what for. */
function sayGathering({ output, json }: Invocation, { scope: { selection } }: ActionAsked): void {
  const asksHosts = selection.where !== null && asksAgent(selection.where);
  output.live(asksHosts ? ASKING : 'listing the hosts ...');
  if (asksHosts && !json && !output.errIsTerminal) output.err(ASKING);
}

const ASKING = 'asking the hosts what they run, which --where compares ...';

/** Hosts are done, and the prompt is not back yet. Where none went down there is nobody to look at again. */
function thenText(steps: readonly Step[], isAnyDone: boolean): string {
  const settleMs = Math.max(...steps.map(({ request }) => (isStop(request) ? request.settleMs : 0)));
  if (settleMs > 0 && isAnyDone) return `; second look in ${formatDuration(settleMs)}`;
  return steps.some(({ request }) => request.polarity === 'emergency') ? '; writing the record' : '';
}

interface Ran {
  readonly reports: readonly LifecycleReport[];
  readonly refusals: readonly Refusal[];
  readonly notBegun: readonly NotBegun[];
}

type Run = (step: Step) => Promise<Result<LifecycleReport, Refusal>>;

async function allAtOnce(steps: readonly Step[], run: Run): Promise<Ran> {
  const ended = await Promise.all(steps.map(async (step) => ({ step, result: await run(step) })));
  return {
    reports: ended.flatMap(({ result }) => (result.ok ? [result.value] : [])),
    refusals: ended.flatMap(({ result }) => (result.ok ? [] : [result.error])),
    notBegun: ended.flatMap(({ step, result }) => (result.ok ? [] : [notBegun(step, result.error.message)])),
  };
}

/** In the order of promotion; what is refused, halted or called off lets nothing behind it begin. */
async function oneByOne(steps: readonly Step[], run: Run, invocation: Invocation): Promise<Ran> {
  const reports: LifecycleReport[] = [];
  const left: NotBegun[] = [];
  const refusals: Refusal[] = [];
  let stopped = '';
  for (const step of steps) {
    const { name } = step.action.context.environment;
    if (invocation.signal.aborted && stopped === '') stopped = 'it was called off before';
    if (stopped !== '') {
      left.push(notBegun(step, stopped));
      continue;
    }
    const result = await run(step);
    if (!result.ok) {
      refusals.push(result.error);
      left.push(notBegun(step, result.error.message));
      stopped = `not begun, since ${name} was refused`;
      continue;
    }
    reports.push(result.value);
    if (result.value.end === 'halted') stopped = `not begun, since ${name} was halted`;
    else if (result.value.end === 'interrupted') stopped = 'it was called off before';
  }
  return { reports, refusals, notBegun: left };
}

function notBegun({ action }: Step, why: string): NotBegun {
  return { environment: action.context.environment.name, why };
}

function say({ invocation, paint }: Session, { verb, polarity }: ActionAsked, steps: readonly Step[]): void {
  if (!invocation.json) {
    const lines = actionPlanLines(steps, { verb, polarity, now: systemClock.now() }, paint);
    invocation.output.err(lines.join('\n'));
    return;
  }
  for (const { action, request } of steps) {
    const { targets, undecided } = action;
    const { chosen, leftOut, unknown, ...rest } = targets;
    jsonLine(invocation, 'lifecycle-plan', {
      ...rest,
      verb,
      now: request.now,
      polarity,
      actionId: request.actionId,
      hold: request.hold,
      hosts: chosen.map(({ id, name, zone, role }) => ({ id, name, zone, role })),
      leftOut: leftOut.map(({ host, why }) => ({ id: host.id, name: host.name, why })),
      unknown: unknown.map(({ host, why }) => ({ id: host.id, name: host.name, why })),
      undecided,
      roleFiles: request.roleFiles,
    });
  }
}

function warn({ invocation, paint }: Session, warning: string): void {
  if (!invocation.json) invocation.output.err(`${paint.warn('note')}  ${warning}`);
}
