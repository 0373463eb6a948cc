/** A journal entry in words: the same for a running rollout and for `history`. */
import { causeInWords } from '../../domain/decide-rollback.ts';
import { formatDuration } from '../../domain/duration.ts';
import type { Judgement } from '../../domain/gate.ts';
import type { HostOutcome } from '../../domain/host-outcome.ts';
import { stoppedWords } from '../../domain/host-standing.ts';
import type { AnsweredHost, Entry, HostAction } from '../../domain/journal.ts';
import { gateAmount, gateNumber } from './gate-number.ts';
import { lifecycleLine } from './lifecycle-line.ts';
import { count, harmless, type Paint, someOf } from './paint.ts';
import { kindWord } from './phase-word.ts';
import { whyText } from './why-text.ts';

/**
 * What a person gave as the reason, behind the entry's line; '' where there is none, or the line has it already: the program's own
 * reasons say the line again.
 */
export function reasonBeside({ body, reason = '' }: Entry): string {
  return body.kind === 'rollout-planned' && reason !== '' ? ` (${harmless(reason)})` : '';
}

/** Names of hosts by id, learned from the plans that went by. */
export type HostNames = Map<string, string>;

export function learnNames(entry: Entry, names: HostNames): void {
  const { body } = entry;
  if (body.kind === 'hosts-joined')
    for (const { id, name } of [...body.hosts, ...body.leftOut]) names.set(id, name);
  if (body.kind !== 'rollout-planned') return;
  for (const wave of body.plan.waves) for (const host of wave.hosts) names.set(host.id, host.name);
  for (const host of body.plan.leftOut) names.set(host.id, host.name);
}

/** One line, or null for entries that tell a person nothing. */
export function entryLine(entry: Entry, names: HostNames, paint: Paint): string | null {
  const body = entry.body;
  const name = (id: string): string => names.get(id) ?? id;
  switch (body.kind) {
    case 'lease-taken':
      return body.from === undefined ? null : `lease taken over from ${body.from} (epoch ${body.epoch})`;
    case 'rollout-planned': {
      const hosts = body.plan.waves.reduce((sum, wave) => sum + wave.hosts.length, 0);
      const basis = body.override === undefined ? '' : ` WITHOUT A RECEIPT: ${harmless(body.override)}`;
      return `${body.rolloutId}: ${kindWord(body.rolloutKind)} ${paint.strong(body.version)} to ${count(hosts, 'host')} in ${count(body.plan.waves.length, 'wave')}${body.change === undefined ? '' : `, change ${harmless(body.change)}`}${basis}`;
    }
    case 'hosts-joined':
      return joinedLine(body, paint);
    case 'fleet-seen':
      return null;
    case 'wave-started':
      return body.wentBack === undefined
        ? `wave ${body.wave + 1} begins`
        : paint.warn(
            `wave ${body.wave + 1} begins again: ${someOf(body.wentBack.map(name), 6)} had gone back by itself`,
          );
    case 'hosts-intended':
      return `${WORDS[body.action].doing} ${someOf(body.hosts.map(name), 6)}`;
    case 'hosts-answered':
      return answersLine(body.action, body.hosts, name, paint);
    case 'hosts-excused':
      return paint.warn(`left out past their deadline: ${someOf(body.hosts.map(name), 6)}`);
    case 'wave-acted':
      return `wave ${body.wave + 1} is changed and proven; watching`;
    case 'judged':
      return judgementLine(body.judgement, paint);
    case 'wave-passed':
      return paint.good(`wave ${body.wave + 1} passed`);
    case 'bake-started':
      return `all waves passed; the pin moves to ${paint.strong(body.pin.version)}; baking`;
    case 'rollout-done': {
      const receipt =
        body.receipt === undefined ? '' : `, observed healthy for ${formatDuration(body.receipt.observedMs)}`;
      const rest =
        body.notCovered.length === 0
          ? ''
          : paint.warn(`; not covered: ${someOf(body.notCovered.map(name), 6)}`);
      return paint.good(`done${receipt}`) + rest;
    }
    case 'rollback-started':
      return body.cause.kind === 'canary-finished'
        ? `the canaries passed; putting them back`
        : paint.bad(`ROLLING BACK: ${harmless(causeInWords(body.cause))}`);
    case 'rolled-back': {
      const pin = body.pin === null ? 'no pin' : `the pin is ${body.pin.version}`;
      return `rolled back, every touched host proven; ${pin}${body.quarantined.length === 0 ? '' : `; quarantined ${body.quarantined.map((digest) => digest.slice(0, 12)).join(', ')}`}`;
    }
    case 'rollback-incomplete':
      return paint.bad(`NOT PUT BACK by the deadline: ${someOf(body.hosts.map(name), 6)}`);
    case 'halted':
      return paint.bad(`HALTED (${body.code}): ${harmless(body.message)}`);
    case 'pause-requested':
      return asked(entry, 'pause');
    case 'resume-requested':
      return asked(entry, 'resume');
    case 'approval-given':
      return asked(entry, 'approve');
    case 'abort-requested':
      return asked(entry, 'abort');
    case 'rollback-requested':
      return asked(entry, 'roll back');
    case 'quarantine-lifted':
      return asked(entry, `lift the quarantine of ${body.sha256.slice(0, 12)}`);
    case 'lifecycle-intended':
    case 'lifecycle-answered':
    case 'lifecycle-settled':
    case 'lifecycle-ended':
    case 'role-file-changed':
      return lifecycleLine(entry, body, paint);
    default:
      return body satisfies never;
  }
}

const WORDS: Readonly<Record<HostAction, { doing: string; done: string }>> = {
  upgrade: { doing: 'changing', done: 'changed and proven' },
  inspect: { doing: 'looking again at', done: 'found proven' },
  prove: { doing: 'proving', done: 'proven again' },
  revert: { doing: 'putting back', done: 'back and proven' },
  confirm: { doing: 'the version is to stay on', done: 'told that the version stays' },
  renew: { doing: 'telling to wait on before going back:', done: 'told to wait on' },
};

type JoinedBody = Extract<Entry['body'], { kind: 'hosts-joined' }>;

function joinedLine({ wave, hosts, leftOut }: JoinedBody, paint: Paint): string {
  const parts: string[] = [];
  if (hosts.length > 0) {
    const names = someOf(
      hosts.map((host) => host.name),
      6,
    );
    parts.push(`new since the plan, in wave ${wave + 1}: ${names}`);
  }
  if (leftOut.length > 0) {
    const told = leftOut.map(({ name, why }) => `${name} (${whyText(why)})`);
    parts.push(paint.warn(`new since the plan, not taken along: ${someOf(told, 6)}`));
  }
  return parts.join('; ');
}

function asked(entry: Entry, verb: string): string {
  const reason = entry.reason === undefined || entry.reason === '' ? '' : `: ${harmless(entry.reason)}`;
  return `${entry.actor.user}@${entry.actor.hostname} asks to ${verb}${reason}`;
}

function answersLine(
  action: HostAction,
  hosts: readonly AnsweredHost[],
  name: (id: string) => string,
  paint: Paint,
): string {
  const good = hosts.filter(({ outcome }) => isGood(outcome));
  const other = hosts.filter(({ outcome }) => !isGood(outcome));
  const parts: string[] = [];
  const stopped = good.filter(({ outcome }) => isInstalledOnly(outcome));
  if (good.length > stopped.length)
    parts.push(paint.good(`${count(good.length - stopped.length, 'host')} ${WORDS[action].done}`));
  for (const [words, n] of tallied(stopped.map(({ outcome }) => outcomeInWords(outcome))))
    parts.push(`${count(n, 'host')} ${words}`);
  // What a way back has cost is told with it.
  for (const { id, outcome } of good)
    if (outcome.kind === 'reverted' && outcome.note !== undefined)
      parts.push(paint.warn(`${name(id)}: ${harmless(outcome.note)}`));
  for (const { id, outcome } of other.slice(0, 5)) {
    const tone = outcome.kind === 'went-back' ? paint.warn : paint.bad;
    parts.push(tone(`${name(id)} ${outcomeInWords(outcome)}`));
  }
  if (other.length > 5) parts.push(paint.bad(`and ${other.length - 5} more in trouble`));
  return parts.join('; ');
}

function isInstalledOnly(outcome: HostOutcome): boolean {
  return outcome.kind === 'verified' && outcome.service === 'left-stopped';
}

function tallied(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** What was asked for has come to be. */
export function isGood({ kind }: HostOutcome): boolean {
  return kind === 'verified' || kind === 'reverted' || kind === 'confirmed' || kind === 'renewed';
}

export function outcomeInWords(outcome: HostOutcome): string {
  switch (outcome.kind) {
    case 'verified':
      return outcome.service === 'left-stopped' ? stoppedWords(outcome.held === true) : 'proven';
    case 'reverted':
      return `${outcome.service === 'left-stopped' ? 'put back, not running (left stopped)' : 'put back'}${outcome.note === undefined ? '' : `; ${harmless(outcome.note)}`}`;
    case 'failed':
      return `${outcome.failure} at ${outcome.step}: ${harmless(outcome.message)}`;
    case 'blocked':
      return `blocked (${outcome.why}): ${harmless(outcome.message)}`;
    case 'no-answer':
      return `${outcome.why}: ${harmless(outcome.message)}`;
    case 'gone':
      return 'is gone';
    case 'still-previous':
      return 'still has its previous version';
    case 'confirmed':
      return 'keeps the version';
    case 'renewed':
      return `goes back by itself in ${formatDuration(outcome.armedMs)} unless it hears from us`;
    case 'went-back':
      return `has gone back to ${outcome.packageVersion} by itself: ${harmless(outcome.note)}`;
    default:
      return outcome satisfies never;
  }
}

export function judgementLine(judgement: Judgement, paint: Paint): string {
  const words = {
    pass: paint.good('pass'),
    fail: paint.bad('FAIL'),
    inconclusive: paint.warn('inconclusive'),
    error: paint.warn('error'),
  };
  const telling =
    judgement.kind === 'pass'
      ? judgement.gates
      : judgement.gates.filter((gate) => gate.kind === judgement.kind);
  const why =
    judgement.kind === 'pass' ? gateNumbers(judgement) : harmless(telling.map((gate) => gate.why).join('; '));
  return `gates ${words[judgement.kind]} (${formatDuration(judgement.observedMs)} observed): ${why}`;
}

function gateNumbers(judgement: Judgement): string {
  return judgement.gates
    .map(
      (gate) =>
        `${gate.gate} ${gate.worst === undefined ? '-' : gateNumber(gate.worst, gate.unit)} ${gate.direction === 'above' ? '<=' : '>='} ${gateAmount(gate.limit, gate.unit)}`,
    )
    .join(', ');
}
