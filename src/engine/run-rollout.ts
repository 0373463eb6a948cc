/**
 * Carries the environment's rollout on, under the lease, until it ends, must wait, or is told to stop.
 *
 * R1  Nothing is written or done without the lease; a lost lease ends the run.
 * R2  Told to stop, it begins nothing new, waits for what runs, writes the answers, and gives the lease back.
 */
import { isAbortUntold } from '../domain/armed.ts';
import { describeTrouble } from '../domain/attempts.ts';
import type { Reason } from '../domain/event.ts';
import { isFinished } from '../domain/fold.ts';
import type { HostId } from '../domain/host.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { RolloutState } from '../domain/state.ts';
import type { HeldLease, LeaseHolder } from '../ports/lease.ts';
import type { EngineContext } from './context.ts';
import { journalTrouble, Ledger, type LedgerError } from './ledger.ts';
import { tick } from './tick.ts';
import { FleetWatch } from './watch-fleet.ts';

/** Hosts of the environment whose agent somebody wishes to stay stopped; absent: nobody looked. */
interface Held {
  readonly held?: ReadonlySet<HostId>;
}

export type RunEnd =
  | ({ readonly kind: 'finished'; readonly rollout: RolloutState; readonly reason: Reason } & Held)
  /** Waiting or held; `until` is when calling again makes sense, null: when a person acts. */
  | ({
      readonly kind: 'held';
      readonly rollout: RolloutState;
      readonly reason: Reason;
      readonly until: number | null;
    } & Held)
  | ({ readonly kind: 'interrupted'; readonly rollout: RolloutState } & Held)
  | { readonly kind: 'nothing-to-run' }
  | { readonly kind: 'locked'; readonly holder: LeaseHolder }
  | { readonly kind: 'failed'; readonly message: string };

export interface RunOptions {
  /** `foreground` waits through soak and bake; `advance` ends as soon as there is nothing to do now. */
  readonly mode: 'foreground' | 'advance';
  readonly signal: AbortSignal;
  /** Foreground: how long it may be held without a break before it gives up waiting, ms. */
  readonly holdLimitMs: number;
  /** Told when the lease is held and the state is read; `start` writes a new plan here. */
  readonly begin?: (ledger: Ledger) => Promise<Result<'go' | 'nothing', LedgerError>>;
}

/** How often a waiting run looks for what others wrote, ms. */
const POLL_MS = 2_000;

const LEASE_LOST =
  'the lease was lost: this process was held up for too long, or somebody took it over; nothing new was begun here';

export function openLedger(context: EngineContext): Ledger {
  const { journal, clock, digest, actor, tell } = context;
  return new Ledger({ environment: context.environment.name, journal, clock, digest, actor, tell });
}

export async function runRollout(context: EngineContext, options: RunOptions): Promise<RunEnd> {
  const acquired = await context.lease.acquire(context.actor);
  if (!acquired.ok) {
    return acquired.error.kind === 'held'
      ? { kind: 'locked', holder: acquired.error.holder }
      : { kind: 'failed', message: acquired.error.message };
  }
  const lease = acquired.value;
  const ended = new AbortController();
  const stop = new AbortController();
  const relay = (): void => stop.abort();
  options.signal.addEventListener('abort', relay);
  if (options.signal.aborted) relay();
  let isLost = false;
  const lost = (): void => {
    isLost = true;
    stop.abort();
  };
  const beating = keepLease(context, lease, { ended: ended.signal, lost });
  try {
    const end = await runUnderLease(context, options, lease, stop.signal);
    return isLost && end.kind === 'interrupted' ? { kind: 'failed', message: LEASE_LOST } : end;
  } finally {
    options.signal.removeEventListener('abort', relay);
    ended.abort();
    await beating;
    await lease.release();
  }
}

/** R1: renews three times a lifetime; a loss stops new work at once. */
async function keepLease(
  context: EngineContext,
  lease: HeldLease,
  { ended, lost }: { ended: AbortSignal; lost: () => void },
): Promise<void> {
  while (!ended.aborted) {
    await context.clock.sleep(context.lease.ttlMs / 3, ended);
    if (ended.aborted) return;
    if ((await lease.renew()) === 'lost') {
      lost();
      return;
    }
  }
}

async function runUnderLease(
  context: EngineContext,
  options: RunOptions,
  lease: HeldLease,
  signal: AbortSignal,
): Promise<RunEnd> {
  const ledger = openLedger(context);
  const read = await ledger.refresh();
  if (!read.ok) return failed(read.error);
  const before = lease.takenFrom;
  const from =
    before === undefined
      ? undefined
      : (before.unreadable ?? `${before.actor.user}@${before.actor.hostname}: ${before.actor.command}`);
  const present = ledger.state.rollout;
  const idle = present === null || (isFinished(present) && !isAbortUntold(present, context.clock.now()));
  if (idle && options.begin === undefined) return { kind: 'nothing-to-run' };
  const taken = await ledger.takeOver(lease.epoch, from);
  if (!taken.ok) return failed(taken.error);
  if (options.begin !== undefined) {
    const begun = await options.begin(ledger);
    if (!begun.ok) return failed(begun.error);
    if (begun.value === 'nothing') return { kind: 'nothing-to-run' };
  }
  const ended = await loop(context, ledger, options, signal);
  if (!ended.ok) return failed(ended.error);
  return 'rollout' in ended.value
    ? { ...ended.value, held: new Set(ledger.state.holds.keys()) }
    : ended.value;
}

function failed(error: LedgerError): RunEnd {
  return { kind: 'failed', message: journalTrouble(error) };
}

async function loop(
  context: EngineContext,
  ledger: Ledger,
  options: RunOptions,
  signal: AbortSignal,
): Promise<Result<RunEnd, LedgerError>> {
  const fleet = new FleetWatch(context, ledger);
  let heldSince: number | null = null;
  let moved = { at: context.clock.now(), to: '' };
  for (;;) {
    const rollout = ledger.state.rollout;
    if (rollout === null) return ok({ kind: 'nothing-to-run' });
    const wasIncomplete = rollout.phase.kind === 'rollback-incomplete';
    const observed = await fleet.observe(rollout, signal);
    if (!observed.ok) return observed;
    if (observed.value === null) return ok({ kind: 'interrupted', rollout });
    const ticked = await tick(context, ledger, observed.value, signal);
    if (!ticked.ok) return err(ticked.error);
    const now = ledger.state.rollout ?? rollout;
    const result = ticked.value;
    // A foreground rollback has its deadline: past it the caller is told, and `advance` tries again.
    const gaveUp = !wasIncomplete && now.phase.kind === 'rollback-incomplete';
    if (result.kind === 'finish') {
      await fleet.conclude();
      return ok({ kind: 'finished', rollout: now, reason: result.reason });
    }
    if (result.kind === 'interrupted') return ok({ kind: 'interrupted', rollout: now });
    if (result.kind === 'again') {
      // Not heldSince = null: another attempt in vain at a host that holds everything is no progress.
      if (gaveUp) {
        const reason = {
          code: 'rollback-incomplete',
          message: 'some hosts could not be put back by the deadline',
        };
        return ok({ kind: 'held', rollout: now, reason, until: null });
      }
      if (result.isUpkeep) continue;
      const to = progressOf(now);
      if (to !== moved.to) moved = { at: context.clock.now(), to };
      // Twice: what holds the run is to be named by its own reason first.
      const inVain = 2 * Math.max(options.holdLimitMs, rollout.policy.limits.hostDeadlineMs);
      if (context.clock.now() - moved.at >= inVain) {
        // Attempts that take longer than the pause between them would go on for ever without a moment to be held in.
        return ok({ kind: 'held', rollout: now, reason: whyInVain(now), until: context.clock.now() });
      }
      continue;
    }
    const at = context.clock.now();
    context.tell({
      kind: 'waiting',
      environment: context.environment.name,
      at,
      reason: result.reason,
      until: result.until,
    });
    heldSince = result.kind === 'hold' ? (heldSince ?? at) : null;
    const tooLong = heldSince !== null && at - heldSince >= options.holdLimitMs;
    if (
      options.mode === 'advance' ||
      result.until === null ||
      tooLong ||
      result.reason.code === 'rollback-incomplete'
    ) {
      return ok({ kind: 'held', rollout: now, reason: result.reason, until: result.until });
    }
    await context.clock.sleep(Math.max(1, Math.min(result.until - at, POLL_MS)), signal);
    if (signal.aborted) return ok({ kind: 'interrupted', rollout: now });
    const refreshed = await ledger.refresh();
    if (!refreshed.ok) return refreshed;
  }
}

/** Names the hosts that hold everything, as the decision would if their attempts left it a moment to. */
function whyInVain(rollout: RolloutState): Reason {
  const troubled = [...rollout.hosts.values()].filter((host) => host.troubleSince !== null);
  return troubled.length === 0
    ? { code: 'no-progress', message: 'the same is tried again and again in vain' }
    : { code: 'hosts-out-of-reach', message: `tried again and again in vain: ${describeTrouble(troubled)}` };
}

/** Changes whenever something was achieved: a host left its trouble, a phase its end, a watch some time behind it. */
function progressOf(rollout: RolloutState): string {
  const { phase, hosts, id } = rollout;
  const calm = [...hosts.values()].filter(
    (host) => host.state !== 'pending' && host.troubleSince === null,
  ).length;
  const watched = 'watch' in phase ? `${phase.watch.judgedTo} ${phase.watch.observedMs}` : '';
  return `${id} ${phase.kind} ${'wave' in phase ? phase.wave : ''} ${calm} ${watched}`;
}
