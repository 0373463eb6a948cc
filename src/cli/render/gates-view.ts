/** Gates as they come out now: numbers of the fleet, what a rollout would make of them, and what a comparison would find. */
import type { Comparison, GateVerdict } from '../../domain/gate.ts';
import { startCommand } from '../../domain/host-standing.ts';
import type { GateCheck, GatesChecked } from '../../engine/check-gates.ts';
import { fitColumns } from './fit-columns.ts';
import { gateAmount, gateNumber, short } from './gate-number.ts';
import { columns, count, facts, hanging, harmless, type Paint, someOf, timeOfDay } from './paint.ts';

export function gatesLines(name: string, checked: GatesChecked, paint: Paint): string[] {
  const { gates, from, to, hosts, held, stopped, unknownZones } = checked;
  const rows = gates.map(({ gate, verdict, numbers }) => [
    gate,
    wordOf(verdict, paint),
    ...(numbers === null
      ? ['no numbers', '', '']
      : [
          `median ${gateNumber(numbers.median, verdict.unit)}`,
          `p90 ${gateNumber(numbers.p90, verdict.unit)}`,
          `worst ${gateNumber(numbers.worst.value, verdict.unit)} (${harmless(numbers.worst.host)})`,
        ]),
    `limit ${verdict.direction === 'above' ? '<=' : '>='} ${gateAmount(verdict.limit, verdict.unit)}`,
    count(verdict.samples, 'sample'),
  ]);
  const span = `${timeOfDay(from)} to ${timeOfDay(to)} UTC`;
  const notes = [
    ...unknownZones.map(({ zone, why }) => ['unknown zone', `${zone}: ${harmless(why)}`] as const),
    ...(held === null
      ? [['holds', 'the journal cannot be read: hosts that are held are among those looked at'] as const]
      : held.length > 0
        ? [
            [
              'left out',
              `${someOf(held, 10)}: held, the agent is stopped there (${startCommand(name, held)})`,
            ] as const,
          ]
        : []),
    ...(stopped.length === 0
      ? []
      : [
          [
            'stopped',
            `${someOf(stopped, 10)}: the agent was last found stopped (${startCommand(name, stopped)})`,
          ] as const,
        ]),
  ];
  return [
    `${paint.strong(name)}  ${headline(checked, paint)}`,
    paint.dim(`  ${count(hosts, 'host')}, ${span}, as if all of them had been changed`),
    // Samples, p90, the limit, which stands below as well, median.
    ...columns(fitColumns(rows, { width: paint.width - 4, leastFirst: [6, 3, 5, 2] }).rows).map(
      (row) => `    ${row}`,
    ),
    ...facts(notes, paint),
    ...gates.flatMap((gate) => gateLines(gate, paint)),
  ];
}

function headline({ kind }: GatesChecked, paint: Paint): string {
  switch (kind) {
    case 'pass':
      return paint.good('every gate passes');
    case 'fail':
      return paint.bad('a rollout would be rolled back');
    case 'inconclusive':
      return paint.warn('a rollout would be held: not every gate can tell');
    case 'error':
      return paint.warn('a rollout would be held: a source of numbers fails');
    default:
      return kind satisfies never;
  }
}

function wordOf({ kind, abstains }: GateVerdict, paint: Paint): string {
  if (abstains === true) return paint.dim('abstains');
  if (kind === 'pass') return paint.good('pass');
  return kind === 'fail' ? paint.bad('FAIL') : paint.warn(kind);
}

function gateLines({ gate, source, verdict, rehearsal }: GateCheck, paint: Paint): string[] {
  const lines = [paint.strong(`  ${gate}`)];
  const line = (label: string, text: string, width = paint.width): void => {
    lines.push(...hanging(`    ${paint.dim(`${label}:`)} `, harmless(text), width));
  };
  line('why', verdict.why);
  if (verdict.silent.length > 0) line('without a number', someOf(verdict.silent, 10));
  if (rehearsal !== null) line('rehearsal', rehearsalWords(rehearsal));
  // Not folded: it is there to be copied.
  line(source === 'prometheus' ? 'query' : 'asked', verdict.query, Number.POSITIVE_INFINITY);
  return lines;
}

/** What the comparison comes to where nothing has changed. */
function rehearsalWords({ changed, control, verdict }: NonNullable<GateCheck['rehearsal']>): string {
  const { comparison } = verdict;
  if (comparison === undefined) return `it compares nothing: ${verdict.why}`;
  const { unit } = verdict;
  const sides =
    comparison.with === 'control'
      ? `${count(changed.length, 'canary host')} against ${count(control, 'control host')}`
      : `${count(changed.length, 'host')} now against before`;
  const floor = Number.isFinite(comparison.floor)
    ? `; a difference counts from ${gateAmount(comparison.floor, unit)} on, at p <= ${short(comparison.alpha)}`
    : '';
  return `${sides}: ${foundWords(comparison, unit)}${floor}`;
}

function foundWords(
  { kind, shift, p, medianChanged, medianControl, ...rest }: Comparison,
  unit: string,
): string {
  const medians =
    medianChanged === undefined || medianControl === undefined
      ? ''
      : ` (${gateNumber(medianChanged, unit)} against ${gateNumber(medianControl, unit)})`;
  if (kind === 'too-few') {
    const { enough } = rest;
    const ways = [
      ...(enough?.control === undefined ? [] : [`${enough.control} control hosts`]),
      ...(enough?.changed === undefined ? [] : [`${enough.changed} changed ones`]),
    ];
    return `too few to tell${medians}${ways.length === 0 ? '' : `; within one kind of host (waves.strata) ${ways.join(' or ')} would be enough`}`;
  }
  const by = shift === undefined ? '' : ` by ${gateAmount(shift, unit)}${medians}`;
  const sure = p === undefined ? '' : `, p ${short(p)}`;
  return kind === 'worse'
    ? `a false alarm, they differ${by}${sure}: raise effect, or lengthen over and before`
    : `alike, they differ${by}${sure}`;
}
