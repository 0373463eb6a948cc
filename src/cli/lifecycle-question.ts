/** What a lifecycle command is asked: its options, read and checked together before anything is opened. */
import { systemClock } from '../adapters/clock/system-clock.ts';
import { parseDuration } from '../domain/duration.ts';
import type { Expression } from '../domain/expression.ts';
import { singleQuoted } from '../domain/host-command.ts';
import type { LifecycleVerb } from '../domain/lifecycle.ts';
import { MOMENT_EXAMPLES, parseMoment } from '../domain/moment.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type Refusal, refuse } from '../engine/context.ts';
import type { Polarity, Selection } from '../engine/lifecycle-types.ts';
import { expressionAsked } from './fleet-question.ts';
import { flag, type Invocation, listOption, textOption } from './invocation.ts';

export interface Scope {
  /** As named with --env; empty: all that can be used. */
  readonly environments: readonly string[];
  readonly selection: Selection;
}

/** When the hold that a stop leaves is due; `default`: as the environment says. */
export type HoldAsked =
  | { readonly kind: 'none' }
  | { readonly kind: 'default' }
  | { readonly kind: 'for'; readonly ms: number }
  | { readonly kind: 'until'; readonly at: number };

export interface ActionAsked {
  readonly verb: LifecycleVerb;
  readonly now: boolean;
  /** Leaves no process behind: a stop, or `disable --now`. */
  readonly stops: boolean;
  /** In waves, as a playbook says, nothing is an emergency. */
  readonly polarity: Polarity;
  readonly scope: Scope;
  readonly hold: HoldAsked;
  /** Ms; null: as the environment says; `complete`: until every host is covered. */
  readonly deadline: number | null | 'complete';
  /** Ms; null: as the environment says. */
  readonly settle: number | null;
  readonly playbook: string | null;
  readonly dryRun: boolean;
  readonly confirm: string | null;
}

/** Options that the command behind this one needs too, as a shell takes them: without them it would be another command. */
export function carriedOn(invocation: Invocation): string[] {
  return ['config', 'playbook', 'reason'].flatMap((name) => {
    const value = textOption(invocation, name);
    if (value === undefined || value === '') return [];
    return [`--${name}`, /^[\w./:@-]+$/u.test(value) ? value : singleQuoted(value)];
  });
}

/** As it is typed in the program that is running: `osqueryd` or `rollout osqueryd`. */
export function typedAs(invocation: Invocation): string {
  return invocation.program === 'osqueryd' ? 'osqueryd' : 'rollout osqueryd';
}

export function actionAsked(invocation: Invocation, verb: LifecycleVerb): Result<ActionAsked, Refusal> {
  const scope = scopeAsked(invocation, verb);
  if (!scope.ok) return scope;
  const { selection } = scope.value;
  if (!selection.fleet && selection.hosts.length === 0 && selection.where === null)
    return err(nothingChosen(invocation, verb));
  const now = flag(invocation, 'now');
  const playbook = textOption(invocation, 'playbook') ?? null;
  const stops = verb === 'stop' || (verb === 'disable' && now);
  const hold = holdAsked(invocation);
  if (!hold.ok) return hold;
  if (!stops && hold.value.kind !== 'default')
    return err(
      refuse('usage', 'no-hold-here', `${verb} leaves a hold only together with a stop`, {
        next: `${typedAs(invocation)} ${verb} --now, or without --for, --until and --no-hold`,
      }),
    );
  const deadline = durationAsked(invocation, 'deadline');
  if (!deadline.ok) return deadline;
  if (deadline.value === 0)
    return err(
      refuse('usage', 'bad-duration', '--deadline 0s: no attempt could begin', {
        next: `--deadline 30s, or --until-complete; ${typedAs(invocation)} ${verb} ... --dry-run begins nothing`,
      }),
    );
  const settle = durationAsked(invocation, 'settle');
  if (!settle.ok) return settle;
  return ok({
    verb,
    now,
    stops,
    polarity: stops && playbook === null ? 'emergency' : 'calm',
    scope: scope.value,
    hold: hold.value,
    deadline: flag(invocation, 'untilComplete') ? 'complete' : deadline.value,
    settle: settle.value,
    playbook,
    dryRun: flag(invocation, 'dryRun'),
    confirm: textOption(invocation, 'confirm') ?? null,
  });
}

/** --fleet, --host, --where, --except and --env. Nothing chosen is no error here: a status is then of everything. */
export function scopeAsked(invocation: Invocation, verb: string): Result<Scope, Refusal> {
  const [word] = invocation.args;
  if (word !== undefined) return err(bareWord(invocation, verb, word));
  const hosts = listOption(invocation, 'host');
  const fleet = flag(invocation, 'fleet');
  const text = textOption(invocation, 'where');
  const given = [
    fleet ? '--fleet' : '',
    hosts.length > 0 ? '--host' : '',
    text === undefined ? '' : '--where',
  ];
  const choosing = given.filter((one) => one !== '');
  if (choosing.length > 1)
    return err(
      refuse('usage', 'two-selections', `${choosing.join(' and ')} both choose hosts: give one of them`, {
        next: '--env narrows it to environments, --except leaves hosts out',
      }),
    );
  let where: Expression | null = null;
  if (text !== undefined) {
    const parsed = expressionAsked(text, { agent: true });
    if (!parsed.ok) return parsed;
    where = parsed.value;
  }
  return ok({
    environments: listOption(invocation, 'env'),
    selection: { fleet, hosts, where, except: listOption(invocation, 'except') },
  });
}

function nothingChosen(invocation: Invocation, verb: string): Refusal {
  const typed = `${typedAs(invocation)} ${verb}`;
  return refuse('usage', 'nothing-chosen', `${verb} which hosts? Type one of:`, {
    details: [
      `${typed} --fleet                  every host of every environment`,
      `${typed} --fleet --env gprd       every host of gprd`,
      `${typed} --host web-01 "db-*"     these`,
      `${typed} --where 'role == "web"'  those that it matches`,
    ],
    next: `${typed} --fleet --dry-run shows the hosts and changes nothing`,
  });
}

/** As people say the whole fleet. */
const EVERYTHING: ReadonlySet<string> = new Set(['all', 'everything', 'everywhere', 'fleet', '*']);

/** `osqueryd stop web-01`, `osqueryd stop gprd`: what was meant cannot be told for sure, and is not guessed. */
function bareWord(invocation: Invocation, verb: string, word: string): Refusal {
  const typed = `${typedAs(invocation)} ${verb}`;
  const shown = /^[\w.-]+$/u.test(word) ? word : JSON.stringify(word);
  const fleet = verb === 'status' ? '' : ' --fleet';
  const one = [`${typed} --host ${shown}`, `${typed}${fleet} --env ${shown}`];
  const details = EVERYTHING.has(word.toLowerCase())
    ? [`${typed} --fleet`, ...one]
    : [...one, `${typed} --fleet`];
  const message = `is ${shown} a host, an environment or the whole fleet? Type one of:`;
  return refuse('usage', 'bare-word', message, { details });
}

function holdAsked(invocation: Invocation): Result<HoldAsked, Refusal> {
  if (invocation.options.hold === false) return ok({ kind: 'none' });
  const until = textOption(invocation, 'until');
  if (until !== undefined) {
    const at = parseMoment(until, 'end');
    const now = systemClock.now();
    if (at !== null && at > now) return ok({ kind: 'until', at });
    const why =
      at === null ? 'it is not a time' : `it is past; now is ${new Date(now).toISOString().slice(0, 19)}Z`;
    return err(
      refuse('usage', 'bad-time', `--until ${JSON.stringify(until)}: ${why}`, {
        next: `write it like ${MOMENT_EXAMPLES.slice(0, 2).join(' or ')}; --for 12h is from now`,
      }),
    );
  }
  const held = durationAsked(invocation, 'for');
  if (!held.ok) return held;
  if (held.value === 0)
    return err(
      refuse('usage', 'bad-duration', '--for 0s: a hold must last for some time', {
        next: '--no-hold leaves none',
      }),
    );
  return ok(held.value === null ? { kind: 'default' } : { kind: 'for', ms: held.value });
}

/** Ms; null where the option is not given. */
export function durationAsked(invocation: Invocation, name: string): Result<number | null, Refusal> {
  const text = textOption(invocation, name);
  if (text === undefined) return ok(null);
  const parsed = parseDuration(text);
  if (parsed.ok) return ok(parsed.value);
  return err(
    refuse('usage', 'bad-duration', `--${name} ${JSON.stringify(text)}: ${parsed.error}`, {
      next: 'write it like 30s, 10m or 1h30m',
    }),
  );
}
