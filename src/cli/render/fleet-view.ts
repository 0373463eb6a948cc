/** A fleet in words: what nobody knows first, then counts, then a row a VM. */
import {
  countFleet,
  type FleetCounts,
  type FleetRow,
  whyEligibility,
  whyHeld,
} from '../../domain/fleet-view.ts';
import type { FleetReport, FleetSource } from '../../engine/fleet-report.ts';
import { agoText } from './ago-text.ts';
import { tableLines } from './fleet-table.ts';
import { heldWords } from './held-words.ts';
import { count, facts, harmless, moment, type Paint, someOf } from './paint.ts';

/** `shown`: the rows that were asked for. */
export function fleetLines(report: FleetReport, shown: readonly FleetRow[], paint: Paint): string[] {
  const { environment, rows, all, source } = report;
  const counts = countFleet(rows);
  const matching = rows.length === all ? '' : `, ${rows.length} match --where`;
  return [
    `${paint.strong(environment)}  ${count(all, 'VM')}${unknownWord(report, paint)}${matching}`,
    ...facts(
      [...unknownRows(report, paint), ['as of', sourceWords(source)], ...countRows(report, counts, paint)],
      paint,
    ),
    ...(shown.length === 0
      ? rows.length === 0
        ? []
        : ['  none of them is what --only asks for']
      : tableLines(
          ['VM', 'ADDRESS', 'AGENT', 'VERSION', 'SEEN', 'WHERE AND WHY'],
          shown.map((row) => vmRow(row, source, paint)),
          paint,
          // SEEN, ADDRESS, VERSION.
          [4, 1, 3],
        )),
  ];
}

function unknownWord({ unknownZones }: Pick<FleetReport, 'unknownZones'>, paint: Paint): string {
  return unknownZones.length === 0 ? '' : paint.bad(` and ${count(unknownZones.length, 'zone')} UNKNOWN`);
}

/** What nobody could list, and what a reader must know besides. */
export function unknownRows(
  { unknownZones, notes }: Pick<FleetReport, 'unknownZones' | 'notes'>,
  paint: Paint,
): [string, string][] {
  return [
    ...unknownZones.map(({ zone, why, lastKnown }): [string, string] => {
      const before = lastKnown === null ? '' : ` (${count(lastKnown, 'VM')} when it was last listed)`;
      return [paint.bad('UNKNOWN'), harmless(`${zone}: ${why}${before}`)];
    }),
    ...notes.map((note): [string, string] => [paint.warn('note'), harmless(note)]),
  ];
}

export function sourceWords(source: FleetSource): string {
  switch (source.kind) {
    case 'look':
      return `looked at ${moment(source.at)}`;
    case 'list':
      return source.agentsAt === 0
        ? `listed ${moment(source.at)}; nobody has looked at its agents yet`
        : `listed ${moment(source.at)}; agents as recorded, last looked at ${moment(source.agentsAt)}`;
    case 'recorded': {
      const next =
        source.nextAt === null
          ? 'none since: nobody saw what changed after it'
          : `the next is of ${moment(source.nextAt)}: nobody saw what was between`;
      return `recorded ${moment(source.at)}, the last listing by ${moment(source.asked)}; ${next}`;
    }
    default:
      return source satisfies never;
  }
}

function countRows({ pin, rows: all }: FleetReport, counts: FleetCounts, paint: Paint): [string, string][] {
  const { byEligibility: by, offPin, held } = counts;
  const rows: [string, string][] = [
    ['must have it', `${by.eligible}${by.eligible === 0 ? '' : `: ${stateWords(counts, paint)}`}`],
  ];
  if (by.undecided > 0)
    rows.push(['undecided', paint.warn(`${by.undecided}: nobody has said whether they must have it`)]);
  const rest = needNotWords(counts);
  if (rest !== '') rows.push(['need not', rest]);
  const pinned = offPin === 0 ? '' : paint.warn(`, ${count(offPin, 'VM')} not on it`);
  rows.push(['pin', pin === null ? 'none yet' : `${pin}${pinned}`]);
  const holds = all.flatMap((row) => (row.held === undefined ? [] : [{ name: row.name, ...row.held }]));
  if (holds.length > 0) {
    const due = holds.filter((hold) => hold.due).map(({ name }) => harmless(name));
    const dueText = due.length === 0 ? '' : paint.bad(`, ${due.length} DUE: ${someOf(due, 5)}`);
    rows.push(['holds', paint.warn(heldWords(holds, 'VM')) + dueText]);
  }
  if (held > 0) rows.push(['hold', paint.warn(`${count(held, 'VM')} held on the host itself`)]);
  return rows;
}

/** `7 running, 1 stopped`. */
export function stateWords({ byState }: FleetCounts, paint: Paint): string {
  const words = [
    byState.running === 0 ? '' : paint.good(`${byState.running} running`),
    ...(['stopped', 'absent', 'silent', 'unseen'] as const).map((state) =>
      byState[state] === 0 ? '' : paint.bad(`${byState[state]} ${state}`),
    ),
  ];
  return words.filter((word) => word !== '').join(', ');
}

export function needNotWords({ byEligibility: by }: FleetCounts): string {
  return (['exempt', 'not-running', 'unsupported', 'excluded'] as const)
    .flatMap((kind) => (by[kind] === 0 ? [] : [`${by[kind]} ${kind.replace('-', ' ')}`]))
    .join(', ');
}

function vmRow(row: FleetRow, source: FleetSource, paint: Paint): string[] {
  return [
    harmless(row.name),
    harmless(row.addresses[0] ?? '-'),
    stateWord(row, paint),
    harmless(row.version) || '-',
    seenWord(row, source),
    harmless([placeOf(row), ...remarks(row)].join('; ')),
  ];
}

export function placeOf({ zone, project, id }: Pick<FleetRow, 'zone' | 'project' | 'id'>): string {
  return `${zone}${project === undefined ? '' : ` (${project})`} id ${id}`;
}

function stateWord({ eligibility, state }: FleetRow, paint: Paint): string {
  if (eligibility.kind === 'undecided') return paint.warn('undecided');
  if (eligibility.kind !== 'eligible') return eligibility.kind;
  return state === 'running' ? paint.good(state) : paint.bad(state);
}

function remarks({ eligibility, silence, state, isOffPin, agent, held }: FleetRow): string[] {
  const known = held === undefined ? '' : whyHeld(held);
  const hold = agent.kind === 'installed' && agent.hold !== '' ? `hold: ${agent.hold}` : '';
  const isEligible = eligibility.kind === 'eligible';
  const pin = isEligible && state === 'running' && isOffPin === true ? 'not the pinned version' : '';
  return [isEligible ? silence : '', known, hold, pin, whyEligibility(eligibility)].filter(
    (word) => word !== '',
  );
}

/** How long before the time that is told of the agent was seen. */
function seenWord({ agentSeenAt }: FleetRow, source: FleetSource): string {
  if (agentSeenAt === 0) return '-';
  if (source.kind === 'look' && agentSeenAt === source.at) return 'now';
  return agoWord((source.kind === 'recorded' ? source.asked : source.at) - agentSeenAt);
}

/** `3d4h ago`. */
export function agoWord(ms: number): string {
  return `${agoText(ms)} ago`;
}
