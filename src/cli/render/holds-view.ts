/** Holds for people: those that are due first, then by their end. */
import type { HoldView } from '../../domain/holds.ts';
import { tableLines } from './fleet-table.ts';
import { heldWords } from './held-words.ts';
import { count, facts, harmless, moment, type Paint, someOf } from './paint.ts';

export interface PlacedHold extends HoldView {
  readonly environment: string;
}

export interface HoldsAsked {
  readonly names: readonly string[];
  readonly onlyDue: boolean;
  /** `osqueryd` or `rollout osqueryd`. */
  readonly typed: string;
}

export function holdsLines(holds: readonly PlacedHold[], asked: HoldsAsked, paint: Paint): string[] {
  const { names, onlyDue, typed } = asked;
  if (holds.length === 0) return [`${names.join(', ')}: no hold${onlyDue ? ' is due' : ''}`];
  const due = holds.filter((hold) => hold.due);
  const unconfirmed = holds.filter(({ state }) => state === 'wished');
  const sorted = [...holds].sort((a, b) => a.terms.until - b.terms.until);
  return [
    `${paint.strong(names.join(', '))}  ${heldWords(holds, 'host')}${due.length === 0 ? '' : paint.bad(`, ${due.length} DUE`)}`,
    ...tableLines(
      ['HOST', 'ENV', 'SINCE', 'DUE', '', 'BY', 'WHY'],
      sorted.map((hold) => row(hold, paint)),
      paint,
      // SINCE, ENV, BY.
      [2, 1, 5],
    ),
    ...facts(
      [
        ...(unconfirmed.length === 0
          ? []
          : ([
              [
                'next',
                `${hostsIn(unconfirmed, `${typed} stop`, paint.width)} goes on until ${unconfirmed.length === 1 ? 'it is' : 'they are'} stopped`,
              ],
            ] as const)),
        [
          'next',
          `${hostsIn(due.length > 0 ? due : sorted, `${typed} start`, paint.width)} lifts and starts; nothing lifts a hold by itself`,
        ],
      ],
      paint,
    ),
  ];
}

function row({ name, environment, terms, state, due }: PlacedHold, paint: Paint): string[] {
  return [
    harmless(name),
    environment,
    moment(terms.since).slice(0, 16),
    moment(terms.until).slice(0, 16),
    due ? paint.bad('DUE') : state === 'wished' ? paint.warn('not confirmed') : '',
    harmless(terms.by),
    harmless(`${due && state === 'wished' ? 'not confirmed by the host; ' : ''}${terms.reason}`),
  ];
}

/** Of many, or more than a line has room for, the table above has the names. */
function hostsIn(holds: readonly PlacedHold[], command: string, width: number): string {
  const names = [...new Set(holds.map(({ name }) => harmless(name)))];
  const text = `${command} --host ${names.join(' ')}`;
  return names.length > 5 || (names.length > 1 && text.length > width - 4)
    ? `${command} --host NAME..`
    : text;
}

/** One line for where holds are not the question: `3 holds are DUE: a, b, c`; null: none is due. */
export function dueHoldsText(holds: readonly HoldView[]): string | null {
  const due = holds.filter((hold) => hold.due).map(({ name }) => harmless(name));
  if (due.length === 0) return null;
  return `${count(due.length, 'hold')} ${due.length === 1 ? 'is' : 'are'} DUE: ${someOf(due, 5)}`;
}
