/** The keys about the way back that a host has by itself: what they mean, which file wins, and what is refused or remarked on. */
import { describe, expect, it } from 'vitest';
import type { Action } from '../../src/config/schema/playbook.ts';
import { readEnvironmentText, readPlaybookText } from '../../src/config/written.ts';
import type { RolloutPolicy } from '../../src/domain/policy.ts';
import { environmentText, loadFiles, problemsWith } from './some-files.ts';

const UPGRADE = ['look', 'deliver', 'upgrade', 'prove'];
const STEPS: Readonly<Record<Action, readonly string[]>> = {
  upgrade: UPGRADE,
  canary: UPGRADE,
  rollback: ['look', 'revert', 'prove'],
};

function playbookText(action: string, more: string, steps = STEPS[action as Action] ?? [action]): string {
  const lines = steps.map((run) => `  - { run: ${run}${run === 'upgrade' ? ', undo: revert' : ''} }\n`);
  return `action: ${action}\ndescription: x\nsteps:\n${lines.join('')}${more}`;
}

async function policyOf(
  more: string,
  playbooks: Partial<Record<Action, string>> = {},
  action: Action = 'upgrade',
): Promise<RolloutPolicy> {
  const files = Object.entries(playbooks).map(
    ([name, text]) => [`playbooks/${name}.yaml`, playbookText(name, text)] as const,
  );
  const loaded = await loadFiles({
    'environments/lab.yaml': environmentText('lab', more),
    ...Object.fromEntries(files),
  });
  const lab = loaded.environment('lab');
  if (lab.kind !== 'ready') throw new Error(JSON.stringify(lab.problems));
  return lab.forAction(action).policy;
}

describe('the timer of the way back', () => {
  it('is two hours, until the wave was seen healthy, where nobody says anything', async () => {
    expect((await policyOf('')).armedRevert).toEqual({ afterMs: 7_200_000, disarm: 'after-soak' });
  });

  it('is of the playbook, and key by key the environment’s own', async () => {
    const upgrade =
      'revertTimer: { after: 30m, disarm: after-proof }\nguard: { cpuQuota: 20%, memoryMax: 300MB }\n';
    expect((await policyOf('', { upgrade })).armedRevert).toEqual({
      afterMs: 1_800_000,
      disarm: 'after-proof',
      guard: { cpuQuotaPercent: 20, memoryMaxBytes: 300_000_000 },
    });
    const own = 'revertTimer: { after: 1h }\nguard: { memoryMax: 1GiB }\n';
    expect((await policyOf(own, { upgrade })).armedRevert).toEqual({
      afterMs: 3_600_000,
      disarm: 'after-proof',
      guard: { cpuQuotaPercent: 20, memoryMaxBytes: 2 ** 30 },
    });
    expect((await policyOf('', { upgrade }, 'canary')).armedRevert).toEqual({
      afterMs: 7_200_000,
      disarm: 'after-soak',
    });
  });

  it('can be done without, and its guard too', async () => {
    expect((await policyOf('revertTimer: none\n')).armedRevert).toBeUndefined();
    const upgrade = 'guard: { cpuQuota: 20% }\n';
    expect((await policyOf('guard: none\n', { upgrade })).armedRevert).not.toHaveProperty('guard');
  });

  it('is nothing that a rollback has', async () => {
    expect((await policyOf('', {}, 'rollback')).armedRevert).toBeUndefined();
  });
});

describe('the agent’s database on the way back', () => {
  it('stays, unless a playbook or the environment allows to move it', async () => {
    expect((await policyOf('')).database).toBe('keep');
    expect((await policyOf('', { upgrade: 'database: move-aside\n' })).database).toBe('move-aside');
    expect((await policyOf('database: keep\n', { upgrade: 'database: move-aside\n' })).database).toBe('keep');
  });

  it('is of rollback’s playbook where the rollout’s own says nothing: it is what puts hosts back', async () => {
    const rollback = 'database: move-aside\n';
    for (const action of ['upgrade', 'canary', 'rollback'] as const)
      expect((await policyOf('', { rollback }, action)).database).toBe('move-aside');
    expect((await policyOf('', { rollback, upgrade: 'database: keep\n' })).database).toBe('keep');
  });

  it('lies where the environment says', async () => {
    expect((await policyOf('')).agent).toMatchObject({
      database: '/var/osquery/osquery.db',
      resultsLog: '/var/log/osquery/osqueryd.results.log',
    });
    expect((await policyOf('agent: { database: /srv/o.db }\n')).agent.database).toBe('/srv/o.db');
  });
});

describe('what is refused', () => {
  it.each([
    ['revertTimer: { after: 5s }\n', 'it must be at least 10s'],
    ['revertTimer: { after: 2h, disarm: never }\n', 'not one of the words that are known here'],
    ['revertTimer: { afterwards: 2h }\n', 'unknown key'],
    ['guard: { cpuQuota: 0% }\n', 'not a whole percentage of one core, at least 1%'],
    ['guard: { memoryMax: 300 }\n', 'without quotes YAML reads a number'],
    ['guard: { memoryMax: 300M }\n', 'not a size of at least 1MiB'],
    ['database: drop\n', 'not one of the words that are known here'],
    ['agent: { database: osquery.db }\n', 'not'],
  ])('%s', (text, message) => {
    const [problem, ...others] = problemsWith(text);
    expect(problem?.message).toContain(message);
    expect(others).toEqual([]);
  });

  it.each([
    ['stop', 'revertTimer: { after: 1h }\n', 'stop changes no version'],
    ['rollback', 'guard: { cpuQuota: 20% }\n', 'a rollback is itself the way back'],
  ])('in a playbook of %s: %s', (action, more, message) => {
    const { problems } = readPlaybookText('/p.yaml', playbookText(action, more));
    expect(problems.map((one) => one.message)).toEqual([expect.stringContaining(message)]);
  });
});

describe('what is remarked on', () => {
  const notesOf = (more: string): readonly string[] =>
    readEnvironmentText('/lab.yaml', environmentText('lab', more)).notes.map(({ message }) => message);

  it('a timer that a program started again would miss, or that is few samples of the gates', () => {
    expect(notesOf('revertTimer: { after: 2m }\n')).toEqual([
      expect.stringContaining('may well be too late'),
    ]);
    expect(notesOf('revertTimer: { after: 10m }\nsampleEvery: 2m\n')).toEqual([
      expect.stringContaining('fewer than ten samples'),
    ]);
    expect(notesOf('revertTimer: { after: 1h }\n')).toEqual([]);
    expect(notesOf('')).toEqual([]);
  });
});
