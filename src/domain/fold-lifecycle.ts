/**
 * The part of the fold that is about the lifecycle: holds, actions, role files, and which hosts of a rollout nothing can be judged of.
 * Its entries may reach the journal late and in another order than they happened, and twice. Pure.
 *
 * FL1  A part of an action counts once. What came before what is told by an entry's place in the journal, less how late it was
 *      written by the writer's own clock; where clocks differ by more than that, by the place alone. The same entries in another
 *      order of arrival give the same holds.
 * FL2  A hold is wished from its intention on, and confirmed by the host's own word. A wish over a confirmed hold takes nothing away
 *      before it is confirmed itself, and outlives every attempt that failed. Only where no attempt of its action can have acted does
 *      a call-off, or another machine at the address, take it back.
 * FL3  A hold ends by newer proof that the agent was started and runs without one, by a proven purge, or with the VM. What failed,
 *      or was not heard, lifts nothing; the end of a hold's time does not either (LC2).
 * FL4  A host that was found held by an action which leaves no hold confirms the newest wish.
 * FL5  Of a rollout's host it is known whether its agent was left stopped: proven down it is set, proven running it is taken back,
 *      unless the rollout itself proved the host after that. From the intention on until its end is heard of, nobody knows. What is
 *      watched counts anew from what was done to any host that the rollout has touched, in whatever phase that was.
 * FL6  Role files are net changes: a value that is back at what it was before is no change, in whatever order the two came.
 * FL7  The newest 100 actions are kept, by when they happened.
 */
import {
  addWish,
  callOff,
  heldHostOf,
  liftedAt,
  NO_WORDS,
  seenHeld,
  toldHeld,
  wishActed,
} from './hold-words.ts';
import type { HostId } from './host.ts';
import type { Entry, EntryBody } from './journal.ts';
import {
  type AnsweredAction,
  LIFECYCLE_VERBS,
  type LifecycleVerb,
  type NamedHost,
  type RoleFileChange,
} from './lifecycle.ts';
import { type OwnMaps, ownMap } from './own-maps.ts';
import type { ActionRecord, EnvironmentState, HostWords, Instant, RolloutState } from './state.ts';

type LifecycleBody = Extract<
  EntryBody,
  {
    kind:
      | 'lifecycle-intended'
      | 'lifecycle-answered'
      | 'lifecycle-settled'
      | 'lifecycle-ended'
      | 'role-file-changed';
  }
>;

/** FL7. */
const MOST_ACTIONS = 100;

/** `state.latestAt` counts the entry already. */
export function applyLifecycle(
  state: EnvironmentState,
  entry: Entry,
  body: LifecycleBody,
  own: OwnMaps,
): EnvironmentState {
  const known = state.actions.find(({ actionId }) => actionId === body.actionId);
  if (known?.parts.has(body.part)) return state;
  const action = withPart(known ?? newAction(entry, body), entry, body);
  const counted = action === null ? state : { ...state, actions: withAction(state.actions, known, action) };
  const when = instantOf(state, entry, body.happenedAt);
  switch (body.kind) {
    case 'lifecycle-intended': {
      const { hold: terms, actionId } = body;
      const rollout = withActed(counted.rollout, body, when, own);
      const meant = { ...counted, rollout: disturbedBy(rollout, body, when) };
      if (terms === undefined) return meant;
      const wish = { ...when, actionId, terms, by: entry.actor, state: 'open' } as const;
      return changeWords(meant, body.hosts, own, (words) => addWish(words, wish));
    }
    case 'lifecycle-answered': {
      const terms = known?.hold ?? null;
      const told = {
        ...when,
        actionId: body.actionId,
        terms,
        by: terms === null ? null : (known?.by ?? null),
      };
      // Of an action that is known to leave no hold, no wish is kept in mind.
      const wishes = known === undefined || known.hosts === 0 || terms !== null;
      const answered = changeWords(counted, body.hosts, own, (words, host) =>
        // By when the host answered, not by when its group was written: another action may have come in between.
        heard(words, { ...body, wishes }, host.outcome, {
          ...told,
          ...instantOf(state, entry, body.happenedAt - Math.max(0, host.agoMs ?? 0)),
        }),
      );
      const acted = { ...answered, rollout: withActed(answered.rollout, body, when, own) };
      const rollout = withLeftStopped(acted, body.hosts, when, own);
      return { ...answered, rollout: disturbedBy(rollout, body, when) };
    }
    case 'role-file-changed':
      return { ...counted, roleFiles: withRoleFile(state.roleFiles, body.change) };
    case 'lifecycle-settled':
    case 'lifecycle-ended':
      return counted;
    default:
      return body satisfies never;
  }
}

/** FL3: VMs that are no longer there hold nothing. */
export function withGone(
  state: EnvironmentState,
  { seq }: Pick<Entry, 'seq'>,
  gone: readonly HostId[],
  own: OwnMaps,
): EnvironmentState {
  const known = gone.flatMap((id) => {
    const words = state.hostWords.get(id);
    return words === undefined ? [] : [{ id, name: words.name }];
  });
  if (known.length === 0) return state;
  const when = { at: state.latestAt, seq };
  return changeWords(state, known, own, (words) => liftedAt(words, when));
}

/** FL1. */
function instantOf({ latestAt }: EnvironmentState, { at, seq }: Entry, happenedAt: number): Instant {
  const lateMs = Math.max(0, at - happenedAt);
  const behindMs = latestAt - at;
  return { at: latestAt - (lateMs <= behindMs ? 0 : lateMs), seq };
}

function changeWords<One extends NamedHost>(
  state: EnvironmentState,
  hosts: readonly One[],
  own: OwnMaps,
  change: (words: HostWords, host: One) => HostWords,
): EnvironmentState {
  if (hosts.length === 0) return state;
  const hostWords = ownMap(state.hostWords, own);
  const holds = ownMap(state.holds, own);
  for (const host of hosts) {
    const before = hostWords.get(host.id) ?? { ...NO_WORDS, name: host.name };
    const words = change(before, host);
    if (words === before) continue;
    hostWords.set(host.id, words);
    const held = heldHostOf(host.id, words);
    if (held === null) holds.delete(host.id);
    else holds.set(host.id, held);
  }
  return { ...state, hostWords, holds };
}

interface AnsweredBody {
  readonly verb: LifecycleVerb;
  readonly now: boolean;
  readonly actionId: string;
  /** It may have wished for a hold. */
  readonly wishes: boolean;
}

/** FL2-FL4: what an answer makes of what is known of the host. */
function heard(
  words: HostWords,
  { verb, now, actionId, wishes }: AnsweredBody,
  outcome: AnsweredAction['outcome'],
  told: Parameters<typeof toldHeld>[1],
): HostWords {
  const isStop = verb === 'stop' || (verb === 'disable' && now);
  // Whoever only changes the boot, or removes a package, may end well without having looked for a hold.
  const isStart = verb === 'start' || verb === 'restart' || verb === 'install' || (verb === 'enable' && now);
  const mayHaveActed = (then: HostWords) => (isStop && wishes ? wishActed(then, actionId, told) : then);
  const calledOff = () => (isStop && wishes ? callOff(words, actionId, told) : words);
  switch (outcome.kind) {
    case 'gone':
      return liftedAt(words, told);
    case 'proven': {
      const isDown = outcome.service !== 'running';
      const proven = withService(words, told, isDown);
      if (isStop) return outcome.held ? toldHeld(proven, told) : mayHaveActed(proven);
      if (verb === 'purge') return liftedAt(proven, told);
      if (outcome.held) return seenHeld(proven, told);
      return isStart && outcome.service === 'running' ? liftedAt(proven, told) : proven;
    }
    case 'failed':
      if (!outcome.held) return mayHaveActed(words);
      return isStop ? toldHeld(words, told) : seenHeld(words, told);
    case 'no-answer':
      if (outcome.why === 'cancelled') return calledOff();
      return outcome.why === 'unknown' || outcome.why === 'timed-out' ? mayHaveActed(words) : words;
    case 'blocked':
      return outcome.why === 'wrong-host' ? calledOff() : words;
    default:
      return outcome satisfies never;
  }
}

function withService(words: HostWords, { at, seq }: Instant, isDown: boolean): HostWords {
  const { service } = words;
  if (service !== null && (service.at > at || (service.at === at && service.seq > seq))) return words;
  return { ...words, service: { at, seq, isDown } };
}

/** FL5. */
function withLeftStopped(
  { rollout, hostWords }: EnvironmentState,
  hosts: readonly NamedHost[],
  when: Instant,
  own: OwnMaps,
): EnvironmentState['rollout'] {
  if (rollout === null) return rollout;
  const changed = hosts.filter(({ id }) => {
    const service = hostWords.get(id)?.service;
    const host = rollout.hosts.get(id);
    if (host === undefined || service?.seq !== when.seq || service.at < host.provenAt) return false;
    return host.leftStopped !== service.isDown;
  });
  if (changed.length === 0) return rollout;
  const progress = ownMap(rollout.hosts, own);
  for (const { id } of changed) {
    const host = progress.get(id);
    if (host !== undefined) progress.set(id, { ...host, leftStopped: !host.leftStopped });
  }
  return { ...rollout, hosts: progress };
}

type ActedBody = Extract<LifecycleBody, { kind: 'lifecycle-intended' | 'lifecycle-answered' }>;

/** FL5. What happened before the rollout itself proved a host is over there. */
function withActed(
  rollout: EnvironmentState['rollout'],
  body: ActedBody,
  when: Instant,
  own: OwnMaps,
): EnvironmentState['rollout'] {
  if (rollout === null) return rollout;
  const known = body.hosts.filter(({ id }) => {
    const host = rollout.hosts.get(id);
    return host !== undefined && (body.kind === 'lifecycle-answered' || when.at >= host.provenAt);
  });
  if (known.length === 0) return rollout;
  const progress = ownMap(rollout.hosts, own);
  const outcomes = new Map(
    body.kind === 'lifecycle-answered' ? body.hosts.map(({ id, outcome }) => [id, outcome]) : [],
  );
  for (const { id } of known) {
    const host = progress.get(id);
    if (host === undefined) continue;
    const outcome = outcomes.get(id);
    const unheard =
      outcome === undefined ? body.actionId : unheardBehind(host.unheard, body.actionId, outcome);
    progress.set(id, { ...host, unheard, actedSeq: when.seq });
  }
  return { ...rollout, hosts: progress };
}

/** Several attempts may have been made, of which only the last is told: what it did not do, another may have. */
function unheardBehind(
  unheard: string | null,
  actionId: string,
  outcome: AnsweredAction['outcome'],
): string | null {
  if (unheard !== actionId) return unheard;
  const isHeard = outcome.kind === 'proven' || outcome.kind === 'gone';
  const isOff = outcome.kind === 'no-answer' && outcome.why === 'cancelled';
  return isHeard || isOff ? null : unheard;
}

/** FL5: hosts that nobody has changed yet are no matter. By the later of the clocks of who acted and of who wrote before. */
function disturbedBy(
  rollout: EnvironmentState['rollout'],
  { hosts, happenedAt }: ActedBody,
  when: Instant,
): EnvironmentState['rollout'] {
  if (rollout === null || !hosts.some(({ id }) => rollout.hosts.get(id)?.touched === true)) return rollout;
  return disturbed(rollout, Math.max(happenedAt, when.at));
}

/** FL5: agents of the rollout were stopped or started at that time, or some time before. */
export function disturbed(rollout: RolloutState, at: number): RolloutState {
  const { phase } = rollout;
  const disturbedAt = Math.max(rollout.disturbedAt, at);
  const isWatched = phase.kind === 'soaking' || phase.kind === 'baking';
  // An entry may come late: what was over before the watch began takes nothing of it.
  if (!isWatched || at < phase.since) return { ...rollout, disturbedAt };
  const watch = { ...phase.watch, disturbedMs: phase.watch.observedMs };
  return { ...rollout, disturbedAt, phase: { ...phase, watch } };
}

/** Null: an entry of an action of which nothing else is here and whose name does not tell its verb either. */
function newAction(entry: Entry, body: LifecycleBody): ActionRecord | null {
  const verb =
    'verb' in body ? body.verb : LIFECYCLE_VERBS.find((one) => body.actionId.startsWith(`${one}-`));
  if (verb === undefined) return null;
  return {
    actionId: body.actionId,
    verb,
    by: entry.actor,
    reason: entry.reason ?? '',
    emergency: false,
    at: body.happenedAt,
    hosts: 0,
    end: null,
    parts: new Set(),
  };
}

function withPart(action: ActionRecord | null, entry: Entry, body: LifecycleBody): ActionRecord | null {
  if (action === null) return null;
  const parts = new Set(action.parts).add(body.part);
  const counted = { ...action, parts, at: Math.min(action.at, body.happenedAt) };
  switch (body.kind) {
    case 'lifecycle-intended':
      return {
        ...counted,
        emergency: body.emergency,
        by: entry.actor,
        reason: entry.reason ?? action.reason,
        hosts: action.hosts + body.hosts.length,
        ...(body.hold === undefined ? {} : { hold: body.hold }),
      };
    case 'lifecycle-ended':
      return {
        ...counted,
        end: { at: body.happenedAt, covered: body.covered, notCovered: body.notCovered.length },
      };
    default:
      return counted;
  }
}

/** FL7. */
function withAction(
  actions: readonly ActionRecord[],
  known: ActionRecord | undefined,
  action: ActionRecord,
): readonly ActionRecord[] {
  if (known !== undefined && known.at === action.at)
    return actions.map((one) => (one === known ? action : one));
  const others = actions.filter((one) => one !== known);
  const place = others.findLastIndex(({ at }) => at <= action.at) + 1;
  return [...others.slice(0, place), action, ...others.slice(place)].slice(-MOST_ACTIONS);
}

/** FL6. */
function withRoleFile(files: readonly RoleFileChange[], change: RoleFileChange): readonly RoleFileChange[] {
  const key = keyOf(change);
  const known = files.find((one) => keyOf(one) === key);
  if (known === undefined) return change.before === change.after ? files : [...files, change];
  // It came late: what is known goes on from where it left off.
  const isEarlier = change.after === known.before && change.before !== known.after;
  const net = isEarlier
    ? { ...known, before: change.before }
    : change.after === known.before
      ? null
      : { ...change, before: known.before };
  return files.flatMap((one) =>
    one !== known ? [one] : net === null || net.before === net.after ? [] : [net],
  );
}

function keyOf({ file, path }: RoleFileChange): string {
  return JSON.stringify([file, path]);
}
