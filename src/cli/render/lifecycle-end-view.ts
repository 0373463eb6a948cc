/** How a lifecycle action ended, over all environments: how many, exactly who not and what to do, and what is to be known besides. */
import { formatDuration } from '../../domain/duration.ts';
import type { LifecycleReport } from '../../engine/lifecycle-types.ts';
import type { ActionEnd } from './action-end.ts';
import { holdText } from './lifecycle-hold-view.ts';
import { notCoveredLines } from './lifecycle-missed-view.ts';
import { doneWord, isLeftHeld } from './lifecycle-words.ts';
import { count, facts, harmless, type Paint, someOf } from './paint.ts';

/** Hosts of a note, a second look or a way on that are named. */
const MOST_NAMED = 10;

export function coveredOf({ hosts, notCovered }: LifecycleReport): number {
  return hosts.length - notCovered.length;
}

export function actionEndLines(end: ActionEnd, paint: Paint): string[] {
  const { reports } = end;
  const all = hostsOf(reports);
  const covered = reports.reduce((sum, report) => sum + coveredOf(report), 0);
  const whole = covered === all && end.notBegun.length === 0 && end.notReached.length === 0;
  const held = leftHeld(end);
  const number = `${covered - held.length}/${all}`;
  const beside = held.length === 0 ? '' : paint.warn(`, ${held.length} left stopped, since held`);
  const head = `${doneWord(end.verb, end.now)} ${whole ? paint.good(number) : paint.bad(number)} ${all === 1 ? 'host' : 'hosts'}${whereText(end, paint)} in ${timeText(end)}${beside}`;
  return [
    paint.strong(head),
    ...facts([...environmentRows(end, paint), ...besideRows(end, paint)], paint),
    ...notCoveredLines(end, countText(end), paint),
    ...nextLines(end, paint),
  ];
}

function hostsOf(reports: ActionEnd['reports']): number {
  return reports.reduce((sum, { hosts }) => sum + hosts.length, 0);
}

/** `stopped 12/192`. */
function countText(end: ActionEnd): string {
  const done = end.reports.reduce((sum, report) => sum + coveredOf(report), 0) - leftHeld(end).length;
  return `${doneWord(end.verb, end.now)} ${done}/${hostsOf(end.reports)}`;
}

/** Where an environment was not begun, which ones the number is of. */
function whereText({ reports, notBegun }: ActionEnd, paint: Paint): string {
  if (notBegun.length === 0) return '';
  const left = notBegun.map(({ environment }) => environment).join(', ');
  return ` of ${reports.map(({ environment }) => environment).join(', ')} (${paint.bad(`${left} NOT BEGUN`)})`;
}

/** From this on what comes behind the hosts is worth a word, ms. */
const LONG_REST_MS = 1_000;

/** Until the last host; the second look and a journal that does not answer are told apart from it. */
function timeText({ reports, startedAt, tookMs }: ActionEnd): string {
  const ends = reports.flatMap(({ hosts }) => hosts.flatMap(({ at }) => (at === undefined ? [] : [at])));
  const hostsMs = ends.length === 0 ? tookMs : Math.min(tookMs, Math.max(0, Math.max(...ends) - startedAt));
  if (tookMs - hostsMs < LONG_REST_MS) return tookText(tookMs);
  const rest = reports.some(({ settled }) => settled !== null)
    ? 'with the second look and the record'
    : 'in all';
  return `${tookText(hostsMs)} (${tookText(tookMs)} ${rest})`;
}

function tookText(ms: number): string {
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)}s` : formatDuration(Math.round(ms / 1_000) * 1_000);
}

function environmentRows(end: ActionEnd, paint: Paint): [string, string][] {
  return end.reports.map((report) => {
    const covered = coveredOf(report);
    const number = `${covered} of ${report.hosts.length}`;
    const ended =
      report.end === 'halted'
        ? paint.bad(`, HALTED: ${harmless(report.why)}`)
        : report.end === 'interrupted'
          ? paint.warn(`, ${interruptedText(report, end)}`)
          : '';
    return [report.environment, `${covered === report.hosts.length ? number : paint.bad(number)}${ended}`];
  });
}

/** Who has all hosts covered was called off in what comes behind them. */
function interruptedText(report: LifecycleReport, { verb, now, typed }: ActionEnd): string {
  if (report.why !== '') return `INTERRUPTED: ${harmless(report.why)}`;
  const stops = verb === 'stop' || (verb === 'disable' && now);
  return stops && report.notCovered.length === 0
    ? `called off before the second look: ${typed} status looks`
    : 'INTERRUPTED: nothing new was begun';
}

/** Second look, hold, rollouts, role files, notes, record. */
function besideRows(end: ActionEnd, paint: Paint): [string, string][] {
  return [
    // Whoever stops the sandbox in earnest sees a success, and has stopped nothing.
    ...(end.notOwn == null ? [] : [['note', paint.bad(harmless(end.notOwn))] satisfies [string, string]]),
    ...secondLook(end, paint),
    ...leftHeldRow(end, paint),
    ...(end.hold === null ? [] : [['hold', holdText(end, paint)] satisfies [string, string]]),
    ...end.reports.flatMap((report) => rolloutRow(report, paint)),
    ...end.reports.flatMap((report) => roleFileRows(report, paint)),
    ...noteRows(end, paint),
    ...end.reports.flatMap((report) => recordRow(report, paint)),
  ];
}

/** Covered, and not what the verb says: who restarts does not lift holds. */
function leftHeld({ reports }: ActionEnd): string[] {
  return reports.flatMap(({ hosts }) =>
    hosts.flatMap(({ host, outcome }) => (isLeftHeld(outcome) ? [harmless(host.name)] : [])),
  );
}

function leftHeldRow(end: ActionEnd, paint: Paint): [string, string][] {
  const names = leftHeld(end);
  if (names.length === 0) return [];
  return [
    ['left held', paint.warn(`${someOf(names, MOST_NAMED)}: a hold is on them; ${end.typed} start lifts it`)],
  ];
}

/** `stayed down 412/415; started again: ...`: one line for all environments, since it is one question. */
function secondLook({ reports }: ActionEnd, paint: Paint): [string, string][] {
  const looks = reports.flatMap(({ settled }) => (settled === null ? [] : [settled]));
  if (looks.length === 0) return [];
  const down = looks.reduce((sum, look) => sum + look.stayedDown, 0);
  const again = looks.flatMap((look) => look.startedAgain.map(({ name }) => harmless(name)));
  const unseen = looks.flatMap((look) => look.unseen.map(({ name }) => harmless(name)));
  const parts = [`stayed down: ${down}/${down + again.length + unseen.length}`];
  if (again.length > 0) parts.push(paint.bad(`started again: ${someOf(again, MOST_NAMED)}`));
  if (unseen.length > 0) parts.push(paint.warn(`not seen: ${someOf(unseen, MOST_NAMED)}`));
  return [['second look', parts.join('; ')]];
}

function rolloutRow({ environment, rollout }: LifecycleReport, paint: Paint): [string, string][] {
  if (rollout === null) return [];
  const { id, version, did } = rollout;
  const words = {
    paused: `is paused: rollout resume ${environment} goes on, rollout rollback ${environment} takes it back`,
    'left-rolling-back': 'is rolling back and goes on doing so; held hosts stay stopped',
    'was-stopped': 'was stopped already',
  };
  return [['rollout', paint.warn(`${harmless(id)} of ${harmless(version)} ${words[did]}`)]];
}

function roleFileRows({ roleFiles }: LifecycleReport, paint: Paint): [string, string][] {
  return roleFiles.map(({ file, result }) => {
    switch (result.kind) {
      case 'changed': {
        const { commit } = result.change;
        const where =
          commit === null
            ? 'not committed: commit and push it, or configuration management undoes this'
            : `committed ${commit.id.slice(0, 12)} to ${harmless(commit.branch)}: push it`;
        return ['role file', `${harmless(file)} changed; ${where}`];
      }
      case 'already-so':
        return ['role file', `${harmless(file)} is so already`];
      case 'failed':
        return ['role file', paint.bad(`${harmless(file)} NOT changed: ${harmless(result.message)}`)];
      default:
        return result satisfies never;
    }
  });
}

/** The same sentence of 200 hosts is one line. */
function noteRows({ reports }: ActionEnd, paint: Paint): [string, string][] {
  const byNote = new Map<string, string[]>();
  for (const { hosts } of reports)
    for (const { host, outcome } of hosts) {
      if (outcome.kind !== 'proven') continue;
      for (const note of outcome.notes) byNote.set(note, [...(byNote.get(note) ?? []), harmless(host.name)]);
    }
  return [...byNote]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([note, names]) => [
      'note',
      paint.warn(`${harmless(note)} (${count(names.length, 'host')}: ${someOf(names, 3)})`),
    ]);
}

function recordRow({ environment, record }: LifecycleReport, paint: Paint): [string, string][] {
  switch (record.kind) {
    case 'journal':
      return [];
    case 'waiting':
      return [
        [
          'record',
          paint.warn(
            `${environment}: ${count(record.entries, 'entry').replace('entrys', 'entries')} wait on this machine, since ${harmless(record.why)}; the next command here sends them`,
          ),
        ],
      ];
    case 'lost':
      return [
        [
          'record',
          paint.bad(
            `${environment}: NOT RECORDED anywhere: ${harmless(record.why)}; write down what this says`,
          ),
        ],
      ];
    default:
      return record satisfies never;
  }
}

function nextLines(end: ActionEnd, paint: Paint): string[] {
  const rest = end.reports.flatMap((report) => report.notCovered.map(({ host }) => host.name));
  const carried = (end.carried ?? []).map((word) => ` ${harmless(word)}`).join('');
  const flags = `${end.now ? ' --now' : ''}${carried}`;
  // Whoever took over has a reason, which is to be read before the same is tried against it.
  const taken = end.reports.filter((report) => report.end === 'interrupted' && report.why !== '');
  const halted = end.reports.filter((report) => report.end === 'halted');
  const looks = new Set([
    // What the gate saw is to be looked at before anything goes on.
    ...halted.map(({ environment }) => `${end.typed} status --env ${environment}`),
    ...taken.map(({ environment }) => `rollout history ${environment}`),
    ...end.notBegun.flatMap(({ next }) => (next === undefined ? [] : [next])),
  ]);
  const rows = [...looks].map((look): [string, string] => ['next', paint.strong(look)]);
  const rested = `${end.typed} ${end.verb}${flags} --host ${rest.map(harmless).join(' ')}`;
  // What a terminal would break over its edge is no better to type than the same again.
  const isShort = rest.length === 1 || rested.length <= paint.width - 4;
  if (rest.length > 0 && rest.length <= MOST_NAMED && isShort) rows.push(['next', paint.strong(rested)]);
  else if (rest.length > 0)
    rows.push(['next', paint.strong('the same command again: who is covered is only looked at')]);
  else if (end.verb === 'stop')
    rows.push(['next', `${end.typed} status shows it; ${end.typed} start starts it again`]);
  return facts(rows, paint);
}
