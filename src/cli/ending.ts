/** How a rollout command ends: exit code, a few lines of facts, and what to type next. */
import { systemClock } from '../adapters/clock/system-clock.ts';
import { goingBack, goingBackWords, unprovenHosts } from '../domain/armed.ts';
import { leftOnVersion, uncoveredBy } from '../domain/coverage.ts';
import { abortWords } from '../domain/decide-armed.ts';
import { causeInWords } from '../domain/decide-rollback.ts';
import { formatDuration } from '../domain/duration.ts';
import { maybeBack, nextWithoutWitness, notRunning, standingWords } from '../domain/host-standing.ts';
import type { HostProgress, RolloutState } from '../domain/state.ts';
import type { EngineContext } from '../engine/context.ts';
import type { RunEnd } from '../engine/run-rollout.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { jsonLine } from './json-lines.ts';
import { outcomeInWords } from './render/entry-line.ts';
import { holderLine } from './render/holder-text.ts';
import { createPaint, facts, harmless, type Paint, someOf } from './render/paint.ts';
import { countStates, outcomeWord } from './render/phase-word.ts';
import { verdictLines } from './render/verdict-table.ts';
import { whyText } from './render/why-text.ts';
import { type Session, sayRefused } from './session.ts';

/** `asked`: the command was itself a rollback, so that having rolled back is its success. */
export function sayEnd(
  session: Session,
  context: EngineContext,
  end: RunEnd,
  asked: 'rollout' | 'rollback',
): number {
  const { invocation } = session;
  const name = context.environment.name;
  switch (end.kind) {
    case 'locked': {
      const { holder } = end;
      const { ciJob } = holder.actor;
      return sayRefused(invocation, [
        {
          exit: 'locked',
          code: 'locked',
          message: `${name} is being worked on by ${holderLine(holder)}`,
          details: ciJob === undefined ? [] : [ciJob],
          next: `rollout watch ${name}; rollout pause ${name} stops its new work`,
        },
      ]);
    }
    case 'failed':
      return sayRefused(invocation, [
        { exit: 'failed', code: 'failed', message: end.message, details: [], next: `rollout status ${name}` },
      ]);
    case 'nothing-to-run':
      return sayNothing(invocation, name);
    case 'finished':
    case 'held':
    case 'interrupted':
      return sayRollout(session, name, end, asked);
    default:
      return end satisfies never;
  }
}

function sayNothing(invocation: Invocation, name: string): ExitCode {
  if (invocation.json)
    jsonLine(invocation, 'result', { environment: name, exit: EXIT.done, code: 'nothing-to-run' });
  else invocation.output.out(`${name}: nothing is under way`);
  return EXIT.done;
}

type RolloutEnd = Extract<RunEnd, { kind: 'finished' | 'held' | 'interrupted' }>;

function sayRollout(
  session: Session,
  name: string,
  end: RolloutEnd,
  asked: 'rollout' | 'rollback',
): ExitCode {
  const { invocation } = session;
  const { rollout } = end;
  const exit = exitOf(end, asked);
  const uncovered = uncoveredOf(rollout);
  if (invocation.json) {
    jsonLine(invocation, 'result', {
      environment: name,
      exit,
      code: end.kind === 'interrupted' ? 'interrupted' : end.reason.code,
      message: end.kind === 'interrupted' ? 'interrupted' : end.reason.message,
      rollout: rollout.id,
      version: rollout.version,
      phase: rollout.phase.kind,
      hosts: countStates(rollout),
      notCovered: uncovered.map(({ name, why }) => ({ name, why })),
      leftOnVersion: leftOnVersion(rollout).map(({ name }) => name),
      mayHaveGoneBack: maybeBack(rollout, systemClock.now()).map(({ host }) => host.name),
      notRunning: notRunning(rollout, systemClock.now()).map(({ host }) => host.name),
      ...(end.kind === 'held' ? { until: end.until } : {}),
      ...(goingBack(rollout) === null ? {} : { goesBack: goingBack(rollout) }),
    });
    return exit;
  }
  const paint = createPaint(invocation.output.color, invocation.output.foldAt);
  const title = `${paint.strong(name)}  ${rollout.version}  ${headline(end, paint)}`;
  const { phase } = rollout;
  const verdict =
    'cause' in phase && phase.cause.kind === 'verdict' ? verdictLines(phase.cause.judgement, paint) : [];
  // The table stands before: what is read last is why, and what to type.
  invocation.output.out(
    [...verdict, title, ...facts(factsOf({ session, name }, end, uncovered, paint), paint)].join('\n'),
  );
  return exit;
}

function exitOf(end: RolloutEnd, asked: 'rollout' | 'rollback'): ExitCode {
  const { rollout } = end;
  if (end.kind === 'interrupted') return EXIT.interrupted;
  if (rollout.phase.kind === 'rollback-incomplete') return EXIT.incomplete;
  if (end.kind === 'held') return EXIT.held;
  switch (rollout.phase.kind) {
    case 'done':
      return uncoveredOf(rollout).length > 0 ? EXIT.incomplete : EXIT.done;
    case 'rolled-back':
      if (asked === 'rollback') return EXIT.done;
      if (rollout.phase.cause.kind !== 'canary-finished') return EXIT.rolledBack;
      return uncoveredOf(rollout).length > 0 ? EXIT.incomplete : EXIT.done;
    default:
      return EXIT.held;
  }
}

function headline(end: RolloutEnd, paint: Paint): string {
  if (end.kind === 'interrupted') return paint.warn('INTERRUPTED: nothing new was begun');
  return outcomeWord(end.rollout, paint) ?? paint.warn(`waiting (${end.rollout.phase.kind})`);
}

interface Uncovered {
  readonly name: string;
  readonly why: string;
}

function uncoveredOf(rollout: RolloutState): Uncovered[] {
  const { planned, leftOut } = uncoveredBy(rollout);
  return [
    ...planned.map((host) => ({
      name: host.host.name,
      why: `${host.state}${host.outcome === null ? '' : ` (${outcomeInWords(host.outcome)})`}`,
    })),
    ...leftOut.map(({ name, why }) => ({ name, why: whyText(why) })),
  ];
}

function factsOf(
  { session, name }: { readonly session: Session; readonly name: string },
  end: RolloutEnd,
  uncovered: readonly Uncovered[],
  paint: Paint,
): [string, string][] {
  const { rollout } = end;
  const { phase } = rollout;
  const rows: [string, string][] = [];
  const hosts = standingWords(rollout, { now: systemClock.now(), held: end.held }).join(', ');
  rows.push(['hosts', hosts === '' ? 'none needed a change' : hosts]);
  if ('watch' in phase && phase.watch.observedMs > 0)
    rows.push(['observed', `${formatDuration(phase.watch.observedMs)} healthy`]);
  if ('cause' in phase) rows.push(['why', harmless(causeInWords(phase.cause))]);
  else if (end.kind === 'held') rows.push(['waits', harmless(`${end.reason.code}: ${end.reason.message}`)]);
  if (phase.kind === 'rollback-incomplete') {
    const left = [...rollout.hosts.values()].filter((host) => host.touched);
    rows.push(['not back', left.map((host) => troubled(host)).join('; ')]);
  }
  const isCanaryBack = phase.kind === 'rolled-back' && phase.cause.kind === 'canary-finished';
  if ((phase.kind === 'done' || isCanaryBack) && uncovered.length > 0) {
    rows.push([
      'not covered',
      someOf(
        uncovered.map((host) => `${host.name}: ${harmless(host.why)}`),
        10,
      ),
    ]);
  }
  if (phase.kind === 'rolled-back') {
    rows.push([
      'pin',
      rollout.pinBefore === null ? 'none, as before' : `${rollout.pinBefore.version}, as before`,
    ]);
    if (phase.cause.kind !== 'canary-finished') rows.push(['quarantine', `rollout quarantine list ${name}`]);
  }
  const still = leftOnVersion(rollout);
  if (still.length > 0) {
    const names = someOf(
      still.map((host) => host.name),
      10,
    );
    const way = rollout.pinBefore === null ? 'VERSION' : rollout.pinBefore.version;
    rows.push([
      'still on it',
      paint.bad(`${names}: had ${rollout.version} before this; rollout rollback ${name} --to ${way}`),
    ]);
  }
  const back = goingBackWords(rollout, systemClock.now(), 'unless it goes on before');
  if (back !== null && phase.kind !== 'done' && end.kind !== 'finished') rows.push(['goes back', back]);
  if (phase.kind === 'aborted' && (back !== null || unprovenHosts(rollout).length > 0))
    rows.push(['armed', abortWords(rollout, systemClock.now())]);
  const next = nextOf(session, name, end);
  if (next !== null) rows.push(['next', paint.strong(next)]);
  return rows;
}

function troubled(host: HostProgress): string {
  return `${host.host.name} (${host.outcome === null ? host.state : outcomeInWords(host.outcome)})`;
}

function nextOf(session: Session, name: string, end: RolloutEnd): string | null {
  const { phase } = end.rollout;
  if (end.kind === 'interrupted') return `rollout advance ${name}`;
  if (phase.kind === 'rollback-incomplete') return `mend those hosts, then rollout advance ${name}`;
  if (phase.kind === 'aborted') return `rollout rollback ${name} puts the touched hosts back`;
  if (end.kind === 'finished') {
    if (phase.kind === 'rolled-back' && phase.cause.kind !== 'canary-finished')
      return `rollout report ${name} gathers all that is known of it; rollout history ${name}`;
    const successor = session.successorOf(name);
    const proven = phase.kind === 'done' && (end.rollout.kind === 'deploy' || end.rollout.kind === 'promote');
    return proven && successor !== null ? `rollout promote ${successor}` : null;
  }
  switch (end.reason.code) {
    case 'no-witness':
      return nextWithoutWitness(end.rollout, name, systemClock.now());
    case 'approval-needed':
      return `rollout approve ${name} --reason TEXT, then rollout advance ${name}`;
    case 'paused':
    case 'artifact-altered':
    case 'hosts-go-back':
      return `rollout resume ${name} goes on, rollout rollback ${name} takes it back`;
    default:
      return `rollout advance ${name}`;
  }
}
