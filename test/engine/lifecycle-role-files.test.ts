import { describe, expect, it } from 'vitest';
import type { EntryBody } from '../../src/domain/journal.ts';
import type { Controller, HoldTerms, RoleFileChange } from '../../src/domain/lifecycle.ts';
import { err, ok } from '../../src/domain/result.ts';
import { EMPTY_STATE, type EnvironmentState } from '../../src/domain/state.ts';
import type { LifecycleContext } from '../../src/engine/context.ts';
import type { LifecycleRequest, RoleFilePlan, RoleFileReport } from '../../src/engine/lifecycle-types.ts';
import { applyRoleFiles, changeRoleFiles, planRoleFiles } from '../../src/engine/role-files-step.ts';
import type { RoleFileEdit, RoleFiles } from '../../src/ports/role-files.ts';
import { SOME_LIFECYCLE } from '../fakes/lifecycle-settings.ts';
import { makeWorld, someHosts } from './world.ts';

const FILE = '/chef/roles/base.json';
const PATH = ['uptycs', 'enable'];
type RoleFileController = Extract<Controller, { kind: 'role-file' }>;

const ROLE: RoleFileController = {
  kind: 'role-file',
  name: 'role',
  file: FILE,
  path: PATH,
  onStop: false,
  branch: 'rollout/{verb}-{environment}-{actionId}',
};
const OTHER: RoleFileController = { ...ROLE, name: 'other', file: '/chef/roles/other.json', branch: null };
const KEY = `${FILE}#${PATH.join('.')}`;

const HOLD: HoldTerms = {
  actionId: 'stop-1',
  environment: 'gstg',
  by: 'ops@laptop',
  reason: 'eats production',
  since: 0,
  until: Date.parse('2026-11-24T08:00:00Z'),
};

/** JSON text by `FILE#path`; a value that throws, hangs or refuses is told by the test. */
function memoryRoleFiles(values: Map<string, string>, edits: RoleFileEdit[] = []): RoleFiles {
  const keyOf = ({ file, path }: RoleFileEdit): string => `${file}#${path.join('.')}`;
  const diffOf = (before: string | null, after: string | null): string =>
    before === after ? '' : `-${before}\n+${after}\n`;
  return {
    async plan(edit) {
      const before = values.get(keyOf(edit)) ?? null;
      return ok({ edit, before, diff: diffOf(before, edit.value) });
    },
    async apply({ edit, diff }) {
      const before = values.get(keyOf(edit)) ?? null;
      if (diffOf(before, edit.value) !== diff)
        return err(`${edit.file}: it has been changed by somebody else since the change was shown`);
      edits.push(edit);
      if (edit.value === null) values.delete(keyOf(edit));
      else values.set(keyOf(edit), edit.value);
      const { name, file, path, branch } = edit;
      const commit = branch === null || diff === '' ? null : { id: 'c1', branch };
      return ok({ name, file, path, before, after: edit.value, commit });
    },
  };
}

interface Bench {
  readonly values: Map<string, string>;
  readonly edits: RoleFileEdit[];
  readonly entries: EntryBody[];
  readonly notices: string[];
  readonly context: LifecycleContext;
  readonly run: <T>(promise: Promise<T>) => Promise<T>;
}

function bench(controllers: readonly Controller[] = [ROLE], own?: Partial<RoleFiles>): Bench {
  const world = makeWorld();
  const values = new Map([
    [KEY, 'true'],
    [`${OTHER.file}#${PATH.join('.')}`, 'true'],
  ]);
  const edits: RoleFileEdit[] = [];
  const { context } = world.process();
  const notices: string[] = [];
  return {
    values,
    edits,
    entries: [],
    notices,
    run: (promise) => world.clock.run(promise),
    context: {
      ...context,
      environment: { ...context.environment, lifecycle: { ...SOME_LIFECYCLE, controllers } },
      roleFiles: { ...memoryRoleFiles(values, edits), ...own },
      tell: (event) => {
        if (event.kind === 'notice') notices.push(event.reason.message);
      },
    } as LifecycleContext,
  };
}

function request(more: Partial<LifecycleRequest> = {}): LifecycleRequest {
  return {
    actionId: 'stop-1',
    verb: 'stop',
    now: false,
    polarity: 'emergency',
    hosts: someHosts(3),
    inventoryAt: 0,
    hold: HOLD,
    timeoutMs: 1_000,
    deadlineMs: null,
    settleMs: 0,
    reason: 'eats production',
    wholeFleet: true,
    ...more,
  };
}

const START = { actionId: 'start-1', verb: 'start', polarity: 'calm', hold: null } as const;

function change(
  { context, entries, run }: Bench,
  asked: LifecycleRequest,
  state: EnvironmentState | null,
): Promise<RoleFileReport[]> {
  let parts = 3;
  const part = () => ({ actionId: asked.actionId, part: parts++, happenedAt: 0 });
  const record = (body: EntryBody) => entries.push(body);
  return run(changeRoleFiles(context, asked, state, { part, record }));
}

const kinds = (reports: readonly RoleFileReport[]): string[] => reports.map(({ result }) => result.kind);
const messageOf = (report: RoleFileReport | undefined): string =>
  report?.result.kind === 'failed' ? report.result.message : '';

const STOPPED: RoleFileChange = {
  name: 'role',
  file: FILE,
  path: PATH,
  before: 'true',
  after: 'false',
  commit: null,
};
const stoppedState = (more: Partial<EnvironmentState> = {}): EnvironmentState => ({
  ...EMPTY_STATE,
  roleFiles: [STOPPED],
  ...more,
});
const holding = (...ids: string[]): EnvironmentState['holds'] =>
  new Map(
    ids.map((id) => [
      id,
      { id, name: `h${id}`, terms: HOLD, by: { user: 'o', hostname: 'l', command: '' }, state: 'confirmed' },
    ]),
  );

describe('what goes wrong with a role file holds up nothing', () => {
  it('git refuses: it is reported as failed, and the other file is changed all the same', async () => {
    const at = bench([ROLE, OTHER]);
    const { apply } = at.context.roleFiles;
    const roleFiles: RoleFiles = {
      ...at.context.roleFiles,
      apply: async (planned) =>
        planned.edit.file === FILE ? err(`${FILE}: git commit-tree failed: no space`) : apply(planned),
    };
    const reports = await change({ ...at, context: { ...at.context, roleFiles } }, request(), null);
    expect(kinds(reports)).toEqual(['failed', 'changed']);
    expect(messageOf(reports[0])).toContain('no space');
    expect(at.entries).toHaveLength(1);
  });

  it('somebody changes the file between what was shown and the deed: it is left as it is', async () => {
    const at = bench();
    const shown = await at.run(planRoleFiles(at.context, request(), null));
    at.values.set(KEY, '"sometimes"');
    const reports = await change(at, request({ roleFiles: shown }), null);
    expect(messageOf(reports[0])).toContain('changed by somebody else');
    expect(at.values.get(KEY)).toBe('"sometimes"');
    expect(at.entries).toEqual([]);
  });

  it.each(['plan', 'apply'] as const)(
    'a disk that hangs in %s is waited for so long and no longer',
    async (call) => {
      const at = bench([ROLE], { [call]: () => new Promise(() => undefined) });
      const reports = await change(at, request(), null);
      expect(kinds(reports)).toEqual(['failed']);
      expect(messageOf(reports[0])).toMatch(call === 'plan' ? /in time \(10 s\)/ : /not known \(30 s\)/);
    },
  );

  it.each(['plan', 'apply'] as const)('a bug in %s is a report, not an end', async (call) => {
    const at = bench([ROLE], {
      [call]: () => {
        throw new TypeError('x is undefined');
      },
    });
    expect(messageOf((await change(at, request(), null))[0])).toContain(
      'a bug in this program: x is undefined',
    );
  });

  it('a start without a journal does not guess what was there', async () => {
    const at = bench();
    at.values.set(KEY, 'false');
    const reports = await change(at, request(START), null);
    expect(messageOf(reports[0])).toContain('the journal cannot be read');
    expect(at.values.get(KEY)).toBe('false');
  });
});

describe('a stop', () => {
  it('of the whole fleet changes the file on its branch, says who, why and until when, and journals it', async () => {
    const at = bench();
    expect(kinds(await change(at, request(), null))).toEqual(['changed']);
    expect(at.edits[0]).toMatchObject({
      value: 'false',
      branch: 'rollout/stop-gstg-stop-1',
      message:
        'Keep osquery stopped in gstg\n\nReason: eats production\nBy: ops@laptop\nDue: 2026-11-24T08:00:00Z\nAction: stop-1\n',
    });
    expect(at.entries).toEqual([
      {
        kind: 'role-file-changed',
        actionId: 'stop-1',
        part: 3,
        happenedAt: 0,
        change: { ...STOPPED, commit: { id: 'c1', branch: 'rollout/stop-gstg-stop-1' } },
      },
    ]);
  });

  it('of some hosts leaves what all of them follow alone, and says so', async () => {
    const at = bench();
    expect(await change(at, request({ wholeFleet: false }), null)).toEqual([]);
    expect(at.values.get(KEY)).toBe('true');
    expect(at.notices).toEqual([
      expect.stringMatching(/base\.json is left as it is: uptycs\.enable is about every/),
    ]);
  });

  it.each([
    ['without a hold', { hold: null }],
    ['that is a restart', { verb: 'restart', hold: null }],
    ['that only disables', { verb: 'disable', hold: null }],
  ] as const)('%s changes nothing', async (_, more) => {
    const at = bench();
    expect(await change(at, request(more), EMPTY_STATE)).toEqual([]);
    expect(at.notices).toEqual([]);
  });

  it('where it is so already changes and journals nothing', async () => {
    const at = bench();
    at.values.set(KEY, 'false');
    expect(kinds(await change(at, request(), null))).toEqual(['already-so']);
    expect(at.entries).toEqual([]);
  });
});

describe('a start', () => {
  it('puts back what was there before the stop', async () => {
    const at = bench();
    at.values.set(KEY, 'false');
    expect(kinds(await change(at, request(START), stoppedState()))).toEqual(['changed']);
    expect(at.values.get(KEY)).toBe('true');
    expect(at.edits[0]).toMatchObject({ branch: 'rollout/start-gstg-start-1' });
    expect(at.edits[0]?.message).toMatch(/^Run osquery in gstg again\n/);
    expect(at.entries).toMatchObject([{ change: { before: 'false', after: 'true' } }]);
  });

  it('takes a key out that was not there before', async () => {
    const at = bench();
    at.values.set(KEY, 'false');
    await change(at, request(START), stoppedState({ roleFiles: [{ ...STOPPED, before: null }] }));
    expect(at.values.has(KEY)).toBe(false);
    expect(at.entries).toMatchObject([{ change: { before: 'false', after: null } }]);
  });

  it('finds it put back by hand, or the branch never merged: off the list without a change', async () => {
    const at = bench();
    expect(kinds(await change(at, request(START), stoppedState()))).toEqual(['already-so']);
    expect(at.entries).toMatchObject([{ change: { before: 'false', after: 'true' } }]);
  });

  it('leaves a value alone that somebody has set since', async () => {
    const at = bench();
    at.values.set(KEY, '"canary"');
    const reports = await change(at, request(START), stoppedState());
    expect(messageOf(reports[0])).toContain(
      'uptycs.enable is "canary", and a stop has set uptycs.enable to false, and before that it was true: somebody has changed it since',
    );
    expect(at.values.get(KEY)).toBe('"canary"');
    // Told once: off the list, or every start to come would end incomplete.
    expect(at.entries).toMatchObject([
      { change: { file: FILE, before: 'false', after: 'true', commit: null } },
    ]);
  });

  it('does not touch a file that no stop has changed, and says where it looks as if one had', async () => {
    const at = bench([ROLE, OTHER]);
    at.values.set(KEY, 'false');
    expect(await change(at, request(START), EMPTY_STATE)).toEqual([]);
    expect(at.values.get(KEY)).toBe('false');
    expect(at.notices).toEqual([expect.stringContaining(`${FILE} has uptycs.enable at false`)]);
  });

  it('of some hosts leaves it while others are held; of the last ones that are held it puts it back', async () => {
    const at = bench();
    at.values.set(KEY, 'false');
    const some = request({ ...START, wholeFleet: false, hosts: someHosts(1) });
    expect(await change(at, some, stoppedState({ holds: holding('1', '2') }))).toEqual([]);
    expect(at.notices).toEqual([expect.stringContaining('1 other(s) are held; osqueryd start --fleet')]);
    expect(at.values.get(KEY)).toBe('false');
    await change(at, some, stoppedState({ holds: holding('1') }));
    expect(at.values.get(KEY)).toBe('true');
  });

  it('tells of a file that a stop changed and that no controller names any more, until it is put back', async () => {
    const at = bench([]);
    at.values.set(KEY, 'false');
    const reports = await change(at, request(START), stoppedState());
    expect(messageOf(reports[0])).toMatch(/no controller of gstg names it any more: put it back by hand/);
    expect([at.values.get(KEY), at.entries]).toEqual(['false', []]);
    at.values.set(KEY, 'true');
    expect(kinds(await change(at, request(START), stoppedState()))).toEqual(['already-so']);
    expect(at.entries).toMatchObject([{ change: { before: 'false', after: 'true' } }]);
  });

  it('finds the file moved: the value is put back where its controller looks for it now', async () => {
    const at = bench([{ ...OTHER, name: 'role' }]);
    at.values.set(`${OTHER.file}#${PATH.join('.')}`, 'false');
    expect(kinds(await change(at, request(START), stoppedState()))).toEqual(['changed']);
    expect(at.edits).toMatchObject([{ file: OTHER.file, value: 'true' }]);
    // What leaves the journal's list is what stood in it.
    expect(at.entries).toMatchObject([{ change: { file: FILE, before: 'false', after: 'true' } }]);
    expect(at.notices).toEqual([]);
  });

  it('finds the file gone: what the stop did to it is told, so that somebody can put it back', async () => {
    const at = bench([ROLE], { plan: async ({ file }) => err(`${file}: it does not exist`) });
    const reports = await change(at, request(START), stoppedState());
    expect(messageOf(reports[0])).toBe(
      `${FILE}: it does not exist; a stop has set uptycs.enable to false, and before that it was true: put it back where that value is now`,
    );
  });

  it('made from where the stop’s branch never came says that the branch is still there', async () => {
    const at = bench();
    const commit = { id: '0123456789abcdef', branch: 'rollout/stop-gstg-stop-1' };
    await change(at, request(START), stoppedState({ roleFiles: [{ ...STOPPED, commit }] }));
    expect(at.notices).toEqual([
      expect.stringContaining(
        'whose commit 0123456789ab is on the branch rollout/stop-gstg-stop-1: drop that branch',
      ),
    ]);
  });
});

describe('two at once', () => {
  const REASON: RoleFileController = {
    ...ROLE,
    name: 'reason',
    path: ['uptycs', 'reason'],
    onStop: 'stopped',
  };
  /** As the adapter: a diff is of the whole file. */
  const wholeFile = (at: Bench): RoleFiles => {
    const text = (): string => JSON.stringify([...at.values]);
    return {
      plan: async (edit) => {
        const planned = await at.context.roleFiles.plan(edit);
        return planned.ok
          ? ok({ ...planned.value, diff: planned.value.diff && `${text()}${planned.value.diff}` })
          : planned;
      },
      apply: async ({ edit, before, diff }) => {
        const now = await at.context.roleFiles.plan(edit);
        if (!now.ok) return now;
        if (now.value.diff !== '' && diff !== `${text()}${now.value.diff}`)
          return err(`${edit.file}: it has been changed by somebody else since the change was shown`);
        return at.context.roleFiles.apply({ edit, before, diff: now.value.diff });
      },
    };
  };

  it('two values of one file are both set, the second behind the first', async () => {
    const at = bench([ROLE, REASON]);
    const context = { ...at.context, roleFiles: wholeFile(at) };
    expect(kinds(await change({ ...at, context }, request(), null))).toEqual(['changed', 'changed']);
    expect([...at.values.values()]).toEqual(['false', 'true', '"stopped"']);
    expect(at.entries).toMatchObject([
      { part: 3 },
      { part: 4, change: { before: null, after: '"stopped"' } },
    ]);
  });

  it('the second of them is left alone where somebody else has set it meanwhile', async () => {
    const at = bench([ROLE, REASON]);
    const roleFiles = wholeFile(at);
    const { apply } = roleFiles;
    const context = {
      ...at.context,
      roleFiles: {
        ...roleFiles,
        apply: async (planned: Parameters<RoleFiles['apply']>[0]) => {
          const applied = await apply(planned);
          at.values.set(`${FILE}#uptycs.reason`, '"mine"');
          return applied;
        },
      },
    };
    const reports = await change({ ...at, context }, request(), null);
    expect(kinds(reports)).toEqual(['changed', 'failed']);
    expect(messageOf(reports[1])).toContain('uptycs.reason has been changed by somebody else');
    expect(at.values.get(`${FILE}#uptycs.reason`)).toBe('"mine"');
  });

  it('of two people who stop at once one sets the value, and it is journaled once', async () => {
    const at = bench([ROLE]);
    const context = { ...at.context, roleFiles: wholeFile(at) };
    const shown = await at.run(planRoleFiles(context, request(), null));
    at.values.set(KEY, 'false');
    expect(kinds(await change({ ...at, context }, request({ roleFiles: shown }), null))).toEqual([
      'already-so',
    ]);
    expect(at.entries).toEqual([]);
  });

  it('a name that git would not take in a branch is written so that it does', async () => {
    const at = bench([{ ...ROLE, branch: 'by/{by}' }]);
    const hold = { ...HOLD, by: '.CORP\\Ops~1 ^x@lap..top.lock' };
    await change(at, request({ hold }), null);
    expect(at.edits[0]?.branch).toBe('by/CORP-Ops-1-x@lap.top');
  });
});

it('what cannot be planned is among the reports although nothing else is done', async () => {
  const at = bench();
  const failed = [{ name: 'role', file: FILE, result: { kind: 'failed', message: 'x' } }] as const;
  const plan: RoleFilePlan = { edits: [], undoes: [], notes: [], failed };
  const tools = { part: () => ({ actionId: 'a', part: 0, happenedAt: 0 }), record: () => undefined };
  expect(await at.run(applyRoleFiles(at.context, plan, tools))).toEqual(failed);
});
