/** The compliance report in words and tables. */
import type {
  CoverageReport,
  CoveredVm,
  OperatorExemption,
  RuleGroup,
  UncoveredVm,
} from '../../domain/coverage-report.ts';
import type { FleetReport } from '../../engine/fleet-report.ts';
import { tableLines } from './fleet-table.ts';
import { needNotWords, placeOf, sourceWords, stateWords, unknownRows } from './fleet-view.ts';
import { count, facts, harmless, moment, type Paint, someOf } from './paint.ts';

/** What the record brought and what was made of it. */
export interface Coverage {
  readonly fleet: FleetReport;
  readonly report: CoverageReport;
}

/** Names of a group on a terminal. */
const MOST_NAMES = 12;

export function coverageLines({ fleet, report }: Coverage, paint: Paint): string[] {
  return [
    `${paint.strong(report.environment)}  ${headline(report, paint)}`,
    ...facts(
      [
        ...unknownRows(fleet, paint),
        ['as of', sourceWords(fleet.source)],
        ...countRows({ fleet, report }, paint),
        ...report.findings.map((finding): [string, string] => ['note', paint.warn(harmless(finding))]),
      ],
      paint,
    ),
    ...section('not covered', report.uncovered.length, paint),
    ...(report.uncovered.length === 0
      ? []
      : tableLines(
          ['VM', 'STATE', 'SINCE', 'WHERE AND WHY'],
          report.uncovered.map((vm) => [
            harmless(vm.name),
            paint.bad(vm.state),
            sinceWord(vm.since),
            harmless(
              [placeOf(vm), vm.why, vm.hold === '' ? '' : `hold: ${vm.hold}`].filter(Boolean).join('; '),
            ),
          ]),
          paint,
        )),
    ...report.groups.flatMap((group) => groupLines(group, paint)),
    ...exemptionLines(report, paint),
  ];
}

export function headline(report: CoverageReport, paint: Paint): string {
  const { verdict, target, covered, of } = report;
  const share = `coverage ${percentText(report.percent)}${of === 0 ? '' : ` (${covered} of ${of})`}`;
  switch (verdict) {
    case 'met':
      return paint.good(of === 0 ? 'no VM must have the agent' : `${share}, target ${target} % is met`);
    case 'below-target':
      return paint.bad(`${share}, BELOW the target of ${target} %`);
    case 'held':
      return paint.warn(`${share}, HELD: it cannot be told yet whether the target of ${target} % is met`);
    default:
      return verdict satisfies never;
  }
}

/** Never rounded up; see CR3 in coverage-report.ts. */
export function percentText(percent: number | null): string {
  if (percent === null) return 'n/a';
  return `${Number.isInteger(percent) ? percent : percent.toFixed(2)} %`;
}

export function sinceWord(since: number | null): string {
  return since === null ? 'not recorded' : moment(since);
}

function countRows({ fleet, report }: Coverage, paint: Paint): [string, string][] {
  const { counts, held, pin } = report;
  const { byEligibility: by } = counts;
  const rest = needNotWords(counts);
  const undecided = by.undecided === 0 ? '' : `, ${paint.warn(`${by.undecided} undecided`)}`;
  const rows: [string, string][] = held.map((why) => [paint.warn('held'), paint.warn(harmless(why))]);
  rows.push(
    ['VMs', `${counts.all}: ${by.eligible} must have it${undecided}${rest === '' ? '' : `, ${rest}`}`],
    ['agents', by.eligible === 0 ? 'none is asked for' : stateWords(counts, paint)],
  );
  const seen = seenSince({ fleet, report });
  if (seen !== '') rows.push(['seen', seen]);
  const off =
    counts.offPin === 0 ? '' : paint.warn(`; ${count(counts.offPin, 'covered VM')} run another version`);
  rows.push(['pin', pin === null ? 'none yet' : `${pin}${off}`]);
  const kept = heldVms(report);
  if (kept.length > 0) {
    const most = Number.isFinite(paint.width) ? MOST_NAMES : Number.POSITIVE_INFINITY;
    const named = someOf(
      kept.map(({ name, hold }) => `${name} (${hold})`),
      most,
    );
    rows.push([
      'hold',
      paint.warn(harmless(`${count(kept.length, 'VM')} held on the host itself: ${named}`)),
    ]);
  }
  return rows;
}

/** From a record: how old what it says of the covered may be. Empty for what was looked at now, or where none is covered. */
export function seenSince({ fleet, report }: Coverage): string {
  if (fleet.source.kind === 'look' || report.coveredVms.length === 0) return '';
  const oldest = report.coveredVms.reduce((least, { seenAt }) => Math.min(least, seenAt), Number.MAX_VALUE);
  return `every covered agent was seen to run at ${moment(oldest)} or later`;
}

/** Those that something on the host itself keeps as they are: no rollout reaches them. */
export function heldVms({ uncovered, coveredVms }: CoverageReport): (UncoveredVm | CoveredVm)[] {
  return [...uncovered, ...coveredVms].filter(({ hold }) => hold !== '');
}

function section(title: string, size: number, paint: Paint): string[] {
  return size === 0 ? [] : [paint.strong(`  ${title} (${size})`)];
}

function groupLines({ kind, rule, reason, evidence, vms }: RuleGroup, paint: Paint): string[] {
  const most = Number.isFinite(paint.width) ? MOST_NAMES : Number.POSITIVE_INFINITY;
  const matched = evidence.map((one) => `${one.evidence} (${one.vms})`);
  return [
    ...section(`${kind.replace('-', ' ')}: ${harmless(rule)}`, vms.length, paint),
    ...facts(
      [
        // Of a VM that does not run, its status says all.
        ...(kind === 'not-running' ? [] : [['  why', harmless(reason)] as const]),
        ['  evidence', harmless(someOf(matched, most))],
        [
          '  VMs',
          harmless(
            someOf(
              vms.map(({ name }) => name),
              most,
            ),
          ),
        ],
      ],
      paint,
    ),
  ];
}

function exemptionLines({ exemptions }: CoverageReport, paint: Paint): string[] {
  if (exemptions.length === 0) return [];
  return [
    ...section("operator's exemptions", exemptions.length, paint),
    ...tableLines(
      ['RULE', 'STATE', 'ENDS', 'VMS', 'WHEN, AND WHY'],
      exemptions.map((one) => [
        one.rule,
        exemptionWord(one, paint),
        moment(one.until),
        String(one.vms),
        harmless(`${one.when}: ${one.reason}`),
      ]),
      paint,
    ),
  ];
}

export const EXEMPTION_WORDS: Readonly<Record<OperatorExemption['state'], string>> = {
  lapsed: 'LAPSED',
  'ends-soon': 'ends soon',
  'in-force': 'in force',
};

function exemptionWord({ state }: OperatorExemption, paint: Paint): string {
  if (state === 'in-force') return EXEMPTION_WORDS[state];
  return (state === 'lapsed' ? paint.bad : paint.warn)(EXEMPTION_WORDS[state]);
}
