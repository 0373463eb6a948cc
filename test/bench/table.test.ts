/** The benches' table says what it measured, what that is compared with, and what missed its goal. */
import { describe, expect, it } from 'vitest';
import { median } from '../../bench/row.ts';
import { benchTable } from '../../bench/table.ts';

describe('the table of benches', () => {
  it('compares every row with the first of the same work', () => {
    const lines = benchTable([
      { name: 'peer', what: 'fan-out', wallMs: 3_000, cpuMs: 800 },
      { name: 'rollout', what: 'fan-out', wallMs: 1_000, cpuMs: 40, goalMs: 1_000, note: '500 hosts' },
      { name: 'node -e 0', what: 'start-up', wallMs: 40 },
      { name: 'rollout --help', what: 'start-up', wallMs: 200, goalMs: 150 },
      { name: 'absent', what: 'start-up', wallMs: Number.NaN, note: 'a | b' },
    ]).split('\n');
    const cells = (line: number): string[] =>
      (lines[line] ?? '').split(/(?<!\\)\|/).map((cell) => cell.trim());
    expect(cells(0).slice(1, -1)).toEqual([
      'work',
      'by',
      'wall ms',
      'wall ratio',
      'CPU ms',
      'CPU ratio',
      'goal',
      'note',
    ]);
    expect(cells(3).slice(1, -1)).toEqual([
      'fan-out',
      'rollout',
      '1000',
      '0.33x',
      '40.0',
      '0.05x',
      'met: 1000 ms',
      '500 hosts',
    ]);
    expect(cells(5).slice(1, -1)).toEqual([
      'start-up',
      'rollout --help',
      '200',
      '5.00x',
      '',
      '',
      'MISSED: 150 ms',
      '',
    ]);
    expect(cells(6).slice(1, -1)).toEqual(['start-up', 'absent', 'none', '', '', '', '', 'a \\| b']);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });

  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[7], 7],
    [[], Number.NaN],
  ])('takes the median of %j', (numbers, expected) => {
    expect(median(numbers)).toBe(expected);
  });
});
