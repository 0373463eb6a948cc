/**
 * Writes into the journal what the fleet looks like: who is there, at which address, must it have the agent, what runs.
 *
 * RF1  Only changes are written, as facts; a fleet that did not change costs nothing.
 * RF2  It never fails what it is part of: what could not be written is told, and found again as a change the next time.
 * RF3  A large fleet takes several entries. Who is killed between two of them leaves none that counts.
 */
import { changesSince, NOT_LOOKED, seenUnchanged } from '../domain/fleet-changes.ts';
import type { AgentSeen, SeenHost } from '../domain/fleet-record.ts';
import type { ClassifiedHost } from '../domain/host.ts';
import { canonicalJson } from '../domain/journal.ts';
import { asListing } from '../domain/listing-parts.ts';
import type { EngineContext } from './context.ts';
import { journalTrouble, type Ledger } from './ledger.ts';
import type { Fleet, LookedAt } from './survey.ts';

export interface RecordOptions {
  /** Write also that nothing has changed: it then shows that somebody looked. Default false. */
  readonly evenUnchanged?: boolean;
}

/** Writes what has changed since the last record. Ends without an error whatever happens (RF2). */
export async function recordFleet(
  context: EngineContext,
  ledger: Ledger,
  fleet: Fleet,
  looked: readonly LookedAt[] = [],
  { evenUnchanged = false }: RecordOptions = {},
): Promise<void> {
  const unknownZones = fleet.unknownZones.map(({ zone }) => zone);
  const changes = changesSince(ledger.fleet, seenHosts(fleet, looked), unknownZones);
  const entries = changes.length === 0 && evenUnchanged ? [seenUnchanged(unknownZones)] : changes;
  const listing = context.digest(canonicalJson([context.actor, context.clock.now(), fleet.hosts.length]));
  // RF3.
  for (const body of asListing(entries, listing.slice(0, 16))) {
    const written = await ledger.fact(body);
    if (written.ok) continue;
    const why = journalTrouble(written.error);
    context.tell({
      kind: 'notice',
      environment: context.environment.name,
      at: context.clock.now(),
      reason: {
        code: 'fleet-not-recorded',
        message: `what the fleet looks like could not be recorded: ${why}`,
      },
    });
    return;
  }
}

/** A listing, with what looking brought, in the journal's words. */
export function seenHosts({ hosts }: Pick<Fleet, 'hosts'>, looked: readonly LookedAt[]): SeenHost[] {
  const looks = new Map(looked.map((one) => [one.id, one]));
  return hosts.map((one) => seenHost(one, looks.get(one.host.id)));
}

function seenHost({ host, eligibility }: ClassifiedHost, looked: LookedAt | undefined): SeenHost {
  const { id, name, project, zone, role, machineType, os, status, spot, createdAt } = host;
  const addresses = [host.address, host.internalAddress, host.externalAddress];
  return {
    id,
    name,
    ...(project === undefined ? {} : { project }),
    zone,
    role,
    machineType,
    os,
    status,
    spot,
    ...(createdAt === undefined ? {} : { createdAt }),
    addresses: [
      ...new Set(addresses.filter((address) => address !== undefined && address !== '')),
    ] as string[],
    eligibility,
    agent: looked === undefined ? { kind: 'unseen', why: NOT_LOOKED } : agentSeen(looked),
  };
}

/** What a look says of the agent. */
export function agentSeen({ answer, incapable }: Pick<LookedAt, 'answer' | 'incapable'>): AgentSeen {
  if (answer.kind === 'none') return { kind: 'unseen', why: incapable ?? answer.why };
  const { look } = answer;
  if (look.packageState === 'absent') return { kind: 'absent' };
  return {
    kind: 'installed',
    packageVersion: look.packageVersion,
    service: look.activeState,
    runningSha256: look.runningSha256,
    hold: look.hold,
  };
}
