/** Which hosts a lifecycle action is about: asked of every environment at once, and judged over all of them. */

import type { Host } from '../domain/host.ts';
import { nearestWord } from '../domain/nearest.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { classify } from '../domain/targeting.ts';
import { type LifecycleContext, type Refusal, refuse } from '../engine/context.ts';
import { gatherTargets } from '../engine/gather-targets.ts';
import type { Polarity, Selection, Targets } from '../engine/lifecycle-types.ts';
import type { OpenedEnvironments } from './lifecycle-environments.ts';
import { type ActionAsked, typedAs } from './lifecycle-question.ts';
import type { NotBegun, NotReached } from './render/action-end.ts';
import { leftOutWord } from './render/lifecycle-words.ts';
import type { Session } from './session.ts';

export interface GatheredAction {
  readonly context: LifecycleContext;
  readonly targets: Targets;
  /** Of the chosen: hosts of whom nobody has said whether they must have the agent. */
  readonly undecided: readonly string[];
}

export interface Gathered {
  /** Those with at least one host. */
  readonly actions: readonly GatheredAction[];
  readonly notBegun: readonly NotBegun[];
  /** Meant, and in no list: known to be missed. */
  readonly notReached: readonly NotReached[];
  /** All hosts of these environments are meant. */
  readonly wholeFleet: boolean;
  readonly warnings: readonly string[];
}

export async function gatherActions(
  { invocation }: Session,
  asked: ActionAsked,
  opened: OpenedEnvironments,
): Promise<Result<Gathered, readonly Refusal[]>> {
  const { polarity } = asked;
  const { selection } = asked.scope;
  const { signal } = invocation;
  const all = await gatherAll(opened.contexts, { selection, polarity }, signal);
  if (all.targets.length === 0 || (polarity === 'calm' && all.refusals.length > 0)) return err(all.refusals);
  const everywhere = all.targets.map(({ targets }) => targets);
  const lost = lostIn(everywhere, selection);
  const refusal = await lostRefusal(lost, all.targets, { typed: typedAs(invocation), polarity, signal });
  const chosen = all.targets.filter(({ targets }) => targets.chosen.length > 0);
  if (refusal !== null && (polarity === 'calm' || chosen.length === 0)) return err([refusal]);
  if (chosen.length === 0) return err([nobodyChosen(asked, everywhere)]);
  const actions = chosen.map(({ context, targets }) => ({
    context,
    targets,
    undecided: undecidedOf(context, targets),
  }));
  return ok({
    actions,
    notBegun: [...opened.notBegun, ...all.notBegun],
    notReached: [
      ...everywhere.flatMap((targets) => notReachedOf(targets, selection)),
      ...lost.hosts.map((word) => ({ environment: '-', what: word, why: 'no host has this name' })),
    ],
    wholeFleet: await isWholeFleet(asked, actions, signal),
    warnings: refusal === null ? [] : [refusal.message, ...refusal.details],
  });
}

export interface GatheredAll {
  readonly targets: readonly { readonly context: LifecycleContext; readonly targets: Targets }[];
  readonly refusals: readonly Refusal[];
  readonly notBegun: readonly NotBegun[];
}

/** Every environment's hosts at once; an environment that refuses is told apart. */
export async function gatherAll(
  contexts: readonly LifecycleContext[],
  { selection, polarity }: { readonly selection: Selection; readonly polarity: Polarity },
  signal: AbortSignal,
): Promise<GatheredAll> {
  const answers = await Promise.all(
    contexts.map(async (context) => ({
      context,
      gathered: await gatherTargets(context, selection, polarity, signal),
    })),
  );
  return {
    targets: answers.flatMap(({ context, gathered }) =>
      gathered.ok ? [{ context, targets: gathered.value }] : [],
    ),
    refusals: answers.flatMap(({ gathered }) => (gathered.ok ? [] : [gathered.error])),
    notBegun: answers.flatMap(({ context, gathered }) =>
      gathered.ok ? [] : [{ environment: context.environment.name, why: gathered.error.message }],
    ),
  };
}

interface Lost {
  readonly hosts: readonly string[];
  readonly excepted: readonly string[];
}

/** A word counts as lost only where no environment knows it. */
function lostIn(all: readonly Targets[], { hosts, except }: Selection): Lost {
  const isLost = (word: string): boolean => all.every(({ unmatched }) => unmatched.includes(word));
  return { hosts: hosts.filter(isLost), excepted: except.filter(isLost) };
}

/** Words that name nobody, each with the nearest name that there is; null: there are none. */
async function lostRefusal(
  lost: Lost,
  all: GatheredAll['targets'],
  options: AskAgain,
): Promise<Refusal | null> {
  const words = [
    ...lost.hosts.map((word) => ['--host', word]),
    ...lost.excepted.map((word) => ['--except', word]),
  ];
  if (words.length === 0) return null;
  const names = await namesOf(all, options);
  const told = words.map(([flag = '', word = '']) => {
    const meant = nearestWord(word, names);
    return `${flag} ${word} names no host${meant === null ? '' : `; did you mean ${meant}?`}`;
  });
  const [first = '', ...rest] = told;
  return refuse('usage', 'unknown-host', first, {
    details: rest,
    next: `${options.typed} status lists the hosts; names, instance ids and globs such as "web-*" are taken`,
  });
}

interface AskAgain {
  readonly typed: string;
  readonly polarity: Polarity;
  readonly signal: AbortSignal;
}

const EVERYTHING: Selection = { fleet: true, hosts: [], where: null, except: [] };

/** Names of all hosts, those that are left out included. */
async function namesOf(all: GatheredAll['targets'], { polarity, signal }: AskAgain): Promise<string[]> {
  const contexts = all.map(({ context }) => context);
  const { targets } = await gatherAll(contexts, { selection: EVERYTHING, polarity }, signal);
  const hosts = targets.flatMap((one): Host[] => [
    ...one.targets.chosen,
    ...one.targets.leftOut.map(({ host }) => host),
  ]);
  return hosts.map(({ name }) => name);
}

function nobodyChosen(asked: ActionAsked, all: readonly Targets[]): Refusal {
  const environments = all.map(({ environment }) => environment).join(', ');
  const left = all.flatMap(({ leftOut }) =>
    leftOut.map(({ host, why }) => `${host.name}: ${leftOutWord(why)}`),
  );
  const unknown = all.flatMap((one) => one.unknown.map(({ host, why }) => `${host.name}: not known: ${why}`));
  const details = [...unknown, ...left];
  const message =
    details.length === 0
      ? `no host of ${environments} matches: nothing to ${asked.verb}`
      : `of ${environments} only hosts match that are not to be touched: nothing to ${asked.verb}`;
  return refuse('failed', 'no-host', message, { details });
}

/** Of the chosen of an emergency, those of whom nobody has said whether they must have the agent. */
function undecidedOf({ environment, clock }: LifecycleContext, { chosen }: Targets): string[] {
  return classify(chosen, environment.targeting, clock.now()).flatMap(({ host, eligibility }) =>
    eligibility.kind === 'undecided' ? [host.name] : [],
  );
}

/**
 * Left out although somebody named exactly this host, so that they think it is done: exempt means that it need not have the agent, not
 * that it has none. Of who is excepted they know it, and on a VM that does not run nothing runs.
 */
function namedAndLeftOut({ environment, leftOut }: Targets, { hosts }: Selection): NotReached[] {
  return leftOut.flatMap(({ host, why }) => {
    const isNamed = hosts.includes(host.name) || hosts.includes(host.id);
    if (!isNamed || why.kind === 'excepted' || why.kind === 'not-running') return [];
    return [{ environment, what: host.name, why: `left alone: ${leftOutWord(why)}` }];
  });
}

/** What the list cannot hold although it was meant. Who named every host knows that all of them are there. */
function notReachedOf(targets: Targets, selection: Selection): NotReached[] {
  const { environment, inventory, unknown } = targets;
  const untold = [
    ...namedAndLeftOut(targets, selection),
    ...unknown.map(({ host, why }) => ({ environment, what: host.name, why })),
  ];
  const namesAll = selection.hosts.length > 0 && selection.hosts.every((word) => !/[*?[]/u.test(word));
  if (namesAll) return untold;
  switch (inventory.kind) {
    case 'listed':
      return untold;
    case 'last-known':
      return [...untold, { environment, what: 'newer VMs', why: `the list is old: ${inventory.why}` }];
    case 'listed-in-part':
      return [
        ...untold,
        ...inventory.unknownZones.map(({ zone, why }) => ({
          environment,
          what: `VMs in ${zone}`,
          why: `${why}${inventory.restAt === null ? '' : '; those last known were asked, newer ones were not'}`,
        })),
      ];
    default:
      return inventory satisfies never;
  }
}

/** However it was chosen: a glob or an expression may mean all of it too. Only what takes the package away needs to know that. */
async function isWholeFleet(
  asked: ActionAsked,
  actions: readonly GatheredAction[],
  signal: AbortSignal,
): Promise<boolean> {
  const { fleet, except } = asked.scope.selection;
  if (fleet && except.length === 0) return true;
  if (asked.verb !== 'remove' && asked.verb !== 'purge') return false;
  const contexts = actions.map(({ context }) => context);
  const { targets } = await gatherAll(contexts, { selection: EVERYTHING, polarity: asked.polarity }, signal);
  return targets.some(({ targets: everything, context }) => {
    const chosen = actions.find((action) => action.context === context)?.targets.chosen.length ?? 0;
    return chosen > 1 && chosen >= everything.chosen.length;
  });
}
