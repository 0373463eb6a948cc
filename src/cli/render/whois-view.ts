/** Whose an address was, in words: nothing is claimed that no listing showed. */
import type { Tenancy } from '../../domain/address-history.ts';
import { type FleetRow, whyEligibility } from '../../domain/fleet-view.ts';
import type { WhoisReport } from '../../engine/fleet-report.ts';
import { tableLines } from './fleet-table.ts';
import { agoWord, placeOf } from './fleet-view.ts';
import { facts, harmless, moment, type Paint } from './paint.ts';

export function whoisLines(report: WhoisReport, paint: Paint): string[] {
  const { environment, answer, asked } = report;
  const title = `${paint.strong(environment)}  ${harmless(report.address)} at ${moment(asked)}`;
  const notes = report.notes.map((note): [string, string] => [paint.warn('note'), harmless(note)]);
  if (answer.kind === 'no-record') {
    const first =
      answer.first === null
        ? 'the fleet was never recorded'
        : `the fleet was not recorded by then; the first listing is of ${moment(answer.first)}`;
    return [
      `${title}: ${paint.warn('not known')}`,
      ...facts(
        [
          ['why', first],
          ...notes,
          ['next', `rollout fleet ${environment} --record, for questions about later times`],
        ],
        paint,
      ),
    ];
  }
  const unknown = answer.unknownZones.map((zone): [string, string] => [
    paint.bad('UNKNOWN'),
    harmless(`${zone} could not be listed then: the address may be of a VM there`),
  ]);
  const { holders } = answer;
  const rows: [string, string][] = [...unknown, ['known by', knownBy(answer, paint)], ...notes];
  return [
    `${title}: ${holders.length === 0 ? paint.warn('no VM that was listed') : paint.good(names(holders))}`,
    ...(holders.length > MOST_NAMED
      ? manyLines(holders, report, paint)
      : holders.flatMap((one) => holderLines(one, report, paint))),
    ...facts(rows, paint),
    ...(answer.others.length === 0
      ? []
      : [
          paint.dim('  at other times'),
          ...tableLines(
            ['VM', 'FROM', 'LAST SEEN', 'ID AND PLACE'],
            answer.others.map((one) => [
              harmless(one.host.name),
              moment(one.from),
              moment(one.lastSeenAt),
              harmless(`${placeOf(one.host)}; ${endWord(one)}`),
            ]),
            paint,
          ),
        ]),
  ];
}

/** Networks that use the same addresses can have many VMs with one. */
const MOST_NAMED = 3;

function names(holders: readonly Tenancy[]): string {
  if (holders.length > MOST_NAMED) return `${holders.length} VMs at once`;
  return harmless(holders.map(({ host }) => host.name).join(', '));
}

/** A line each: what differs between them. */
function manyLines(
  holders: readonly Tenancy[],
  { rows, asked, answer }: WhoisReport,
  paint: Paint,
): string[] {
  const listedAt = answer.kind === 'recorded' ? answer.listedAt : asked;
  return tableLines(
    ['VM', 'SINCE', 'AGENT', 'SEEN', 'WHERE AND WHY'],
    holders.map((one) => {
      const { host, from, lastSeenAt, endedBy } = one;
      const row = rows.get(host.id);
      const isKnown = row !== undefined && row.agentSeenAt !== 0;
      const remarks = [
        placeOf(host),
        lastSeenAt === listedAt ? '' : `seen so until ${moment(lastSeenAt)}`,
        endedBy === null ? '' : endWord(one),
        whyEligibility(row?.eligibility ?? host.eligibility),
      ];
      return [
        harmless(host.name),
        moment(from),
        isKnown ? harmless(`${agentState(row)} ${row.version}`) : '-',
        isKnown ? agoWord(asked - row.agentSeenAt) : '-',
        harmless(remarks.filter((word) => word !== '').join('; ')),
      ];
    }),
    paint,
  );
}

function holderLines(one: Tenancy, { rows, asked }: WhoisReport, paint: Paint): string[] {
  const { host } = one;
  const row = rows.get(host.id);
  const eligibility = row?.eligibility ?? host.eligibility;
  const why = whyEligibility(eligibility);
  return facts(
    [
      ['VM', paint.strong(harmless(host.name))],
      ['id', host.id],
      ['zone', harmless(`${host.zone}${host.project === undefined ? '' : ` (project ${host.project})`}`)],
      ['had it', `${seenWords(one)}; ${endWord(one)}`],
      // Of one that plainly must have the agent there is nothing to say.
      ...(why === '' ? [] : [[WORDS[eligibility.kind], harmless(why)] as const]),
      ...(eligibility.kind !== 'eligible' && (row?.agentSeenAt ?? 0) === 0
        ? []
        : [['agent', agentWords(row, asked)] as const]),
    ],
    paint,
  );
}

const WORDS: Readonly<Record<FleetRow['eligibility']['kind'], string>> = {
  eligible: 'must have it',
  exempt: 'exempt',
  undecided: 'undecided',
  unsupported: 'unsupported',
  'not-running': 'not running',
  excluded: 'excluded',
};

function seenWords({ from, lastSeenAt }: Tenancy): string {
  return from === lastSeenAt
    ? `seen so ${moment(from)}`
    : `seen so from ${moment(from)} to ${moment(lastSeenAt)}`;
}

/** What ran when somebody last looked, whether it has answered since or not. */
function agentState({ agent }: FleetRow): string {
  if (agent.kind === 'absent') return 'absent';
  return agent.kind === 'installed' && agent.runningSha256 === '' ? 'stopped' : 'running';
}

function agentWords(row: FleetRow | undefined, asked: number): string {
  if (row === undefined || row.agentSeenAt === 0) return 'not known: nobody had looked there';
  const version = row.version === '' ? '' : ` ${row.version}${row.versionBy === 'dpkg' ? ' (by dpkg)' : ''}`;
  const silent = row.silentSince === null ? '' : `; it did not answer from ${moment(row.silentSince)} on`;
  const hold = row.agent.kind === 'installed' && row.agent.hold !== '' ? `; hold: ${row.agent.hold}` : '';
  return harmless(
    `${agentState(row)}${version}, seen ${moment(row.agentSeenAt)} (${agoWord(asked - row.agentSeenAt)} then)${hold}${silent}`,
  );
}

function endWord({ endedBy, end }: Tenancy): string {
  if (endedBy === null) return 'no listing has shown it without';
  return `${end === 'gone' ? 'the VM was gone' : 'it had another address'} by ${moment(endedBy)}`;
}

type Recorded = Extract<WhoisReport['answer'], { kind: 'recorded' }>;

/** From which listings the answer is, and what could have been between them. */
function knownBy({ listedAt, nextAt, changedTo }: Recorded, paint: Paint): string {
  const last = `the listing of ${moment(listedAt)}, the last one by then`;
  if (nextAt === null) return `${last}; none since: what changed after it is not known`;
  const next = `the next one, of ${moment(nextAt)},`;
  if (changedTo === null) return `${last}; ${next} shows the same`;
  const who =
    changedTo.length === 0
      ? 'no VM with it'
      : harmless(changedTo.map(({ host }) => `${host.name} (id ${host.id})`).join(', '));
  return paint.warn(
    `${last}; ${next} shows ${who}: it changed at some time between them, and nobody saw when`,
  );
}
