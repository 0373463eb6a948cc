/**
 * What a host's answer means. An answer is text that a host printed: nothing in it is believed beyond its shape, and no
 * shape of it may throw.
 *
 * HA1  Verified and reverted rest on the `proof` step with the expected digest and version, never on the exit code alone.
 * HA2  A code that says "nothing was changed" is believed only for an answer that began: a program that never began is not
 *      known to have refused.
 * HA3  What cannot be understood is a failure (it may have acted) or unknown, never a success.
 * HA4  Text of a host goes on as plain text of bounded length: it ends in journals and on screens.
 * HA5  The answer of a machine that is not the one that is meant, or may not be, says nothing about the one that is.
 * HA6  Where the journal knows that somebody stopped the service, a proof that finds it stopped rests on the `look` step of the same
 *      answer, by the digest of what is installed.
 * HA7  That a host has gone back by itself rests on its note for the asked order and on the `look` step of the same answer: what the
 *      note says must be what is there. That it is armed is told by its own word alone: nothing is concluded from it.
 */
import type { Sha256 } from './artifact.ts';
import {
  HOST_EXIT,
  type HostExitName,
  type HostLook,
  type HostOrder,
  type HostStep,
  type PackageRef,
} from './host-order.ts';
import type { BlockedKind, FailureKind, HostOutcome } from './host-outcome.ts';
import { err, ok, type Result } from './result.ts';

/** A program's answer with an exit status. */
export interface HostAnswer {
  readonly exitCode: number;
  readonly steps: readonly HostStep[];
  /** Tail of stderr; shown where the steps say nothing. */
  readonly stderr: string;
}

/** Codes by which a program says that it refused and changed nothing. */
export const BLOCKED: Partial<Record<HostExitName, BlockedKind>> = {
  identityUnknown: 'identity-unknown',
  wrongHost: 'wrong-host',
  unsupported: 'unsupported',
  busy: 'busy',
  fenced: 'fenced',
  missingPackage: 'missing-package',
  digestMismatch: 'digest-mismatch',
  noSpace: 'no-space',
  dpkgLocked: 'dpkg-locked',
  drifted: 'drifted',
  armFailed: 'arm-failed',
};

const FAILED: Partial<Record<HostExitName, FailureKind>> = {
  installFailed: 'install-failed',
  startFailed: 'start-failed',
  proofFailed: 'proof-failed',
};

/** As Debian Policy has them (5.6.8, 5.6.12), and no longer than any is. */
const ARCHITECTURE = /^[a-z0-9][a-z0-9-]{0,40}$/;
const PACKAGE_VERSION = /^[A-Za-z0-9.+:~-]{0,200}$/;
const STEP = /^[a-z-]{1,40}$/;
const FETCHER = /^(?:curl|wget)?$/;
const HOLD = /^[A-Za-z0-9 ,._-]{0,100}$/;

/** Longest message taken from a host, characters. */
const MESSAGE_LIMIT = 1_000;

/**
 * The outcome of an order. A `look` proves nothing: where it ended well its outcome is `no-answer`, and `lookOf` has what it
 * saw.
 */
export function outcomeOf(order: HostOrder, answer: HostAnswer): HostOutcome {
  const name = exitNameOf(answer.exitCode);
  if (!began(answer.steps)) return neverBegan(answer);
  const back = wentBack(order, answer);
  if (back !== null) return back;
  const blocked = name === null ? undefined : BLOCKED[name];
  if (blocked !== undefined) return { kind: 'blocked', why: blocked, message: messageOf(answer) };
  const failure = name === null ? undefined : FAILED[name];
  if (failure !== undefined)
    return {
      kind: 'failed',
      failure,
      step: failedStepOf(answer.steps),
      message: messageOf(answer),
      ...(isOverridden(answer) ? { overridden: true } : {}),
    };
  if (name !== 'done') return crashed(answer, `the host program ended with exit status ${answer.exitCode}`);
  switch (order.program) {
    case 'look':
      return { kind: 'no-answer', why: 'unknown', message: 'a look proves nothing' };
    case 'upgrade':
    case 'prove':
      return provenOutcome('verified', order, answer);
    case 'revert':
      return provenOutcome('reverted', order, answer);
    case 'confirm':
      return confirmedOutcome(order.orderId, answer);
    default:
      return crashed(answer, 'an order that this program does not know');
  }
}

/**
 * The outcome of an unknown attempt, from a `prove` (or `look`) answer that came later. `verified`: the target is proven.
 * `still-previous`: untouched, where `previous` is known (an upgrade or revert order names it). `failed`: neither, so the
 * host is to be taken for touched. While a program is still at work there, nothing is known: `no-answer`.
 */
export function inspectionOf(order: HostOrder, answer: HostAnswer, previous?: PackageRef): HostOutcome {
  if (!began(answer.steps)) return neverBegan(answer);
  if (identityTroubleOf(answer) !== null) return outcomeOf(order, answer);
  if (answer.exitCode === HOST_EXIT.busy || stepNamed(answer.steps, 'look')?.busy === true) {
    return {
      kind: 'no-answer',
      why: 'unknown',
      message: 'a host program is still at work there; look again later',
    };
  }
  const back = wentBack(order, answer);
  if (back !== null) return back;
  const untouched = 'previous' in order ? order.previous : previous;
  const look = lookOf(answer.steps);
  const proven = stepNamed(answer.steps, 'proof')?.ok === true;
  if (!proven && untouched !== undefined && look.ok && isUntouched(look.value, untouched)) {
    return { kind: 'still-previous' };
  }
  return order.program === 'revert'
    ? outcomeOf({ ...order, program: 'upgrade' }, answer)
    : outcomeOf(order, answer);
}

/** Why an answer is not, or may not be, that of the machine that was meant (HA5); null when nothing speaks for that. */
export function identityTroubleOf(answer: HostAnswer): string | null {
  const name = exitNameOf(answer.exitCode);
  if (name !== 'wrongHost' && name !== 'identityUnknown') return null;
  return `${BLOCKED[name]}: ${messageOf(answer)}`;
}

/** HA6: the outcome of a `prove` at a host where somebody is known to have stopped the service, or may have; else what it was. */
export function knownStopped(order: HostOrder, answer: HostAnswer, outcome: HostOutcome): HostOutcome {
  if (order.program !== 'prove' || outcome.kind !== 'failed' || outcome.overridden !== true) return outcome;
  const look = lookOf(answer.steps);
  const { packageVersion, executableSha256: sha256 } = order.target;
  const isInPlace =
    look.ok &&
    look.value.packageState === 'installed' &&
    look.value.packageVersion === packageVersion &&
    look.value.installedSha256 === sha256 &&
    look.value.mainPid === 0;
  return isInPlace ? { kind: 'verified', sha256, packageVersion, service: 'left-stopped' } : outcome;
}

/**
 * The outcome of a `prove` at a host that was proven before: where another version is installed whole by now, or none, somebody has done
 * that since, and the version is not to blame. Else what it was.
 */
export function driftedSince(order: HostOrder, answer: HostAnswer, outcome: HostOutcome): HostOutcome {
  if (order.program !== 'prove' || outcome.kind !== 'failed' || outcome.failure !== 'proof-failed')
    return outcome;
  const look = lookOf(answer.steps);
  if (!look.ok || look.value.packageState === 'broken') return outcome;
  const { packageState, packageVersion } = look.value;
  const wanted = order.target.packageVersion;
  if (packageState === 'installed' && packageVersion === wanted) return outcome;
  const found = packageState === 'absent' ? 'is not installed any more' : `${packageVersion} is installed`;
  const message = `${order.agent.package} ${found}, though ${wanted} was proven there: somebody has changed it since; put ${wanted} back there by hand, or roll back or abort`;
  return { kind: 'blocked', why: 'drifted', message };
}

function isOverridden({ steps }: HostAnswer): boolean {
  return stepNamed(steps, 'proof')?.overridden === true;
}

/** The `look` step's fields, checked one by one; the error says which is missing or odd. */
export function lookOf(steps: readonly HostStep[]): Result<HostLook, string> {
  const step = stepNamed(steps, 'look');
  if (step === undefined || step === null) return err('the answer has no look step');
  const text = (key: string): string | null => {
    const value = step[key];
    return typeof value === 'string' ? value : null;
  };
  const count = (key: string): number | null => {
    const value = step[key];
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
  };
  const digest = (key: string): Sha256 | null => {
    const value = text(key);
    return value === '' || (value !== null && isSha256(value)) ? value : null;
  };
  const state = text('packageState');
  const kept = step.kept;
  const look = {
    architecture: named(text('architecture'), ARCHITECTURE),
    packageState: state === 'installed' || state === 'absent' || state === 'broken' ? state : null,
    packageVersion: named(text('packageVersion'), PACKAGE_VERSION),
    activeState: text('activeState'),
    subState: text('subState'),
    unitFileState: text('unitFileState'),
    mainPid: count('mainPid'),
    runningSha256: digest('runningSha256'),
    installedSha256: digest('installedSha256'),
    restarts: count('restarts'),
    kept:
      Array.isArray(kept) && kept.every((one) => typeof one === 'string' && isSha256(one))
        ? (kept as Sha256[])
        : null,
    freeKib: count('freeKib'),
    bootId: text('bootId'),
    hold: step['hold'] === undefined ? '' : named(text('hold'), HOLD),
  };
  for (const [key, value] of Object.entries(look)) {
    if (value === null) return err(`the look step's ${key} is missing or odd: ${excerpt(step[key])}`);
  }
  // Told to people and acted on by nobody: no reason to take the host for one that cannot be looked at.
  const told = { clockMs: count('clockMs'), fetcher: named(text('fetcher'), FETCHER) ?? '' };
  return ok({ ...look, ...told } as HostLook);
}

type ProvingOrder = Extract<HostOrder, { readonly program: 'upgrade' | 'revert' | 'prove' }>;

function provenOutcome(kind: 'verified' | 'reverted', order: ProvingOrder, answer: HostAnswer): HostOutcome {
  const expected = order.program === 'revert' ? order.previous : order.target;
  const proof = stepNamed(answer.steps, 'proof');
  if (proof?.ok !== true) return crashed(answer, 'the host program ended well but gave no proof');
  if (stepNamed(answer.steps, 'end')?.ok !== true) return crashed(answer, 'the answer has no end');
  const service = proof.service;
  if (service !== 'running' && service !== 'left-stopped') {
    return crashed(answer, `the proof does not say whether the service runs: ${excerpt(service)}`);
  }
  const sha256 = service === 'running' ? proof.runningSha256 : proof.installedSha256;
  if (sha256 !== expected.executableSha256 || proof.packageVersion !== expected.packageVersion) {
    return {
      kind: 'failed',
      failure: 'proof-failed',
      step: 'proof',
      message:
        `expected ${expected.packageVersion} with executable ${expected.executableSha256}, ` +
        `the host's proof names ${excerpt(proof.packageVersion)} with ${excerpt(sha256)}`,
    };
  }
  const proven: Pick<Extract<HostOutcome, { kind: 'verified' }>, 'sha256' | 'packageVersion' | 'service'> = {
    sha256: expected.executableSha256,
    packageVersion: expected.packageVersion,
    service,
  };
  const armed = stepNamed(answer.steps, 'armed');
  // Its time came while it was asked: what was proven is about to change.
  if (kind === 'verified' && armed?.order === order.orderId && armed.state === 'reverting')
    return { kind: 'blocked', why: 'busy', message: 'this host is going back by itself; ask again' };
  const held = service === 'left-stopped' && proof['held'] === true ? ({ held: true } as const) : {};
  if (kind === 'verified') return { kind, ...proven, ...held, ...armedOf(order.orderId, answer) };
  const moved = stepNamed(answer.steps, 'database');
  const note = moved?.ok === true && typeof moved.message === 'string' ? plainText(moved.message) : '';
  return { kind, ...proven, ...(note === '' ? {} : { note }) };
}

/** What the host says of the way back that it would take by itself; of another order's nothing. */
function armedOf(orderId: string, { steps }: HostAnswer): { armedMs?: number } {
  const armed = stepNamed(steps, 'armed');
  if (armed?.ok !== true || armed.state !== 'armed' || armed.order !== orderId) return {};
  const left = lengthOf(armed.msLeft);
  return left === null ? {} : { armedMs: left };
}

function confirmedOutcome(orderId: string, answer: HostAnswer): HostOutcome {
  if (stepNamed(answer.steps, 'end')?.ok !== true) return crashed(answer, 'the answer has no end');
  const renewed = stepNamed(answer.steps, 'renew');
  const left = lengthOf(renewed?.msLeft);
  if (renewed?.ok === true && renewed.order === orderId && left !== null)
    return { kind: 'renewed', armedMs: left };
  const confirmed = stepNamed(answer.steps, 'confirm');
  if (confirmed?.ok === true && confirmed.order === orderId) return { kind: 'confirmed' };
  return crashed(answer, 'the host program ended well but confirmed nothing');
}

/** HA7. */
function wentBack(order: HostOrder, answer: HostAnswer): HostOutcome | null {
  if (order.program !== 'prove' && order.program !== 'confirm') return null;
  const step = stepNamed(answer.steps, 'went-back');
  const look = lookOf(answer.steps);
  if (step?.ok !== true || step.order !== order.orderId || !look.ok) return null;
  const { service, sha256, packageVersion } = step;
  if (service !== 'running' && service !== 'left-stopped') return null;
  if (typeof sha256 !== 'string' || !isSha256(sha256) || typeof packageVersion !== 'string') return null;
  const { packageState, packageVersion: installed, installedSha256, mainPid, runningSha256 } = look.value;
  const isThere =
    packageState === 'installed' &&
    installed === packageVersion &&
    installedSha256 === sha256 &&
    (mainPid === 0 || runningSha256 === sha256);
  if (!isThere || packageVersion === order.target.packageVersion) return null;
  const note = typeof step.note === 'string' ? plainText(step.note) : '';
  return {
    kind: 'went-back',
    sha256,
    packageVersion,
    // As it is now: somebody may have stopped it since.
    service: mainPid === 0 ? 'left-stopped' : 'running',
    at: lengthOf(step.at) || null,
    note: note || 'it left no note',
  };
}

/** A whole number of ms of a sane size; null otherwise. */
function lengthOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

/** Installed whole, and what runs (if anything does) is the same executable: as if nobody had been there. */
function isUntouched(look: HostLook, previous: PackageRef): boolean {
  return (
    look.packageState === 'installed' &&
    look.packageVersion === previous.packageVersion &&
    look.installedSha256 === previous.executableSha256 &&
    (look.mainPid === 0 ? look.activeState === 'inactive' : look.runningSha256 === previous.executableSha256)
  );
}

/** HA2: no program began there, as far as anybody can tell. */
export function neverBegan(answer: HostAnswer): Extract<HostOutcome, { kind: 'no-answer' }> {
  const why = /^sudo: /m.test(answer.stderr) ? 'sudo-refused' : 'unknown';
  return {
    kind: 'no-answer',
    why,
    message: `the host program did not begin (exit status ${answer.exitCode}): ${plainText(answer.stderr) || 'no output'}`,
  };
}

function crashed(answer: HostAnswer, what: string): HostOutcome {
  return {
    kind: 'failed',
    failure: 'crashed',
    step: failedStepOf(answer.steps),
    message: plainText(`${what}; ${messageOf(answer)}`),
  };
}

/** Whether the program itself was heard of (HA2). */
export function began(steps: readonly HostStep[]): boolean {
  return stepNamed(steps, 'begin')?.ok === true;
}

/** A step as it was parsed: of any shape. */
export type RawStep = Readonly<Record<string, unknown>> | null | undefined;

/** The last step of that name: the later word counts. */
export function stepNamed(steps: readonly RawStep[], name: string): RawStep {
  return steps.findLast((step) => step?.step === name);
}

/** The step that failed, else the last one that was heard of. */
export function failedStepOf(steps: readonly RawStep[]): string {
  const told = steps.filter((step) => typeof step?.step === 'string' && step.step !== 'end');
  const name = (told.findLast((step) => step?.ok === false) ?? told.at(-1))?.step;
  return typeof name === 'string' && STEP.test(name) ? name : 'an unknown step';
}

/** What the failed step says, else the tail of stderr, as plain text; never empty. */
export function messageOf(answer: HostAnswer): string {
  const steps: readonly RawStep[] = answer.steps;
  const failed = steps.findLast((step) => step?.ok === false && typeof step.message === 'string');
  const message = typeof failed?.message === 'string' ? failed.message : answer.stderr;
  return plainText(message) || `exit status ${answer.exitCode}, no message`;
}

/** Null: a code that is not reserved. */
export function exitNameOf(exitCode: number): HostExitName | null {
  for (const [name, code] of Object.entries(HOST_EXIT)) if (code === exitCode) return name as HostExitName;
  return null;
}

function isSha256(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function named(text: string | null, form: RegExp): string | null {
  return text !== null && form.test(text) ? text : null;
}

/**
 * HA4: line feeds stay; other control characters, and marks that turn the direction of a line round, become spaces. At most
 * 1,000 characters.
 */
export function plainText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  const plain = text.replaceAll(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, ' ');
  const trimmed = plain.trim();
  return trimmed.length <= MESSAGE_LIMIT ? trimmed : `${trimmed.slice(0, MESSAGE_LIMIT)}...`;
}

/** Any value, short, for a message; never throws. */
export function excerpt(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 100));
  return typeof value === 'number' || typeof value === 'boolean' || value === null
    ? String(value)
    : `a ${typeof value}`;
}
