/** `--json`: every `result` line of an action has the same fields, whatever became of its environment. */
import { describe, expect, it } from 'vitest';
import { sayActionEnd } from '../../../src/cli/lifecycle-ending.ts';
import type { ActionEnd } from '../../../src/cli/render/action-end.ts';
import { createPaint } from '../../../src/cli/render/paint.ts';
import { jsonLines, type Line } from '../rig.ts';
import { someInvocation } from './some-invocation.ts';
import { hostReport, NOW, SOME_HOLD, someReport, UNREACHABLE } from './some-reports.ts';

function said(more: Partial<ActionEnd>): { readonly exit: number; readonly lines: Line[] } {
  const { invocation, outs } = someInvocation({ json: true });
  const end: ActionEnd = {
    verb: 'stop',
    now: false,
    reports: [],
    notBegun: [],
    notReached: [],
    hold: null,
    typed: 'osqueryd',
    startedAt: NOW,
    tookMs: 1_000,
    ...more,
  };
  const exit = sayActionEnd(invocation, end, createPaint(false));
  return { exit, lines: jsonLines(outs.join('\n')) };
}

describe('result lines', () => {
  const { exit, lines } = said({
    reports: [someReport('gstg', [hostReport('a')])],
    notBegun: [{ environment: 'gprd', why: 'gprd.yaml is wrong' }],
    notReached: [{ environment: 'lab', what: 'b', why: 'left alone: exempt' }],
  });

  it('have the same fields where an environment was not begun, or nobody in it was acted on', () => {
    expect(exit).toBe(5);
    const [done, left, none] = lines;
    expect(lines.map(({ environment, code }) => [environment, code])).toEqual([
      ['gstg', 'done'],
      ['lab', 'incomplete'],
      ['gprd', 'not-begun'],
    ]);
    for (const field of Object.keys(done ?? {}))
      for (const line of [left, none]) expect(Object.keys(line ?? {}), field).toContain(field);
    expect(none).toMatchObject({
      exit: 5,
      covered: 0,
      hosts: [],
      notCovered: [],
      message: 'gprd.yaml is wrong',
    });
    expect(left).toMatchObject({
      exit: 5,
      hosts: [],
      notCovered: [{ name: 'b', why: 'left alone: exempt' }],
    });
  });

  it('count the hosts that have the hold apart from those that it is only wished for', () => {
    const [line] = said({
      reports: [
        someReport('gstg', [
          hostReport('a'),
          hostReport('b', UNREACHABLE),
          hostReport('c', { kind: 'proven', service: 'stopped', version: '', held: false, notes: [] }),
        ]),
      ],
      hold: SOME_HOLD,
    }).lines;
    expect(line).toMatchObject({ holdHosts: { wished: 3, confirmed: 1 } });
    expect(lines.map(({ holdHosts }) => holdHosts)).toEqual([null, null, null]);
  });

  it('are `incomplete` where all who were asked are covered and others were not reached', () => {
    const short = said({
      reports: [someReport('gstg', [hostReport('a')])],
      notReached: [{ environment: 'gstg', what: 'b', why: 'it did not tell' }],
    });
    expect(short.lines).toMatchObject([
      { exit: 5, code: 'incomplete', covered: 1, notCovered: [{ name: 'b' }] },
    ]);
  });
});
