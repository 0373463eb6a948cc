/** `osqueryd status` as people see it: what is wrong first, one line a host in 100 columns, groups where there are many. */
import { describe, expect, it } from 'vitest';
import { agentRows, groupLines, headline } from '../../../src/cli/render/agent-status-view.ts';
import { createPaint } from '../../../src/cli/render/paint.ts';
import { bySeverity } from '../../../src/domain/status-groups.ts';
import { NOW, SOME_HOLD, STOPPED_STATUS, someStatus, statusAnswer } from './some-reports.ts';

const paint = createPaint(false, 100);

const ANSWERS = [
  statusAnswer('well', someStatus()),
  statusAnswer('silent', 'unreachable: connect timed out'),
  statusAnswer('held', someStatus({ ...STOPPED_STATUS, unitFileState: 'masked', hold: SOME_HOLD })),
  statusAnswer('down', someStatus({ ...STOPPED_STATUS, exitStatus: 78, unitFileState: 'disabled' })),
  statusAnswer('failed', someStatus({ ...STOPPED_STATUS, activeState: 'failed', subState: 'failed' })),
];

describe('the table', () => {
  const rows = agentRows([...ANSWERS].sort(bySeverity(NOW)), NOW, paint).join('\n');

  it('has what is wrong first', () => {
    expect(rows.match(/^ +(silent|failed|down|held|well) /gmu)?.map((row) => row.trim())).toEqual([
      'silent',
      'failed',
      'down',
      'held',
      'well',
    ]);
  });

  it('tells version, pid, uptime, restarts, CPU and memory of what runs', () => {
    expect(rows).toMatch(/well +gprd +active +5\.10\.2 +4242 +1m30s +0 +3\.1% +64M/u);
  });

  it('tells why: no answer, a hold with its reason, an exit status, a unit that is disabled', () => {
    expect(rows).toContain('unreachable: connect timed out');
    expect(rows.replaceAll(/\s+/gu, ' ')).toContain('held by ops@laptop due 2026-11-21 04:12:00Z: INC-12');
    expect(rows).toContain('ended with 78; disabled');
  });

  it('shows a hold past its end as due', () => {
    const due = statusAnswer(
      'held',
      someStatus({ ...STOPPED_STATUS, hold: { ...SOME_HOLD, until: NOW - 1 } }),
    );
    expect(agentRows([due], NOW, paint).join(' ')).toContain('DUE since');
  });

  it('fits 100 columns with long names and long reasons', () => {
    const long = statusAnswer(
      'runner-shared-blue-7-inf-gprd-us-east1-c',
      someStatus({ ...STOPPED_STATUS, hold: { ...SOME_HOLD, reason: 'because '.repeat(40) } }),
    );
    for (const line of agentRows([...ANSWERS, long], NOW, paint))
      expect(line.length, line).toBeLessThanOrEqual(100);
  });
});

describe('the groups of a large fleet', () => {
  const many = [
    ...Array.from({ length: 412 }, (_, n) => statusAnswer(`web-${n}`, someStatus())),
    ...['a', 'b', 'c'].map((name) =>
      statusAnswer(name, someStatus({ ...STOPPED_STATUS, activeState: 'failed', subState: 'failed' })),
    ),
  ];

  it('count those that are well and name those that are not', () => {
    expect(groupLines(many, NOW, paint)).toEqual(['    3 failed 5.10.2: a, b, c', '  412 active 5.10.2']);
  });

  it('begin with one line of counts, worst first', () => {
    expect(headline(many, ['gstg', 'gprd'], NOW, paint)).toBe('gstg, gprd  415 hosts: 3 failed, 412 active');
  });
});
