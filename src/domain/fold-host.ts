/** What an attempt at a host and its answer make of the host: the part of the fold that is about one host. Pure. */
import type { HostOutcome } from './host-outcome.ts';
import type { Entry } from './journal.ts';
import type { HostProgress } from './state.ts';

/** An attempt is intended: from here on the host may have been acted on. `at` and `seq` are those of the entry. */
export function intended(
  host: HostProgress,
  action: string,
  { at, seq }: Pick<Entry, 'at' | 'seq'>,
): HostProgress {
  const { attempts } = host;
  const attempt = {
    ...host,
    attempts: attempts + 1,
    lastAttemptAt: at,
    dueAtOnce: false,
    intendedSeq: seq,
  };
  if (action === 'upgrade') {
    return { ...attempt, state: 'installing', touchedBefore: host.touched, touched: true };
  }
  return action === 'revert' ? { ...attempt, state: 'reverting' } : attempt;
}

/**
 * What an answer makes of the host; `at` and `seq` are those of its entry. What failed while somebody stopped or started the agent there
 * is asked again before it counts against the version: each time takes another action of theirs.
 */
export function answeredHost(
  host: HostProgress,
  action: string,
  outcome: HostOutcome,
  { at, seq }: Pick<Entry, 'at' | 'seq'>,
): HostProgress {
  const answered = { ...host, outcome, lastAttemptAt: at, answeredSeq: seq };
  const troubled = { ...answered, troubleSince: host.troubleSince ?? at };
  if (outcome.kind === 'gone') {
    return {
      ...answered,
      state: 'gone',
      troubleSince: null,
      touched: false,
      touchedBefore: host.touched,
      armedUntil: null,
    };
  }
  // Back in the inventory: as it was left, and nothing is known of it.
  if (host.state === 'gone' && action === 'inspect' && outcome.kind === 'no-answer') {
    const touched = host.touchedBefore;
    return { ...troubled, state: touched ? 'installing' : 'pending', touched };
  }
  if (outcome.kind === 'no-answer' && outcome.why === 'cancelled') return calledOff(host, action, outcome);
  const isOverlapped = host.actedSeq > host.intendedSeq;
  const unheard = isOverlapped ? host.unheard : null;
  if (outcome.kind === 'went-back') {
    const back = {
      ...answered,
      touched: false,
      troubleSince: null,
      armedUntil: null,
      leftStopped: false,
      unheard,
    };
    // On the way back that is what was wanted; going forward it is to be changed again, and the version is not to blame.
    return action === 'revert'
      ? { ...back, state: 'reverted' }
      : { ...back, state: 'pending', wentBack: host.wentBack + 1 };
  }
  if (action === 'revert') return revertAnswered({ ...answered, unheard }, troubled, outcome);
  if (action === 'confirm' || action === 'renew') return armedAnswered(host, outcome, at);
  if (outcome.kind === 'verified' || outcome.kind === 'reverted') {
    const leftStopped = outcome.service === 'left-stopped';
    return {
      ...answered,
      state: 'verified',
      touched: true,
      troubleSince: null,
      provenAt: at,
      changedAt: host.state === 'verified' ? host.changedAt : at,
      provenSeq: seq,
      leftStopped,
      unheard,
      armedUntil: outcome.kind === 'verified' ? armedFrom(host, outcome.armedMs, at) : null,
    };
  }
  if (action === 'prove') {
    // Its own way back may have begun while it was asked: what it says of that comes next.
    const mayBeBack = host.armedUntil !== null && at >= host.armedUntil;
    return outcome.kind === 'failed' && !isOverlapped && !mayBeBack
      ? { ...troubled, state: 'failed' }
      : troubled;
  }
  if (action === 'inspect') {
    // Reached, and not proven to run the new version: the upgrade, which may be repeated, is to be asked for again.
    return outcome.kind === 'still-previous' || outcome.kind === 'failed'
      ? { ...troubled, state: 'pending' }
      : troubled;
  }
  // S2: what this attempt certainly did not touch is as it was before it; an answer to no open attempt takes nothing back.
  const touched = host.state === 'installing' ? host.touchedBefore : host.touched || host.touchedBefore;
  switch (outcome.kind) {
    case 'failed':
      return { ...troubled, state: isOverlapped ? 'pending' : 'failed', touched: true };
    case 'blocked':
      return { ...troubled, state: 'blocked', touched };
    case 'still-previous':
      return { ...troubled, state: 'pending' };
    case 'no-answer':
      return outcome.why === 'unknown' || outcome.why === 'timed-out'
        ? troubled
        : { ...troubled, state: 'unreachable', touched };
    // Words of an armed host about something else than a change.
    case 'confirmed':
    case 'renewed':
      return troubled;
    default:
      return outcome satisfies never;
  }
}

/** Proven to run where the last that was known, or feared, is that somebody had stopped it: it has run for nobody knows how long. */
export function runsAgain(before: HostProgress, after: HostProgress): boolean {
  const wasDown = before.state === 'verified' && (before.leftStopped || before.unheard !== null);
  return wasDown && after.state === 'verified' && !after.leftStopped && after.unheard === null;
}

/** Nothing was sent: the host is as it was before the attempt, and nothing is known to be wrong with it. */
function calledOff(host: HostProgress, action: string, outcome: HostOutcome): HostProgress {
  if (action === 'revert') return { ...host, state: 'revert-failed', outcome, dueAtOnce: true };
  if (action !== 'upgrade' || host.state !== 'installing') return host;
  const touched = host.touchedBefore;
  return { ...host, state: touched ? 'installing' : 'pending', touched };
}

/** An armed host was told to stay or to wait on. That says nothing of what runs there: it is no proof, and its failure no failure. */
function armedAnswered(host: HostProgress, outcome: HostOutcome, at: number): HostProgress {
  const told = { ...host, outcome, lastAttemptAt: at };
  if (outcome.kind === 'confirmed') return { ...told, troubleSince: null, armedUntil: null };
  if (outcome.kind === 'renewed')
    return { ...told, troubleSince: null, armedUntil: armedFrom(host, outcome.armedMs, at) };
  // What it runs is in doubt, says the host itself: that is for a proof to tell.
  const proof = outcome.kind === 'failed' ? { provenSeq: 0 } : {};
  return { ...told, ...proof, troubleSince: host.troubleSince ?? at };
}

/** Counted from the attempt's beginning, when the host had not been asked yet (armed.ts, AR1). */
function armedFrom(host: HostProgress, armedMs: number | undefined, at: number): number | null {
  if (armedMs === undefined) return null;
  return (host.lastAttemptAt === 0 ? at : Math.min(host.lastAttemptAt, at)) + armedMs;
}

function revertAnswered(answered: HostProgress, troubled: HostProgress, outcome: HostOutcome): HostProgress {
  if (outcome.kind === 'reverted') {
    return { ...answered, state: 'reverted', touched: false, troubleSince: null, armedUntil: null };
  }
  return { ...troubled, state: 'revert-failed' };
}
