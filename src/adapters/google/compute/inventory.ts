/** The VMs of Compute Engine, of several projects, with every page; a zone that cannot be listed is unknown. */
import pLimit from 'p-limit';
import type { GceInventorySettings } from '../../../domain/cloud.ts';
import type { Host, HostId } from '../../../domain/host.ts';
import { err, ok, type Result, unreachable } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Inventory, InventoryError, InventoryView } from '../../../ports/inventory.ts';
import type { GoogleAccess } from '../access.ts';
import { memberOf } from '../access-errors.ts';
import type { CallFailure } from './call-failure.ts';
import { type ComputeCalls, computeCalls } from './calls.ts';
import { type Listing, listProject, listZone, type UnknownPlace } from './listing.ts';
import type { Patience } from './persist.ts';

export interface GceInventoryOptions {
  readonly settings: GceInventorySettings;
  readonly access: GoogleAccess;
  readonly clock: Clock;
  /** For the whole list, ms. Default 300,000: tens of pages of some seconds each are a large fleet, not an outage. */
  readonly listMs?: number;
  /** For one page, all attempts together, ms. Default 60,000. */
  readonly pageMs?: number;
  /** For one request, ms. Default 20,000. */
  readonly requestMs?: number;
}

/** Lists at once; each is a series of pages. */
const LISTS_AT_ONCE = 8;

/**
 * Some of it unknown is an answer: what was listed is real, and `unknownZones` says `PROJECT/ZONE` or `PROJECT/*` of the rest. An
 * error when nothing could be listed, or when the settings or rights are wrong, which waiting does not mend.
 */
export function gceInventory(options: GceInventoryOptions): Inventory {
  const { settings, access, clock, listMs = 300_000, pageMs = 60_000, requestMs = 20_000 } = options;
  const calls = computeCalls(access);
  return {
    async list({ signal } = {}) {
      const at = clock.now();
      const patience = { clock, until: at + listMs, requestMs, ...(signal === undefined ? {} : { signal }) };
      const limit = pLimit(LISTS_AT_ONCE);
      const lists = await Promise.all(
        partsOf(settings).map((part) => limit(() => listPart({ calls, settings, patience, pageMs }, part))),
      );
      // What came by then is no list, and what did not come says nothing of a zone.
      return signal?.aborted ? err(CALLED_OFF) : merge(lists, at);
    },
  };
}

const CALLED_OFF: InventoryError = { kind: 'unavailable', message: 'called off', retryable: false };

interface Part {
  readonly project: string;
  /** Absent: every zone. */
  readonly zone?: string;
}

function partsOf({ projects, zones }: GceInventorySettings): Part[] {
  const distinct = [...new Set(projects)];
  if (zones === undefined) return distinct.map((project) => ({ project }));
  return distinct.flatMap((project) => [...new Set(zones)].map((zone) => ({ project, zone })));
}

async function listPart(
  order: {
    readonly calls: ComputeCalls;
    readonly settings: GceInventorySettings;
    readonly patience: Patience;
    readonly pageMs: number;
  },
  part: Part,
): Promise<Result<Listing, InventoryError>> {
  const asked = { ...order, project: part.project };
  const listed = part.zone === undefined ? await listProject(asked) : await listZone(asked, part.zone);
  return listed.ok ? listed : err(explain(listed.error, part, order.settings));
}

function merge(
  lists: readonly Result<Listing, InventoryError>[],
  at: number,
): Result<InventoryView, InventoryError> {
  const hosts = new Map<HostId, Host>();
  const unknownZones: UnknownPlace[] = [];
  const errors: InventoryError[] = [];
  for (const list of lists) {
    if (!list.ok) {
      errors.push(list.error);
      continue;
    }
    for (const [id, host] of list.value.hosts) hosts.set(id, host);
    unknownZones.push(...list.value.unknown);
  }
  const [first] = errors;
  if (first !== undefined)
    return err({
      kind: errors.some(({ kind }) => kind === 'invalid') ? 'invalid' : 'unavailable',
      message: [...new Set(errors.map(({ message }) => message))].join('; '),
      retryable: errors.every(({ retryable }) => retryable),
    });
  if (lists.every((list) => list.ok && list.value.isBlind))
    return err({
      kind: 'unavailable',
      message: withMend(
        [...new Set(unknownZones.map(({ zone, why }) => `${zone} could not be listed: ${why}`))].join(', '),
      ),
      retryable: true,
    });
  return ok({ hosts: [...hosts.values()], unknownZones, at });
}

/** What the sign-in says has its own. */
function withMend(sentence: string): string {
  return sentence.includes('; ')
    ? sentence
    : `${sentence}; look at this machine's network and at https://status.cloud.google.com, then try again`;
}

/** What is wrong, in which project, and what mends it. */
function explain(
  failure: CallFailure,
  { project, zone }: Part,
  settings: GceInventorySettings,
): InventoryError {
  const member = memberOf(settings.credentials);
  const invalid = (message: string): InventoryError => ({ kind: 'invalid', message, retryable: false });
  const { message, retryable } = failure;
  switch (failure.kind) {
    case 'credentials':
      return { kind: 'unavailable', message, retryable };
    case 'denied':
      if (zone !== undefined && /locations\//.test(message))
        return invalid(noSuchZone(project, zone, message));
      return {
        kind: 'unavailable',
        message: `these credentials may not list the VMs of project ${project} (${message}); grant it: gcloud projects add-iam-policy-binding ${project} --member=${member} --role=roles/compute.viewer`,
        retryable: false,
      };
    case 'disabled':
      return invalid(
        `Compute Engine is not enabled in project ${project}; run: gcloud services enable compute.googleapis.com --project=${project} (or look at inventory.projects)`,
      );
    case 'not-found':
      return invalid(
        zone !== undefined && message.includes(zone)
          ? noSuchZone(project, zone, message)
          : `there is no project ${project}, or these credentials may not know of it (${message}); look at inventory.projects and: gcloud projects describe ${project}`,
      );
    case 'refused':
      if (zone !== undefined && /unknown zone/i.test(message))
        return invalid(noSuchZone(project, zone, message));
      if (settings.filter !== undefined && /filter/i.test(message))
        return invalid(
          `Compute Engine refuses inventory.filter ${JSON.stringify(settings.filter)} (${message}); try it with: gcloud compute instances list --project=${project} --filter=...`,
        );
      return invalid(`Compute Engine refuses to list the VMs of project ${project}: ${message}`);
    case 'passing':
      return {
        kind: 'unavailable',
        message: `project ${project} could not be listed: ${message}`,
        retryable,
      };
    default:
      return unreachable(failure.kind);
  }
}

function noSuchZone(project: string, zone: string, message: string): string {
  return `inventory.zones: project ${project} has no zone ${zone} (${message}); see: gcloud compute zones list --project=${project}`;
}
