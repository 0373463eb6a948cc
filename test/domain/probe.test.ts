import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HostStep } from '../../src/domain/host-order.ts';
import { PROBE_READINGS, type ProbeReadingName, probeAnswerOf } from '../../src/domain/probe.ts';
import { samplesOf } from '../../src/domain/probe-numbers.ts';
import { quotaWords } from '../../src/domain/probe-quota.ts';

const reading = (more: object = {}): HostStep => ({
  step: 'reading',
  ok: true,
  upMs: 600_000,
  activeState: 'active',
  mainPid: 100,
  restarts: 0,
  beganUs: 5_000_000,
  processes: 2,
  rssBytes: 80e6,
  list: [
    [100, 500, 10],
    [101, 501, 200],
  ],
  cpuUs: 1_000_000,
  periods: 100,
  throttled: 10,
  throttledUs: 1_000_000,
  quota: '200ms',
  capped: 'yes',
  capUs: 20_000,
  capPeriodUs: 100_000,
  waitMs: 1_000,
  waitFrom: 'schedstat',
  cores: '0-3',
  ...more,
});

const answer = (...readings: readonly object[]) => {
  const read = probeAnswerOf(0, readings.map(reading));
  if (!read.ok) throw new Error(read.error);
  return read.value;
};

const MINUTE = 60_000;
const AT = 10_000_000;
const numbers = (name: ProbeReadingName, readings: readonly object[], windowMs = 5 * MINUTE) =>
  samplesOf(name, answer(...readings), { gate: { windowMs }, at: AT, stepMs: MINUTE });
const latest = (name: ProbeReadingName, readings: readonly object[], windowMs = 5 * MINUTE) =>
  numbers(name, readings, windowMs).samples.at(-1)?.value ?? null;

describe('an answer that is no answer', () => {
  it.each<[string, number, readonly unknown[], RegExp]>([
    ['nothing', 0, [], /no reading/],
    ['a failure', 69, [{ step: 'unsupported', ok: false, message: 'no\u001b[31m way' }], /^no.*way$/],
    ['an end without a word', 255, [], /^the probe ended with 255$/],
    ['a reading that failed', 0, [reading({ ok: false })], /no reading/],
    ['an uptime that is text', 0, [reading({ upMs: '600000' })], /no reading/],
    ['a negative uptime', 0, [reading({ upMs: -1 })], /no reading/],
    ['more processes than there can be', 0, [reading({ processes: 65 })], /no reading/],
    ['processes that are no numbers', 0, [reading({ list: [['100', 1, 1]] })], /no reading/],
    ['a state that is a sentence', 0, [reading({ activeState: 'active; rm -rf /' })], /no reading/],
    ['a counter of an unknown kind', 0, [reading({ waitFrom: 'guess' })], /no reading/],
    ['a broken last reading behind a good one', 0, [reading(), reading({ mainPid: 1e9 })], /no reading/],
  ])('%s', (_, exitCode, steps, error) => {
    const read = probeAnswerOf(exitCode, steps as readonly HostStep[]);
    expect(read).toMatchObject({ ok: false, error: expect.stringMatching(error) });
    // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
    expect(read.ok ? '' : read.error).not.toMatch(/[\u0000-\u001f]/);
  });

  it('of any host never throws, and gives only finite numbers that are not negative', () => {
    const odd = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null), fc.jsonValue());
    const step = fc.record(Object.fromEntries(Object.keys(reading()).map((key) => [key, odd])), {
      requiredKeys: [],
    });
    const some = fc.array(
      fc.oneof(
        step,
        fc.jsonValue(),
        fc
          .record({
            upMs: fc.nat(),
            cpuUs: fc.nat(),
            throttled: fc.nat(),
            waitMs: fc.nat(),
            mainPid: fc.nat(9),
          })
          .map(reading),
        fc
          .record({ writtenS: fc.nat(), clockS: fc.nat(), records: fc.nat(), usualS: fc.nat() })
          .map((more) => ({ step: 'writes', ok: true, ...more })),
        fc
          .record({
            queries: odd,
            executions: odd,
            denylisted: odd,
            least: fc.nat(),
            last: fc.nat(),
            now: fc.nat(),
          })
          .map((more) => ({ step: 'schedule', ok: true, ...more })),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(some, fc.constantFrom(...PROBE_READINGS), fc.nat(2_000_000), (steps, name, windowMs) => {
        const read = probeAnswerOf(0, steps as readonly HostStep[]);
        if (!read.ok) return;
        const { samples } = samplesOf(name, read.value, { gate: { windowMs }, at: AT, stepMs: MINUTE });
        for (const { at, value } of samples) {
          expect(Number.isFinite(value) && value >= 0).toBe(true);
          expect((AT - at) % MINUTE).toBe(0);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('readings that were kept', () => {
  it('are put in order, and those from the future or from long ago are left out', () => {
    const { readings } = answer({ upMs: 590_000 }, { upMs: 480_000 }, { upMs: 700_000 }, { upMs: 600_000 });
    expect(readings.map(({ upMs }) => upMs)).toEqual([480_000, 590_000, 600_000]);
    const old = answer({ upMs: 1_000 }, { upMs: 180 * MINUTE + 1_001 });
    expect(old.readings.length).toBe(1);
  });

  it.each(['cpu', 'memory', 'throttled', 'processes'] as const)(
    'an hour ago leave no minute of it untold, as whoever calls only every hour needs it: %s',
    (name) => {
      const hour = 60 * MINUTE;
      const { samples } = numbers(name, [
        { upMs: 600_000 },
        { upMs: 600_000 + hour, cpuUs: 1_000_000 + 72e6 },
      ]);
      const told = samples.map(({ at }) => (AT - at) / MINUTE).toSorted((a, b) => a - b);
      expect(told.slice(0, 60)).toEqual(Array.from({ length: 60 }, (_, minute) => minute));
      if (name === 'cpu') expect(new Set(samples.map(({ value }) => value))).toEqual(new Set([0.02]));
    },
  );

  it('of which one is odd lose only that one', () => {
    expect(answer({ upMs: 480_000 }, { upMs: 540_000, list: 'x' }, {}).readings.length).toBe(2);
  });

  it('give a number at every step that they cover, each over the window behind it', () => {
    const cpu = [0, 60, 120, 180, 300].map((s) => ({
      upMs: 600_000 + s * 1_000,
      cpuUs: s <= 120 ? 0 : (s - 120) * 600_000,
    }));
    const { samples } = numbers('cpu', cpu, 2 * MINUTE);
    expect(samples.map(({ at }) => (AT - at) / MINUTE)).toEqual([4, 3, 2, 1, 0]);
    expect(samples.map(({ value }) => Number(value.toFixed(2)))).toEqual([0, 0, 0.3, 0.6, 0.6]);
  });

  it('tell nothing of the time in which another process ran', () => {
    const readings = [
      { upMs: 300_000, cpuUs: 0 },
      { upMs: 590_000, cpuUs: 9e9, mainPid: 200, beganUs: 580_000_000 },
      { upMs: 600_000, cpuUs: 9e9 + 5e6, mainPid: 200, beganUs: 580_000_000 },
    ];
    expect(numbers('cpu', readings).samples).toEqual([{ at: AT, value: 0.5 }]);
    expect(numbers('memory', readings).samples.map(({ at }) => AT - at)).toEqual([5 * MINUTE, 0]);
  });
});

describe('numbers', () => {
  it.each<[string, ProbeReadingName, readonly object[], number | null]>([
    ['CPU that went back', 'cpu', [{ upMs: 540_000, cpuUs: 2e6 }, {}], null],
    ['CPU of a single look', 'cpu', [{}], null],
    [
      'CPU of nobody',
      'cpu',
      [
        { upMs: 540_000, mainPid: 0, cpuUs: null, processes: 0, list: [] },
        { mainPid: 0, cpuUs: null, processes: 0, list: [] },
      ],
      0,
    ],
    [
      'CPU of processes, one of which has ended',
      'cpu',
      [
        { upMs: 590_000, cpuUs: null },
        { cpuUs: null, processes: 1, list: [[100, 500, 510]] },
      ],
      0.5,
    ],
    [
      'a number that a new process took over',
      'cpu',
      [
        { upMs: 590_000, cpuUs: null, list: [[101, 501, 900]] },
        { cpuUs: null, list: [[101, 59_900, 100]] },
      ],
      0.1,
    ],
    ['memory that is not told', 'memory', [{ rssBytes: 0 }], null],
    ['memory of nobody', 'memory', [{ rssBytes: 0, processes: 0, list: [] }], 0],
    ['throttling that went back', 'throttled', [{ upMs: 540_000, throttled: 50 }, {}], null],
    ['throttling that is not counted', 'throttled', [{ upMs: 540_000 }, { throttled: null }], null],
    ['a burst in an idle minute', 'throttled', [{ upMs: 540_000, periods: 90, throttled: 0 }, {}], 10 / 600],
    ['waiting that went back', 'run-queue', [{ upMs: 540_000, waitMs: 1_001 }, {}], null],
    [
      'waiting on unknown cores',
      'run-queue',
      [{ upMs: 540_000, waitMs: 0, cores: 'many' }, { cores: 'many' }],
      null,
    ],
    ['waiting counted two ways', 'run-queue', [{ upMs: 540_000, waitMs: 0, waitFrom: 'pressure' }, {}], null],
    ['waiting on four cores', 'run-queue', [{ upMs: 590_000, waitMs: 0 }, {}], 0.025],
    [
      'the upgrade’s own restart, seen only now',
      'restarts',
      [{ upMs: 100_000 }, { mainPid: 200, beganUs: 200_000_000 }],
      0,
    ],
    ['a long life', 'restarts', [{ restarts: 7 }], 0],
    ['crashes that nobody watched', 'restarts', [{ restarts: 4, beganUs: 590_000_000 }], 4],
    [
      'a start that a person made',
      'restarts',
      [{ upMs: 500_000 }, { mainPid: 200, beganUs: 590_000_000 }],
      1,
    ],
    [
      'crashes between two looks',
      'restarts',
      [
        { upMs: 300_000, restarts: 1 },
        { restarts: 4, mainPid: 200, beganUs: 590_000_000 },
      ],
      3,
    ],
    ['a stop', 'restarts', [{ upMs: 300_000 }, { mainPid: 0, beganUs: 5_000_000 }], 0],
    [
      'restarts before the window',
      'restarts',
      [
        { upMs: 100_000 },
        { upMs: 200_000, mainPid: 200, beganUs: 150_000_000 },
        { mainPid: 200, beganUs: 150_000_000 },
      ],
      0,
    ],
  ])('%s', (_, name, readings, expected) => {
    const value = latest(name, readings);
    if (expected === null) expect(value).toBe(null);
    else expect(value).toBeCloseTo(expected, 4);
  });

  it('of throttling come with the quota and the time', () => {
    expect(numbers('throttled', [{ upMs: 590_000, throttled: 0, periods: 0, throttledUs: 0 }, {}]).note).toBe(
      'throttled in 10 of 100 periods over 10 s, for 1.0 s in all; CPUQuota=20%',
    );
  });
});

describe('silence', () => {
  const silence = (steps: readonly object[], more: object = {}) => {
    const read = probeAnswerOf(0, [
      reading({ upMs: 540_000, ...more }),
      reading(more),
      ...(steps as HostStep[]),
    ]);
    if (!read.ok) throw new Error(read.error);
    return samplesOf('silence', read.value, { gate: { windowMs: MINUTE }, at: AT, stepMs: MINUTE });
  };
  const writes = (writtenS: number | null, usualS: number | null, records = 50) => ({
    step: 'writes',
    ok: true,
    bytes: 1,
    writtenS,
    clockS: 100_000,
    records,
    usualS,
  });
  const schedule = (last: number, least = 60) => ({
    step: 'schedule',
    ok: true,
    queries: 30,
    executions: 9,
    denylisted: 0,
    least,
    last,
    now: 50_000,
  });

  it.each<[string, readonly object[], number | null]>([
    ['no log and no socket', [writes(null, null)], null],
    ['a log by a clock that was set back', [writes(100_001, 60)], null],
    ['too few records', [writes(90_000, 60, 9)], null],
    ['a busy log', [writes(99_990, 60)], 0],
    ['a log that fell silent', [writes(90_000, 60)], 9_940],
    ['a schedule that stands still while an old log looks well', [writes(99_990, 60), schedule(49_000)], 535],
    ['queries that run while nothing is written any more', [writes(90_000, 60), schedule(49_999)], 9_940],
    ['a schedule that is slow', [schedule(49_000, 3_600)], 0],
  ])('%s', (_, steps, expected) => {
    expect(silence(steps).samples.at(-1)?.value ?? null).toBe(expected);
  });

  it('is not of an agent that does not run', () => {
    expect(silence([writes(1, 1)], { mainPid: 0, processes: 0, list: [] }).samples).toEqual([]);
  });

  it('of a schedule is never longer than the agent has run', () => {
    expect(silence([schedule(0)], { beganUs: 500_000_000 }).samples.at(-1)?.value).toBe(40);
  });
});

describe('the quota in words', () => {
  const cap = { capped: 'yes', quotaUs: 20_000, periodUs: 100_000, asked: '200ms' } as const;
  it.each([
    [cap, 'CPUQuota=20%'],
    [{ ...cap, asked: 'infinity', capped: 'no', quotaUs: null }, 'no CPUQuota'],
    [
      { ...cap, asked: '1s 500ms', capped: 'no', quotaUs: null },
      'CPUQuota=150% is set and not enforced on this host',
    ],
    [{ ...cap, asked: '200ms', capped: 'unknown', quotaUs: null }, 'CPUQuota=20%'],
    [{ ...cap, asked: 'nonsense', capped: 'no', quotaUs: null }, 'no CPUQuota'],
  ] as const)('%j', (given, words) => {
    expect(quotaWords(given)).toBe(words);
  });
});
