/**
 * A judgement as a table: every gate with its number, limit and samples. Without the queries, whose many lines would push away what is to
 * be typed: `report`, `gates check` and `--json` have them.
 */
import type { GateVerdict, Judgement } from '../../domain/gate.ts';
import { comparisonLines } from './comparison-table.ts';
import { fitColumns } from './fit-columns.ts';
import { gateAmount, gateNumber } from './gate-number.ts';
import { columns, hanging, harmless, type Paint, someOf, timeOfDay } from './paint.ts';

export function verdictLines(judgement: Judgement, paint: Paint): string[] {
  const rows = judgement.gates.map((gate) => [
    gate.gate,
    verdictWord(gate, paint),
    `worst ${gate.worst === undefined ? '-' : gateNumber(gate.worst, gate.unit)}`,
    `limit ${gate.direction === 'above' ? '<=' : '>='} ${gateAmount(gate.limit, gate.unit)}`,
    `${gate.samples} samples`,
  ]);
  const span = `${timeOfDay(judgement.from)} to ${timeOfDay(judgement.to)} UTC`;
  return [
    paint.dim(`  gates, ${span}`),
    ...columns(fitColumns(rows, { width: paint.width - 4, leastFirst: [4, 3] }).rows).map(
      (row) => `    ${row}`,
    ),
    ...comparisonLines(judgement, paint),
    ...judgement.gates.filter((gate) => gate.kind !== 'pass').flatMap((gate) => explain(gate, paint)),
  ];
}

function verdictWord(gate: GateVerdict, paint: Paint): string {
  // It neither helps nor hinders: a warning's colour would send people looking.
  if (gate.abstains) return `abstains (${gate.kind})`;
  if (gate.siteWide) return paint.warn('site-wide');
  switch (gate.kind) {
    case 'pass':
      return paint.good('pass');
    case 'fail':
      return paint.bad('FAIL');
    case 'inconclusive':
    case 'error':
      return paint.warn(gate.kind);
    default:
      return gate.kind satisfies never;
  }
}

/** Who is named was beyond the limit, or only further from the others than is allowed. */
function offenceOf({ comparison, offenders, direction, limit }: GateVerdict): string {
  const isBeyond = offenders.some(({ value }) => (direction === 'above' ? value > limit : value < limit));
  if (comparison?.kind !== 'worse' || isBeyond) return 'over the limit';
  return comparison.with === 'control' ? 'worse than control' : 'worse than before';
}

function explain(gate: GateVerdict, paint: Paint): string[] {
  // A failed gate's sentence stands above already, as the reason of the rollback.
  const why = gate.kind === 'fail' ? '' : `: ${harmless(gate.why)}`;
  const lines = hanging('    ', `${gate.gate}${why}`, paint.width);
  if (gate.offenders.length > 0) {
    const offenders = gate.offenders.map(
      (offender) => `${offender.hostName} ${gateNumber(offender.value, gate.unit)}`,
    );
    lines.push(...hanging(`      ${offenceOf(gate)}: `, someOf(offenders, 10), paint.width));
  }
  if (gate.silent.length > 0)
    lines.push(...hanging('      without a number: ', someOf(gate.silent, 10), paint.width));
  return lines;
}
