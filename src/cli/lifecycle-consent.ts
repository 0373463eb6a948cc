/** Asks before a lifecycle action. A name is typed where much is at stake; --yes stands for it but where a package of a whole fleet goes. */
import type { Environment } from '../domain/environment.ts';
import { refuse } from '../engine/context.ts';
import { type Consent, consentTo, type Question } from './confirm.ts';
import type { Invocation } from './invocation.ts';
import type { ActionAsked } from './lifecycle-question.ts';
import { sayRefused } from './session.ts';

/** What is typed for several environments at once. */
const FLEET_WORD = 'fleet';

export interface AboutTo {
  readonly asked: ActionAsked;
  /** In the order of promotion, so that production is last. */
  readonly environments: readonly Environment[];
  /** All hosts of these environments are meant, however they were chosen. */
  readonly wholeFleet: boolean;
  /** Completes "About to ...". */
  readonly what: string;
}

export async function askLifecycleConsent(invocation: Invocation, about: AboutTo): Promise<Consent> {
  const { asked, environments, wholeFleet, what } = about;
  const name = fleetName(environments);
  const takesAway = asked.verb === 'remove' || asked.verb === 'purge';
  if (asked.confirm !== null && asked.confirm !== name)
    return refused(invocation, `--confirm ${asked.confirm}: what is to be named is ${name}`, name);
  if (takesAway && wholeFleet && asked.confirm !== name) {
    if (invocation.yes || !canAsk(invocation))
      return refused(invocation, `about to ${what}, which is all of it: --yes alone is not enough`, name);
    return consentTo(invocation, { kind: 'type', word: name }, what);
  }
  const question = questionOf(environments, wholeFleet);
  // A capital is no other wish, and a stop should not have to be typed again for it.
  const anyCase = asked.polarity === 'emergency';
  return consentTo(invocation, question.kind === 'type' ? { ...question, anyCase } : question, what);
}

/** The environment's name, or `fleet` where there are several. */
export function fleetName(environments: readonly Environment[]): string {
  const [only] = environments;
  return environments.length === 1 && only !== undefined ? only.name : FLEET_WORD;
}

/** A selection follows the strictest environment's own rule; of several that want their names, the one nearest to production. */
function questionOf(environments: readonly Environment[], wholeFleet: boolean): Question {
  if (wholeFleet) return { kind: 'type', word: fleetName(environments) };
  const strict = environments.findLast(({ confirm }) => confirm === 'type-name');
  return strict === undefined ? { kind: 'yes-no' } : { kind: 'type', word: strict.name };
}

function canAsk({ output, json }: Invocation): boolean {
  return output.inIsTerminal && output.errIsTerminal && !json;
}

function refused(invocation: Invocation, message: string, name: string): Consent {
  const next = `the same command with --yes --confirm ${name}`;
  return {
    given: false,
    exit: sayRefused(invocation, [refuse('usage', 'not-confirmed', message, { next })]),
  };
}
