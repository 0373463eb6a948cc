/**
 * Who is still there: the inventory is listed again while hosts do not answer, so that a VM that was deleted or switched off is
 * `gone` and one whose address has changed is found.
 *
 * RC1  A listing that fails, takes too long, or could not look where the host was, makes nobody gone.
 * RC2  Whoever asks shares a listing; the cloud is not asked more than once in `EVERY_MS`.
 */
import type { Host, HostId, VmStatus } from '../domain/host.ts';
import { isUnknownPlace } from '../domain/unknown-zones.ts';
import type { InventoryView } from '../ports/inventory.ts';
import type { EngineContext } from './context.ts';
import { within } from './within.ts';

/** How long a listing may take, ms. */
export const LISTING_MS = 10_000;

/** A listing of this age still serves, ms. */
const EVERY_MS = 20_000;

/** Switched off, or about to be: nothing of it runs. Those that come up are still meant. */
const OFF: ReadonlySet<VmStatus> = new Set<VmStatus>(['STOPPING', 'SUSPENDING', 'SUSPENDED', 'TERMINATED']);

export type Presence =
  | { readonly kind: 'there'; readonly host: Host }
  | { readonly kind: 'gone' | 'unknown' };

export class RollCall {
  readonly #context: EngineContext;
  #at = Number.NEGATIVE_INFINITY;
  #listing: Promise<InventoryView | null> = Promise.resolve(null);
  #hosts: ReadonlyMap<HostId, Host> = new Map();
  #of: InventoryView | null = null;

  constructor(context: EngineContext) {
    this.#context = context;
  }

  /** Where the host is now. Takes at most `LISTING_MS`. */
  async ask(host: Host): Promise<Presence> {
    const { clock } = this.#context;
    const age = clock.now() - this.#at;
    if (!(age >= 0 && age < EVERY_MS)) {
      this.#at = clock.now();
      this.#listing = this.#list();
    }
    const view = await this.#listing;
    if (view === null) return { kind: 'unknown' };
    if (this.#of !== view) {
      this.#of = view;
      this.#hosts = new Map(view.hosts.map((one) => [one.id, one]));
    }
    const found = this.#hosts.get(host.id);
    if (found !== undefined) return OFF.has(found.status) ? { kind: 'gone' } : { kind: 'there', host: found };
    const unknown = new Set(view.unknownZones.map(({ zone }) => zone));
    return { kind: isUnknownPlace(host, unknown) ? 'unknown' : 'gone' };
  }

  async #list(): Promise<InventoryView | null> {
    const { clock, inventory } = this.#context;
    const listed = await within(clock, LISTING_MS, (signal) => inventory.list({ signal }));
    return listed?.ok === true ? listed.value : null;
  }
}
