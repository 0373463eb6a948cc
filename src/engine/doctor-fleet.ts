/** Self-checks of an environment's fleet as the inventory tells it: what is listed, what is unknown, what a person must decide. */
import type { Environment } from '../domain/environment.ts';
import type { ClassifiedHost, Host } from '../domain/host.ts';
import {
  broken,
  brokenAs,
  doubtful,
  type Finding,
  fine,
  type SelfCheck,
  skipped,
} from '../ports/self-check.ts';
import type { EngineContext } from './context.ts';
import { CHECK_DEADLINE_MS } from './doctor.ts';
import { type Fleet, listFleet } from './survey.ts';

/** The fleet, listed once for all checks; null when it cannot be listed, or not in time. */
export type FleetSource = () => Promise<Fleet | null>;

export interface FleetChecks {
  readonly source: FleetSource;
  readonly checks: readonly SelfCheck[];
}

/** Names that are shown; `rollout fleet` lists all. */
const SHOWN = 5;

export function fleetChecks(context: EngineContext): FleetChecks {
  let listing: ReturnType<typeof listFleet> | undefined;
  const off = new AbortController();
  const list = (): ReturnType<typeof listFleet> => {
    listing ??= listFleet(context, off.signal);
    return listing;
  };
  const source: FleetSource = async () => {
    const given = new AbortController();
    const late = context.clock.sleep(CHECK_DEADLINE_MS, given.signal).then(() => null);
    const first = await Promise.race([list(), late]);
    given.abort();
    return first?.ok ? first.value : null;
  };
  const check: SelfCheck = {
    area: 'inventory',
    what: 'list of VMs',
    whenSilent:
      'look at the network of this machine; `inventory.filter` and `inventory.zones` make the list shorter',
    async run(signal) {
      // It is the list's own check: when nobody waits for it any more, nobody asks on.
      signal.addEventListener('abort', () => off.abort(), { once: true });
      const listed = await list();
      if (listed.ok) return fleetFindings(listed.value, context.environment);
      const { inventory, file } = context.environment;
      const otherwise =
        inventory.kind === 'gce'
          ? `look at inventory in ${file}, then: rollout doctor ${context.environment.name}`
          : `look at inventory in ${file}`;
      return [brokenAs('list of VMs', listed.error.message, otherwise)];
    },
  };
  return { source, checks: [check] };
}

/** Why a check that needs the fleet cannot be made. */
export const WITHOUT_FLEET = 'the VMs could not be listed';

/** Whom a rollout would change: running, and must have the agent. */
export function eligibleOf({ hosts }: Fleet): Host[] {
  return hosts.flatMap(({ host, eligibility }) => (eligibility.kind === 'eligible' ? [host] : []));
}

/** What a fleet shows. Pure. */
export function fleetFindings(fleet: Fleet, environment: Environment): Finding[] {
  return [
    counted(fleet, environment),
    ...unknown(fleet),
    ...undecided(fleet.hosts, environment),
    ...roles(fleet, environment),
  ];
}

function counted({ hosts, unknownZones }: Fleet, { targeting, file }: Environment): Finding {
  const zones = new Set(hosts.map(({ host }) => host.zone)).size;
  const projects = new Set(hosts.flatMap(({ host }) => (host.project === undefined ? [] : [host.project])))
    .size;
  const place =
    projects > 1 ? `${projects} projects and ${zones} zones` : zones === 1 ? '1 zone' : `${zones} zones`;
  const kinds = new Map<string, number>();
  for (const { eligibility } of hosts)
    kinds.set(KIND_WORDS[eligibility.kind], (kinds.get(KIND_WORDS[eligibility.kind]) ?? 0) + 1);
  const parts = [...kinds].map(([word, n]) => `${n} ${word}`).join(', ');
  if (hosts.length === 0)
    return doubtful(
      'list of VMs',
      'the inventory is empty',
      `look at inventory in ${file}: projects, zones, filter`,
    );
  const found = `${hosts.length} ${hosts.length === 1 ? 'VM' : 'VMs'} in ${place}: ${parts}`;
  return kinds.has(KIND_WORDS.eligible) || unknownZones.length > 0
    ? fine('list of VMs', found)
    : doubtful(
        'list of VMs',
        `${found}; not one must have the agent`,
        `look at targeting.include (${targeting.include}) in ${file}`,
      );
}

const KIND_WORDS: Readonly<Record<ClassifiedHost['eligibility']['kind'], string>> = {
  eligible: 'must have the agent',
  exempt: 'exempt',
  undecided: 'undecided',
  'not-running': 'not running',
  unsupported: 'cannot have it',
  excluded: 'not of this fleet',
};

function unknown({ unknownZones }: Fleet): Finding[] {
  if (unknownZones.length === 0) return [fine('zones', 'every one was listed')];
  const found = unknownZones.map(({ zone, why }) => `${zone} (${why})`);
  return [
    broken(
      'zones',
      `${unknownZones.length} could not be listed, so that nobody knows what is there: ${someOf(found)}`,
      'look at https://status.cloud.google.com and ask again; until then a promotion is held',
    ),
  ];
}

function undecided(hosts: readonly ClassifiedHost[], { name, file }: Environment): Finding[] {
  const open = hosts.flatMap(({ host, eligibility }) =>
    eligibility.kind === 'undecided' ? [`${host.name} (${eligibility.evidence})`] : [],
  );
  if (open.length === 0) return [fine('undecided VMs', 'none')];
  return [
    doubtful(
      'undecided VMs',
      `${open.length}, which hold a promotion: ${someOf(open)}`,
      `say in targeting.eligible or targeting.exempt of ${file} what they are; all of them: rollout fleet ${name}`,
    ),
  ];
}

function roles(fleet: Fleet, { inventory, file }: Environment): Finding[] {
  if (inventory.kind !== 'gce') return [];
  const hosts = eligibleOf(fleet);
  if (hosts.length === 0) return [];
  const what = `label ${inventory.roleLabel}`;
  const bare = hosts.filter((host) => host.labels[inventory.roleLabel] === undefined);
  const distinct = new Set(hosts.map(({ role }) => role)).size;
  const found = `on ${hosts.length - bare.length} of ${hosts.length} VMs that must have the agent`;
  if (bare.length === 0)
    return [fine(what, `${found}, with ${distinct} ${distinct === 1 ? 'value' : 'values'}`)];
  const others = commonLabels(hosts);
  const mend =
    bare.length === hosts.length
      ? `set inventory.roleLabel in ${file}${others === '' ? '' : ` to one of: ${others}`}`
      : `gcloud compute instances add-labels ${bare[0]?.name ?? 'NAME'} --zone=${bare[0]?.zone ?? 'ZONE'} --labels=${inventory.roleLabel}=ROLE`;
  const names = someOf(bare.map((host) => host.name));
  return [doubtful(what, `${found}; the others count as one role, none: ${names}`, mend)];
}

function commonLabels(hosts: readonly Host[]): string {
  const counts = new Map<string, number>();
  for (const host of hosts)
    for (const key of Object.keys(host.labels)) counts.set(key, (counts.get(key) ?? 0) + 1);
  const common = [...counts].filter(([, n]) => n * 2 >= hosts.length).sort((a, b) => b[1] - a[1]);
  return common
    .slice(0, SHOWN)
    .map(([key]) => key)
    .join(', ');
}

export function someOf(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return more > 0 ? `${names.slice(0, SHOWN).join(', ')} and ${more} more` : names.join(', ');
}

export function skippedForFleet(what: string): Finding[] {
  return [skipped(what, WITHOUT_FLEET)];
}
