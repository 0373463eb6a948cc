/** How an environment says that a stop sticks: what is taken, what is refused with its place, and what it becomes. */
import { describe, expect, it } from 'vitest';
import { renderProblems } from '../../src/config/problem.ts';
import { readEnvironmentText } from '../../src/config/written.ts';
import type { LifecycleSettings } from '../../src/domain/lifecycle.ts';
import { environmentText, loadFiles, placeOf, problemsWith } from './some-files.ts';

async function settingsOf(more: string): Promise<LifecycleSettings & { readonly dir: string }> {
  const loaded = await loadFiles({ 'environments/lab.yaml': environmentText('lab', more) });
  const lab = loaded.environment('lab');
  if (lab.kind !== 'ready') throw new Error(renderProblems(lab.problems));
  return { ...lab.environment.lifecycle, dir: loaded.dir };
}

const COMMAND =
  '- { name: chef, when: chef-client, onStop: [chef-client-disable, "{reason}"], onStart: [enable] }';
const withControllers = (...lines: string[]): string =>
  `controllers:\n${lines.map((line) => `  ${line}\n`).join('')}`;
const command = (keys: string): string => withControllers(`- { name: c, ${keys} }`);
const roleFile = (keys: string): string => command(`roleFile: role.json, ${keys}`);

describe('an environment that says nothing of the lifecycle', () => {
  it('masks the unit, holds for three days, and takes as long to prove a start as a rollout does', async () => {
    const { dir: _, ...settings } = await settingsOf('prove: 7s\n');
    expect(settings).toEqual({
      holdForMs: 72 * 3_600_000,
      brake: 'mask',
      settleMs: 30_000,
      deadlineMs: 300_000,
      concurrency: 256,
      proveMs: 7_000,
      purgePaths: ['/etc/osquery', '/var/osquery', '/var/log/osquery'],
      controllers: [],
    });
  });

  it('and has another package purges nothing but that package’s own files', async () => {
    expect((await settingsOf('agent: { package: other }\n')).purgePaths).toEqual([]);
    const own = 'agent: { package: other }\nlifecycle: { purgePaths: [/var/lib/other] }\n';
    expect((await settingsOf(own)).purgePaths).toEqual(['/var/lib/other']);
  });
});

describe('what is written', () => {
  it('is resolved with every unit and place', async () => {
    const settings = await settingsOf(`prove: 7s
lifecycle: { holdFor: 8h, brake: condition, settle: 0s, deadline: 1h, concurrency: 9, prove: 1s, purgePaths: [] }
controllers:
  ${COMMAND}
  - { name: run, onStop: [/opt/tell, "until={until} by={by} in={environment}"], onStart: [], timeout: 90s, when: "unit:chef-run.timer" }
  - { name: role, roleFile: ../roles/lab.json, set: a.b-c.enable, onStop: false, branch: "rollout/{environment}-{verb}" }
  - { name: other, roleFile: ~/x.json, set: [a, "b.c"], onStop: "0.5" }
`);
    expect(settings).toMatchObject({
      holdForMs: 8 * 3_600_000,
      brake: 'condition',
      settleMs: 0,
      deadlineMs: 3_600_000,
      concurrency: 9,
      proveMs: 1_000,
      purgePaths: [],
    });
    expect(settings.controllers).toEqual([
      {
        kind: 'command',
        name: 'chef',
        when: 'chef-client',
        onStop: ['chef-client-disable', '{reason}'],
        onStart: ['enable'],
        timeoutMs: 30_000,
      },
      {
        kind: 'command',
        name: 'run',
        when: 'unit:chef-run.timer',
        onStop: ['/opt/tell', 'until={until} by={by} in={environment}'],
        onStart: [],
        timeoutMs: 90_000,
      },
      {
        kind: 'role-file',
        name: 'role',
        file: `${settings.dir}/roles/lab.json`,
        path: ['a', 'b-c', 'enable'],
        onStop: false,
        branch: 'rollout/{environment}-{verb}',
      },
      {
        kind: 'role-file',
        name: 'other',
        file: `${settings.dir}/home/x.json`,
        path: ['a', 'b.c'],
        onStop: '0.5',
        branch: null,
      },
    ]);
  });

  it('without a brake must tell at least one controller, or a stop would not stick', () => {
    const alone = problemsWith('lifecycle: { brake: none }\n');
    expect(alone).toMatchObject([
      { path: 'lifecycle.brake', line: 14, column: 21, message: expect.stringContaining('would not stick') },
    ]);
    expect(problemsWith(`lifecycle: { brake: none }\n${withControllers(COMMAND)}`)).toEqual([]);
    expect(problemsWith('lifecycle: { brake: none }\ncontrollers: []\n')).toHaveLength(1);
  });

  it('that is mistyped names the nearest word', () => {
    expect(problemsWith('lifecycle: { brake: maks, setle: 1s, holdFor: 5 }\n')).toMatchObject([
      { path: 'lifecycle.brake', suggestion: 'mask' },
      { path: 'lifecycle.setle', suggestion: 'settle' },
      { path: 'lifecycle.holdFor', message: expect.stringContaining('the unit is missing') },
    ]);
  });
});

describe('a purge path', () => {
  const path = (written: string) => problemsWith(`lifecycle:\n  purgePaths:\n    - ${written}\n`);

  it.each([
    '/etc/osquery',
    '/var/lib/osquery',
    '/opt/osquery',
    '/usr/share/osquery',
    '/home/osquery/db',
    '/srv/a b',
  ])('%s is the agent’s own', (written) => {
    expect(path(written)).toEqual([]);
  });

  it.each([
    ['osquery', 'must be absolute'],
    ['/', 'written plainly'],
    ['/etc', 'more than the agent'],
    ['/etc/', 'written plainly'],
    ['/var/lib', 'more than the agent'],
    ['/var/log', 'more than the agent'],
    ['/usr/local', 'more than the agent'],
    ['/usr/bin', 'more than the agent'],
    ['/etc/systemd', 'more than the agent'],
    ['/var/lib/dpkg', 'more than the agent'],
    ['/var/lib/rollout', 'more than the agent'],
    ['/var/lib/rollout/hold', 'more than the agent'],
    ['/var/lib/dpkg/info', 'more than the agent'],
    ['/etc/ssh/sshd_config.d', 'more than the agent'],
    ['/root/.ssh', 'more than the agent'],
    ['/home/ops', 'more than the agent'],
    ['/bin/osqueryd', 'more than the agent'],
    ['/proc/sys/kernel', 'more than the agent'],
    ['/etc/osquery/../ssh', 'written plainly'],
    ['/etc/./osquery', 'written plainly'],
    ['/etc//osquery', 'written plainly'],
    ['/etc/osquery/', 'written plainly'],
    ['/etc/osquery*', 'no wildcards'],
    ['"/etc/os\\nquery"', 'no control characters'],
  ])('%s is not', (written, message) => {
    expect(path(written)).toMatchObject([
      { path: 'lifecycle.purgePaths[0]', line: 16, column: 7, message: expect.stringContaining(message) },
    ]);
  });
});

describe('a command of a controller', () => {
  it('is told everywhere unless it says where', async () => {
    const { controllers } = await settingsOf(command('onStop: [x], onStart: []'));
    expect(controllers).toMatchObject([{ when: 'always' }]);
  });

  it.each([
    ['when: chef-clint, onStop: [x]', 'controllers[0].when', 'chef-client'],
    ['when: chef-run.timer, onStop: [x]', 'controllers[0].when', 'unit:chef-run.timer'],
    ['when: "unit:a b", onStop: [x]', 'controllers[0].when', undefined],
    ['onStop: [x, "{reson}"]', 'controllers[0].onStop[1]', '{reason}'],
    ['onStop: [x], onStart: [x, "{util}"]', 'controllers[0].onStart[1]', '{until}'],
    ['onStop: [x, "{verb}"]', 'controllers[0].onStop[1]', undefined],
    ['onStop: [x, "}"]', 'controllers[0].onStop[1]', undefined],
    ['onStop: [chef-client-disable now]', 'controllers[0].onStop[0]', 'chef-client-disable, now'],
    ['onStop: "chef-client-disable {reason}"', 'controllers[0].onStop', '[chef-client-disable, "{reason}"]'],
    ['onStop: ["{reason}"]', 'controllers[0].onStop[0]', undefined],
    ['onStop: [x, ""]', 'controllers[0].onStop[1]', undefined],
    ['onStop: [x, "a\\tb"]', 'controllers[0].onStop[1]', undefined],
    ['onStop: []', 'controllers[0].onStop', undefined],
    ['onStop: false', 'controllers[0].onStop', undefined],
    ['onStop: [x], timeout: 10ms', 'controllers[0].timeout', undefined],
    ['onStop: [x], set: a.b', 'controllers[0].set', undefined],
    ['onStop: [x], branch: b', 'controllers[0].branch', undefined],
    ['onStop: [1, 2]', 'controllers[0].onStop', undefined],
    ['onStart: [x]', 'controllers[0].onStop', undefined],
  ])('{ %s } is refused', (keys, path, suggestion) => {
    const [problem, ...others] = problemsWith(command(keys));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path });
    expect(problem?.suggestion).toBe(suggestion);
  });

  it('points at the word itself', () => {
    const text = environmentText('lab', command('onStop: [x, "why: {reson}"]'));
    expect(readEnvironmentText('/lab.yaml', text).problems).toMatchObject([placeOf(text, '{reson}')]);
  });

  it('is told apart from the others by its name', () => {
    expect(problemsWith(withControllers(COMMAND, COMMAND))).toMatchObject([
      { path: 'controllers[1].name', line: 16, message: 'controller 1 of the list has the same name' },
    ]);
  });
});

describe('a role file of a controller', () => {
  it.each([
    ['onStop: false', 'controllers[0]'],
    ['set: "", onStop: false', 'controllers[0].set'],
    ['set: a..b, onStop: false', 'controllers[0].set'],
    ['set: [], onStop: false', 'controllers[0].set'],
    ['set: a.b, onStop: [x]', 'controllers[0].onStop'],
    ['set: a.b, onStop: { c: d }', 'controllers[0].onStop'],
    ['set: a.b', 'controllers[0].onStop'],
    ['set: a.b, onStop: false, onStart: [x]', 'controllers[0].onStart'],
    ['set: a.b, onStop: false, when: chef-client', 'controllers[0].when'],
    ['set: a.b, onStop: false, timeout: 5s', 'controllers[0].timeout'],
    ['set: a.b, onStop: false, branch: "a b"', 'controllers[0].branch'],
    ['set: a.b, onStop: false, branch: "-x"', 'controllers[0].branch'],
    ['set: a.b, onStop: false, branch: "a..b"', 'controllers[0].branch'],
    ['set: a.b, onStop: false, branch: "x.lock"', 'controllers[0].branch'],
    ['set: a.b, onStop: false, branch: "{reason}"', 'controllers[0].branch'],
  ])('{ %s } is refused', (keys, path) => {
    expect(problemsWith(roleFile(keys)).map((problem) => problem.path)).toEqual([path]);
  });
});

describe('a controller that a start does not take back', () => {
  it('is right, and is noted; an empty onStart says that it is meant', async () => {
    const loaded = await loadFiles({
      'environments/lab.yaml': environmentText('lab', command('onStop: [x]')),
    });
    expect(loaded.problems).toEqual([]);
    expect(loaded.environment('lab').kind).toBe('ready');
    expect(loaded.notes).toMatchObject([
      {
        file: `${loaded.dir}/environments/lab.yaml`,
        path: 'controllers[0]',
        line: 15,
        message: expect.stringContaining('will not take back'),
      },
    ]);
    for (const right of [command('onStop: [x], onStart: []'), roleFile('set: a, onStop: false')])
      expect((await loadFiles({ 'environments/lab.yaml': environmentText('lab', right) })).notes).toEqual([]);
  });

  it('of a role file that is a text where a switch is meant is noted: every text counts as true', async () => {
    for (const [onStop, suggestion] of [
      ['"false"', 'false'],
      ['no', 'false'],
      ['Off', 'false'],
      ['"1"', 'true'],
    ]) {
      const loaded = await loadFiles({
        'environments/lab.yaml': environmentText('lab', roleFile(`set: a, onStop: ${onStop}`)),
      });
      expect(loaded.problems).toEqual([]);
      expect(loaded.notes).toMatchObject([{ path: 'controllers[0].onStop', line: 15, suggestion }]);
    }
    const other = environmentText('lab', roleFile('set: a, onStop: "5.10.2"'));
    expect((await loadFiles({ 'environments/lab.yaml': other })).notes).toEqual([]);
  });
});

describe('one value of a role file', () => {
  const role = (name: string, set: string, file = '../role.json'): string =>
    `- { name: ${name}, roleFile: ${file}, set: ${set}, onStop: false }`;

  it('that two controllers set is refused, in one environment and between two, however it is written', async () => {
    const { problems, environment } = await loadFiles({
      'environments/a.yaml': environmentText('a', withControllers(role('x', 'p.q'), role('y', '[p, q]'))),
      'environments/b.yaml': environmentText(
        'b',
        withControllers(role('x', 'p.other'), role('z', 'p', '../roles/../role.json')),
      ),
    });
    expect(problems).toMatchObject([
      {
        path: 'controllers[1].set',
        line: 16,
        found: 'p.q',
        message: expect.stringContaining('controller 1 of the list sets this value'),
      },
      { path: 'controllers[1].set', message: expect.stringContaining('a controller of a sets this value') },
    ]);
    expect(environment('a').kind).toBe('invalid');
  });

  it('beside another one of the same file, or the same of another file, is right', async () => {
    const { problems } = await loadFiles({
      'environments/a.yaml': environmentText('a', withControllers(role('x', 'p.q'), role('y', 'p.r'))),
      'environments/b.yaml': environmentText(
        'b',
        withControllers(role('x', 'p.q', '../b.json'), role('y', 'pp')),
      ),
    });
    expect(problems).toEqual([]);
  });
});

describe('what would be changed on its way', () => {
  it('a number of too many digits is refused, since another one would be set', () => {
    const big = 'set: a, onStop: 12345678901234567890';
    expect(problemsWith(roleFile(big))).toMatchObject([
      { path: 'controllers[0].onStop', message: expect.stringContaining('written as another one') },
    ]);
    expect(problemsWith(roleFile('set: a, onStop: 123456789012345'))).toEqual([]);
  });

  it('a file whose name would move a terminal’s cursor is no environment and no playbook, and is named', async () => {
    const { problems, environment } = await loadFiles({
      'environments/lab.yaml': environmentText('lab'),
      'environments/e\u001b]0;x\u0007vil.yaml': environmentText('evil'),
      'playbooks/a\u202eb.yaml': 'action: restart\n',
    });
    expect(environment('lab').kind).toBe('ready');
    expect(problems.map(({ message }) => message)).toEqual([
      expect.stringContaining('cannot be seen'),
      expect.stringContaining('cannot be seen'),
    ]);
    expect(renderProblems(problems)).not.toContain('\u001b');
  });
});

describe('a name that would be an option', () => {
  it.each(['"unit:--help.timer"', '"unit:-x"', '"unit:"'])('%s is no unit', (when) => {
    expect(problemsWith(command(`when: ${when}, onStop: [x], onStart: []`))).toMatchObject([
      { path: 'controllers[0].when' },
    ]);
  });

  it.each(['-D', '--upload-pack=x', 'HEAD', '"@{-1}"', 'a/-b/../c'])('%s is no branch', (branch) => {
    expect(problemsWith(roleFile(`set: a, onStop: false, branch: ${branch}`))).toMatchObject([
      { path: 'controllers[0].branch' },
    ]);
  });

  it('a branch of every action is one', () => {
    expect(
      problemsWith(roleFile('set: a, onStop: false, branch: "rollout/{environment}-{actionId}"')),
    ).toEqual([]);
  });
});
