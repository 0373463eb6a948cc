/**
 * Whom a lifecycle command is about: lists the VMs, or in an emergency falls back on what is known of them, and chooses.
 *
 * GT1  Calm, a listing that fails, or a zone that could not be listed and may hold who is meant, refuses.
 * GT2  In an emergency the cloud has ten seconds; then this machine's last listing serves, then the journal's record. It is always
 *      said of when the list is.
 * GT3  What is put together from two lists is put together by instance id: names and addresses are used again.
 */
import { AGENT_ATTRIBUTES } from '../domain/agent-texts.ts';
import { asksAgent } from '../domain/expression-agent.ts';
import type { ClassifiedHost } from '../domain/host.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { selectHosts } from '../domain/select-hosts.ts';
import { classify } from '../domain/targeting.ts';
import { isUnknownPlace } from '../domain/unknown-zones.ts';
import { hostOfRecord, unrecordedAttributes } from '../domain/where-on-record.ts';
import type { InventoryView } from '../ports/inventory.ts';
import { askStatus, type StatusQuestion } from './ask-status.ts';
import { type LifecycleContext, type Refusal, refuse } from './context.ts';
import type { InventoryUsed, Polarity, Selection, StatusAnswers, Targets } from './lifecycle-types.ts';
import { LISTING_MS } from './roll-call.ts';
import { openLedger } from './run-rollout.ts';
import { calledOff } from './survey.ts';
import { within } from './within.ts';

/** How long the journal may take to tell of the fleet, ms. */
const JOURNAL_MS = 5_000;
/** How long a host may take to say what it runs while an emergency waits for it, ms: more than a connection may take to come up. */
const ASK_MS = 15_000;
/** How long this machine may take to read or write its last listing, ms. */
const LOCAL_MS = 2_000;

/** Refuses as `inventory-failed` or `unknown-zones` (GT1), and as interrupted where it is called off. */
export async function gatherTargets(
  context: LifecycleContext,
  selection: Selection,
  polarity: Polarity,
  signal: AbortSignal,
): Promise<Result<Targets, Refusal>> {
  const found =
    polarity === 'calm' ? await listed(context, selection, signal) : await lastResort(context, signal);
  if (signal.aborted) return err(calledOff(context, 'listing'));
  if (!found.ok) return found;
  const { hosts, fromJournal, used } = found.value;
  const { where } = selection;
  const untold = where === null || fromJournal.size === 0 ? [] : unrecorded(where);
  const tellable = untold.length === 0 ? hosts : hosts.filter(({ host }) => !fromJournal.has(host.id));
  let chosen = selectHosts({ hosts: tellable, selection, polarity });
  if (where !== null && asksAgent(where) && chosen.unknown.length > 0) {
    const asked = chosen.unknown.map(({ host }) => host);
    const statuses: StatusAnswers = await askStatus(context, asked, questionOf(context, polarity), signal);
    if (signal.aborted) return err(calledOff(context, 'looking at'));
    chosen = selectHosts({ hosts: tellable, selection, polarity, statuses });
  }
  return ok({
    environment: context.environment.name,
    inventory: used,
    chosen: chosen.chosen,
    leftOut: chosen.leftOut,
    unknown: [...chosen.unknown, ...untellable(hosts, tellable, untold)],
    unmatched: chosen.unmatched,
  });
}

/** All who answered wait for the slowest: who says nothing for so long is told as unknown instead. */
function questionOf({ environment }: LifecycleContext, polarity: Polarity): StatusQuestion {
  if (polarity === 'calm') return { sampleMs: 0 };
  return { sampleMs: 0, timeoutMs: Math.min(ASK_MS, environment.policy.stepTimeouts.lookMs) };
}

interface Found {
  readonly hosts: readonly ClassifiedHost[];
  /** Ids of those that only the journal knows: without labels, tags and metadata. */
  readonly fromJournal: ReadonlySet<string>;
  readonly used: InventoryUsed;
}

/** GT1. */
async function listed(
  context: LifecycleContext,
  selection: Selection,
  signal: AbortSignal,
): Promise<Result<Found, Refusal>> {
  const { name } = context.environment;
  const view = await context.inventory.list({ signal });
  if (!view.ok) {
    const message = `cannot list the VMs of ${name}: ${view.error.message}`;
    return err(refuse('failed', 'inventory-failed', message, { next: `rollout doctor ${name}` }));
  }
  const { unknownZones, at } = view.value;
  const hosts = classified(context, view.value);
  if (unknownZones.length > 0 && !namesAll(selection, hosts)) return err(zonesUnknown(name, unknownZones));
  await keep(context, view.value);
  const used: InventoryUsed =
    unknownZones.length === 0
      ? { kind: 'listed', at }
      : { kind: 'listed-in-part', at, restAt: null, unknownZones };
  return ok({ hosts, fromJournal: new Set(), used });
}

/** Nobody who is meant can be in a zone that was not listed: each was named, and each is there. */
function namesAll({ fleet, hosts: words }: Selection, hosts: readonly ClassifiedHost[]): boolean {
  if (fleet || words.length === 0) return false;
  const known = new Set(hosts.flatMap(({ host }) => [host.name, host.id]));
  return words.every((word) => known.has(word));
}

function zonesUnknown(name: string, zones: InventoryView['unknownZones']): Refusal {
  return refuse(
    'held',
    'unknown-zones',
    `${zones.length} zone(s) of ${name} could not be listed: what runs there is unknown, which is not the same as nothing`,
    {
      details: zones.map(({ zone, why }) => `${zone}: ${why}`),
      next: `rollout doctor ${name} says whether rights are missing; hosts that are listed can be named one by one with --host`,
    },
  );
}

/** GT2. */
async function lastResort(context: LifecycleContext, signal: AbortSignal): Promise<Result<Found, Refusal>> {
  const view = await within(context.clock, LISTING_MS, (late) =>
    context.inventory.list({ signal: AbortSignal.any([signal, late]) }),
  );
  if (signal.aborted) return err(calledOff(context, 'listing'));
  if (view?.ok === true) {
    const { unknownZones, at } = view.value;
    const hosts = classified(context, view.value);
    if (unknownZones.length > 0) return ok(await withLastKnown(context, view.value, hosts));
    await keep(context, view.value);
    return ok({ hosts, fromJournal: new Set(), used: { kind: 'listed', at } });
  }
  const why = view === null ? `no listing came within ${LISTING_MS / 1000} s` : view.error.message;
  const known = await lastKnown(context);
  if (known === null) return err(nothingKnown(context, why));
  const { hosts, fromJournal, at, from } = known;
  return ok({ hosts, fromJournal, used: { kind: 'last-known', at, from, why } });
}

/** GT3: to those that were listed come those of the unknown zones that were there the last time. */
async function withLastKnown(
  context: LifecycleContext,
  { unknownZones, at, hosts: listedHosts }: InventoryView,
  hosts: readonly ClassifiedHost[],
): Promise<Found> {
  const known = await lastKnown(context);
  const present = new Set(listedHosts.map(({ id }) => id));
  const unknown = new Set(unknownZones.map(({ zone }) => zone));
  const rest = (known?.hosts ?? []).filter(
    ({ host }) => !present.has(host.id) && isUnknownPlace(host, unknown),
  );
  return {
    hosts: [...hosts, ...rest],
    fromJournal: known?.fromJournal ?? new Set(),
    used: { kind: 'listed-in-part', at, restAt: known?.at ?? null, unknownZones },
  };
}

interface Known extends Pick<Found, 'hosts' | 'fromJournal'> {
  readonly at: number;
  readonly from: 'this-machine' | 'journal';
}

async function lastKnown(context: LifecycleContext): Promise<Known | null> {
  const { clock, lastInventory } = context;
  const last = await within(clock, LOCAL_MS, () => lastInventory.last());
  if (last !== null)
    return { hosts: classified(context, last), fromJournal: new Set(), at: last.at, from: 'this-machine' };
  const ledger = openLedger(context);
  const read = await within(clock, JOURNAL_MS, () => ledger.refresh());
  if (read?.ok !== true || ledger.fleet.at === 0) return null;
  const { hosts, at } = ledger.fleet;
  const present = [...hosts.values()].filter(({ goneAt }) => goneAt === null);
  return {
    // As it was decided then: the record keeps no labels that could be classified again.
    hosts: present.map((seen) => ({ host: hostOfRecord(seen), eligibility: seen.eligibility })),
    fromJournal: new Set(present.map(({ id }) => id)),
    at,
    from: 'journal',
  };
}

function nothingKnown({ environment }: LifecycleContext, why: string): Refusal {
  const { name, policy } = environment;
  const message = `cannot list the VMs of ${name}: ${why}; neither this machine nor the journal has an earlier list`;
  return refuse('failed', 'inventory-failed', message, {
    details: ['--host does not help: the addresses of hosts are known from a list alone'],
    next: `type it again; where a list was made before (another machine, CI), type it there; by hand: ssh HOST sudo systemctl stop ${policy.agent.service}`,
  });
}

function classified(context: LifecycleContext, { hosts }: InventoryView): ClassifiedHost[] {
  return classify(hosts, context.environment.targeting, context.clock.now());
}

async function keep({ clock, lastInventory }: LifecycleContext, view: InventoryView): Promise<void> {
  await within(clock, LOCAL_MS, () => lastInventory.keep(view));
}

/** What the condition reads and the journal's record does not have; what hosts are asked for themselves apart. */
function unrecorded(where: NonNullable<Selection['where']>): string[] {
  const agent: readonly string[] = AGENT_ATTRIBUTES;
  return unrecordedAttributes(where).filter((attribute) => !agent.includes(attribute));
}

function untellable(
  hosts: readonly ClassifiedHost[],
  tellable: readonly ClassifiedHost[],
  untold: readonly string[],
): Targets['unknown'] {
  if (hosts === tellable) return [];
  const told = new Set(tellable);
  const why = `it is known from the journal alone, which keeps no ${untold.join(', ')}`;
  return hosts
    .filter((one) => !told.has(one) && ['eligible', 'undecided'].includes(one.eligibility.kind))
    .map(({ host }) => ({ host, why }));
}
