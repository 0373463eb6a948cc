/**
 * The VMs of one project.
 *
 * L1  Only NO_RESULTS_ON_PAGE means that nothing is there. Any other warning, or an answer that cannot be relied on, makes the zone
 *     unknown; where the zone is not told, the whole project (`PROJECT/*`).
 * L2  A page that fails in the end leaves the project unknown, and keeps the VMs of the pages before: each of them is real, and no
 *     zone is known to be complete, since every page may hold VMs of every zone.
 * L3  The same instance twice counts once, as the later page has it: it changed while pages were read.
 */
import type { GceInventorySettings } from '../../../domain/cloud.ts';
import type { Host, HostId } from '../../../domain/host.ts';
import { err, ok, type Result } from '../../../domain/result.ts';
import type { AggregatedAnswer, InstanceAnswer, ListAnswer, WarningAnswer } from './answers.ts';
import type { CallFailure } from './call-failure.ts';
import type { ComputeCalls, PageRequest } from './calls.ts';
import { hostOf, type Place } from './instance.ts';
import { type Patience, persist } from './persist.ts';

export interface Listing {
  readonly hosts: ReadonlyMap<HostId, Host>;
  /** Places as `zone` names them: `PROJECT/ZONE` or `PROJECT/*`. */
  readonly unknown: readonly UnknownPlace[];
  /** Nothing is known of any of it. */
  readonly isBlind: boolean;
}

export interface UnknownPlace {
  readonly zone: string;
  readonly why: string;
}

export interface ListingOrder {
  readonly calls: ComputeCalls;
  readonly settings: Pick<GceInventorySettings, 'filter' | 'roleLabel' | 'address'>;
  readonly project: string;
  /** For the whole list. */
  readonly patience: Patience;
  /** For one page, all attempts together, ms. */
  readonly pageMs: number;
}

/** Google's most for one page. */
const PAGE_SIZE = 500;
/** Half a million VMs: more is a list that does not end. */
const MOST_PAGES = 1_000;

interface Page {
  readonly nextPageToken?: string | null;
}

/** Every zone. An error when the project cannot be asked at all, and asking again would not help. */
export async function listProject(order: ListingOrder): Promise<Result<Listing, CallFailure>> {
  const { calls, project } = order;
  const called = callOffOf(order);
  const found = new Findings(order);
  const everywhere = `${project}/*`;
  const failed = await eachPage<AggregatedAnswer>(
    order,
    (request, timeoutMs) => calls.aggregatedList(request, { timeoutMs, ...called }),
    (page) => {
      if (page.kind !== 'compute#instanceAggregatedList') return 'the answer is not a list of instances';
      found.addScopes(page);
      return null;
    },
  );
  return ended(found, everywhere, failed);
}

/** One zone. An error as above, and when there is no such zone (`not-found`). */
export async function listZone(order: ListingOrder, zone: string): Promise<Result<Listing, CallFailure>> {
  const { calls, project } = order;
  const called = callOffOf(order);
  const found = new Findings(order);
  const failed = await eachPage<ListAnswer>(
    order,
    (request, timeoutMs) => calls.list({ ...request, zone }, { timeoutMs, ...called }),
    (page) => {
      if (page.kind !== 'compute#instanceList') return 'the answer is not a list of instances';
      found.addZone({ project, zone }, page.items ?? [], page.warning);
      return null;
    },
  );
  return ended(found, `${project}/${zone}`, failed);
}

function callOffOf({ patience: { signal } }: ListingOrder): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

type PageFailure =
  | { readonly kind: 'call'; readonly failure: CallFailure; readonly page: number }
  | { readonly kind: 'answer'; readonly why: string; readonly page: number };

/** L2. */
function ended(found: Findings, place: string, failed: PageFailure | null): Result<Listing, CallFailure> {
  if (failed?.kind === 'call' && !failed.failure.retryable) return err(failed.failure);
  if (failed !== null) {
    const why = failed.kind === 'call' ? failed.failure.message : failed.why;
    found.unknown.set(place, failed.page === 1 ? why : `page ${failed.page}: ${why}`);
  }
  const unknown = [...found.unknown].map(([zone, why]) => ({ zone, why }));
  const isBlind = found.hosts.size === 0 && found.unknown.has(place);
  return ok({ hosts: found.hosts, unknown, isBlind });
}

async function eachPage<P extends Page>(
  { project, settings, patience, pageMs }: ListingOrder,
  ask: (request: PageRequest, timeoutMs: number) => Promise<Result<P, CallFailure>>,
  take: (page: P) => string | null,
): Promise<PageFailure | null> {
  const seen = new Set<string>();
  let pageToken = '';
  for (let page = 1; page <= MOST_PAGES; page++) {
    const request = {
      project,
      maxResults: PAGE_SIZE,
      ...(settings.filter === undefined ? {} : { filter: settings.filter }),
      ...(pageToken === '' ? {} : { pageToken }),
    };
    if (page > 1 && patience.clock.now() >= patience.until)
      return { kind: 'answer', why: 'the time for the whole list was used up', page };
    const until = Math.min(patience.until, patience.clock.now() + pageMs);
    // An answer that is no list is asked for again, like one that did not come.
    const answer = await persist(
      async (timeoutMs) => {
        const one = await ask(request, timeoutMs);
        const why = one.ok ? take(one.value) : null;
        return why === null ? one : err({ kind: 'passing' as const, message: why, retryable: true });
      },
      { ...patience, until },
    );
    if (!answer.ok) return { kind: 'call', failure: answer.error, page };
    const next = answer.value.nextPageToken ?? '';
    if (next === '') return null;
    if (seen.has(next)) return { kind: 'answer', why: 'the list leads back to a page that was read', page };
    seen.add(next);
    pageToken = next;
  }
  return { kind: 'answer', why: `the list does not end after ${MOST_PAGES} pages`, page: MOST_PAGES };
}

class Findings {
  readonly hosts = new Map<HostId, Host>();
  readonly unknown = new Map<string, string>();
  readonly #order: ListingOrder;

  constructor(order: ListingOrder) {
    this.#order = order;
  }

  addScopes({ items, unreachables, warning }: AggregatedAnswer): void {
    const { project } = this.#order;
    for (const [scope, { instances, warning: of }] of Object.entries(items ?? {})) {
      const zone = zoneOf(scope);
      if (zone === null) {
        this.#unknown(`${project}/*`, of);
        if ((instances ?? []).length > 0)
          this.unknown.set(`${project}/*`, `VMs are listed in ${scope.slice(0, 100)}, which is no zone`);
      } else this.addZone({ project, zone }, instances ?? [], of);
    }
    const zones = (unreachables ?? []).map(zoneOf);
    for (const zone of zones) this.unknown.set(`${project}/${zone ?? '*'}`, 'Compute Engine cannot reach it');
    // It is about the zones that are named; where none is, about anything.
    if (zones.length === 0 || warning?.code !== 'UNREACHABLE') this.#unknown(`${project}/*`, warning);
  }

  addZone(
    place: Place,
    instances: readonly InstanceAnswer[],
    warning: WarningAnswer | null | undefined,
  ): void {
    const key = `${place.project}/${place.zone}`;
    this.#unknown(key, warning);
    for (const instance of instances) {
      const host = hostOf(instance, place, this.#order.settings);
      if (host === null) this.unknown.set(key, 'an instance is listed without an id or a name');
      // L3.
      else this.hosts.set(host.id, host);
    }
  }

  /** L1. */
  #unknown(place: string, warning: WarningAnswer | null | undefined): void {
    const code = warning?.code ?? '';
    const message = warning?.message ?? '';
    if (code === 'NO_RESULTS_ON_PAGE' || (code === '' && message === '')) return;
    this.unknown.set(place, `${code === '' ? 'warning' : code}: ${message.slice(0, 300)}`);
  }
}

/** `zones/us-east1-b`, also at the end of a longer path; null for anything else. */
function zoneOf(scope: string): string | null {
  return /(?:^|\/)zones\/([a-z0-9-]+)$/.exec(scope)?.[1] ?? null;
}
