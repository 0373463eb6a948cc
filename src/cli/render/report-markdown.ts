/** An incident report as one Markdown page: what happened, by what numbers, on whom, and what the hosts say now. */
import { causeInWords } from '../../domain/decide-rollback.ts';
import { formatDuration } from '../../domain/duration.ts';
import type { GateVerdict } from '../../domain/gate.ts';
import { standingWords } from '../../domain/host-standing.ts';
import type { Entry } from '../../domain/journal.ts';
import type { HostLooked, RawAnswer, Report } from '../../engine/gather-report.ts';
import { entryLine, type HostNames, learnNames, outcomeInWords, reasonBeside } from './entry-line.ts';
import { gateAmount, gateNumber, short } from './gate-number.ts';
import { createPaint, harmless, moment, timeOfDay } from './paint.ts';
import { kindWord, outcomeWord } from './phase-word.ts';

/** Lines of one host's log on the page; the archive has them all. */
const LOG_ON_PAGE = 20;
const MOST_ROWS = 200;

const PAINT = createPaint(false);

export function reportMarkdown(report: Report, files: readonly string[]): string {
  const names: HostNames = new Map();
  for (const entry of report.all) learnNames(entry, names);
  return [
    ...head(report),
    ...timeline(report, names),
    ...verdicts(report),
    ...hostTable(report),
    ...looks(report),
    ...record(report),
    '## In the archive',
    '',
    ...files.map((file) => `- \`${file}\``),
    '',
  ].join('\n');
}

/** A cell of a table: one line, no pipe that would end it, no markup that a host could bring along. */
function cell(text: string): string {
  return harmless(text).replaceAll(/[\\`*_<>[\]|]/gu, (found) => `\\${found}`);
}

function code(text: string): string {
  return `\`${harmless(text).replaceAll('`', "'").replaceAll('|', '\\|')}\``;
}

/** Fenced by more backticks than stand in it. */
function fenced(lines: readonly string[]): string[] {
  const longest = Math.max(
    2,
    ...lines.flatMap((line) => (line.match(/`+/gu) ?? []).map((run) => run.length)),
  );
  const fence = '`'.repeat(longest + 1);
  return [fence, ...lines.map(harmless), fence];
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return [];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const more = rows.length - MOST_ROWS;
  return [
    line(header),
    line(header.map(() => '---')),
    ...rows.slice(0, MOST_ROWS).map(line),
    ...(more > 0 ? ['', `and ${more} more, in the archive`] : []),
    '',
  ];
}

function head({ environment, at, excerpt: { rollout, entries, state } }: Report): string[] {
  const last = entries.at(-1)?.at ?? rollout.plannedAt;
  const { phase } = rollout;
  const cause = 'cause' in phase ? [['why', cell(causeInWords(phase.cause))]] : [];
  const by = `${rollout.plannedBy.user}@${rollout.plannedBy.hostname}: ${rollout.plannedBy.command}`;
  const job = rollout.plannedBy.ciJob === undefined ? [] : [['CI job', cell(rollout.plannedBy.ciJob)]];
  return [
    `# ${cell(rollout.id)}: ${kindWord(rollout.kind)} ${cell(rollout.version)} in ${cell(environment)}`,
    '',
    `Made ${moment(at)}. Times are UTC.`,
    '',
    ...table(
      ['', ''],
      [
        ['state', cell(outcomeWord(rollout, PAINT) ?? phase.kind)],
        ...cause,
        ['begun', `${moment(rollout.plannedAt)} by ${cell(by)}`],
        ...job,
        ...(rollout.change === '' ? [] : [['change request', cell(rollout.change)]]),
        ...(rollout.reason === '' ? [] : [['reason given', cell(rollout.reason)]]),
        ['last entry', `${moment(last)}, ${formatDuration(Math.max(0, last - rollout.plannedAt))} later`],
        ['hosts', cell(standingWords(rollout, { now: at, held: new Set(state.holds.keys()) }).join(', '))],
        ['pin', state.pin === null ? 'none' : cell(state.pin.version)],
        [
          'packages',
          cell(
            Object.values(rollout.artifacts)
              .map(({ architecture, sha256 }) => `${architecture} ${sha256}`)
              .join(', '),
          ),
        ],
      ],
    ),
  ];
}

function timeline({ excerpt }: Report, names: HostNames): string[] {
  const rows = excerpt.entries.flatMap((entry: Entry) => {
    const line = entryLine(entry, names, PAINT);
    if (line === null) return [];
    const who = `${entry.actor.user}@${entry.actor.hostname}`;
    return [[String(entry.seq), moment(entry.at), cell(who), cell(`${line}${reasonBeside(entry)}`)]];
  });
  return ['## What happened', '', ...table(['entry', 'time', 'who', 'what'], rows)];
}

function verdicts({ excerpt: { judgements }, answers }: Report): string[] {
  const counts = new Map<string, number>();
  for (const { judgement } of judgements) counts.set(judgement.kind, (counts.get(judgement.kind) ?? 0) + 1);
  const summary =
    judgements.length === 0
      ? 'The gates were never evaluated.'
      : `${judgements.length} evaluations: ${[...counts].map(([kind, count]) => `${count} ${kind}`).join(', ')}.`;
  const telling = judgements.filter(({ judgement }) => judgement.kind !== 'pass').slice(-10);
  const shown = telling.length === 0 ? judgements.slice(-1) : telling;
  return [
    '## Verdicts',
    '',
    summary,
    '',
    ...shown.flatMap(({ seq, judgement }) => [
      `### Entry ${seq}: ${judgement.kind}, ${moment(judgement.from)} to ${moment(judgement.to)}`,
      '',
      ...table(
        ['gate', 'verdict', 'worst', 'limit', 'compared', 'samples', 'why'],
        judgement.gates.map(verdictRow),
      ),
      ...judgement.gates
        .filter(({ kind }) => kind !== 'pass')
        .flatMap((gate) => queryLines(gate, seq, answers)),
    ]),
  ];
}

function verdictRow(gate: GateVerdict): string[] {
  const { comparison } = gate;
  const compared =
    comparison === undefined
      ? '-'
      : comparison.notBefore !== undefined
        ? `not yet: from ${timeOfDay(comparison.notBefore)} UTC`
        : `${comparison.kind} (${comparison.changed} against ${comparison.control} of ${comparison.with}${comparison.shift === undefined ? '' : `, ${gateNumber(comparison.shift, gate.unit)} worse, at most ${gateNumber(comparison.floor, gate.unit)}`}${comparison.p === undefined ? '' : `, p ${short(comparison.p)}`})`;
  return [
    cell(gate.gate),
    gate.kind,
    gate.worst === undefined ? '-' : gateNumber(gate.worst, gate.unit),
    `${gate.direction === 'above' ? 'at most' : 'at least'} ${cell(gateAmount(gate.limit, gate.unit))}`,
    cell(compared),
    String(gate.samples),
    cell(gate.why),
  ];
}

function queryLines(
  { gate, query, offenders, silent, unit }: GateVerdict,
  seq: number,
  answers: readonly RawAnswer[],
): string[] {
  const own = answers.filter((one) => one.seq === seq && one.gate === gate);
  const errors = own.flatMap(({ answer }) => (answer.kind === 'error' ? [answer.message] : []));
  const series = own.reduce(
    (sum, { answer }) => sum + (answer.kind === 'series' ? answer.series.length : 0),
    0,
  );
  const again =
    own.length === 0
      ? []
      : [errors.length > 0 ? `asked again: ${errors[0]}` : `asked again: ${series} series, in the archive`];
  return [
    `${cell(gate)}: ${code(query)}`,
    '',
    ...(offenders.length === 0
      ? []
      : [
          `- beyond the limit: ${cell(offenders.map(({ hostName, value }) => `${hostName} ${gateNumber(value, unit)}`).join(', '))}`,
        ]),
    ...(silent.length === 0 ? [] : [`- without a number: ${cell(silent.join(', '))}`]),
    ...again.map((text) => `- ${cell(text)}`),
    '',
  ];
}

function hostTable({ excerpt: { rollout } }: Report): string[] {
  const rows = [...rollout.hosts.values()]
    .sort((a, b) => a.wave - b.wave || (a.host.name < b.host.name ? -1 : 1))
    .map(({ host, wave, state, attempts, outcome }) => [
      cell(host.name),
      cell(host.zone),
      cell(host.role),
      String(wave + 1),
      state,
      String(attempts),
      cell(host.from.packageVersion),
      outcome === null ? '-' : cell(outcomeInWords(outcome)),
    ]);
  return [
    '## Hosts',
    '',
    ...table(['host', 'zone', 'role', 'wave', 'state', 'attempts', 'before', 'last answer'], rows),
  ];
}

function looks({ hosts, notLookedAt }: Report): string[] {
  if (hosts.length === 0 && notLookedAt.length === 0) return [];
  const more =
    notLookedAt.length === 0
      ? []
      : [`${notLookedAt.length} more hosts were in trouble and are not looked at here.`, ''];
  return ['## Hosts in trouble, as they are now', '', ...hosts.flatMap(lookedLines), ...more];
}

function lookedLines({ host, looked }: HostLooked): string[] {
  const title = `### ${cell(host.name)} (${cell(host.zone)}, ${cell(host.role)})`;
  if (looked.kind === 'silent') return [title, '', `It did not answer: ${cell(looked.why)}`, ''];
  const unit = looked.parts.get('unit') ?? [];
  const log = (looked.parts.get('log') ?? []).slice(-LOG_ON_PAGE);
  const notes = [...looked.parts].filter(([part]) => part.startsWith('note:'));
  return [
    title,
    '',
    ...(unit.length === 0 ? ['Its unit tells nothing.', ''] : [...fenced(unit), '']),
    ...(log.length === 0
      ? ['Nothing in its log since the rollout began.', '']
      : [`Last lines of its log:`, '', ...fenced(log), '']),
    ...notes.flatMap(([part, lines]) => [`${code(part.slice('note:'.length))}:`, '', ...fenced(lines), '']),
  ];
}

function record({ broken, excerpt: { entries } }: Report): string[] {
  const [first] = entries;
  const last = entries.at(-1);
  const whole =
    broken === null
      ? 'The journal is whole: every entry carries the hash of the one before.'
      : `THE JOURNAL IS NOT WHOLE: ${JSON.stringify(broken)}`;
  return [
    '## The record',
    '',
    `${cell(whole)} Entries ${first?.seq ?? 0} to ${last?.seq ?? 0} are this rollout's; the hash of the last is ${code(last?.hash ?? '')}.`,
    '',
  ];
}
