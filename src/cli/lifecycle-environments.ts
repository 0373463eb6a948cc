/**
 * Which environments a lifecycle command is about, opened. An emergency leaves out what cannot be used and says so, since one
 * wrong file must not keep the others from being stopped; a calm command that names such a one is refused.
 */
import { relative } from 'node:path';
import type { Problem } from '../config/problem.ts';
import { nearestWord } from '../domain/nearest.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type LifecycleContext, type Refusal, refuse } from '../engine/context.ts';
import type { Polarity } from '../engine/lifecycle-types.ts';
import type { NotBegun } from './render/action-end.ts';
import type { Session } from './session.ts';

export interface OpenedEnvironments {
  /** In the order of promotion; never empty. */
  readonly contexts: readonly LifecycleContext[];
  readonly notBegun: readonly NotBegun[];
}

/** `named`: as given with --env; empty: all that can be used. `wide`: many connections at once. */
export function openEnvironments(
  session: Session,
  named: readonly string[],
  options: { readonly polarity: Polarity; readonly wide: boolean },
): Result<OpenedEnvironments, readonly Refusal[]> {
  const unknown = unknownNames(session, named);
  if (unknown !== null) return err([unknown]);
  const contexts: LifecycleContext[] = [];
  const notBegun: NotBegun[] = [];
  const refusals: Refusal[] = [];
  const usable = options.wide ? session.wideNames : session.names;
  const chosen = named.length === 0 ? usable : inOrder(usable, named);
  for (const name of chosen) {
    const context = session.open(name, { wide: options.wide });
    if (context.ok) contexts.push(context.value);
    else {
      refusals.push(context.error);
      notBegun.push({ environment: name, why: shortly(context.error), ...nextOf(context.error) });
    }
  }
  if (named.length === 0)
    for (const { name, kind, problems } of session.unusable.filter((one) => !usable.includes(one.name)))
      notBegun.push({ environment: name, why: `${kind}: ${firstOf(problems, session)}`, next: CHECK });
  if (refusals.length > 0 && (contexts.length === 0 || options.polarity === 'calm')) return err(refusals);
  if (contexts.length === 0) return err([noEnvironments(notBegun)]);
  return ok({ contexts, notBegun });
}

/** Those that cannot be used are known by name too. */
function unknownNames(session: Session, named: readonly string[]): Refusal | null {
  const known = [...session.names, ...session.unusable.map(({ name }) => name), ...session.examples];
  const wrong = named.filter((name) => !known.includes(name));
  const [first] = wrong;
  if (first === undefined) return null;
  const meant = nearestWord(first, known);
  const list = known.length === 0 ? 'there are none' : `there are ${known.join(', ')}`;
  const words = wrong.map((name) => JSON.stringify(name)).join(', ');
  return refuse('usage', 'unknown-environment', `no environment is called ${words}; ${list}`, {
    next: meant === null ? '--config DIR names another folder' : `did you mean --env ${meant}?`,
  });
}

function inOrder(usable: readonly string[], named: readonly string[]): string[] {
  const rest = named.filter((name) => !usable.includes(name));
  return [...usable.filter((name) => named.includes(name)), ...new Set(rest)];
}

const CHECK = 'rollout config check';

/** The first problem with its place, as an editor takes it: `environments/gprd.yaml:46:3: ...`. */
function firstOf(problems: readonly Problem[], { invocation }: Session): string {
  const [first] = problems;
  if (first === undefined) return `${CHECK} says why`;
  const below = relative(invocation.cwd, first.file);
  const file = below.startsWith('..') ? first.file : below;
  const place = first.line === 0 ? file : `${file}:${first.line}:${first.column}`;
  const key = first.path === '' ? '' : `${first.path}: `;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return `${place}: ${key}${first.message}${more}`;
}

function nextOf({ next }: Refusal): Pick<NotBegun, 'next'> {
  return next === undefined ? {} : { next };
}

function shortly({ message, details }: Refusal): string {
  return [message, details[0]?.trim() ?? ''].filter((part) => part !== '').join(' ');
}

function noEnvironments(notBegun: readonly NotBegun[]): Refusal {
  return refuse('usage', 'no-environments', 'there is no environment that can be used', {
    details: notBegun.map(({ environment, why }) => `${environment}: ${why}`),
    next: notBegun.length > 0 ? CHECK : '--config DIR names the folder that holds environments/',
  });
}
