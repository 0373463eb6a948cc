/** Narrow terminals: columns go before words break, and a command that is there to be typed stays on one line. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/command-table.ts';
import { LIFECYCLE_COMMANDS } from '../../src/cli/lifecycle-table.ts';
import { agentRows } from '../../src/cli/render/agent-status-view.ts';
import { fitColumns } from '../../src/cli/render/fit-columns.ts';
import { tableLines } from '../../src/cli/render/fleet-table.ts';
import { holdsLines } from '../../src/cli/render/holds-view.ts';
import { columns, createPaint, facts, fold } from '../../src/cli/render/paint.ts';
import { unbreakables, VERBS } from '../../src/cli/render/unbreakable.ts';
import { verdictLines } from '../../src/cli/render/verdict-table.ts';
import { someActor } from '../fakes/journal-entries.ts';
import { NOW, SOME_HOLD, STOPPED_STATUS, someStatus, statusAnswer } from './lifecycle/some-reports.ts';

const narrow = (width: number) => createPaint(false, width);

describe('a command is one unit', () => {
  it.each([
    [
      'rollout resume gprd goes on, rollout rollback gprd takes it back',
      ['rollout resume gprd', 'goes', 'on,', 'rollout rollback gprd', 'takes', 'it', 'back'],
    ],
    [
      'osqueryd start --host web-01 web-02 lifts and starts; nothing lifts a hold',
      ['osqueryd start --host web-01 web-02', 'lifts', 'and', 'starts;', 'nothing', 'lifts', 'a', 'hold'],
    ],
    [
      "by ops: rollout osqueryd start does (INC-12: eats 'a' core)",
      ['by', 'ops:', 'rollout osqueryd start', 'does', '(INC-12:', 'eats', "'a'", 'core)'],
    ],
    [
      "osqueryd stop --reason 'INC-12, it eats: a core' --host web-03",
      ["osqueryd stop --reason 'INC-12, it eats: a core' --host web-03"],
    ],
    ['1 host held (rollout holds gprd)', ['1', 'host', 'held', '(rollout holds gprd)']],
    ['the rollout is paused', ['the', 'rollout', 'is', 'paused']],
    ['rollout sandbox status, rollout releases', ['rollout sandbox status,', 'rollout releases']],
    ['type `rollout doctor ENV` first', ['type', '`rollout doctor ENV`', 'first']],
    ['an `open end', ['an', '`open', 'end']],
    ['\u001b[1mrollout advance gprd\u001b[22m', ['\u001b[1mrollout advance gprd\u001b[22m']],
    ['inside a clone npx rollout sandbox up', ['inside', 'a', 'clone', 'npx rollout sandbox up']],
  ])('%s', (text, units) => {
    expect(unbreakables(text)).toEqual(units);
  });

  it('knows every command there is', () => {
    const first = (names: readonly { name: string }[], at: number): Set<string> =>
      new Set(names.map(({ name }) => name.split(' ')[at] ?? ''));
    expect(VERBS.rollout).toEqual(first(COMMANDS, 0));
    expect(VERBS.osqueryd).toEqual(first(LIFECYCLE_COMMANDS, 1));
  });

  it('and nothing of a text is lost or changed by looking for them', () => {
    const word = fc.constantFrom('rollout', 'osqueryd', 'stop', '--host', '`', "'a", "b'", '(npx', '', 'x;');
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const text = words.join(' ');
        expect(unbreakables(text).join(' ')).toBe(text);
        expect(fold(text, 24).join(' ').replaceAll(/ +/gu, ' ').trim()).toBe(
          text.replaceAll(/ +/gu, ' ').trim(),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('what is to be typed next', () => {
  it('goes below its label where there is no room beside it', () => {
    const command = "osqueryd stop --reason 'INC-12' --host web-03-gprd";
    expect(
      facts(
        [
          ['quarantine', 'none'],
          ['next', command],
        ],
        narrow(60),
      ),
    ).toEqual(['  quarantine  none', '  next', `    ${command}`]);
  });

  it('is folded between the commands of a sentence, never in one', () => {
    const lines = facts(
      [['next', 'rollout resume sandbox-gstg goes on, rollout rollback sandbox-gstg takes it back']],
      narrow(60),
    );
    expect(lines).toEqual([
      '  next  rollout resume sandbox-gstg goes on,',
      '        rollout rollback sandbox-gstg takes it back',
    ]);
  });

  it('in a pipe is one line however long', () => {
    const long = `rollout osqueryd start --host ${'web-01-gprd '.repeat(30)}`.trim();
    expect(facts([['next', long]], createPaint(false))).toEqual([`  next  ${long}`]);
  });
});

describe('columns', () => {
  const rows = [
    ['name', 'aaaa', 'bbbb', 'cccc'],
    ['a-long-name', '1', '2', '3'],
  ];

  it('stay while there is room, and go in their order, no more than must', () => {
    const fit = (width: number) => fitColumns(rows, { width, leastFirst: [2, 1] });
    expect(fit(29)).toMatchObject({ rows, dropped: [], isTooWide: false });
    expect(fit(28)).toMatchObject({ dropped: [2], isTooWide: false });
    expect(fit(22).rows).toEqual([
      ['name', 'cccc'],
      ['a-long-name', '3'],
    ]);
    expect(fit(10)).toMatchObject({ dropped: [1, 2], isTooWide: true });
    expect(fit(Number.POSITIVE_INFINITY).rows).toBe(rows);
  });

  it('that were left out are named, and a row that is too wide even so is a block', () => {
    const long = 'runner-shared-blue-7-inf-gprd';
    const table = (width: number): string[] =>
      tableLines(
        ['HOST', 'ENV', 'PID', 'WHY'],
        [[long, 'sandbox-gprd', '4242', 'it is stopped']],
        narrow(width),
        [2],
      );
    expect(table(50).slice(2)).toEqual([
      `  ${long}  sandbox-gprd`,
      '      it is stopped',
      '  PID left out: the terminal is narrow',
    ]);
    expect(table(40).slice(3, 6)).toEqual([`  ${long}`, '      sandbox-gprd', '      it is stopped']);
  });
});

describe.each([40, 60, 80, 100])('in %i columns no line is broken by the terminal', (width) => {
  const paint = narrow(width);
  const tooWide = (lines: readonly string[]): string[] =>
    lines.filter((line) => line.length > width && !/^ +\S*$/u.test(line));
  const held = someStatus({ ...STOPPED_STATUS, unitFileState: 'masked', hold: SOME_HOLD });

  it('of osqueryd status', () => {
    const answers = [
      { ...statusAnswer('gitaly-01-gprd', held), environment: 'sandbox-gprd' },
      { ...statusAnswer('web-01-gprd', someStatus()), environment: 'sandbox-gprd' },
      { ...statusAnswer('web-02-gprd', 'unreachable: connect timed out'), environment: 'sandbox-gprd' },
    ];
    const lines = agentRows(answers, NOW, paint);
    expect(tooWide(lines)).toEqual([]);
    const text = lines.join(' ').replaceAll(/\s+/gu, ' ');
    for (const word of ['gitaly-01-gprd', 'held', 'active', 'no answer', 'by ops@laptop due'])
      expect(text).toContain(word);
  });

  it('of holds, whose state stays', () => {
    const { actionId, environment, by, reason, since, until } = SOME_HOLD;
    const hold = {
      environment: 'sandbox-gprd',
      id: '1',
      name: 'gitaly-01-gprd',
      terms: { actionId, environment, by, reason, since, until },
      by: someActor,
      state: 'wished' as const,
      due: false,
      heldMs: 0,
      leftMs: 1,
    };
    const asked = { names: ['sandbox-gprd'], onlyDue: false, typed: 'rollout osqueryd' };
    const lines = holdsLines([hold], asked, paint);
    const isCommand = (line: string): boolean => line.includes('rollout osqueryd');
    expect(tooWide(lines.slice(1).filter((line) => !isCommand(line)))).toEqual([]);
    expect(lines.join('\n')).toContain('not confirmed');
    expect(lines.join('\n')).toContain('rollout osqueryd stop --host gitaly-01-gprd');
  });

  it('of many holds, whose next command has no room for their names', () => {
    const { actionId, environment, by, reason, since, until } = SOME_HOLD;
    const holds = [1, 2, 3, 4].map((n) => ({
      environment: 'gprd',
      id: String(n),
      name: `gitaly-0${n}-gprd`,
      terms: { actionId, environment, by, reason, since, until },
      by: someActor,
      state: 'confirmed' as const,
      due: false,
      heldMs: 0,
      leftMs: 1,
    }));
    const lines = holdsLines(holds, { names: ['gprd'], onlyDue: false, typed: 'osqueryd' }, paint);
    expect(tooWide(lines)).toEqual([]);
    expect(lines.join('\n')).toContain(
      width < 100 ? '--host NAME..' : '--host gitaly-01-gprd gitaly-02-gprd',
    );
  });

  it('of a judgement, whose findings stay', () => {
    const gate = {
      gate: 'agent-memory',
      kind: 'inconclusive',
      unit: 'bytes',
      direction: 'above',
      limit: 250e6,
      worst: 61.2e6,
      samples: 60,
      query: '',
      offenders: [],
      silent: [],
      why: 'too early to say',
      comparison: {
        with: 'control',
        kind: 'too-few',
        basis: 'difference',
        changed: 1,
        control: 5,
        medianChanged: 61.2e6,
        medianControl: 60e6,
        floor: 20e6,
        alpha: 0.05,
        method: 'exact',
        enough: { control: 19 },
      },
    } as const;
    const judgement = { from: NOW, to: NOW, kind: 'inconclusive', observedMs: 0, gates: [gate] } as const;
    const lines = verdictLines(judgement, paint);
    if (width >= 60) expect(tooWide(lines)).toEqual([]);
    expect(lines.join('\n')).toContain('TOO FEW');
    expect(lines.find((line) => line.includes('TOO FEW'))?.length).toBeLessThanOrEqual(width);
  });
});

describe('the last column of a table', () => {
  const wave = [
    'wave 1 (canary)',
    '4 hosts',
    'from 5.9.1-1.linux',
    'api-01-gstg, gitaly-01-gstg, sidekiq-01-gstg, web-01-gstg',
  ];

  it('stands below its row where there is no room beside it, and breaks no word', () => {
    expect(columns([wave], 58)).toEqual([
      'wave 1 (canary)  4 hosts  from 5.9.1-1.linux',
      '      api-01-gstg, gitaly-01-gstg, sidekiq-01-gstg,',
      '      web-01-gstg',
    ]);
  });

  it('stays beside its row where it is short enough, or has the room', () => {
    expect(columns([[...wave.slice(0, 3), 'web-01-gstg']], 58)).toHaveLength(1);
    expect(columns([wave], 80)[0]).toContain('linux  api-01-gstg');
  });
});
