/**
 * Coverage as CSV (RFC 4180): one record a VM, and one for each zone that could not be listed, first.
 *
 * CSV1  Text that a spreadsheet would take for a formula gets an apostrophe in front: names, labels and reasons come from people
 *       and hosts. Numbers and times are our own and stay as they are.
 */
import { type FleetRow, whyEligibility } from '../../domain/fleet-view.ts';
import type { Eligibility } from '../../domain/host.ts';
import type { Coverage } from './coverage-view.ts';
import { harmless } from './paint.ts';

const HEADS = [
  'kind',
  'environment',
  'name',
  'id',
  'project',
  'zone',
  'address',
  'vm_status',
  'eligibility',
  'covered',
  'agent',
  'version',
  'version_by',
  'off_pin',
  'hold',
  'uncovered_since',
  'rule',
  'evidence',
  'agent_seen',
  'last_seen',
  'as_of',
] as const;

type Cells = Partial<Record<(typeof HEADS)[number], string>>;

/** Records end in CR LF, the last one too but for its LF: whoever prints it ends the line. */
export function coverageCsv(all: readonly Coverage[]): string {
  const records = [HEADS.join(','), ...all.flatMap(recordsOf)];
  return `${records.join('\r\n')}\r`;
}

function recordsOf({ fleet, report }: Coverage): string[] {
  const asOf = time(fleet.source.kind === 'recorded' ? fleet.source.asked : fleet.source.at);
  const environment = text(report.environment);
  const unknown = fleet.unknownZones.map(({ zone, why }) =>
    record({
      kind: 'unknown-zone',
      environment,
      zone: text(zone),
      covered: 'unknown',
      evidence: text(why),
      as_of: asOf,
    }),
  );
  const vms = fleet.rows.map((row) =>
    record({ environment, as_of: asOf, ...vmCells(row, fleet.since.get(row.id)) }),
  );
  return [...unknown, ...vms];
}

function vmCells(row: FleetRow, since: number | undefined): Cells {
  const { eligibility, state } = row;
  const covered = coveredWord(row);
  return {
    kind: 'vm',
    name: text(row.name),
    id: text(row.id),
    project: text(row.project ?? ''),
    zone: text(row.zone),
    address: text(row.addresses.join(' ')),
    vm_status: row.status,
    eligibility: eligibility.kind,
    covered,
    agent: state,
    version: text(row.version),
    version_by: row.versionBy === 'nothing' ? '' : row.versionBy,
    off_pin: row.isOffPin === null ? '' : row.isOffPin ? 'yes' : 'no',
    hold: text(row.agent.kind === 'installed' ? row.agent.hold : ''),
    uncovered_since: covered === 'no' ? (since === undefined ? 'not recorded' : time(since)) : '',
    rule: text(ruleOf(eligibility)),
    evidence: text(
      [eligibility.kind === 'eligible' ? row.silence : '', whyEligibility(eligibility)]
        .filter((word) => word !== '')
        .join('; '),
    ),
    agent_seen: row.agentSeenAt === 0 ? '' : time(row.agentSeenAt),
    last_seen: time(row.lastSeenAt),
  };
}

function coveredWord({ eligibility, state }: FleetRow): string {
  if (eligibility.kind === 'undecided') return 'no';
  if (eligibility.kind !== 'eligible') return '';
  return state === 'running' ? 'yes' : 'no';
}

function ruleOf(eligibility: Eligibility): string {
  if ('rule' in eligibility) return eligibility.rule ?? '';
  return eligibility.kind === 'eligible' ? (eligibility.lapsed?.rule ?? '') : '';
}

function record(cells: Cells): string {
  return HEADS.map((head) => quoted(cells[head] ?? '')).join(',');
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** CSV1. Some spreadsheets look past blanks and quotes in front, and take the full-width signs as well. */
function text(value: string): string {
  const plain = harmless(value);
  return /^[\s"']*[=+\-@\uff1d\uff0b\uff0d\uff20|%]/u.test(plain) ? `'${plain}` : plain;
}

/** ISO, UTC, to the second. */
function time(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19)}Z`;
}
