/** The second look of a stop that still tries silent hosts is told when it comes; where all are done the end tells of it. */
import { describe, expect, it } from 'vitest';
import { createNarrator } from '../../../src/cli/render/narrator.ts';
import { type Entry, JOURNAL_SCHEMA } from '../../../src/domain/journal.ts';
import type { LifecycleOutcome } from '../../../src/domain/lifecycle.ts';
import { someInvocation } from './some-invocation.ts';
import { NOW, STOPPED, UNREACHABLE } from './some-reports.ts';

const SETTLED: Entry = {
  schema: JOURNAL_SCHEMA,
  seq: 7,
  at: NOW,
  prev: '',
  hash: '',
  actor: { user: 'ops', hostname: 'laptop', command: 'osqueryd stop --fleet' },
  body: {
    kind: 'lifecycle-settled',
    actionId: 'stop-abc-123456',
    part: 2,
    happenedAt: NOW,
    stayedDown: 1,
    startedAgain: [{ id: '9', name: 'web-09' }],
    unseen: [],
  },
};

function toldAfter(silent: LifecycleOutcome, again: boolean): string {
  const { invocation, errs } = someInvocation();
  const narrator = createNarrator(invocation);
  narrator.countLifecycle({ verb: 'stop', now: false, total: 2, then: () => '' });
  for (const [name, outcome, more] of [
    ['a', STOPPED, false],
    ['b', silent, again],
  ] as const)
    narrator.tell({
      kind: 'lifecycle-answered',
      environment: 'gprd',
      at: NOW,
      verb: 'stop',
      host: { id: name, name },
      outcome,
      attempt: 1,
      again: more,
      tookMs: 5,
    });
  narrator.tell({ kind: 'recorded', environment: 'gprd', at: NOW, entry: SETTLED });
  return errs.join('\n');
}

describe('a second look', () => {
  it('is told at once while a silent host is still tried', () => {
    expect(toldAfter(UNREACHABLE, true)).toContain(
      'gprd  stop-abc-123456: second look: stayed down 1/2; started again: web-09',
    );
  });

  it('is left to the end where nobody is tried any more', () => {
    expect(toldAfter(STOPPED, false)).not.toContain('second look');
    expect(toldAfter(UNREACHABLE, false)).not.toContain('second look');
  });
});
