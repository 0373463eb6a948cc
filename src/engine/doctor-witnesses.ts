/**
 * Self-checks of the witnesses that tell hosts apart: do they answer, and do they know our hosts by the name that is configured. Asks
 * only. A command and a webhook are not asked: nobody knows what a question does there.
 */
import type { Host } from '../domain/host.ts';
import { hostValueFor } from '../domain/host-value.ts';
import type { WitnessSettings } from '../domain/witness.ts';
import {
  broken,
  brokenAs,
  doubtful,
  type Finding,
  fine,
  type SelfCheck,
  skipped,
} from '../ports/self-check.ts';
import type { Witness, WitnessAnswer } from '../ports/witness.ts';
import type { EngineContext } from './context.ts';
import { eligibleOf, type FleetSource, skippedForFleet, someOf } from './doctor-fleet.ts';
import { sampleOf } from './doctor-hosts.ts';

/** Hosts that each witness is asked about. */
const SAMPLE = 20;

export function witnessChecks(context: EngineContext, fleet: FleetSource): SelfCheck[] {
  const { environment, witnesses } = context;
  return Object.entries(environment.witnesses ?? {}).flatMap(([name, settings]): SelfCheck[] => {
    const witness = witnesses?.get(name);
    if (witness === undefined || settings.kind === 'command') return [];
    const what = `witness ${name}`;
    const part = `witnesses.${name}`;
    const check = (run: SelfCheck['run']): SelfCheck => ({
      area: 'metrics',
      what,
      whenSilent: `look at ${settings.url}; ${part}.timeout bounds the wait`,
      waits: true,
      run,
    });
    if (settings.kind === 'webhook')
      return [check(async () => [skipped(what, `${settings.url} is asked only when something is judged`)])];
    return [
      check(async (signal) => {
        const listed = await fleet();
        if (listed === null) return skippedForFleet(what);
        const hosts = sampleOf(eligibleOf(listed), SAMPLE);
        if (hosts.length === 0) return [skipped(what, `no VM of ${environment.name} must have the agent`)];
        return ask({ context, name, what, settings, witness, hosts, signal });
      }),
    ];
  });
}

interface Asking {
  readonly context: EngineContext;
  readonly name: string;
  readonly what: string;
  readonly settings: Exclude<WitnessSettings, { kind: 'command' | 'webhook' }>;
  readonly witness: Witness;
  readonly hosts: readonly Host[];
  readonly signal: AbortSignal;
}

async function ask({ context, name, what, settings, witness, hosts, signal }: Asking): Promise<Finding[]> {
  const { environment, clock } = context;
  const { sampleEveryMs, sampleDelayMs } = environment.policy;
  const to = clock.now() - sampleDelayMs;
  const question = {
    environment: environment.name,
    version: '',
    hosts: hosts.map(({ id, name: called, address, zone, role }) => ({
      id,
      name: called,
      address,
      zone,
      role,
      // Of the version that one should have nothing can be said before it is changed: any host will do that was ever heard.
      changedAt: 'measure' in settings && settings.measure === 'version' ? 1 : 0,
    })),
    from: to - sampleEveryMs,
    to,
    stepMs: sampleEveryMs,
  };
  const answer = await witness.ask(question, signal);
  const part = `witnesses.${name} in ${environment.file}`;
  if (!answer.ok) return [brokenAs(what, answer.error.message, `look at ${part}`)];
  return answer.value.kind === 'told'
    ? []
    : [heardFinding({ what, part, settings, hosts, answer: answer.value })];
}

export interface HeardQuestion {
  readonly what: string;
  /** Where it is configured. */
  readonly part: string;
  readonly settings: Asking['settings'];
  readonly hosts: readonly Host[];
  readonly answer: Extract<WitnessAnswer, { readonly kind: 'by-host' }>;
}

/** How many hosts the witness knows. Pure. */
export function heardFinding({ what, part, settings, hosts, answer }: HeardQuestion): Finding {
  const { byHost, ambiguous, warnings } = answer;
  const nameOf = (id: string): string => hosts.find((host) => host.id === id)?.name ?? id;
  const silent = hosts.filter(({ id }) => (byHost.get(id)?.length ?? 0) === 0 && !ambiguous.includes(id));
  const found = `knows ${hosts.length - silent.length - ambiguous.length} of ${hosts.length} VMs that it was asked about`;
  if (warnings.length > 0)
    return doubtful(what, `the answer is not whole: ${warnings[0]}`, 'nothing is judged on such an answer');
  if (ambiguous.length > 0)
    return broken(
      what,
      `${found}; more than one goes by the name of ${someOf(ambiguous.map(nameOf))}`,
      settings.kind === 'loki'
        ? `sum by (${settings.hostLabel}) in the query of ${part}`
        : `set match to uuid or an address in ${part}, or take the machine away that is not meant`,
    );
  const [first] = silent;
  if (first === undefined) return fine(what, found);
  const wanted = JSON.stringify(hostValueFor(settings.hostValue, first));
  if (silent.length === hosts.length)
    return broken(
      what,
      `${found}: one is looked for as ${settings.kind === 'loki' ? settings.hostLabel : settings.match} ${wanted}`,
      settings.kind === 'loki'
        ? `see that ${settings.url} has logs of it, and set hostLabel and hostValue of ${part}`
        : `set match and hostValue of ${part} to what it calls them`,
    );
  return doubtful(
    what,
    `${found}; without: ${someOf(silent.map(({ name }) => name))}`,
    'a host without a number holds its wave (no data is never a pass)',
  );
}
