/** `rollout init` as CI and a person at a terminal run it. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { PLAYBOOK_ACTIONS } from '../../src/config/schema/playbook.ts';
import { fleetOf } from '../fakes/google/compute-fleet.ts';
import { startComputeServer } from '../fakes/google/compute-server.ts';
import { startIdentity } from '../fakes/google/identity.ts';
import { jsonLines, lastLine, makePlace, type Started } from './rig.ts';

const place = makePlace();
afterAll(() => place.remove());

const hasScript = spawnSync('script', ['--version']).status === 0;
if (!hasScript)
  console.log(
    'init.test.ts: questions are not tried, since there is no util-linux `script` to make a terminal with',
  );

/** An empty folder, and what it holds in the end. */
function empty(): { dir: string; left: () => string[] } {
  const dir = mkdtempSync(join(place.folder, 'init-'));
  return { dir, left: () => readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort() };
}

const env = { ROLLOUT_CONFIG: '' };
const FLAGS = [
  '--name',
  'gstg',
  '--project',
  'my-staging',
  '--bucket',
  'my-staging-rollout',
  '--prometheus',
  'https://prometheus.example.com',
  '--ssh-user',
  'rollout',
];

describe('without a terminal', () => {
  it('and without answers is refused with the flags that answer, and writes nothing', async () => {
    const { dir, left } = empty();
    const ran = await place.run(['init'], { env, cwd: dir });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    for (const option of ['--name', '--project', '--bucket', '--prometheus', '--ssh-user', '--answers'])
      expect(ran.stderr).toContain(option);
    expect(left()).toEqual([]);
  });

  it('and without --yes is refused, though everything is answered', async () => {
    const { dir, left } = empty();
    const ran = await place.run(['init', ...FLAGS], { env, cwd: dir });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('--yes');
    expect(left()).toEqual([]);
  });

  it('flags write an environment that config check and doctor’s offline part take', async () => {
    const { dir, left } = empty();
    const ran = await place.run(['init', '--yes', ...FLAGS], { env, cwd: dir });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toContain('rollout doctor gstg');
    expect(left()).toEqual(['environments', 'environments/gstg.yaml']);
    expect(await place.run(['config', 'check'], { env, cwd: dir })).toMatchObject({ code: 0, stderr: '' });
    expect(await place.run(['doctor', '--offline'], { env, cwd: dir })).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  it('flags that lack something say what', async () => {
    const { dir, left } = empty();
    const ran = await place.run(['init', '--yes', '--name', 'gstg', '--prometheus', 'https://p'], {
      env,
      cwd: dir,
    });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('either projects or hostsFile is needed');
    expect(ran.stderr).toContain('either bucket or folder is needed');
    expect(left()).toEqual([]);
  });

  it('an existing file is named, refused and left as it is', async () => {
    const { dir } = empty();
    mkdirSync(join(dir, 'environments'));
    writeFileSync(join(dir, 'environments/gstg.yaml'), 'mine\n');
    const ran = await place.run(['init', '--yes', ...FLAGS], { env, cwd: dir });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(join(dir, 'environments/gstg.yaml'));
    expect(readFileSync(join(dir, 'environments/gstg.yaml'), 'utf8')).toBe('mine\n');
  });

  it('a file of answers writes several environments, and playbooks, into --config', async () => {
    const { dir, left } = empty();
    const answers = join(place.folder, 'answers.yaml');
    writeFileSync(
      answers,
      `environments:
  - { name: gstg, projects: [my-staging], bucket: b-staging, sshUser: rollout, prometheus: "https://p" }
  - { name: gprd, projects: [my-production], bucket: b-production, sshUser: rollout, prometheus: "https://p", promotesFrom: gstg }
playbooks: true
`,
    );
    const ran = await place.run(
      ['init', '--yes', '--answers', answers, '--config', join(dir, 'infra'), '--json'],
      { env, cwd: dir },
    );
    expect(ran.code).toBe(0);
    expect(lastLine(ran)).toMatchObject({ type: 'result', exit: 0, code: 'written' });
    expect(left().filter((file) => file.endsWith('.yaml'))).toEqual([
      'infra/environments/gprd.yaml',
      'infra/environments/gstg.yaml',
      ...PLAYBOOK_ACTIONS.map((action) => `infra/playbooks/${action}.yaml`).sort(),
    ]);
    expect(await place.run(['config', 'check', '--config', join(dir, 'infra')])).toMatchObject({ code: 0 });
  });

  it('the example that the help shows is taken as it stands', async () => {
    const { dir, left } = empty();
    const help = (await place.run(['init', '--help'])).stdout;
    const from = help.indexOf('  environments:\n');
    const example = help.slice(from, help.indexOf('\n\n', from));
    writeFileSync(join(dir, 'answers.yaml'), `${example}\n`);
    const ran = await place.run(['init', '--yes', '--answers', 'answers.yaml'], { env, cwd: dir });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(left()).toContain('environments/gprd.yaml');
    expect(readFileSync(join(dir, 'environments/gprd.yaml'), 'utf8')).toContain(
      'credentials: { keyFile: "~/keys/rollout-gprd.json" }',
    );
  });

  it('a wrong name hides no other mistake, and a URL is no bucket', async () => {
    const { dir, left } = empty();
    const ran = await place.run(
      ['init', '--yes', '--name', 'G STG', '--bucket', 'http://127.0.0.1:9090', '--prometheus', 'https://p'],
      { env, cwd: dir },
    );
    expect(ran.code).toBe(2);
    for (const said of ['small letters', 'projects or hostsFile', 'sshUser or osLogin', 'without gs://'])
      expect(ran.stderr).toContain(said);
    expect(left()).toEqual([]);
  });

  it('what the files would refuse names the flag that it came from', async () => {
    const { dir, left } = empty();
    const bad = FLAGS.map((word) => (word === 'my-staging' ? 'My Staging' : word));
    const ran = await place.run(['init', '--yes', ...bad], { env, cwd: dir });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('next: give another --project');
    expect(left()).toEqual([]);
  });

  it('a file of answers that cannot be read, or with a slip, is refused by name', async () => {
    const { dir } = empty();
    const nowhere = await place.run(['init', '--yes', '--answers', 'nowhere.yaml', '--json'], {
      env,
      cwd: dir,
    });
    expect(nowhere.code).toBe(2);
    expect(jsonLines(nowhere.stdout)).toMatchObject([{ type: 'refusal', code: 'bad-answers' }]);
    writeFileSync(join(dir, 'slip.yaml'), 'environments:\n  - { name: gstg, bukket: x }\n');
    expect(
      (await place.run(['init', '--yes', '--answers', 'slip.yaml'], { env, cwd: dir })).stderr,
    ).toContain('there is no key bukket; did you mean bucket?');
  });
});

const CTRL_C = '\u0003';
const DOWN = '\u001b[B';
/** Answers one question after the other; each is waited for. */
async function answer(
  started: Started,
  steps: readonly (readonly [question: RegExp, keys: string])[],
): Promise<void> {
  for (const [question, keys] of steps) {
    await started.says(question);
    started.type(keys);
  }
}

describe.runIf(hasScript)('on a terminal', () => {
  it('asks, looks at the project, shows what it saw, and writes what was answered', async () => {
    const { dir, left } = empty();
    const identity = await startIdentity({ folder: join(dir, '..', 'identity') });
    const vms = [
      ...fleetOf({ count: 24, gkeOneIn: 4, project: 'my-staging' }),
      ...fleetOf({ count: 1, project: 'my-staging' }).map((vm) => ({
        ...vm,
        id: '77',
        name: 'gke-strange-thing',
      })),
    ];
    const compute = await startComputeServer({ vms });
    const started = place.onTerminal(['init'], {
      env: {
        ...env,
        GOOGLE_APPLICATION_CREDENTIALS: identity.keyFile,
        ROLLOUT_COMPUTE_ENDPOINT: compute.url,
        METADATA_SERVER_DETECTION: 'none',
      },
      cwd: dir,
    });
    await answer(started, [
      [/Name of the environment:/u, '\r'],
      [/Where are its VMs known from\?/u, '\r'],
      [/Projects, with commas/u, 'my-staging\r'],
      [/Whose rights in Google Cloud/u, '\r'],
      [/Look at their VMs now/u, '\r'],
      [/What does SSH connect to\?/u, '\r'],
      [/Which label says what a VM is for\?/u, '\r'],
      [/Where are packages and journal kept\?/u, '\r'],
      [/Bucket:/u, 'gs://my-staging-rollout\r'],
      [/Folder in it:/u, 'http://127.0.0.1:9090\r'],
      [/does not fit; a folder/u, `${'\u007f'.repeat(21)}\r`],
      [/Who logs in to the VMs\?/u, '\r'],
      [/User:/u, '\r'],
      [/Private key/u, '\r'],
      [/Through IAP/u, '\r'],
      [/Base URL of Prometheus/u, 'https://prometheus.example.com\r'],
      [/bearer token/u, '\r'],
      [/Label of its series/u, '\r'],
      [/Add the environment that takes/u, '\r'],
      [/Copy the playbooks/u, '\r'],
      [/Write .*gstg\.yaml/u, '\r'],
    ]);
    const ran = await started.ended;
    await Promise.all([identity.close(), compute.close()]);
    expect(ran.code, ran.stdout).toBe(0);
    expect(ran.stdout).toMatch(/25 VMs, of which 18 must have the agent/u);
    expect(ran.stdout).toMatch(/6 gke-node/u);
    expect(left()).toEqual(['environments', 'environments/gstg.yaml']);
    const text = readFileSync(join(dir, 'environments/gstg.yaml'), 'utf8');
    expect(text).toContain('roleLabel: type');
    expect(text).toContain('bucket: my-staging-rollout');
    expect(text).toContain('gke-strange-thing: ');
    expect(await place.run(['doctor', '--offline'], { env, cwd: dir })).toMatchObject({ code: 0 });
  }, 60_000);

  it('goes on without a look and without Prometheus, and takes a list in a file', async () => {
    const { dir } = empty();
    writeFileSync(
      join(dir, 'hosts.yaml'),
      '- { id: "1", name: web-1, address: 10.0.0.1, zone: us-east1-b, role: web }\n',
    );
    const started = place.onTerminal(['init'], { env, cwd: dir });
    await answer(started, [
      [/Name of the environment:/u, 'lab\r'],
      [/Where are its VMs known from\?/u, `${DOWN}\r`],
      [/File with the list of VMs/u, 'hosts.yaml\r'],
      [/Where are packages and journal kept\?/u, '\r'],
      [/Folder:/u, 'store\r'],
      [/User:/u, 'ops\r'],
      [/Private key/u, 'id_ed25519\r'],
      [/Base URL of Prometheus/u, 'lab:9090\r'],
      [/a base URL, such as/u, `${'\u007f'.repeat(8)}\r`],
      [/Add the environment that takes/u, '\r'],
      [/Copy the playbooks/u, '\r'],
      [/Write .*lab\.yaml/u, '\r'],
    ]);
    const ran = await started.ended;
    expect(ran.code, ran.stdout).toBe(0);
    const text = readFileSync(join(dir, 'environments/lab.yaml'), 'utf8');
    expect(text).toContain(`file: "${join(dir, 'hosts.yaml')}"`);
    expect(text).toContain(`path: "${join(dir, 'store')}/lab/journal"`);
    expect(text).toContain('# prometheus:\n');
    expect(await place.run(['config', 'check', 'lab'], { env, cwd: dir })).toMatchObject({ code: 0 });
  }, 60_000);

  it('flags that would not be heard are refused, instead of asked for again', async () => {
    const { dir, left } = empty();
    const started = place.onTerminal(['init', '--project', 'my-staging', '--os-login'], { env, cwd: dir });
    const ran = await started.ended;
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('--project, --os-login would not be heard without --name');
    expect(left()).toEqual([]);
  }, 30_000);

  it('looks with the key file of --key-file, asks nothing about it, and writes it down', async () => {
    const { dir } = empty();
    const identity = await startIdentity({ folder: join(dir, '..', 'identity-flag') });
    const compute = await startComputeServer({ vms: fleetOf({ count: 24, project: 'my-staging' }) });
    const started = place.onTerminal(['init', '--key-file', identity.keyFile], {
      env: { ...env, ROLLOUT_COMPUTE_ENDPOINT: compute.url, METADATA_SERVER_DETECTION: 'none' },
      cwd: dir,
    });
    await answer(started, [
      [/Name of the environment:/u, '\r'],
      [/Where are its VMs known from\?/u, '\r'],
      [/Projects, with commas/u, 'my-staging\r'],
      [/Look at their VMs now/u, '\r'],
      [/What does SSH connect to\?/u, '\r'],
      [/Which label says what a VM is for\?/u, '\r'],
      [/Where are packages and journal kept\?/u, '\r'],
      [/Bucket:/u, 'my-staging-rollout\r'],
      [/Folder in it:/u, '\r'],
      [/Who logs in to the VMs\?/u, '\r'],
      [/User:/u, '\r'],
      [/Private key/u, '\r'],
      [/Through IAP/u, '\r'],
      [/Base URL of Prometheus/u, 'https://prometheus.example.com\r'],
      [/bearer token/u, '\r'],
      [/Label of its series/u, '\r'],
      [/Add the environment that takes/u, '\r'],
      [/Copy the playbooks/u, '\r'],
      [/Write .*gstg\.yaml/u, '\r'],
    ]);
    const ran = await started.ended;
    await Promise.all([identity.close(), compute.close()]);
    expect(ran.code, ran.stdout).toBe(0);
    expect(ran.stdout).toMatch(/24 VMs/u);
    expect(ran.stdout).not.toContain('Whose rights');
    const text = readFileSync(join(dir, 'environments/gstg.yaml'), 'utf8');
    expect(text.split(`credentials: { keyFile: "${identity.keyFile}" }`)).toHaveLength(4);
  }, 30_000);

  it('Ctrl-C in any question ends with 130 and leaves nothing behind', async () => {
    const { dir, left } = empty();
    const first = place.onTerminal(['init'], { env, cwd: dir });
    await answer(first, [[/Name of the environment:/u, CTRL_C]]);
    expect((await first.ended).code).toBe(130);
    const last = place.onTerminal(['init', ...FLAGS], { env, cwd: dir });
    await answer(last, [[/Write .*gstg\.yaml/u, CTRL_C]]);
    const ran = await last.ended;
    expect(ran.code).toBe(130);
    expect(ran.stdout).toContain('nothing was written');
    expect(left()).toEqual([]);
  }, 30_000);

  it('a no to the last question writes nothing', async () => {
    const { dir } = empty();
    const started = place.onTerminal(['init', ...FLAGS], { env, cwd: dir });
    await answer(started, [[/Write .*gstg\.yaml/u, 'n\r']]);
    expect((await started.ended).code).toBe(1);
    expect(existsSync(join(dir, 'environments'))).toBe(false);
  }, 30_000);
});
