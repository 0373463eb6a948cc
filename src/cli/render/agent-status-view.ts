/** What agents do on a fleet, for people: a row a host with what is wrong first, or a line a group where the fleet is large. */
import type { StatusAnswer } from '../../domain/agent-status.ts';
import { agentTexts } from '../../domain/agent-texts.ts';
import type { AgentStatus } from '../../domain/lifecycle.ts';
import { type Severity, severityOf, statusGroups } from '../../domain/status-groups.ts';
import { agoText } from './ago-text.ts';
import { tableLines } from './fleet-table.ts';
import { count, hanging, harmless, moment, type Paint } from './paint.ts';

export interface PlacedAnswer extends StatusAnswer {
  readonly environment: string;
}

const WORDS: Readonly<Record<Severity, string>> = {
  'no-answer': 'no answer',
  failed: 'failed',
  'crash-looping': 'crash-looping',
  strays: 'stray process',
  'runs-although-held': 'runs although held',
  stopped: 'stopped',
  'broken-package': 'broken package',
  absent: 'absent',
  'old-binary': 'old binary',
  'hold-due': 'held (DUE)',
  changing: 'changing',
  held: 'held',
  active: 'active',
};

const BAD: ReadonlySet<Severity> = new Set([
  'no-answer',
  'failed',
  'crash-looping',
  'strays',
  'runs-although-held',
  'stopped',
  'broken-package',
]);

export function severityWord(severity: Severity, paint: Paint): string {
  const word = WORDS[severity];
  if (severity === 'active') return paint.good(word);
  return BAD.has(severity) ? paint.bad(word) : paint.warn(word);
}

/** `12 active, 3 failed`: worst first. */
export function severityCounts(answers: readonly PlacedAnswer[], now: number, paint: Paint): string {
  const counts = countSeverities(answers, now);
  return [...counts].map(([severity, n]) => `${n} ${severityWord(severity, paint)}`).join(', ');
}

/** Worst first; only what is there. */
export function countSeverities(answers: readonly PlacedAnswer[], now: number): Map<Severity, number> {
  const counts = new Map<Severity, number>();
  for (const { severity, hosts } of statusGroups(answers, { now, names: 0 }))
    counts.set(severity, (counts.get(severity) ?? 0) + hosts);
  return counts;
}

/** `answers` in the order in which they are to be shown. */
export function agentRows(answers: readonly PlacedAnswer[], now: number, paint: Paint): string[] {
  return tableLines(
    ['HOST', 'ENV', 'STATE', 'VERSION', 'PID', 'UP', 'RST', 'CPU', 'MEM', 'WHY'],
    answers.map((one) => agentRow(one, now, paint)),
    paint,
    // PID, MEM, RST, CPU, UP, VERSION, ENV.
    [4, 8, 6, 7, 5, 3, 1],
  );
}

function agentRow(one: PlacedAnswer, now: number, paint: Paint): string[] {
  const { host, environment, answer } = one;
  const head = [harmless(host.name), environment, severityWord(severityOf(one, now), paint)];
  if (answer.kind === 'none') return [...head, '-', '-', '-', '-', '-', '-', harmless(answer.why)];
  const { status } = answer;
  const runs = status.mainPid !== 0;
  return [
    ...head,
    harmless(versionOf(status)) || '-',
    runs ? String(status.mainPid) : '-',
    status.uptimeMs === null ? '-' : agoText(status.uptimeMs),
    String(status.restarts),
    status.cpuPercent === null ? '-' : `${status.cpuPercent.toFixed(1)}%`,
    status.memoryBytes === null ? '-' : `${Math.round(status.memoryBytes / 1e6)}M`,
    remarks(status, now).join('; '),
  ];
}

function versionOf(status: AgentStatus): string {
  return agentTexts('version', status)?.[0] ?? '';
}

/** What a person must know besides the columns. */
function remarks(status: AgentStatus, now: number): string[] {
  const { hold, strays, starters, unitFileState, activeState, subState, exitStatus } = status;
  const plain = (activeState === 'active' && subState === 'running') || activeState === 'inactive';
  const parts = [
    plain || activeState === '' ? '' : `${activeState} (${subState})`,
    status.mainPid === 0 && exitStatus !== 0 ? `ended with ${exitStatus}` : '',
    hold === null ? '' : holdWords(hold, now),
    strays.length === 0 ? '' : `not the service’s: pid ${strays.slice(0, 5).join(', ')}`,
    status.runsInstalled === false ? `installed is ${status.packageVersion}` : '',
    status.packageState === 'broken' ? 'the package is half installed' : '',
    unitFileState === 'enabled' || (unitFileState === 'masked' && hold !== null) ? '' : unitFileState,
    // Of a host that runs as it should, nobody asks who would start it.
    hold === null && status.mainPid !== 0
      ? ''
      : starters.length === 0
        ? ''
        : `${starters.join(', ')} would start it again`,
    status.busy ? 'another host program is at work there' : '',
    status.init === 'sysvinit' ? 'sysvinit' : '',
  ];
  return parts.filter((part) => part !== '').map(harmless);
}

type Hold = NonNullable<AgentStatus['hold']>;

function holdWords({ by, reason, until, kept }: Hold, now: number): string {
  const due = now >= until ? `DUE since ${moment(until)}` : `due ${moment(until)}`;
  const memory = kept === 'memory' ? ', only until a reboot' : '';
  return `held by ${by} ${due}${memory}: ${reason}`;
}

/** `412 active 5.10.2`, `3 failed 5.10.2: web-01, web-02, web-03`: worst first. */
export function groupLines(answers: readonly PlacedAnswer[], now: number, paint: Paint): string[] {
  const groups = statusGroups(answers, { now, names: 10 });
  const width = Math.max(0, ...groups.map(({ hosts }) => String(hosts).length));
  return groups.flatMap(({ severity, version, why, hosts, names, more }) => {
    const of = version === '' ? '' : ` ${harmless(version)}`;
    const head = `  ${String(hosts).padStart(width)} ${severityWord(severity, paint)}${of}`;
    const because = why === '' ? '' : ` (${harmless(why)})`;
    // Of those that are well nobody asks for the names.
    if (severity === 'active' && hosts > 3) return [`${head}${because}`];
    const rest = more > 0 ? ` and ${more} more` : '';
    return hanging(`${head}: `, `${names.map(harmless).join(', ')}${rest}${because}`, paint.width);
  });
}

export function headline(
  answers: readonly PlacedAnswer[],
  environments: readonly string[],
  now: number,
  paint: Paint,
): string {
  return `${paint.strong(environments.join(', '))}  ${count(answers.length, 'host')}: ${severityCounts(answers, now, paint)}`;
}
