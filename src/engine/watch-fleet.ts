/**
 * Lists the inventory while a rollout is under way: who is gone, who is back, who has come.
 *
 * WF1  A listing that fails, or a zone that could not be listed, makes nobody gone and adds nobody.
 * WF2  It lists at the start of a run, before a wave, a bake or the end is written, and while a host gives trouble or no metrics, to
 *      tell gone from silent: the last no more than once a minute.
 * WF3  Newcomers are looked at when there is nothing to do for hosts of the rollout, and before it takes a turn: looking at many
 *      that do not answer takes minutes, and a failed host's way back or a verdict waits for nobody.
 */
import { closedNow } from '../domain/closed.ts';
import { decide } from '../domain/decide.ts';
import type { Decision } from '../domain/decision.ts';
import type { Host, HostId } from '../domain/host.ts';
import type { EntryKind } from '../domain/journal.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { RolloutState } from '../domain/state.ts';
import { isUnknownPlace } from '../domain/unknown-zones.ts';
import type { EngineContext } from './context.ts';
import { joinNewcomers } from './join.ts';
import type { Ledger, LedgerError } from './ledger.ts';
import { recordFleet } from './record-fleet.ts';
import { type Fleet, listFleet } from './survey.ts';
import type { Observed } from './tick.ts';

/** How often the inventory is listed again while hosts give trouble, ms. */
const TROUBLED_MS = 60_000;

/** A listing of this age still serves for the beginning of a wave, ms: what it led to took some time. */
const FRESH_MS = 10_000;

/** Behind these nobody who has come can be taken along as before, or be named. */
const TURNS: ReadonlySet<EntryKind> = new Set<EntryKind>([
  'wave-started',
  'bake-started',
  'rollout-done',
  'rolled-back',
]);

export class FleetWatch {
  readonly #context: EngineContext;
  readonly #ledger: Ledger;
  #at = Number.NEGATIVE_INFINITY;
  /** When newcomers of a listing were last taken along. */
  #joinedAt = Number.NEGATIVE_INFINITY;
  #gone: ReadonlySet<HostId> = new Set();
  #present: ReadonlySet<HostId> = new Set();
  readonly #addresses = new Map<HostId, Host>();
  /** What the newest listing that succeeded has found. */
  #fleet: Fleet | null = null;
  /** Told already, so that it is not repeated every minute. */
  #trouble = '';

  constructor(context: EngineContext, ledger: Ledger) {
    this.#context = context;
    this.#ledger = ledger;
  }

  /** What the next decision is made on. Writes who has come and what has changed in the fleet. Null: called off. */
  async observe(rollout: RolloutState, signal: AbortSignal): Promise<Result<Observed | null, LedgerError>> {
    if (this.#isDue(rollout)) {
      const listed = await this.#list(signal);
      if (!listed.ok) return listed;
      if (listed.value === 'called-off') return ok(null);
    }
    return ok(this.#observations());
  }

  /** The rollout has ended: says that the fleet was last seen as it is known to be. */
  async conclude(): Promise<void> {
    if (this.#fleet === null) return;
    await recordFleet(this.#context, this.#ledger, this.#fleet, [], { evenUnchanged: true });
  }

  #observations(): Observed {
    const now = this.#context.clock.now();
    const frozen = closedNow(this.#context.environment, now);
    return { gone: this.#gone, present: this.#present, frozen, addresses: this.#addresses };
  }

  /** WF2. */
  #isDue(rollout: RolloutState): boolean {
    const now = this.#context.clock.now();
    const isOlderThan = (ms: number, than = this.#at): boolean => now - than >= ms || now < than;
    if (this.#at === Number.NEGATIVE_INFINITY) return true;
    const hosts = [...rollout.hosts.values()];
    const troubled = hosts.some((host) => host.troubleSince !== null);
    const silent = 'watch' in rollout.phase && rollout.phase.watch.last?.kind === 'inconclusive';
    if ((troubled || silent) && isOlderThan(TROUBLED_MS)) return true;
    // Before every touched host is said to be back: one that was gone may have returned.
    const isReturning = rollout.phase.kind === 'rolling-back' || rollout.phase.kind === 'rollback-incomplete';
    if (isReturning && now !== this.#at && hosts.some((host) => host.state === 'gone'))
      return !hosts.some((host) => host.touched);
    if (!isOlderThan(FRESH_MS, this.#joinedAt)) return false;
    return isTurn(decide(rollout, this.#observations(), now));
  }

  async #list(signal: AbortSignal): Promise<Result<'called-off' | 'known' | 'unknown', LedgerError>> {
    const listed = await listFleet(this.#context, signal);
    if (!listed.ok && listed.error.exit === 'interrupted') return ok('called-off');
    this.#at = this.#context.clock.now();
    if (!listed.ok) {
      this.#tell(
        'inventory-failed',
        `${listed.error.message}; nobody is taken for gone, and nobody new is seen`,
      );
      return ok('unknown');
    }
    const fleet = listed.value;
    this.#fleet = fleet;
    this.#tellUnknown(fleet);
    this.#settle(fleet);
    const joined = await this.#join(fleet, signal);
    if (!joined.ok) return err(joined.error);
    await recordFleet(this.#context, this.#ledger, fleet, joined.value);
    this.#at = this.#context.clock.now();
    return ok('known');
  }

  /** WF3. */
  async #join(fleet: Fleet, signal: AbortSignal): ReturnType<typeof joinNewcomers> {
    const { rollout } = this.#ledger.state;
    if (rollout === null) return ok([]);
    const observed = this.#observations();
    const decision = decide(rollout, observed, this.#context.clock.now());
    const hasTime = decision.next === 'wait' || decision.next === 'hold';
    if (!hasTime && !isTurn(decision)) return ok([]);
    const isFrozen = observed.frozen !== null;
    const joined = await joinNewcomers(this.#context, this.#ledger, { fleet, isFrozen, signal });
    // In a freeze some may have been passed over (JN3): at the next turn they are asked for again, or named.
    if (!isFrozen) this.#joinedAt = this.#context.clock.now();
    return joined;
  }

  /** WF1. */
  #settle({ hosts, unknownZones }: Fleet): void {
    const present = new Set(hosts.map(({ host }) => host.id));
    const unknown = new Set(unknownZones.map(({ zone }) => zone));
    const known = [...(this.#ledger.state.rollout?.hosts.values() ?? [])];
    const gone = known.filter(({ host }) => !present.has(host.id) && !isUnknownPlace(host, unknown));
    this.#gone = new Set(gone.map(({ host }) => host.id));
    this.#present = present;
    // Who could not be listed this time stays where it was seen last.
    for (const { host } of hosts) this.#addresses.set(host.id, host);
  }

  #tellUnknown({ unknownZones }: Fleet): void {
    if (unknownZones.length === 0) {
      this.#trouble = '';
      return;
    }
    const zones = unknownZones.map(({ zone, why }) => `${zone} (${why})`).join(', ');
    this.#tell('unknown-zones', `could not be listed: ${zones}; nobody there is taken for gone`);
  }

  #tell(code: string, message: string): void {
    if (message === this.#trouble) return;
    this.#trouble = message;
    const { environment, clock, tell } = this.#context;
    tell({ kind: 'notice', environment: environment.name, at: clock.now(), reason: { code, message } });
  }
}

function isTurn(decision: Decision): boolean {
  return decision.next === 'record' && TURNS.has(decision.body.kind);
}
