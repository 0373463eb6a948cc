/** What gates found that compare: the medians of both sides, how much worse, what is allowed, and what chance makes of it. */
import { enoughWords } from '../../domain/explain-comparison.ts';
import type { Comparison, GateVerdict, Judgement } from '../../domain/gate.ts';
import { fitColumns } from './fit-columns.ts';
import { gateNumber } from './gate-number.ts';
import { columns, hanging, harmless, type Paint, timeOfDay } from './paint.ts';

/** Empty where no gate compares. */
export function comparisonLines({ kind, gates }: Judgement, paint: Paint): string[] {
  return (['control', 'before'] as const).flatMap((other) => {
    const compared = gates.flatMap((gate) =>
      gate.comparison?.with === other ? [{ gate, comparison: gate.comparison }] : [],
    );
    const begun = compared.filter(({ comparison }) => comparison.notBefore === undefined);
    // Behind a fail nothing comes any more that could be waited for.
    const later = kind === 'fail' ? [] : laterLines(compared, paint);
    if (begun.length === 0 && later.length === 0) return [];
    const rows = begun.map(({ gate, comparison }) => rowOf(gate, comparison, paint));
    const title =
      other === 'control'
        ? 'against hosts not changed yet, at the same time; medians'
        : 'the same hosts, before the change and after it; medians';
    const head = ['gate', 'changed', other, 'worse by', 'allowed', 'p', ''];
    return [
      paint.dim(`  ${title}`),
      ...(rows.length === 0
        ? []
        : columns(fitted([head.map((word) => paint.dim(word)), ...rows], paint)).map((row) => `    ${row}`)),
      ...begun.flatMap(({ gate, comparison }) => remarks(gate, comparison, paint)),
      ...later,
    ];
  });
}

/** The finding is what the row is for; what goes first is the chance, then what is allowed, then the other side. */
function fitted(rows: readonly (readonly string[])[], paint: Paint): readonly (readonly string[])[] {
  return fitColumns(rows, { width: paint.width - 4, leastFirst: [5, 4, 2, 1] }).rows;
}

/** Gates whose numbers still reach back to the change: a row without any would look like a fault. */
function laterLines(
  compared: readonly { readonly gate: GateVerdict; readonly comparison: Comparison }[],
  paint: Paint,
): string[] {
  const byTime = new Map<number, string[]>();
  for (const { gate, comparison } of compared) {
    if (comparison.notBefore === undefined) continue;
    byTime.set(comparison.notBefore, [...(byTime.get(comparison.notBefore) ?? []), gate.gate]);
  }
  const each = [...byTime]
    .sort(([a], [b]) => a - b)
    .map(([at, names]) => `${names.join(', ')} from ${timeOfDay(at)} UTC`);
  return each.length === 0 ? [] : hanging('    not yet: ', each.join('; '), paint.width);
}

function rowOf({ gate, unit }: GateVerdict, comparison: Comparison, paint: Paint): string[] {
  const { changed, control, medianChanged, medianControl, shift, floor, p } = comparison;
  return [
    gate,
    `${number(medianChanged, unit)} of ${changed}`,
    `${number(medianControl, unit)} of ${control}`,
    shift === undefined ? '-' : `${shift > 0 ? '+' : ''}${gateNumber(shift, unit)}`,
    gateNumber(floor, unit),
    p === undefined ? '-' : chance(p),
    finding(comparison, paint),
  ];
}

/** One word: the column must fit beside the others in a terminal of 80. */
function finding({ kind }: Comparison, paint: Paint): string {
  switch (kind) {
    case 'worse':
      return paint.bad('WORSE');
    case 'alike':
      return 'alike';
    case 'too-few':
      return paint.warn('TOO FEW');
    default:
      return kind satisfies never;
  }
}

/** What else must be known of the row. */
function remarks({ gate }: GateVerdict, comparison: Comparison, paint: Paint): string[] {
  const { kind, stratum, shift = 0, floor, p = 1, alpha } = comparison;
  const remark = (text: string): string[] => hanging(`      ${gate}: `, text, paint.width);
  if (kind === 'worse') return stratum === undefined ? [] : remark(`only ${harmless(stratum)}`);
  if (kind === 'alike')
    return p <= alpha && shift > 0 && shift < floor
      ? remark('worse for certain, but by less than is allowed')
      : [];
  const would = enoughWords(comparison);
  const within = comparison.with === 'control' ? 'within one kind of host ' : '';
  return remark(`too few hosts to tell${would === '' ? '' : `; ${within}${would} would be enough`}`);
}

function number(value: number | undefined, unit: string): string {
  return value === undefined ? '-' : gateNumber(value, unit);
}

function chance(p: number): string {
  return p < 0.001 ? '<0.001' : String(Number(p.toPrecision(2)));
}
