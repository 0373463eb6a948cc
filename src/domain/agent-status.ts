/**
 * What a host tells of its agent, out of the `status` step. Every field is checked by itself: it is text that a host printed, and
 * ends on screens and in decisions.
 *
 * AS1  Numbers are whole or finite and bounded, texts plain and bounded; what is odd makes the whole step unread, with its name.
 * AS2  What merely informs (the hold's words, starters) is shortened rather than refused: a long reason must not hide that a host
 *      is held.
 */
import type { Host, HostId } from './host.ts';
import { plainText } from './host-answer.ts';
import type { HostStep } from './host-order.ts';
import { type AgentStatus, BRAKES, type HostHold } from './lifecycle.ts';
import { err, ok, type Result } from './result.ts';

/** What one host told of its agent, or why it told nothing. */
export interface StatusAnswer {
  readonly host: Host;
  readonly answer:
    | { readonly kind: 'status'; readonly status: AgentStatus }
    | { readonly kind: 'none'; readonly why: string };
  readonly tookMs: number;
}

export type StatusAnswers = ReadonlyMap<HostId, StatusAnswer>;

/** systemd's words, such as `active`, `auto-restart` and `enabled-runtime`. */
const WORD = /^[a-z-]{0,40}$/;
const PACKAGE_VERSION = /^[A-Za-z0-9.+:~-]{0,200}$/;
/** What an executable says it is. */
const RUNNING_VERSION = /^[A-Za-z0-9.+:~_-]{0,100}$/;
const BOOT_ID = /^[A-Za-z0-9-]{0,64}$/;
const ACTION_ID = /^[A-Za-z0-9_.-]{0,200}$/;
/** Linux gives no larger number to a process (PID_MAX_LIMIT, 2^22). */
const LARGEST_PID = 4_194_304;
const MOST_STRAYS = 100;
const MOST_NAMES = 50;
/** One core is 100; no machine has more than 10,000 of them. */
const MOST_CPU_PERCENT = 1_000_000;

/** The last `status` step; the error names the field that is missing or odd. */
export function agentStatusOf(steps: readonly HostStep[]): Result<AgentStatus, string> {
  const found = (steps as readonly unknown[]).findLast((step) => isRecord(step) && step['step'] === 'status');
  if (!isRecord(found)) return err('the answer has no status step');
  if (found['ok'] !== true)
    return err(`the status step failed: ${textOf(found['message']) ?? 'it does not say why'}`);
  const step = found;
  const status = {
    init: oneOf(step['init'], ['systemd', 'sysvinit']),
    activeState: matching(step['activeState'], WORD),
    subState: matching(step['subState'], WORD),
    unitFileState: matching(step['unitFileState'], WORD),
    packageState: oneOf(step['packageState'], ['installed', 'absent', 'broken']),
    packageVersion: matching(step['packageVersion'], PACKAGE_VERSION),
    runningVersion: matching(step['runningVersion'], RUNNING_VERSION),
    mainPid: count(step['mainPid'], LARGEST_PID),
    strays: list(step['strays'], MOST_STRAYS, (one) => count(one, LARGEST_PID)),
    restarts: count(step['restarts']),
    exitStatus: count(step['exitStatus']),
    cpuOver: oneOf(step['cpuOver'], ['lifetime', 'sample']),
    starters: list(step['starters'], MOST_NAMES, textOf),
    busy: typeof step['busy'] === 'boolean' ? step['busy'] : null,
    bootId: matching(step['bootId'], BOOT_ID),
  };
  for (const [key, value] of Object.entries(status)) if (value === null) return err(odd(key, step[key]));
  const optional = {
    runsInstalled: orNull(step['runsInstalled'], (one) => (typeof one === 'boolean' ? one : undefined)),
    uptimeMs: orNull(step['uptimeMs'], (one) => count(one) ?? undefined),
    cpuPercent: orNull(step['cpuPercent'], cpuPercent),
    memoryBytes: orNull(step['memoryBytes'], (one) => count(one) ?? undefined),
    hold: orNull(step['hold'], hostHold),
  };
  for (const [key, value] of Object.entries(optional))
    if (value === undefined) return err(odd(key, step[key]));
  return ok({ ...status, ...optional } as AgentStatus);
}

/** A hold as the host has it; undefined: it is none. */
function hostHold(value: unknown): HostHold | undefined {
  if (!isRecord(value)) return undefined;
  const hold = {
    actionId: matching(value['actionId'], ACTION_ID),
    environment: matching(value['environment'], ACTION_ID),
    by: textOf(value['by']),
    reason: textOf(value['reason']),
    since: count(value['since']),
    until: count(value['until']),
    brake: oneOf(value['brake'], [...BRAKES, 'not-executable']),
    kept: oneOf(value['kept'], ['disk', 'memory']),
    told: list(value['told'], MOST_NAMES, textOf),
  };
  return Object.values(hold).includes(null) ? undefined : (hold as HostHold);
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function oneOf<Word extends string>(value: unknown, words: readonly Word[]): Word | null {
  return words.find((word) => word === value) ?? null;
}

function matching(value: unknown, form: RegExp): string | null {
  return typeof value === 'string' && form.test(value) ? value : null;
}

/** AS2. */
function textOf(value: unknown): string | null {
  return typeof value === 'string' ? plainText(value).replaceAll('\n', ' ') : null;
}

function count(value: unknown, most = Number.MAX_SAFE_INTEGER): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= most
    ? value
    : null;
}

function cpuPercent(value: unknown): number | undefined {
  const isSound = typeof value === 'number' && value >= 0 && value <= MOST_CPU_PERCENT;
  return isSound ? value : undefined;
}

function list<One>(value: unknown, most: number, read: (one: unknown) => One | null): One[] | null {
  if (!Array.isArray(value)) return null;
  const read_ = value.slice(0, most).map(read);
  return read_.includes(null) ? null : (read_ as One[]);
}

function orNull<One>(value: unknown, read: (value: unknown) => One | undefined): One | null | undefined {
  return value === null ? null : read(value);
}

function odd(key: string, value: unknown): string {
  const found =
    value === undefined
      ? 'nothing'
      : typeof value === 'string'
        ? JSON.stringify(plainText(value.slice(0, 100)))
        : typeof value === 'number' || typeof value === 'boolean' || value === null
          ? String(value)
          : `a ${typeof value}`;
  return `the status step's ${key} is missing or odd: ${found}`;
}
