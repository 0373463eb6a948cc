/**
 * The fold from a journal to a state. Pure.
 *
 * S1  The same entries always give the same state; applying one more entry never looks at anything but the entry.
 * S2  A host that may have been acted on stays `touched` until a revert of it is proven or the VM is gone.
 * S3  Observed time is added only by a judgement, never while the rollout is paused or halted, nor later for that time.
 * S4  What came before what is read off the entries' order, never off their times: clocks jump, and differ between machines. The
 *     lifecycle's entries, which may be written late, have a rule of their own (fold-lifecycle.ts, FL1).
 */
import { isArmed } from './armed.ts';
import type { Sha256 } from './artifact.ts';
import { answeredHost, intended, runsAgain } from './fold-host.ts';
import { applyLifecycle, disturbed, withGone } from './fold-lifecycle.ts';
import type { Judgement } from './gate.ts';
import type { HostId } from './host.ts';
import type { AnsweredHost, Entry, RollbackCause } from './journal.ts';
import { withJoined } from './newcomers.ts';
import { type OwnMaps, ownMap } from './own-maps.ts';
import { mayApprove } from './second-person.ts';
import {
  EMPTY_STATE,
  type EnvironmentState,
  type HostProgress,
  isFinished,
  type Phase,
  type Quarantined,
  type RolloutState,
  untouched,
  type Watch,
} from './state.ts';
import { unusualBefore } from './usual-time.ts';

export { isFinished };

function freshWatch(entry: Entry): Watch {
  return { judgedTo: null, observedMs: 0, lastAt: 0, last: null, markSeq: entry.seq };
}

export function foldEntries(
  entries: readonly Entry[],
  from: EnvironmentState = EMPTY_STATE,
): EnvironmentState {
  const own: OwnMaps = new WeakSet();
  return entries.reduce((state, entry) => apply(state, entry, own), from);
}

export function applyEntry(state: EnvironmentState, entry: Entry): EnvironmentState {
  return apply(state, entry, new WeakSet());
}

function apply(before: EnvironmentState, entry: Entry, own: OwnMaps): EnvironmentState {
  const head = { seq: entry.seq, hash: entry.hash };
  const state = { ...before, latestAt: Math.max(before.latestAt, entry.at) };
  const body = entry.body;
  switch (body.kind) {
    case 'lease-taken':
      return {
        ...state,
        head,
        epoch: Math.max(state.epoch, body.epoch),
        rollout: state.rollout === null ? null : dueAtOnce(state.rollout),
      };
    case 'rollout-planned':
      return { ...state, head, rollout: startedRollout(state, entry, body) };
    case 'quarantine-lifted':
      return { ...state, head, quarantine: state.quarantine.filter((held) => held.sha256 !== body.sha256) };
    case 'fleet-seen':
      return { ...withGone(state, entry, body.gone, own), head };
    case 'lifecycle-intended':
    case 'lifecycle-answered':
    case 'lifecycle-settled':
    case 'lifecycle-ended':
    case 'role-file-changed':
      return { ...applyLifecycle(state, entry, body, own), head };
    default:
      return state.rollout === null
        ? { ...state, head }
        : { ...applyToRollout(state, state.rollout, entry, own), head };
  }
}

type PlannedBody = Extract<Entry['body'], { kind: 'rollout-planned' }>;

function startedRollout(state: EnvironmentState, entry: Entry, body: PlannedBody): RolloutState {
  const unusual = unusualBefore(state.rollout, { kind: body.rolloutKind, at: entry.at });
  const hosts = new Map<HostId, HostProgress>();
  for (const wave of body.plan.waves) {
    for (const host of wave.hosts) hosts.set(host.id, untouched(host, wave.index));
  }
  return {
    id: body.rolloutId,
    kind: body.rolloutKind,
    version: body.version,
    artifacts: body.artifacts,
    policy: body.policy,
    population: body.plan.population,
    waveCount: body.plan.waves.length,
    plannedWaves: body.plan.waves.length,
    newcomers: new Set(),
    leftOut: body.plan.leftOut,
    hosts,
    ...(body.plan.controls === undefined ? {} : { controls: body.plan.controls }),
    phase: { kind: 'planned' },
    stop: null,
    keep: body.keep ?? false,
    plannedAt: entry.at,
    startedAt: 0,
    ...(unusual.length === 0 ? {} : { unusual }),
    plannedBy: entry.actor,
    change: body.change ?? '',
    reason: entry.reason ?? '',
    pinBefore: state.pin,
    approvedAt: 0,
    rollbackRequested: false,
    disturbedAt: 0,
  };
}

function applyToRollout(
  state: EnvironmentState,
  rollout: RolloutState,
  entry: Entry,
  own: OwnMaps,
): EnvironmentState {
  const updateHosts = (ids: readonly HostId[], change: (host: HostProgress) => HostProgress) =>
    changeHosts(rollout, ids, change, own);
  const body = entry.body;
  const since = entry.at;
  const withRollout = (change: Partial<RolloutState>): EnvironmentState => ({
    ...state,
    rollout: { ...rollout, ...change },
  });
  switch (body.kind) {
    case 'wave-started':
      return withRollout({
        phase: { kind: 'acting', wave: body.wave, since },
        approvedAt: 0,
        startedAt: rollout.startedAt === 0 ? since : rollout.startedAt,
      });
    case 'hosts-intended':
      return withRollout({
        hosts: updateHosts(body.hosts, (host) => intended(host, body.action, entry)),
      });
    case 'hosts-answered': {
      const outcomes = new Map(body.hosts.map((answered) => [answered.id, answered.outcome]));
      let isDisturbed = false;
      const hosts = updateHosts([...outcomes.keys()], (host) => {
        const outcome = outcomes.get(host.host.id);
        if (outcome === undefined) return host;
        const after = answeredHost(host, body.action, outcome, entry);
        isDisturbed ||= runsAgain(host, after);
        return after;
      });
      const answered = { ...rollout, hosts, phase: withExcused(rollout.phase, body.hosts) };
      return { ...state, rollout: isDisturbed ? disturbed(answered, since) : answered };
    }
    case 'hosts-excused':
      return withRollout({
        hosts: updateHosts(body.hosts, (host) => ({
          ...host,
          state: 'skipped',
          troubleSince: null,
        })),
      });
    case 'hosts-joined':
      return withRollout(withJoined(rollout, body, ownMap(rollout.hosts, own)));
    case 'wave-acted':
      return withRollout({
        phase: { kind: 'soaking', wave: body.wave, since, watch: freshWatch(entry) },
        approvedAt: 0,
      });
    case 'judged':
      return withRollout({ phase: judgedPhase(rollout, body.judgement, entry) });
    case 'wave-passed':
      return withRollout({ phase: { kind: 'passed', wave: body.wave, since }, approvedAt: 0 });
    case 'bake-started':
      return {
        ...withRollout({ phase: { kind: 'baking', since, watch: freshWatch(entry) }, approvedAt: 0 }),
        pin: body.pin,
      };
    case 'rollout-done': {
      const done = withRollout({ phase: { kind: 'done', since, notCovered: body.notCovered } });
      return body.receipt === undefined ? done : { ...done, receipts: [...state.receipts, body.receipt] };
    }
    case 'rollback-started':
      return withRollout({
        // Asked for again where it was incomplete, it is still the same rollback, for the same cause.
        phase: {
          kind: 'rolling-back',
          since,
          cause: rollout.phase.kind === 'rollback-incomplete' ? rollout.phase.cause : body.cause,
        },
        stop: null,
        rollbackRequested: false,
        hosts: updateHosts(touchedIds(rollout), (host) => ({
          ...host,
          troubleSince: null,
          lastAttemptAt: 0,
        })),
      });
    case 'rollback-incomplete':
      return withRollout({ phase: { kind: 'rollback-incomplete', since, cause: causeOf(rollout) } });
    case 'rolled-back':
      return {
        ...withRollout({ phase: { kind: 'rolled-back', since, cause: causeOf(rollout) } }),
        pin: body.pin,
        receipts: state.receipts.filter((receipt) => receipt.rolloutId !== rollout.id),
        quarantine: [...state.quarantine, ...quarantinedBy(state, rollout, body.quarantined, since)],
      };
    case 'halted':
      return withRollout({ stop: { kind: 'halted', since, code: body.code, message: body.message } });
    case 'pause-requested':
      if (isFinished(rollout)) return state;
      return withRollout({ stop: { kind: 'paused', since, by: entry.actor, reason: entry.reason ?? '' } });
    case 'resume-requested':
      return withRollout(resumed(rollout, since, own));
    case 'approval-given':
      return mayApprove(rollout, entry.actor) ? withRollout({ approvedAt: since }) : state;
    case 'abort-requested':
      if (!canAbort(rollout)) return state;
      return withRollout({ ...armedDueAtOnce(rollout, own), phase: { kind: 'aborted', since }, stop: null });
    case 'rollback-requested':
      return canRollBack(rollout) ? withRollout({ rollbackRequested: true, stop: null }) : state;
    case 'lease-taken':
    case 'rollout-planned':
    case 'fleet-seen':
    case 'quarantine-lifted':
    case 'lifecycle-intended':
    case 'lifecycle-answered':
    case 'lifecycle-settled':
    case 'lifecycle-ended':
    case 'role-file-changed':
      return state;
    default:
      return body satisfies never;
  }
}

/** An abort means nothing once a rollout has ended or is on its way back. */
export function canAbort(rollout: RolloutState): boolean {
  const kind = rollout.phase.kind;
  return !isFinished(rollout) && kind !== 'rolling-back' && kind !== 'rollback-incomplete';
}

/** What has been rolled back, or is being, cannot be again. */
export function canRollBack(rollout: RolloutState): boolean {
  const kind = rollout.phase.kind;
  return kind !== 'rolling-back' && kind !== 'rolled-back';
}

/** Whoever hears of an abort tells the armed hosts at once that they stay. */
function armedDueAtOnce(rollout: RolloutState, own: OwnMaps): Partial<RolloutState> {
  const ids = [...rollout.hosts.values()].filter(isArmed).map(({ host }) => host.id);
  return { hosts: changeHosts(rollout, ids, (host) => ({ ...host, dueAtOnce: true }), own) };
}

function causeOf(rollout: RolloutState): RollbackCause {
  const phase = rollout.phase;
  return 'cause' in phase ? phase.cause : { kind: 'operator' };
}

export function touchedIds(rollout: RolloutState): HostId[] {
  const ids: HostId[] = [];
  for (const [id, host] of rollout.hosts) if (host.touched) ids.push(id);
  return ids;
}

function quarantinedBy(
  state: EnvironmentState,
  rollout: RolloutState,
  digests: readonly Sha256[],
  at: number,
): Quarantined[] {
  const held = new Set(state.quarantine.map((quarantined) => quarantined.sha256));
  return Object.values(rollout.artifacts)
    .filter((artifact) => digests.includes(artifact.sha256) && !held.has(artifact.sha256))
    .map(({ sha256, version, architecture }) => ({
      sha256,
      version,
      architecture,
      rolloutId: rollout.id,
      at,
    }));
}

function changeHosts(
  rollout: RolloutState,
  ids: readonly HostId[],
  change: (host: HostProgress) => HostProgress,
  own: OwnMaps,
): ReadonlyMap<HostId, HostProgress> {
  const hosts = ownMap(rollout.hosts, own);
  for (const id of ids) {
    const host = hosts.get(id);
    if (host !== undefined) hosts.set(id, change(host));
  }
  return hosts;
}

function dueAtOnce(rollout: RolloutState): RolloutState {
  const hosts = new Map(rollout.hosts);
  for (const [id, host] of hosts) if (host.troubleSince !== null) hosts.set(id, { ...host, dueAtOnce: true });
  return { ...rollout, hosts };
}

/** S3: time up to here was somebody's override. Hosts that refused are asked again: what was wrong may be mended. */
function resumed(rollout: RolloutState, at: number, own: OwnMaps): Partial<RolloutState> {
  const phase = rollout.phase;
  const blocked = [...rollout.hosts.values()].filter((host) => host.state === 'blocked' || host.wentBack > 0);
  const hosts = changeHosts(
    rollout,
    blocked.map((host) => host.host.id),
    (host) => ({
      ...host,
      wentBack: 0,
      ...(host.state === 'blocked' ? { state: 'pending' as const, troubleSince: null } : {}),
    }),
    own,
  );
  if (phase.kind !== 'soaking' && phase.kind !== 'baking') return { stop: null, hosts };
  const judgedTo = Math.max(phase.watch.judgedTo ?? at, at);
  const isOverridden = rollout.stop !== null;
  return {
    stop: null,
    hosts,
    phase: isOverridden ? { ...phase, watch: { ...phase.watch, judgedTo } } : phase,
  };
}

/** A failed judgement stands, and is not held against the version, once its hosts are found stopped; the next judgement begins anew. */
function withExcused(phase: Phase, answered: readonly AnsweredHost[]): Phase {
  if ((phase.kind !== 'soaking' && phase.kind !== 'baking') || phase.watch.last?.kind !== 'fail')
    return phase;
  const stopped = answered.filter(
    ({ outcome }) => outcome.kind === 'verified' && outcome.service === 'left-stopped',
  );
  if (stopped.length === 0) return phase;
  const excused = new Set([...(phase.watch.excused ?? []), ...stopped.map(({ id }) => id)]);
  return { ...phase, watch: { ...phase.watch, excused } };
}

function judgedPhase(rollout: RolloutState, judgement: Judgement, { at, seq }: Entry): Phase {
  const phase = rollout.phase;
  if (phase.kind !== 'soaking' && phase.kind !== 'baking') return phase;
  const { watch } = phase;
  // An error says nothing about the span: it is asked for again. Anything else settles it.
  const judgedTo = judgement.kind === 'error' ? watch.judgedTo : judgement.to;
  const observedMs = watch.observedMs + (rollout.stop === null ? judgement.observedMs : 0);
  const { excused: _, errorsInARow = 0, ...kept } = watch;
  const errors = judgement.kind === 'error' ? { errorsInARow: errorsInARow + 1 } : {};
  const judged = { judgedTo, observedMs, lastAt: at, last: judgement, markSeq: seq };
  return { ...phase, watch: { ...kept, ...judged, ...errors } };
}
