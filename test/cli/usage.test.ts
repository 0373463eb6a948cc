import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { COMMANDS, GROUPS } from '../../src/cli/command-table.ts';
import { LIFECYCLE_COMMANDS } from '../../src/cli/lifecycle-table.ts';
import { jsonLines, makePlace, OSQUERYD } from './rig.ts';

const place = makePlace();
afterAll(() => place.remove());

describe('help', () => {
  it('of the program goes to stdout and names every command', async () => {
    const ran = await place.run(['--help']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    for (const { name } of COMMANDS) expect(ran.stdout).toContain(`  ${name.split(' ')[0]}`);
    expect(ran.stdout).toContain('Exit codes: 0 done, 1 failed, 2 usage');
  });

  it('of every command says what it does and gives an example that begins with it', async () => {
    const rans = await Promise.all(
      COMMANDS.map(async ({ name }) => ({ name, ran: await place.run([...name.split(' '), '--help']) })),
    );
    for (const { name, ran } of rans) {
      expect(ran, name).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout, name).toMatch(
        new RegExp(`Usage: rollout ${name}\\b[\\s\\S]*Examples?:\\n  rollout ${name}\\b`, 'u'),
      );
      for (const option of ['--json', '--no-color', '--config']) expect(ran.stdout, name).toContain(option);
    }
  }, 60_000);

  it('of --yes says whether it is needed: who carries on or pauses is never asked, who begins is', async () => {
    const told = async (name: string): Promise<string> =>
      (await place.run([...name.split(' '), '--help'])).stdout.replaceAll(/\s+/gu, ' ');
    const never = COMMANDS.filter(({ neverAsks }) => neverAsks === true).map(({ name }) => name);
    expect(never).toEqual(['advance', 'pause']);
    for (const name of never) expect(await told(name)).toContain('--yes not needed: this command never asks');
    for (const name of ['deploy', 'rollback', 'approve', 'osqueryd stop'])
      expect(await told(name)).toContain('--yes do not ask; needed where there is no terminal');
    expect(await told('promote')).toContain('carries the same rollout on, and asks nothing then');
  });

  it('`help COMMAND` is the same as `COMMAND --help`', async () => {
    const [one, other] = await Promise.all([place.run(['help', 'deploy']), place.run(['deploy', '--help'])]);
    expect(one.stdout).toBe(other.stdout);
    expect(one.stdout).toContain('(default: "30m")');
  });

  it('is what the bare program and a bare group answer, on stderr and with exit 2', async () => {
    for (const words of [[], ...Object.keys(GROUPS).map((group) => [group])]) {
      const ran = await place.run(words);
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toContain(`Usage: ${['rollout', ...words].join(' ')}`);
    }
  });

  it('--version is the version in package.json', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await place.run(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});

describe('what cannot be understood ends with 2, names the nearest word, and says where to read on', () => {
  it.concurrent.each([
    [['depoy', 'gstg'], "unknown command 'depoy'", 'Did you mean deploy?'],
    [['quarantine', 'lst'], "unknown command 'lst'", 'Did you mean list?'],
    [['deploy', 'sandbox-gstg', '5.10.2', '--detch'], "unknown option '--detch'", 'Did you mean --detach?'],
    [['deploy'], "missing required argument 'env'", 'rollout deploy --help'],
    [['deploy', 'sandbox-gstg'], "missing required argument 'version'", 'rollout deploy --help'],
    [['plan', 'sandbox-gstg', '1', '2'], 'too many arguments', 'rollout plan --help'],
    [['history', 'sandbox-gstg', '--limit', '0'], 'whole number', 'rollout history --help'],
    [['stage', '5.10.2'], 'no --package was given', 'rollout stage 5.10.2 --package'],
    [['stage', '5.10.2', '--package', 'x.deb'], 'expected ENV=FILE', 'write it like'],
    [['watch', '--every', 'soon'], '--every soon', 'write it like 2s'],
    [['watch', '--every', '1ms'], 'at least 100ms', 'write it like 2s'],
    [['advance', 'sandbox-gstg', '--give-up-after', '5'], 'the unit is missing', '30m'],
    [['config', 'schema', 'bucket'], 'expected environment or playbook', 'rollout config schema environment'],
    [['quarantine', 'lift', 'abcdef0123'], 'needs a reason', '--reason TEXT'],
    [['quarantine', 'lift', 'xyz', '--reason', 'why'], 'expected 8 to 64 hexadecimal digits', ''],
    [['promote', 'sandbox-gprd', '--without-receipt', '5.10.2'], 'needs a reason', '--reason TEXT'],
  ])('%j', async (words, complaint, next) => {
    const ran = await place.run(words);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(complaint);
    expect(ran.stderr).toContain(next);
    expect(ran.stderr).toMatch(/^rollout: /u);
  });

  it('with --json as one refusal on stdout', async () => {
    const ran = await place.run(['deploy', '--json']);
    expect(ran.code).toBe(2);
    expect(jsonLines(ran.stdout)).toMatchObject([{ v: 1, type: 'refusal', exit: 2, code: 'usage' }]);
  });
});

describe('configuration', () => {
  it('a word near an environment’s name is suggested', async () => {
    const ran = await place.run(['status', 'sandbox-gstgg']);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('\n  did you mean sandbox-gstg?');
    expect(ran.stderr).not.toContain('next:');
  });

  it('a folder without environments/ is refused', async () => {
    const ran = await place.run(['status', '--config', join(place.folder, 'nowhere')]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('has no folder environments/');
  });

  it('without any, what ships with the program is used, whatever the folder', async () => {
    const ran = await place.run(['config', 'check', '--json'], { env: { ROLLOUT_CONFIG: '' }, cwd: '/' });
    const { environments } = jsonLines(ran.stdout).at(-1) as { environments?: { name: string }[] };
    expect(environments?.map(({ name }) => name)).toContain('gprd');
  });

  it('without any, every command that would use what ships says first that it is nobody’s own fleet', async () => {
    const env = { ROLLOUT_CONFIG: '' };
    const told = /^NOT YOUR FLEET: there is no environments\/ in \/, so this is what ships with rollout/u;
    for (const words of [
      ['status'],
      ['deploy', 'gstg', '5.10.2', '--yes', '--json'],
      ['osqueryd', 'stop', '--fleet', '--yes'],
      ['watch', 'nowhere'],
    ]) {
      const ran = await place.run(words, { env, cwd: '/' });
      expect(ran.stderr, words.join(' ')).toMatch(told);
      expect(ran.stderr.match(/NOT YOUR FLEET/gu), words.join(' ')).toHaveLength(1);
    }
    const root = fileURLToPath(new URL('../..', import.meta.url));
    for (const [words, options] of [
      [['status', '--config', place.configDir], { env, cwd: '/' }],
      [['status'], { cwd: '/' }],
      [['status'], { env, cwd: root }],
      [['sandbox', 'status'], { env, cwd: '/' }],
      [['config', 'reference'], { env, cwd: '/' }],
    ] as const) {
      const ran = await place.run(words, options);
      expect(ran.stderr, words.join(' ')).not.toContain('NOT YOUR FLEET');
    }
  });

  it('one environment’s broken file stops that one and no other', async () => {
    const dir = join(place.folder, 'broken');
    mkdirSync(join(dir, 'environments'), { recursive: true });
    writeFileSync(join(dir, 'environments/bad.yaml'), 'environment: bad\ninventory: [\n');
    writeFileSync(join(dir, 'environments/good.yaml'), staticEnvironment('good', place.folder));
    const check = await place.run(['config', 'check', '--config', dir]);
    expect(check.code).toBe(2);
    expect(check.stderr).toMatch(/bad\.yaml:\d+:\d+/u);
    expect(await place.run(['status', 'good', '--config', dir])).toMatchObject({ code: 0 });
    const bad = await place.run(['status', 'bad', '--config', dir]);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('bad.yaml');
    const all = await place.run(['status', '--config', dir]);
    expect(all.stdout).toContain('good  no rollout yet');
    expect(all.stdout).toContain('bad  not usable');
    expect(all.code).toBe(0);
    // Where not one can be used nothing was told, and a schedule must hear of it.
    rmSync(join(dir, 'environments/good.yaml'));
    const none = await place.run(['status', '--config', dir]);
    expect(none.code).toBe(2);
    expect(none.stdout).toContain('bad  not usable');
    expect(none.stderr).toContain('next: rollout config check');
    const told = await place.run(['status', '--config', dir, '--json']);
    expect(told.code).toBe(2);
    expect(jsonLines(told.stdout)).toMatchObject([
      { type: 'refusal', code: 'no-usable-environment', details: [expect.stringContaining('bad: ')] },
    ]);
    const watched = await place.run(['watch', '--config', dir]);
    expect(watched).toMatchObject({ code: 2, stdout: expect.stringContaining('bad  not usable') });
  });

  it('reference and schema come from the program alone', async () => {
    const reference = await place.run(['config', 'reference'], { cwd: '/' });
    expect(reference.code).toBe(0);
    expect(reference.stdout).toContain('rollbackDeadline');
    const schema = await place.run(['config', 'schema', 'environment']);
    expect(JSON.parse(schema.stdout)).toMatchObject({ type: 'object' });
  });

  it('a state folder that cannot be written to is a failure with its path, not a bug', async () => {
    const env = { ROLLOUT_STATE_DIR: '', HOME: '/dev/null' };
    expect(await place.run(['config', 'check'], { env })).toMatchObject({ stderr: '' });
    const up = await place.run(['sandbox', 'up'], { env });
    expect(up).toMatchObject({ code: 1, stdout: '' });
    expect(up.stderr).toContain('/dev/null/.local/state/rollout/sandbox');
    expect(up.stderr).not.toContain('a bug');
  });
});

describe('the second program', () => {
  it('called with the agent’s own flags, says that it is not the agent', async () => {
    const ran = await place.run(['--flagfile', '/etc/osquery/osquery.flags'], { main: OSQUERYD });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('it is not the agent itself');
  });

  it('has a help that fits a screen, names every verb, and says first what stops everything', async () => {
    const ran = await place.run(['--help'], { main: OSQUERYD });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('Usage: osqueryd ');
    expect(ran.stdout.split('\n').length).toBeLessThanOrEqual(32);
    for (const { name } of LIFECYCLE_COMMANDS)
      expect(ran.stdout).toContain(`  ${name.replace('osqueryd ', '')} `);
    expect(ran.stdout).toContain('osqueryd stop --fleet\n');
    for (const line of ran.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(104);
  });

  it('has the same help for every verb as `rollout osqueryd`, with its own name in examples', async () => {
    const [alone, under] = await Promise.all([
      place.run(['stop', '--help'], { main: OSQUERYD }),
      place.run(['osqueryd', 'stop', '--help']),
    ]);
    expect(alone.stdout).toContain('\n  osqueryd stop --fleet\n');
    expect(under.stdout.replaceAll('rollout osqueryd', 'osqueryd')).toBe(alone.stdout);
  });

  it('complains in its own name', async () => {
    const ran = await place.run(['stop', '--flet'], { main: OSQUERYD });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toMatch(/^osqueryd: unknown option '--flet'\n\(Did you mean --fleet\?\)/u);
    expect(ran.stderr).toContain('osqueryd stop --help says more');
  });
});

/** One host that nobody contacts. */
function staticEnvironment(name: string, folder: string): string {
  return `environment: ${name}
inventory:
  kind: static
  hosts:
    - { id: "1", name: web-01, address: 127.0.0.1, zone: z, role: web, machineType: m, os: debian-12 }
artifacts: { kind: local, path: ${folder}/${name}-artifacts }
journal: { kind: local, path: ${folder}/${name}-journal }
ssh: { user: ops, agent: true, knownHosts: [${folder}/known_hosts] }
prometheus: { url: "http://127.0.0.1:9", hostLabel: fqdn, hostValue: "{name}" }
`;
}
