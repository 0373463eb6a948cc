/**
 * What a host's answer to a lifecycle order means, by the rules of host-answer.ts (HA1-HA5), which hold here too.
 *
 * LA1  Proven rests on the `proof` step and the `end`, with what the order was to bring about: a stop that proves a running service,
 *      or a start that proves a stopped one, is a failure whatever the exit code says.
 * LA2  A code that says "nothing was changed" is not believed of an answer that told of a change before it: it then is a failure.
 * LA3  A hold counts only where the host said that it has it. What is not known to be held is told as not held.
 * LA4  What did not go as it was meant and did not make the action fail becomes a note, one sentence each.
 */
import {
  BLOCKED,
  began,
  excerpt,
  exitNameOf,
  failedStepOf,
  type HostAnswer,
  messageOf,
  neverBegan,
  plainText,
  type RawStep,
  stepNamed,
} from './host-answer.ts';
import type { HostExitName, HostOrder } from './host-order.ts';
import type { LifecycleFailure, LifecycleOutcome } from './lifecycle.ts';

const FAILED: Partial<Record<HostExitName, LifecycleFailure>> = {
  installFailed: 'install-failed',
  startFailed: 'start-failed',
  proofFailed: 'proof-failed',
  stillRuns: 'still-runs',
  removeFailed: 'remove-failed',
  remains: 'remains',
};

type Service = Extract<LifecycleOutcome, { kind: 'proven' }>['service'];

const SERVICES: readonly Service[] = ['running', 'stopped', 'left-held', 'absent'];
const PACKAGE_VERSION = /^[A-Za-z0-9.+:~-]{0,200}$/;
/** Most notes that are kept of one host, and most processes and starters that one of them names. */
const MOST_NOTES = 20;
const MOST_NAMED = 10;

/** The outcome of a lifecycle order. A `status` order changes and proves nothing: agentStatusOf has what it saw. */
export function lifecycleOutcomeOf(order: HostOrder, answer: HostAnswer): LifecycleOutcome {
  if (!began(answer.steps)) return neverBegan(answer);
  const name = exitNameOf(answer.exitCode);
  const blocked = name === null ? undefined : BLOCKED[name];
  if (blocked !== undefined) {
    const isOther = name === 'wrongHost' || name === 'identityUnknown';
    // LA2; HA5 goes before it.
    if (isOther || !toldOfChange(answer.steps))
      return { kind: 'blocked', why: blocked, message: messageOf(answer) };
    return failed(answer, 'crashed', `it says that nothing was changed, after it told of a change`);
  }
  const failure = name === null ? undefined : FAILED[name];
  if (failure !== undefined) return failed(answer, failure, null);
  if (name !== 'done')
    return failed(answer, 'crashed', `the host program ended with exit status ${answer.exitCode}`);
  if (order.program === 'status')
    return { kind: 'no-answer', why: 'unknown', message: 'a status proves nothing' };
  return provenOutcome(order, answer);
}

function provenOutcome(order: HostOrder, answer: HostAnswer): LifecycleOutcome {
  const proof = stepNamed(answer.steps, 'proof');
  if (proof?.ok !== true) return failed(answer, 'crashed', 'the host program ended well but gave no proof');
  if (stepNamed(answer.steps, 'end')?.ok !== true) return failed(answer, 'crashed', 'the answer has no end');
  const service = SERVICES.find((one) => one === proof.service);
  if (service === undefined)
    return failed(
      answer,
      'crashed',
      `the proof does not say what became of the service: ${excerpt(proof.service)}`,
    );
  const wrong = unmet(order, service, answer.steps);
  if (wrong !== null) return failed(answer, 'proof-failed', wrong, 'proof');
  const held = isHeld(answer.steps) || service === 'left-held';
  return {
    kind: 'proven',
    service,
    version: versionOf(answer.steps),
    held,
    notes: notesOf(order, answer.steps, held),
    ...untoldOf(answer.steps),
  };
}

function untoldOf(steps: readonly RawStep[]): { untold?: readonly string[] } {
  const failed = steps.filter((step) => step?.step === 'controller' && step.ok !== true);
  const names = [...new Set(failed.map((step) => shortText(step?.['name']) || 'of no name'))];
  return names.length === 0 ? {} : { untold: names.slice(0, MOST_NOTES) };
}

/** LA1: what the order was to bring about and the proof does not show; null: it does. */
function unmet(order: HostOrder, service: Service, steps: readonly RawStep[]): string | null {
  const expected = expectedOf(order);
  if (expected === null) return 'an order that this program does not know';
  if (!expected.includes(service))
    return `expected ${expected.join(' or ')}, the host's proof names ${service}`;
  if (order.program === 'service' && (order.verb === 'enable' || order.verb === 'disable'))
    return bootUnmet(order, service, steps);
  return order.program === 'install' ? installUnmet(order, service, steps) : null;
}

function expectedOf(order: HostOrder): readonly Service[] | null {
  switch (order.program) {
    case 'install':
      return ['running', 'left-held'];
    case 'remove':
      return ['absent'];
    case 'service':
      break;
    default:
      return null;
  }
  const { verb, now } = order;
  switch (verb) {
    case 'start':
      return ['running'];
    case 'restart':
      return ['running', 'left-held'];
    case 'stop':
      return ['stopped', 'absent'];
    case 'enable':
      return now ? ['running', 'left-held'] : SERVICES;
    case 'disable':
      return now ? ['stopped', 'absent'] : SERVICES;
    default:
      return verb satisfies never;
  }
}

/** LA4: a stop that could not be kept from the next boot as well is a stop all the same; its hold is there at that boot too. */
function bootUnmet(
  { verb, now }: Extract<HostOrder, { program: 'service' }>,
  service: Service,
  steps: readonly RawStep[],
): string | null {
  const boot = stepNamed(steps, 'boot');
  if (verb === 'disable' && (now || service === 'absent')) return null;
  if (boot?.ok !== true) return `the answer does not say that the service was ${verb}d for boot`;
  const opposite = verb === 'enable' ? 'disabled' : 'enabled';
  if (boot.unitFileState !== opposite) return null;
  // Whoever has masked it besides keeps it from being started at boot; the links stay as they are.
  const isMasked = String(stepNamed(steps, 'status')?.unitFileState).startsWith('masked');
  return verb === 'disable' && isMasked ? null : `the unit is still ${opposite} for boot`;
}

/** HA1: with the digest and the version that were meant. */
function installUnmet(
  { target }: Extract<HostOrder, { program: 'install' }>,
  service: Service,
  steps: readonly RawStep[],
): string | null {
  const proof = stepNamed(steps, 'proof');
  const sha256 = service === 'running' ? proof?.runningSha256 : proof?.installedSha256;
  if (proof?.packageVersion === target.packageVersion && sha256 === target.executableSha256) return null;
  return (
    `expected ${target.packageVersion} with executable ${target.executableSha256}, ` +
    `the host's proof names ${excerpt(proof?.packageVersion)} with ${excerpt(sha256)}`
  );
}

function failed(
  answer: HostAnswer,
  failure: LifecycleFailure,
  what: string | null,
  step = failedStepOf(answer.steps),
): LifecycleOutcome {
  const told = messageOf(answer);
  const message = what === null ? told : plainText(step === 'proof' ? what : `${what}; ${told}`);
  return { kind: 'failed', failure, step, message, held: isHeld(answer.steps) };
}

/** LA3: the last word about the hold that is a sound one. */
function isHeld(steps: readonly RawStep[]): boolean {
  const last = steps.findLast(
    (step) =>
      step?.step === 'hold' ||
      (step?.step === 'status' && step.ok === true && step['hold'] !== undefined) ||
      (step?.step === 'proof' && typeof step['held'] === 'boolean'),
  );
  if (last?.step === 'proof') return last['held'] === true;
  if (last?.step === 'status') return typeof last['hold'] === 'object' && last['hold'] !== null;
  return last?.ok === true && (last['did'] === 'written' || last['did'] === 'kept');
}

/** LA2. */
function toldOfChange(steps: readonly RawStep[]): boolean {
  return steps.some((step) => {
    if (step?.ok !== true) return false;
    if (step.step === 'hold' || step.step === 'brake') {
      const did = step['did'];
      return did !== 'none' && did !== 'kept';
    }
    return step.step === 'stop' || step.step === 'start';
  });
}

function versionOf(steps: readonly RawStep[]): string {
  const proof = stepNamed(steps, 'proof');
  const told = proof?.packageVersion ?? stepNamed(steps, 'status')?.packageVersion;
  return typeof told === 'string' && PACKAGE_VERSION.test(told) ? told : '';
}

/** LA4. */
function notesOf(order: HostOrder, steps: readonly RawStep[], held: boolean): string[] {
  const notes: string[] = [];
  const stops =
    order.program === 'service' && (order.verb === 'stop' || (order.verb === 'disable' && order.now));
  const hold = stepNamed(steps, 'hold');
  if (stops && order.hold !== undefined && !held)
    notes.push(
      `no hold could be recorded there: whoever starts the agent next is not told otherwise${because(hold)}`,
    );
  if (held && hold?.['kept'] === 'memory')
    notes.push(`the hold is only in memory: ${shortText(hold.message) || 'a reboot forgets it'}`);
  const brake = stepNamed(steps, 'brake');
  const isBraked = held && brake?.ok === true && brake['brake'] !== 'none' && brake['did'] !== 'none';
  const boot = stepNamed(steps, 'boot');
  if (shortText(boot?.message) !== '') notes.push(shortText(boot?.message));
  for (const step of steps)
    if (step?.step === 'note' && shortText(step.message) !== '') notes.push(shortText(step.message));
  if (stops && brake?.ok === false) notes.push(`the brake is not on: ${told(brake)}`);
  for (const step of steps) {
    if (step?.step !== 'controller' || step.ok === true) continue;
    notes.push(
      `controller ${shortText(step['name']) || 'of no name'} was not told: ${controllerTrouble(step)}`,
    );
  }
  const status = stepNamed(steps, 'status');
  const starters = named(status?.['starters']);
  if (stops && !isBraked && starters.length > 0)
    notes.push(`may be started again by ${starters.join(', ')}: nobody told it, and no brake holds`);
  const strays = named(status?.['strays']);
  if (strays.length > 0)
    notes.push(`processes of the agent that are not the service's: ${strays.join(', ')}`);
  return notes.slice(0, MOST_NOTES).map((note) => plainText(note).replaceAll('\n', ' '));
}

function controllerTrouble(step: RawStep): string {
  const code = step?.['exitCode'];
  const message = shortText(step?.message);
  const status = typeof code === 'number' && code !== 0 ? `exit status ${code}` : '';
  return [status, message].filter(Boolean).join(': ') || 'it does not say why';
}

function because(step: RawStep): string {
  const message = shortText(step?.message);
  return message === '' ? '' : ` (${message})`;
}

function told(step: RawStep): string {
  return shortText(step?.message) || 'it does not say why';
}

function shortText(value: unknown): string {
  return typeof value === 'string' ? plainText(value.slice(0, 300)) : '';
}

function named(value: unknown): string[] {
  if (!Array.isArray(value)) return [];
  return value
    .filter((one) => typeof one === 'string' || typeof one === 'number')
    .slice(0, MOST_NAMED)
    .map((one) => shortText(String(one)))
    .filter(Boolean);
}
