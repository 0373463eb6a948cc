/**
 * A lifecycle action as the order that one host is given. Pure but for what a package's source is.
 *
 * O1  What a person typed is data: places in a controller's words are filled once, never again in what was filled in, and no
 *     control character gets through, since a host command refuses them and a stop must not fail on its reason. Nor does it become an
 *     option of the command: a word begins with a dash only where the configuration has it so.
 * O2  Only what stops with a hold tells the controllers to keep away, and only what starts tells them to come back.
 */
import type { Artifact } from '../domain/artifact.ts';
import type { Host } from '../domain/host.ts';
import { plainText } from '../domain/host-answer.ts';
import { describeOrder } from '../domain/host-command.ts';
import type { HostOrder } from '../domain/host-order.ts';
import type {
  ControllerCommand,
  HoldTerms,
  LifecycleSettings,
  LifecycleVerb,
  StarterName,
} from '../domain/lifecycle.ts';
import type { PackageSource } from '../ports/remote.ts';
import { packageRef } from './act-on-hosts.ts';
import type { LifecycleContext } from './context.ts';
import type { LifecycleRequest } from './lifecycle-types.ts';
import { meantInstance } from './meant-instance.ts';

/** How long apt waits for dpkg's lock before the host counts as blocked, seconds. */
const LOCK_TIMEOUT_S = 30;

export interface LifecycleJob {
  readonly order: HostOrder;
  readonly packages: PackageSource[];
}

/** What fills the places of controllers' words and branches. */
export interface Fillings {
  readonly reason: string;
  /** Such as `ops@laptop`. */
  readonly by: string;
  /** ISO date and time in UTC; empty where nothing is to end. */
  readonly until: string;
  readonly environment: string;
}

/**
 * The order for one host, and the packages that go with it. `fence` is the number of the intent's entry; 0 where there is none, as
 * in a dry run or an emergency. `artifact` is the pin's for the host's architecture: an install cannot be ordered without.
 */
export function lifecycleOrder(
  context: LifecycleContext,
  request: LifecycleRequest,
  fence: number,
  artifact: Artifact | null,
  host: Host,
): LifecycleJob {
  const { environment } = context;
  const { lifecycle, policy } = environment;
  const { package: name, service, executable } = policy.agent;
  const base = { agent: { package: name, service, executable }, ...meantInstance(environment, host.id) };
  const { verb } = request;
  const named = {
    orderId: request.actionId,
    environment: environment.name,
    fence,
    lockTimeoutS: LOCK_TIMEOUT_S,
  };
  switch (verb) {
    case 'install':
      if (artifact === null) throw new Error(`no package to install on ${host.name}`);
      return {
        order: {
          program: 'install',
          ...base,
          ...named,
          target: packageRef(artifact),
          proveMs: lifecycle.proveMs,
        },
        packages: [context.store.sourceOf(artifact)],
      };
    case 'remove':
    case 'purge':
      return {
        order: {
          program: 'remove',
          ...base,
          ...named,
          purge: verb === 'purge',
          purgePaths: lifecycle.purgePaths,
        },
        packages: [],
      };
    case 'stop':
    case 'start':
    case 'restart':
    case 'enable':
    case 'disable': {
      const hold = isStop(request) && request.hold !== null ? writable(request.hold) : null;
      return {
        order: {
          program: 'service',
          ...base,
          verb,
          now: request.now,
          ...(hold === null ? {} : { hold }),
          brake: lifecycle.brake,
          commands: commandsOf(context, request),
          starters: startersOf(lifecycle),
          proveMs: lifecycle.proveMs,
        },
        packages: [],
      };
    }
    default:
      return verb satisfies never;
  }
}

/** One line for a dry run: what would be piped into what. */
export function describeLifecycle(order: HostOrder): string {
  return describeOrder(order);
}

/** What is meant to leave no process behind, the package's removal apart. */
export function isStop({ verb, now }: { readonly verb: LifecycleVerb; readonly now: boolean }): boolean {
  return verb === 'stop' || (verb === 'disable' && now);
}

/** What lifts a hold. A restart does not: it leaves what is held as it is. */
export function isStart({ verb, now }: { readonly verb: LifecycleVerb; readonly now: boolean }): boolean {
  return verb === 'start' || (verb === 'enable' && now);
}

/** Kinds and units that the environment's controllers are about, each once: what a host is asked for. */
export function startersOf({ controllers }: LifecycleSettings): StarterName[] {
  const named = controllers.flatMap((controller) =>
    controller.kind === 'command' && controller.when !== 'always' ? [controller.when] : [],
  );
  return [...new Set(named)];
}

/** O1. */
export function fillingsOf(context: LifecycleContext, request: LifecycleRequest): Fillings {
  const { hold } = request;
  const { user, hostname } = context.actor;
  return {
    reason: oneLine(hold?.reason ?? request.reason),
    by: oneLine(hold?.by ?? `${user}@${hostname}`),
    until: hold === null ? '' : isoSeconds(hold.until),
    environment: context.environment.name,
  };
}

/** Fills `{name}` places, once; places that are not in `fillings` stay as they are. */
export function fillIn(text: string, fillings: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\{([A-Za-z]+)\}/g, (place, name: string) =>
    Object.hasOwn(fillings, name) ? (fillings[name] ?? place) : place,
  );
}

/** ISO date and time in UTC, whole seconds; a time beyond the calendar's end is the last there is. */
export function isoSeconds(at: number): string {
  const last = Date.parse('9999-12-31T23:59:59Z');
  return `${new Date(Math.min(at, last)).toISOString().slice(0, 19)}Z`;
}

/** O2. */
function commandsOf(context: LifecycleContext, request: LifecycleRequest): ControllerCommand[] {
  const tells = isStop(request) && request.hold !== null ? 'onStop' : isStart(request) ? 'onStart' : null;
  if (tells === null) return [];
  const fillings = { ...fillingsOf(context, request) };
  return context.environment.lifecycle.controllers.flatMap((controller) => {
    if (controller.kind !== 'command' || controller[tells].length === 0) return [];
    const { name, when, timeoutMs } = controller;
    const words = controller[tells].map((word) => noOption(word, fillIn(word, fillings)));
    return [{ name, when, words, timeoutS: Math.max(1, Math.ceil(timeoutMs / 1000)) }];
  });
}

/** O1. */
function noOption(word: string, filled: string): string {
  return word.startsWith('-') ? filled : filled.replace(/^-[\s-]*(?=.*\S)/u, '');
}

function writable(hold: HoldTerms): HoldTerms {
  return { ...hold, by: oneLine(hold.by), reason: oneLine(hold.reason) };
}

function oneLine(text: string): string {
  return plainText(text).replaceAll(/\s*\n\s*/g, ' ');
}
