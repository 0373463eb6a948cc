/** What every command that touches an environment begins with: configuration read, environments wired on demand, closed at the end. */
import { endpointsFrom } from '../adapters/google/endpoints.ts';
import type {
  LastResort,
  LoadedConfig,
  LoadedEnvironment,
  NoPlaybook,
  ReadyEnvironment,
} from '../config/load.ts';
import { renderProblems } from '../config/problem.ts';
import type { Action } from '../config/schema/playbook.ts';
import type { Environment } from '../domain/environment.ts';
import type { LifecyclePlaybook } from '../domain/lifecycle-playbook.ts';
import { nearestWord } from '../domain/nearest.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type LifecycleContext, type Refusal, refuse } from '../engine/context.ts';
import { notYourFleet, readConfiguration, type WhichPlaybooks } from './configuration.ts';
import { EXIT } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { jsonLine } from './json-lines.ts';
import { type OwnMetrics, startOwnMetrics } from './own-metrics.ts';
import { createNarrator, type Narrator } from './render/narrator.ts';
import { createPaint, fold, type Paint, whole } from './render/paint.ts';
import { isOfGoogle, wireEnvironment } from './wire.ts';

export interface Session {
  readonly invocation: Invocation;
  readonly paint: Paint;
  readonly narrator: Narrator;
  /** The program's own metrics. */
  readonly own: OwnMetrics;
  /** Names of the environments that can be used, in the order of promotion. */
  readonly names: readonly string[];
  /** The same with those that can be opened `wide` alone; they stand in `unusable` too. */
  readonly wideNames: readonly string[];
  /** The others, with why not. */
  readonly unusable: readonly Exclude<LoadedEnvironment, { kind: 'ready' | 'example' }>[];
  /** Said already: what is worked with ships with the program, since nothing of one's own was found. Null: it is one's own, or named. */
  readonly notOwn: string | null;
  /** Names of those that are only examples: nobody is told of them who did not name them. */
  readonly examples: readonly string[];
  /**
   * The environment, wired, with the playbook of `action` laid underneath where it is opened first; a refusal when there
   * is none of that name or it cannot be used yet. `wide`: for an emergency or a look: as many connections at once as one may have, and
   * although calm work could not use it for want of its list of hosts or of Prometheus' address.
   */
  open(
    name: string,
    how?: { readonly action?: Action; readonly wide?: boolean },
  ): Result<LifecycleContext, Refusal>;
  /** A playbook of the lifecycle by its name, with what the environment says of waves and gates. */
  lifecyclePlaybook(environment: string, name: string): Result<LifecyclePlaybook, Refusal>;
  /** The environment that is promoted to from this one; null when there is none. */
  successorOf(name: string): string | null;
  /** Every environment tied to this one by promotions, itself included. */
  line(name: string): Result<LifecycleContext[], Refusal>;
  /** The others of that line, as far as they can be used. */
  othersOf(name: string): readonly LifecycleContext[];
}

/** Runs `work` with the configuration read; ends with its exit code, or with 2 when there is none. */
export async function withSession(
  invocation: Invocation,
  work: (session: Session) => Promise<number>,
  playbooks: WhichPlaybooks = 'shipped',
): Promise<number> {
  const read = await readConfiguration(invocation, playbooks);
  if (!read.ok) return sayRefused(invocation, [read.error]);
  const narrator = createNarrator(invocation);
  const own = await startOwnMetrics(invocation);
  const wired = new Map<string, LifecycleContext>();
  const { environments } = read.value;
  const usable = [...environments.values()].flatMap((one) => (one.kind === 'ready' ? [one.environment] : []));
  const openable = inLine(
    [...environments.values()].flatMap((one) => usableOf(one, true).ready?.environment ?? []),
  );
  const paint = createPaint(invocation.output.color, invocation.output.foldAt);
  const notOwn = notYourFleet(
    invocation,
    openable.map(({ name }) => name),
  );
  // First of all, and with --json too: on stderr it disturbs no reader of lines.
  if (notOwn !== null) invocation.output.err(fold(paint.warn(notOwn), paint.width).join('\n'));
  const google = openable.some(isOfGoogle) ? await import('./wire-google.ts') : null;
  const open: Session['open'] = (name, { action = 'upgrade', wide = false } = {}) => {
    const before = wired.get(name);
    if (before !== undefined) return ok(before);
    const loaded = environments.get(name);
    const { ready = null, ...without } = usableOf(loaded, wide);
    if (ready === null) return err(whyNotUsable(name, read.value));
    const endpoints = endpointsFrom(invocation.env);
    if (!endpoints.ok) return err(refuse('usage', 'bad-endpoint', endpoints.error));
    const context = wireEnvironment(ready.forAction(action), invocation, narrator.tell, {
      google,
      wide,
      ...without,
    });
    wired.set(name, context);
    own.add(context);
    return ok(context);
  };
  const session: Session = {
    invocation,
    own,
    paint,
    notOwn,
    narrator,
    names: inLine(usable).map((environment) => environment.name),
    wideNames: openable.map(({ name }) => name),
    unusable: [...environments.values()].filter((one) => one.kind !== 'ready' && one.kind !== 'example'),
    examples: [...environments.values()].flatMap((one) => (one.kind === 'example' ? [one.name] : [])),
    open,
    lifecyclePlaybook: (environment, name) => {
      const loaded = environments.get(environment);
      if (loaded?.kind !== 'ready') return err(whyNotUsable(environment, read.value));
      const found = loaded.lifecyclePlaybook(name);
      return found.ok ? found : err(noPlaybook(name, found.error));
    },
    successorOf: (name) => usable.find(({ promotesFrom }) => promotesFrom === name)?.name ?? null,
    line: (name) => {
      const contexts: LifecycleContext[] = [];
      for (const member of tiedTo(name, usable)) {
        const context = open(member);
        if (!context.ok) return context;
        contexts.push(context.value);
      }
      return ok(contexts);
    },
    othersOf: (name) =>
      tiedTo(name, usable).flatMap((member) => {
        const context = member === name ? null : open(member);
        return context?.ok === true ? [context.value] : [];
      }),
  };
  let exit: number = EXIT.bug;
  try {
    exit = await work(session);
    return exit;
  } finally {
    await own.end(exit);
    narrator.close();
    await Promise.all([...wired.values()].map((context) => context.remote.close()));
  }
}

interface Usable extends Partial<Pick<LastResort, 'whyNoHosts' | 'whyNoMetrics'>> {
  readonly ready?: ReadyEnvironment;
}

function usableOf(loaded: LoadedEnvironment | undefined, wide: boolean): Usable {
  if (loaded === undefined || loaded.kind === 'example') return {};
  if (loaded.kind === 'ready') return { ready: loaded };
  const { lastResort } = loaded;
  if (!wide || lastResort === null) return {};
  const { whyNoHosts, whyNoMetrics } = lastResort;
  return { ready: lastResort, whyNoHosts, whyNoMetrics };
}

function whyNotUsable(name: string, { environments }: LoadedConfig): Refusal {
  const found = environments.get(name);
  if (found !== undefined && found.kind !== 'ready') {
    return refuse('usage', `config-${found.kind}`, `the environment ${name} cannot be used:`, {
      details: renderProblems(found.problems)
        .split('\n')
        .filter((line) => line.trim() !== ''),
      next: 'rollout config check',
    });
  }
  const known = [...environments.keys()];
  const meant = nearestWord(name, known);
  const list = known.length === 0 ? 'there are none' : `there are ${known.join(', ')}`;
  return refuse('usage', 'unknown-environment', `no environment is called ${JSON.stringify(name)}; ${list}`, {
    next: meant === null ? '--config DIR names another folder' : `did you mean ${meant}?`,
  });
}

function noPlaybook(name: string, why: NoPlaybook): Refusal {
  const shown = JSON.stringify(name);
  switch (why.kind) {
    case 'unknown': {
      const message = `no playbook of the lifecycle is called ${shown}; there are ${why.known.join(', ')}`;
      const next = why.suggestion === null ? {} : { next: `did you mean ${why.suggestion}?` };
      return refuse('usage', 'unknown-playbook', message, next);
    }
    case 'invalid':
      return refuse('usage', 'wrong-playbook', `the playbook ${shown} cannot be used:`, {
        details: renderProblems(why.problems)
          .split('\n')
          .filter((line) => line.trim() !== ''),
        next: 'rollout config check',
      });
    case 'not-lifecycle':
      return refuse(
        'usage',
        'rollout-playbook',
        `the playbook ${shown} is of ${why.action}, which is a rollout’s`,
        {
          details: [why.file],
          next: 'rollout deploy, promote, canary and rollback follow those',
        },
      );
    default:
      return why satisfies never;
  }
}

/** Predecessors before successors. */
function inLine(environments: readonly Environment[]): Environment[] {
  const depth = (environment: Environment, seen: number): number => {
    const before = environments.find((other) => other.name === environment.promotesFrom);
    return before === undefined || seen > environments.length ? 0 : 1 + depth(before, seen + 1);
  };
  return [...environments].sort((a, b) => depth(a, 0) - depth(b, 0) || (a.name < b.name ? -1 : 1));
}

function tiedTo(name: string, environments: readonly Environment[]): string[] {
  const tied = new Set([name]);
  for (let grown = 0; grown !== tied.size; ) {
    grown = tied.size;
    for (const { name: own, promotesFrom } of environments) {
      if (promotesFrom === null) continue;
      if (tied.has(own)) tied.add(promotesFrom);
      if (tied.has(promotesFrom)) tied.add(own);
    }
  }
  return environments.map((environment) => environment.name).filter((member) => tied.has(member));
}

/** Lines below a refusal that are printed; a config file's problems take three each. */
const MOST_DETAILS = 30;

const REFUSAL_EXIT = {
  failed: EXIT.failed,
  usage: EXIT.usage,
  held: EXIT.held,
  locked: EXIT.locked,
  interrupted: EXIT.interrupted,
} as const;

/** Says why nothing was done and what to type next; answers with the exit code. */
export function sayRefused(invocation: Invocation, refusals: readonly Refusal[]): number {
  const exit = Math.max(EXIT.failed, ...refusals.map((refusal) => REFUSAL_EXIT[refusal.exit]));
  if (invocation.json) {
    for (const refusal of refusals)
      jsonLine(invocation, 'refusal', { ...refusal, exit: REFUSAL_EXIT[refusal.exit] });
    return exit;
  }
  const paint = createPaint(invocation.output.color, invocation.output.foldAt);
  for (const refusal of refusals) {
    const { program } = invocation;
    const [first = '', ...rest] = fold(refusal.message, paint.width - program.length - 2);
    const below = rest.map((line) => `  ${line}`);
    invocation.output.err([`${paint.bad(`${program}:`)} ${first}`, ...below].join('\n'));
    for (const detail of refusal.details.slice(0, MOST_DETAILS)) invocation.output.err(`    ${detail}`);
    if (refusal.details.length > MOST_DETAILS)
      invocation.output.err(`    and ${refusal.details.length - MOST_DETAILS} more (--json lists all)`);
    if (refusal.next === undefined) continue;
    // A question is nothing to type.
    const label = refusal.next.startsWith('did you mean ') ? '  ' : `  ${paint.dim('next:')} `;
    invocation.output.err(whole(label, refusal.next, { indent: 4, width: paint.width }).join('\n'));
  }
  return exit;
}
