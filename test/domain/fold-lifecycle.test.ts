/** Holds, actions and role files, whatever order entries arrive in, and how often. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEntry, foldEntries } from '../../src/domain/fold.ts';
import { applyLifecycle } from '../../src/domain/fold-lifecycle.ts';
import type { EntryBody } from '../../src/domain/journal.ts';
import type {
  HoldTerms,
  LifecycleOutcome,
  LifecycleVerb,
  RoleFileChange,
} from '../../src/domain/lifecycle.ts';
import type { OwnMaps } from '../../src/domain/own-maps.ts';
import { EMPTY_STATE, type EnvironmentState } from '../../src/domain/state.ts';
import { chainOf, draft } from '../fakes/journal-entries.ts';
import { NOW, progress, rollout } from './rollout-states.ts';

type Proven = Extract<LifecycleOutcome, { kind: 'proven' }>;

const terms = (actionId: string): HoldTerms => ({
  actionId,
  environment: 'gprd',
  by: `ada@${actionId}`,
  reason: actionId,
  since: NOW,
  until: NOW + 1,
});
const named = (ids: string) => Array.from(ids).map((id) => ({ id, name: `h${id}` }));
const intended = (
  actionId: string,
  at: number,
  {
    ids = '1',
    part = 0,
    verb = 'stop',
    hold = true,
  }: { ids?: string; part?: number; verb?: LifecycleVerb; hold?: boolean } = {},
): EntryBody => ({
  kind: 'lifecycle-intended',
  actionId,
  part,
  happenedAt: at,
  verb,
  now: verb === 'disable',
  emergency: verb === 'stop',
  hosts: named(ids),
  ...(hold && (verb === 'stop' || verb === 'disable') ? { hold: terms(actionId) } : {}),
  inventoryAt: at,
});
const answered = (
  actionId: string,
  at: number,
  outcome: LifecycleOutcome,
  { ids = '1', part = 9, verb = 'stop' }: { ids?: string; part?: number; verb?: LifecycleVerb } = {},
): EntryBody => ({
  kind: 'lifecycle-answered',
  actionId,
  part,
  happenedAt: at,
  verb,
  now: verb === 'disable',
  hosts: named(ids).map((host) => ({ ...host, outcome, tookMs: 1 })),
});
const proven = (service: Proven['service'], held: boolean): Proven => ({
  kind: 'proven',
  service,
  version: '1',
  held,
  notes: [],
});
const stopped = proven('stopped', true);
const running = proven('running', false);
const silent = (why: 'cancelled' | 'unreachable' | 'timed-out' | 'unknown'): LifecycleOutcome => ({
  kind: 'no-answer',
  why,
  message: '',
});
const blocked = (why: 'wrong-host' | 'busy' | 'identity-unknown'): LifecycleOutcome => ({
  kind: 'blocked',
  why,
  message: '',
});
const failed = (held: boolean): LifecycleOutcome => ({
  kind: 'failed',
  failure: 'still-runs',
  step: 'proof',
  message: '',
  held,
});
const start = { verb: 'start' } as const;

/** Written when they happened, unless `at` says that they came late. */
function fold(bodies: readonly EntryBody[], from = EMPTY_STATE, at?: number): EnvironmentState {
  let latest = 0;
  const drafts = bodies.map((body) => {
    latest = at ?? Math.max(latest, 'happenedAt' in body ? body.happenedAt : latest + 1);
    return draft(body, { at: latest, reason: 'why' });
  });
  return foldEntries(chainOf(drafts), from);
}

/** `1 wished stop-1`, for each host that is held. */
function holdsIn(state: EnvironmentState): string[] {
  return [...state.holds.values()]
    .map((held) =>
      [
        held.id,
        held.state,
        held.terms.actionId,
        ...(held.next === undefined ? [] : [`next ${held.next.terms.actionId}`]),
      ].join(' '),
    )
    .sort();
}

describe('a hold', () => {
  it.each<[string, EntryBody[], string[]]>([
    ['is wished from the intention on', [intended('a', 10)], ['1 wished a']],
    ['is confirmed by the host', [intended('a', 10), answered('a', 20, stopped)], ['1 confirmed a']],
    [
      'is confirmed by a host whose process stays',
      [intended('a', 10), answered('a', 20, failed(true))],
      ['1 confirmed a'],
    ],
    [
      'stays a wish where the stop failed',
      [intended('a', 10), answered('a', 20, failed(false))],
      ['1 wished a'],
    ],
    [
      'stays a wish where the host took no file',
      [intended('a', 10), answered('a', 20, proven('stopped', false))],
      ['1 wished a'],
    ],
    [
      'stays a wish of a host that is out of reach',
      [intended('a', 10), answered('a', 20, silent('unreachable'))],
      ['1 wished a'],
    ],
    [
      'stays a wish of a host that is busy',
      [intended('a', 10), answered('a', 20, blocked('busy'))],
      ['1 wished a'],
    ],
    [
      'stays a wish where nobody knows who answered',
      [intended('a', 10), answered('a', 20, blocked('identity-unknown'))],
      ['1 wished a'],
    ],
    ['is no wish where nothing was sent', [intended('a', 10), answered('a', 20, silent('cancelled'))], []],
    [
      'is no wish where another machine has the address',
      [intended('a', 10), answered('a', 20, blocked('wrong-host'))],
      [],
    ],
    ['is no wish where the VM is gone', [intended('a', 10), answered('a', 20, { kind: 'gone' })], []],
    [
      'stays a wish where an attempt may have acted before it was called off',
      [
        intended('a', 10),
        answered('a', 20, silent('timed-out'), { part: 1 }),
        answered('a', 30, silent('cancelled'), { part: 2 }),
      ],
      ['1 wished a'],
    ],
    [
      'comes with disable --now as well',
      [intended('a', 10, { verb: 'disable' }), answered('a', 20, stopped, { verb: 'disable' })],
      ['1 confirmed a'],
    ],
    [
      'is none of a stop without one',
      [intended('a', 10, { hold: false }), answered('a', 20, proven('stopped', false))],
      [],
    ],
    [
      'is lifted by a proven start',
      [
        intended('a', 10),
        answered('a', 20, stopped),
        intended('b', 30, start),
        answered('b', 40, running, start),
      ],
      [],
    ],
    [
      'is not lifted by a start that failed',
      [
        intended('a', 10),
        answered('a', 20, stopped),
        intended('b', 30, start),
        answered('b', 40, failed(false), start),
      ],
      ['1 confirmed a'],
    ],
    [
      'is not lifted by a start that got no answer',
      [
        intended('a', 10),
        answered('a', 20, stopped),
        intended('b', 30, start),
        answered('b', 40, silent('unknown'), start),
      ],
      ['1 confirmed a'],
    ],
    [
      'is lifted by a purge, and not by a removal',
      [
        intended('a', 10, { ids: '12' }),
        answered('a', 20, stopped, { ids: '12' }),
        answered('b', 30, proven('absent', false), { verb: 'remove', ids: '1' }),
        answered('c', 30, proven('absent', true), { verb: 'purge', ids: '2' }),
      ],
      ['1 confirmed a'],
    ],
    [
      'is not lifted by whoever only changes the boot',
      [intended('a', 10), answered('a', 20, stopped), answered('b', 30, running, { verb: 'enable' })],
      ['1 confirmed a'],
    ],
    [
      'that was wished is confirmed by a restart that it kept stopped',
      [
        intended('a', 10),
        answered('a', 20, silent('timed-out')),
        answered('b', 30, proven('left-held', true), { verb: 'restart' }),
      ],
      ['1 confirmed a'],
    ],
    [
      'that is confirmed stays, with the newer wish beside it',
      [intended('a', 10), answered('a', 20, stopped), intended('b', 30)],
      ['1 confirmed a next b'],
    ],
    [
      'that is confirmed outlives a newer wish that was called off',
      [
        intended('a', 10),
        answered('a', 20, stopped),
        intended('b', 30),
        answered('b', 40, silent('cancelled')),
      ],
      ['1 confirmed a'],
    ],
    [
      'that was wished outlives a newer wish that was called off',
      [
        intended('a', 10),
        answered('a', 20, silent('unreachable')),
        intended('b', 30),
        answered('b', 40, silent('cancelled')),
      ],
      ['1 wished a'],
    ],
    [
      'is the newer one once that is confirmed',
      [intended('a', 10), answered('a', 20, stopped), intended('b', 30), answered('b', 40, stopped)],
      ['1 confirmed b'],
    ],
    [
      'ends with the VM',
      [
        intended('a', 10, { ids: '12' }),
        answered('a', 20, stopped, { ids: '1' }),
        { kind: 'fleet-seen', seen: [], gone: ['1', '3'], unknownZones: [] },
      ],
      ['2 wished a'],
    ],
  ])('%s', (_name, bodies, holds) => {
    expect(holdsIn(fold(bodies))).toEqual(holds);
  });

  it('knows who wished it, under which name, and with which terms', () => {
    expect(fold([intended('a', 10), answered('a', 20, stopped)]).holds.get('1')).toMatchObject({
      id: '1',
      name: 'h1',
      terms: terms('a'),
      by: { user: 'ada' },
      state: 'confirmed',
    });
  });
});

describe('entries that come late', () => {
  const stop = [intended('a', 100), answered('a', 150, stopped)];
  const started = [intended('b', 200, start), answered('b', 250, running, start)];
  const stopAgain = [intended('c', 300), answered('c', 350, stopped)];
  /** The first ones were written when they happened; these reach the journal afterwards. */
  const late = (first: readonly EntryBody[], ...then: readonly EntryBody[]) =>
    fold([...first, ...then], EMPTY_STATE, 10_000);

  it('a start that happened after a stop wins, whichever was written first', () => {
    expect(holdsIn(late([...stop, ...started]))).toEqual([]);
    expect(holdsIn(late([...started, ...stop]))).toEqual([]);
    expect(holdsIn(late([...stopAgain, ...started, ...stop]))).toEqual(['1 confirmed c']);
  });

  it('a stop whose answer is late is wished meanwhile, and the start is not undone by it', () => {
    expect(holdsIn(late([intended('a', 100), ...started, answered('a', 150, stopped)]))).toEqual([]);
  });

  it('an answer that is there before its intention waits for the terms', () => {
    expect(holdsIn(late([answered('a', 150, stopped)]))).toEqual([]);
    expect(holdsIn(late([answered('a', 150, stopped), intended('a', 100)]))).toEqual(['1 confirmed a']);
    expect(holdsIn(late([answered('a', 150, silent('cancelled')), intended('a', 100)]))).toEqual([]);
  });

  it('a journal written by a clock that is ahead does not make later starts count as earlier', () => {
    const hour = 3_600_000;
    const drafts = [
      ...stop.map((body) => draft({ ...body, happenedAt: 150 + hour } as EntryBody, { at: 151 + hour })),
      ...started.map((body) => draft(body, { at: 252 })),
    ];
    expect(holdsIn(foldEntries(chainOf(drafts)))).toEqual([]);
  });

  it('any order of the same entries gives the same holds', () => {
    const outcomes = [
      stopped,
      running,
      proven('left-held', true),
      failed(true),
      failed(false),
      silent('cancelled'),
      silent('unknown'),
      blocked('wrong-host'),
      { kind: 'gone' },
    ] as const;
    const action = fc.record({
      verb: fc.constantFrom<LifecycleVerb>('stop', 'start', 'restart', 'purge', 'disable', 'install'),
      answers: fc.array(fc.constantFrom<LifecycleOutcome>(...outcomes), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.nat()),
        (actions, random) => {
          const bodies = actions.flatMap(({ verb, answers }, index) => [
            intended(`${verb}-${index}`, index * 100, { verb }),
            ...answers.map((outcome, nth) =>
              answered(`${verb}-${index}`, index * 100 + 130 * (nth + 1) + index, outcome, {
                verb,
                part: nth + 1,
              }),
            ),
          ]);
          const shuffled = bodies
            .map((body) => ({ body, key: random.next().value as number }))
            .sort((a, b) => a.key - b.key)
            .map(({ body }) => body);
          const once = late(bodies);
          expect(holdsIn(late(shuffled))).toEqual(holdsIn(once));
          // FL1: sent twice.
          expect(late([...shuffled, ...bodies])).toMatchObject({
            holds: late(shuffled).holds,
            actions: late(shuffled).actions,
          });
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a part that is there already', () => {
  it('changes nothing but where the journal ends', () => {
    const bodies = [intended('a', 10), answered('a', 20, stopped)];
    const once = fold(bodies);
    const twice = fold([...bodies, intended('a', 10), answered('a', 20, stopped)]);
    expect({ ...twice, head: once.head }).toEqual(once);
  });
});

describe('an action', () => {
  it('is known with who, why, how many, and how it ended', () => {
    const state = fold([
      intended('stop-1', 10, { ids: '12' }),
      intended('stop-1', 11, { ids: '3', part: 1 }),
      answered('stop-1', 20, stopped, { ids: '12', part: 2 }),
      {
        kind: 'lifecycle-settled',
        actionId: 'stop-1',
        part: 3,
        happenedAt: 25,
        stayedDown: 2,
        startedAgain: [],
        unseen: [],
      },
      {
        kind: 'lifecycle-ended',
        actionId: 'stop-1',
        part: 4,
        happenedAt: 30,
        covered: 2,
        notCovered: [{ id: '3', name: 'h3', why: '' }],
      },
    ]);
    expect(state.actions).toEqual([
      {
        actionId: 'stop-1',
        verb: 'stop',
        by: expect.objectContaining({ user: 'ada' }),
        reason: 'why',
        emergency: true,
        at: 10,
        hosts: 3,
        end: { at: 30, covered: 2, notCovered: 1 },
        parts: new Set([0, 1, 2, 3, 4]),
        hold: terms('stop-1'),
      },
    ]);
  });

  it('is known by its end alone, where that is all that came', () => {
    const end = (actionId: string): EntryBody => ({
      kind: 'lifecycle-ended',
      actionId,
      part: 4,
      happenedAt: 30,
      covered: 1,
      notCovered: [],
    });
    expect(fold([end('purge-1'), end('perhaps-1')]).actions).toMatchObject([
      { actionId: 'purge-1', verb: 'purge', hosts: 0 },
    ]);
  });

  it('is forgotten when a hundred newer ones are known, in the order in which they happened', () => {
    const many = Array.from({ length: 104 }, (_, index) =>
      intended(`stop-${index}`, 1_000 + index, { hold: false }),
    );
    const state = fold([...many.slice(50), ...many.slice(0, 50)], EMPTY_STATE, 9_999);
    expect(state.actions.map(({ actionId }) => actionId)).toEqual(
      many.slice(4).map((body) => 'actionId' in body && body.actionId),
    );
  });
});

describe('role files', () => {
  const change = (
    before: string | null,
    after: string | null,
    more: Partial<RoleFileChange> = {},
  ): RoleFileChange => ({
    name: 'chef',
    file: '/chef/role.json',
    path: ['uptycs', 'enable'],
    before,
    after,
    commit: null,
    ...more,
  });
  const changed = (actionId: string, at: number, one: RoleFileChange): EntryBody => ({
    kind: 'role-file-changed',
    actionId,
    part: 7,
    happenedAt: at,
    change: one,
  });

  it.each<[string, RoleFileChange[], RoleFileChange[]]>([
    ['a stop’s change is kept', [change('true', 'false')], [change('true', 'false')]],
    ['a start that puts it back ends it', [change('true', 'false'), change('false', 'true')], []],
    [
      'a start that comes before its stop ends it too',
      [change('false', 'true'), change('true', 'false')],
      [],
    ],
    ['a key that was not there', [change(null, 'false'), change('false', null)], []],
    [
      'the first value is the one to go back to',
      [change('true', 'false'), change('false', '0')],
      [change('true', '0')],
    ],
    [
      'a change that comes before the one that it led to',
      [change('false', '0'), change('true', 'false')],
      [change('true', '0')],
    ],
    ['no change is none', [change('false', 'false')], []],
    [
      'another key is another',
      [
        change('true', 'false'),
        change('true', 'false', { path: ['x'] }),
        change('false', 'true', { path: ['x'] }),
      ],
      [change('true', 'false')],
    ],
  ])('%s', (_name, changes, left) => {
    expect(fold(changes.map((one, index) => changed(`stop-${index}`, index, one))).roleFiles).toEqual(left);
  });

  it('a change that was sent twice counts once', () => {
    const body = changed('stop-1', 1, change('true', 'false'));
    expect(fold([body, changed('start-2', 2, change('false', 'true')), body]).roleFiles).toEqual([]);
  });
});

describe('a rollout under way', () => {
  const inRollout = {
    ...EMPTY_STATE,
    rollout: rollout([progress('1', 'verified'), progress('2', 'pending')]),
  };
  const leftStopped = (bodies: readonly EntryBody[], at?: number) =>
    [...(fold(bodies, inRollout, at).rollout?.hosts.values() ?? [])].map((host) => host.leftStopped);

  it('a host whose stop was proven can be judged of no more, until a start is proven', () => {
    const stop = [intended('a', NOW + 10, { ids: '12' }), answered('a', NOW + 20, stopped, { ids: '12' })];
    expect(leftStopped(stop)).toEqual([true, true]);
    expect(leftStopped([...stop, answered('b', NOW + 30, running, start)])).toEqual([false, true]);
    expect(leftStopped([...stop, answered('b', NOW + 30, failed(false), start)])).toEqual([true, true]);
    expect(leftStopped([answered('a', NOW + 20, failed(true))])).toEqual([false, false]);
  });

  it('what came late and happened before the newest word is passed over', () => {
    const late = NOW + 10_000;
    expect(
      leftStopped([answered('b', NOW + 30, running, start), answered('a', NOW + 20, stopped)], late),
    ).toEqual([false, false]);
    const proof: EntryBody = {
      kind: 'hosts-answered',
      action: 'prove',
      hosts: [
        {
          id: '1',
          outcome: { kind: 'verified', sha256: 'a', packageVersion: '1', service: 'running' },
          tookMs: 1,
        },
      ],
    };
    expect(leftStopped([proof, answered('a', NOW + 20, stopped)], late)).toEqual([false, false]);
  });

  it('nothing else of a host changes, nor of the rollout', () => {
    const before = inRollout.rollout;
    const after = fold([intended('a', NOW + 10), answered('a', NOW + 20, stopped)], inRollout).rollout;
    expect(after).toEqual({
      ...before,
      disturbedAt: NOW + 20,
      hosts: new Map(
        [...before.hosts].map(([id, host]) => [
          id,
          id === '1' ? { ...host, leftStopped: true, actedSeq: 2 } : host,
        ]),
      ),
    });
  });

  it('a host that an action was meant for and whose end was not heard is unheard of, until proof', () => {
    const unheard = (...bodies: readonly EntryBody[]) =>
      fold(bodies, inRollout).rollout?.hosts.get('1')?.unheard;
    const meant = intended('a', NOW + 10);
    const none = (why: 'cancelled' | 'unreachable' | 'unknown') =>
      answered('a', NOW + 20, { kind: 'no-answer', why, message: '' });
    expect(unheard(meant)).toBe('a');
    expect(unheard(meant, none('unknown'))).toBe('a');
    // The last of several attempts: one before may have acted.
    expect(unheard(meant, none('unreachable'))).toBe('a');
    expect(unheard(meant, none('cancelled'))).toBeNull();
    expect(unheard(meant, answered('a', NOW + 20, stopped))).toBeNull();
    expect(unheard(meant, answered('b', NOW + 20, stopped))).toBe('a');
    const proof = (action: 'prove' | 'upgrade'): EntryBody[] => [
      { kind: 'hosts-intended', action, hosts: ['1'] },
      {
        kind: 'hosts-answered',
        action,
        hosts: [
          {
            id: '1',
            outcome: { kind: 'verified', sha256: 'a', packageVersion: '1', service: 'running' },
            tookMs: 1,
          },
        ],
      },
    ];
    const [begun, ended] = proof('prove');
    if (begun === undefined || ended === undefined) throw new Error('no proof');
    expect(unheard(meant, begun, ended)).toBeNull();
    // The stop may have come behind what the proof saw.
    expect(unheard(begun, meant, ended)).toBe('a');
  });

  it('what failed on a host while somebody stopped it is asked again before it counts', () => {
    const outcome = { kind: 'failed', failure: 'proof-failed', step: 'proof', message: 'stopped' } as const;
    const begun: EntryBody = { kind: 'hosts-intended', action: 'prove', hosts: ['1'] };
    const ended: EntryBody = {
      kind: 'hosts-answered',
      action: 'prove',
      hosts: [{ id: '1', outcome, tookMs: 1 }],
    };
    const stateOf = (...bodies: readonly EntryBody[]) =>
      fold(bodies, inRollout).rollout?.hosts.get('1')?.state;
    expect(stateOf(begun, ended)).toBe('failed');
    expect(stateOf(begun, intended('a', NOW + 10), ended)).toBe('verified');
    expect(stateOf(intended('a', NOW + 10), begun, ended)).toBe('failed');
    expect(stateOf(begun, intended('a', NOW + 10), ended, begun, ended)).toBe('failed');
  });
});

describe('a replay', () => {
  const ids = Array.from({ length: 10_000 }, (_, index) => ({ id: String(index), name: `h${index}` }));
  const entries = chainOf([
    ...Array.from({ length: 20 }, (_, part) =>
      draft(
        { ...intended('stop-1', 10, { part }), hosts: ids.slice(part * 500, part * 500 + 500) } as EntryBody,
        { at: 10 },
      ),
    ),
    ...Array.from({ length: 20 }, (_, part) =>
      draft(
        {
          ...answered('stop-1', 20, stopped, { part: 20 + part }),
          hosts: ids
            .slice(part * 500, part * 500 + 500)
            .map((host) => ({ ...host, outcome: stopped, tookMs: 1 })),
        } as EntryBody,
        { at: 20 },
      ),
    ),
  ]);

  it('gives the same as entry by entry, and leaves older states alone', () => {
    const some = entries.slice(0, 3);
    const states = [EMPTY_STATE];
    for (const entry of some) states.push(applyEntry(states.at(-1) ?? EMPTY_STATE, entry));
    expect(states.map(({ holds }) => holds.size)).toEqual([0, 500, 1_000, 1_500]);
    expect(foldEntries(some)).toEqual(states.at(-1));
    expect(EMPTY_STATE.holds.size + EMPTY_STATE.hostWords.size).toBe(0);
  });

  it('of 10,000 hosts in one action makes no copy of them for every entry', () => {
    expect(foldEntries(entries).holds.size).toBe(10_000);
    const own: OwnMaps = new WeakSet();
    const states = entries.slice(0, 2).reduce<EnvironmentState[]>((before, entry) => {
      if (entry.body.kind !== 'lifecycle-intended') throw new Error('another entry');
      return [...before, applyLifecycle(before.at(-1) ?? EMPTY_STATE, entry, entry.body, own)];
    }, []);
    expect(states[1]?.hostWords).toBe(states[0]?.hostWords);
    expect(states[1]?.holds).toBe(states[0]?.holds);
  });
});
