/** The rehearsal's probe is as sparing and as blind as the program's. */
import { describe, expect, it } from 'vitest';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import { SomeProbe } from './some-probe.ts';

const gate = BUILTIN_GATES['agent-throttled'];
const some = (count: number, from = 0) =>
  Array.from({ length: count }, (_, place) => ({
    index: from + place,
    id: `h${from + place}`,
    stratum: `role-${place % 4}`,
  }));

function probe(
  read: (index: number, minute: number) => number,
  startOf: (index: number, minute: number) => number = () => 0,
) {
  const made = new SomeProbe({ gate, read, isSilent: () => false, startOf });
  return (minute: number, changed = some(4), controls = some(4, 1_000)) => {
    const outcome = made.ask({ minute, every: 1, changed, controls, last: null });
    if (outcome === null) return null;
    if (outcome.kind !== 'measured') throw new Error(outcome.kind);
    return outcome;
  };
}

describe('the probe of a rehearsal', () => {
  it('asks fifty changed hosts and fifty control hosts, and knows no time before', () => {
    const outcome = probe(() => 0.1)(10, some(300), some(300, 1_000));
    expect([outcome?.asked?.length, outcome?.byHost.size, outcome?.before]).toEqual([100, 100, undefined]);
  });

  it('is due every five minutes while all is clear, and every minute while something is not', () => {
    const due = (read: (index: number, minute: number) => number) => {
      const ask = probe(read);
      return Array.from({ length: 12 }, (_, minute) => minute).filter((minute) => ask(minute) !== null);
    };
    expect(due(() => 0.1)).toEqual([0, 5, 10]);
    expect(due((index, minute) => (index === 2 && minute >= 3 ? 1 : 0.1))).toEqual([0, 5, 10, 11]);
  });

  it('asks at once about a host that it has not asked yet', () => {
    const ask = probe(() => 0.1);
    expect([ask(0) !== null, ask(1) !== null, ask(2, some(5)) !== null]).toEqual([true, false, true]);
  });

  it('tells of every minute since its last reading, and of none before the first or before a start', () => {
    const ask = probe(
      (_, minute) => minute / 100,
      (_, minute) => (minute >= 12 ? 12 : 0),
    );
    const samples = (minute: number) => {
      const all = ask(minute)?.byHost.get('h0') ?? [];
      return all.map(({ at, value }) => [at / 60_000, Number(value.toFixed(4))]);
    };
    expect(samples(5)).toEqual([[5, 0.05]]);
    const first = [[5, 0.05], ...[6, 7, 8, 9, 10].map((minute) => [minute, 0.08])];
    expect(samples(10)).toEqual(first);
    expect(samples(15)).toEqual([...first, [15, 0.15]]);
  });
});
