/** Playbooks of `osqueryd VERB`: what they may say, whose word counts, and what a wrong one stands in the way of. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NoPlaybook } from '../../src/config/load.ts';
import { PLAYBOOK_ACTIONS } from '../../src/config/schema/playbook.ts';
import { readPlaybookText } from '../../src/config/written.ts';
import { DEFAULT_GATES } from '../../src/domain/builtin-gates.ts';
import { LIFECYCLE_VERBS } from '../../src/domain/lifecycle.ts';
import type { LifecyclePlaybook } from '../../src/domain/lifecycle-playbook.ts';
import type { Result } from '../../src/domain/result.ts';
import { environmentText, type Loaded, loadFiles } from './some-files.ts';

const SHIPPED = join(import.meta.dirname, '..', '..', 'playbooks');
const shipped = Object.fromEntries(
  readdirSync(SHIPPED).map((name) => [`shipped/${name}`, readFileSync(join(SHIPPED, name), 'utf8')]),
);

const playbook = (action: string, steps: string, more = ''): string =>
  `action: ${action}\ndescription: x\nsteps: [${steps}]\n${more}`;

function load(own: Readonly<Record<string, string>>, more = ''): Promise<Loaded> {
  const files = Object.entries(own).map(([name, text]) => [`playbooks/${name}.yaml`, text]);
  return loadFiles({
    'environments/lab.yaml': environmentText('lab', more),
    ...shipped,
    ...Object.fromEntries(files),
  });
}

function ask(loaded: Loaded, name: string): Result<LifecyclePlaybook, NoPlaybook> {
  const lab = loaded.environment('lab');
  if (lab.kind !== 'ready') throw new Error(JSON.stringify(lab.problems));
  return lab.lifecyclePlaybook(name);
}

function right(loaded: Loaded, name: string): LifecyclePlaybook {
  const found = ask(loaded, name);
  if (!found.ok) throw new Error(JSON.stringify(found.error));
  return found.value;
}

describe('the playbooks that ship', () => {
  it('are there for every verb, and are the verb’s own', async () => {
    const loaded = await load({});
    expect(loaded.problems).toEqual([]);
    for (const verb of LIFECYCLE_VERBS)
      expect(right(loaded, verb)).toMatchObject({
        name: verb,
        action: verb,
        file: `${loaded.dir}/shipped/${verb}.yaml`,
      });
    expect(PLAYBOOK_ACTIONS).toHaveLength(LIFECYCLE_VERBS.length + 3);
  });

  it('restart in waves, in the environment’s soak and gates', async () => {
    const loaded = await load(
      {},
      'soak: 3s\nsampleEvery: 1s\nwaves: { then: ["50%", "100%"], strata: [role] }\ngates: [{ use: agent-cpu }]\nlimits: { failedHosts: 2 }\n',
    );
    expect(right(loaded, 'restart')).toMatchObject({
      timeoutMs: 120_000,
      strategy: {
        waves: { strata: ['role'], then: [10, 50, 100].map((percent) => ({ kind: 'percent', percent })) },
        soakMs: 3_000,
        sampleEveryMs: 1_000,
        failedHosts: 2,
        gates: [{ name: 'agent-cpu' }],
      },
    });
  });

  it('do not ask for the agent’s health where it is meant to be stopped', async () => {
    const loaded = await load({});
    for (const verb of ['stop', 'remove', 'purge']) expect(right(loaded, verb).strategy?.gates).toEqual([]);
    for (const verb of ['start', 'install'])
      expect(right(loaded, verb).strategy?.gates).toHaveLength(DEFAULT_GATES.length);
  });

  it('enable and disable everywhere at once', async () => {
    const loaded = await load({});
    for (const verb of ['enable', 'disable']) expect(right(loaded, verb).strategy).toBeNull();
  });

  it('give the delivery’s time to an installation', async () => {
    expect(right(await load({}), 'install').timeoutMs).toBe(900_000);
  });
});

describe('a playbook of one’s own', () => {
  const OWN = playbook(
    'restart',
    '{ run: restart, timeout: 40s }',
    'waves: { then: [1, "100%"], maxUnavailable: { zone: "50%" } }\nsoak: 5s\ngates: [{ use: agent-alive }]\n',
  );

  it('may have a name of its own, and wins over the environment key by key', async () => {
    const loaded = await load(
      { 'gentle-restart': OWN },
      'soak: 1h\nwaves: { strata: [zone], then: ["100%"], maxUnavailable: { environment: 3 } }\n',
    );
    expect(loaded.problems).toEqual([]);
    expect(right(loaded, 'gentle-restart')).toMatchObject({
      name: 'gentle-restart',
      action: 'restart',
      timeoutMs: 40_000,
      strategy: {
        soakMs: 5_000,
        gates: [{ name: 'agent-alive' }],
        waves: {
          strata: ['zone'],
          then: [
            { kind: 'count', count: 1 },
            { kind: 'percent', percent: 100 },
          ],
          maxUnavailable: {
            environment: { kind: 'count', count: 3 },
            zone: { kind: 'percent', percent: 50 },
            role: { kind: 'count', count: 1 },
          },
        },
      },
    });
    expect(right(loaded, 'restart').file).toBe(`${loaded.dir}/shipped/restart.yaml`);
  });

  it('does not reach the policy of rollouts, where the environment’s own words win', async () => {
    const lab = (await load({ restart: OWN }, 'soak: 1h\n')).environment('lab');
    expect(lab.kind === 'ready' && lab.environment.policy.soakMs).toBe(3_600_000);
  });

  it('without waves, soak and gates goes to all hosts at once', async () => {
    const loaded = await load({ restart: playbook('restart', '{ run: restart }') });
    expect(right(loaded, 'restart').strategy).toBeNull();
  });

  it('overrides a shipped one by its name', async () => {
    const loaded = await load({ restart: OWN });
    expect(right(loaded, 'restart')).toMatchObject({
      file: `${loaded.dir}/playbooks/restart.yaml`,
      timeoutMs: 40_000,
    });
  });

  it('that is wrong stands in nobody’s way but its own: the shipped one is not used in its place', async () => {
    const loaded = await load({ restart: `${OWN}soakk: 1s\n`, notes: '{', 'gentle-restart': OWN });
    expect(loaded.environment('lab').kind).toBe('ready');
    expect(loaded.problems.map(({ file }) => file.slice(loaded.dir.length))).toEqual([
      '/playbooks/notes.yaml',
      '/playbooks/restart.yaml',
    ]);
    expect(ask(loaded, 'restart')).toMatchObject({
      error: {
        kind: 'invalid',
        file: `${loaded.dir}/playbooks/restart.yaml`,
        problems: [{ suggestion: 'soak' }],
      },
    });
    expect(right(loaded, 'gentle-restart').timeoutMs).toBe(40_000);
    expect(right(loaded, 'start').action).toBe('start');
  });

  it('that is a rollout’s and wrong stops every environment, also under another name', async () => {
    for (const name of ['upgrade', 'my-upgrade']) {
      const loaded = await load({ [name]: playbook('upgrade', '{ run: look }') });
      expect(loaded.environment('lab').kind).toBe('invalid');
    }
  });

  it('under an action’s name is of that action', async () => {
    const loaded = await load({ start: playbook('stop', '{ run: stop }') });
    expect(loaded.problems).toMatchObject([
      { path: 'action', line: 1, column: 9, found: 'stop', allowed: ['start'], suggestion: 'start' },
    ]);
    expect(ask(loaded, 'start')).toMatchObject({ error: { kind: 'invalid' } });
    expect(right(loaded, 'stop').action).toBe('stop');
  });

  it('twice under one name is refused, and no reason not to roll out', async () => {
    const loaded = await loadFiles({
      'environments/lab.yaml': environmentText('lab'),
      'playbooks/gentle.yaml': OWN,
      'playbooks/gentle.yml': OWN,
    });
    expect(loaded.problems).toMatchObject([{ message: 'there is gentle.yaml too; one of the two must go' }]);
    expect(loaded.environment('lab').kind).toBe('ready');
  });
});

describe('a name that is no lifecycle playbook', () => {
  it('names the nearest one', async () => {
    const loaded = await load({});
    expect(ask(loaded, 'retsart')).toMatchObject({ error: { kind: 'unknown', suggestion: 'restart' } });
    const found = ask(loaded, 'retsart');
    expect(found.ok === false && found.error.kind === 'unknown' && found.error.known).toEqual(
      [...LIFECYCLE_VERBS].sort(),
    );
  });

  it('may be a rollout’s', async () => {
    expect(ask(await load({}), 'upgrade')).toMatchObject({
      error: { kind: 'not-lifecycle', action: 'upgrade' },
    });
  });
});

describe('what a lifecycle playbook may say', () => {
  const problemsOf = (action: string, steps: string, more = '') =>
    readPlaybookText('/x.yaml', playbook(action, steps, more)).problems;

  it.each([
    ['stop', '{ run: stop, undo: start }', 'check: stopped'],
    ['start', '{ run: start, undo: stop }', 'check: running'],
    ['disable', '{ run: disable, undo: enable }', ''],
    ['install', '{ run: deliver }, { run: install, undo: remove }', 'check: running'],
    [
      'purge',
      '{ run: purge }',
      'check: absent\ngates: [{ name: load, query: "x{a=~\\"$hosts\\"}", unit: s, direction: above, limit: 1, window: 5m }]',
    ],
  ])('%s: %s %s', (action, steps, more) => {
    expect(problemsOf(action, steps, `${more}\n`)).toEqual([]);
  });

  it.each([
    ['stop', '{ run: start }', '', 'steps', 'the steps of stop are these'],
    ['stop', '{ run: stop }, { run: prove }', '', 'steps', 'the steps of stop are these'],
    ['install', '{ run: install }', '', 'steps', 'the steps of install are these'],
    ['stop', '{ run: stop, undo: enable }', '', 'steps[0].undo', 'what takes `stop` back is start'],
    ['restart', '{ run: restart, undo: stop }', '', 'steps[0].undo', 'nothing takes `restart` back'],
    ['purge', '{ run: purge, undo: install }', '', 'steps[0].undo', 'nothing takes `purge` back'],
    ['stop', '{ run: stop }', 'check: running', 'check', 'what stop proves is stopped'],
    ['enable', '{ run: enable }', 'check: running', 'check', 'proves no more than that'],
    ['stop', '{ run: stop }', 'gates: [{ use: agent-alive }]', 'gates[0].use', 'judges nothing'],
    ['start', '{ run: start }', 'waves: { then: ["10%"] }', 'waves.then[0]', 'must be 100%'],
  ])('not %s: %s %s', (action, steps, more, path, message) => {
    expect(problemsOf(action, steps, `${more}\n`)).toMatchObject([
      { path, message: expect.stringContaining(message) },
    ]);
  });
});
