/** Whole folders: what each environment is worth, and what a mistake in one file means for the others. */
import { describe, expect, it } from 'vitest';
import type { LastResort } from '../../src/config/load.ts';
import type { Environment } from '../../src/domain/environment.ts';
import { changed, environmentText, type Loaded, loadFiles, placeOf } from './some-files.ts';

const LAB = environmentText('lab');
const inFile = (file: string) => environmentText().replace(/ {2}hosts:\n( {4}-.*\n)+/, `  file: ${file}\n`);
const HOSTS = '- { id: "1", name: web-01, address: 10.0.0.1, zone: us-east1-b, role: web }\n';
const UPGRADE = `action: upgrade
description: x
steps:
  - { run: look }
  - { run: deliver }
  - { run: upgrade, undo: revert }
  - { run: prove }
`;

function ready(loaded: Loaded, name = 'lab'): Environment {
  const found = loaded.environment(name);
  if (found.kind !== 'ready') throw new Error(JSON.stringify(found));
  return found.environment;
}

function messages(loaded: Loaded, name = 'lab'): string[] {
  const found = loaded.environment(name);
  return found.kind === 'ready' ? [] : found.problems.map((problem) => problem.message);
}

describe('a folder of environments', () => {
  it('gives each by its name', async () => {
    const loaded = await loadFiles({
      'environments/b.yaml': environmentText('b', 'promotesFrom: a\n'),
      'environments/a.yml': environmentText('a'),
      'environments/.hidden.yaml': 'not read',
      'environments/notes.txt': 'not read',
    });
    expect(loaded.problems).toEqual([]);
    expect([...loaded.environments.keys()]).toEqual(['a', 'b']);
    expect(ready(loaded, 'b').promotesFrom).toBe('a');
  });

  it('tells all problems of all files at once, in the order of files and lines', async () => {
    const loaded = await loadFiles({
      'environments/a.yaml': environmentText('a', 'soak: soon\nbakee: 1h\n'),
      'environments/b.yaml': 'a: [\n',
      'environments/c.yaml': environmentText('c'),
      'playbooks/upgrade.yaml': 'action: upgrade\n',
    });
    const places = loaded.problems.map(({ file, path }) => `${file.slice(loaded.dir.length + 1)} ${path}`);
    expect(places.slice(0, 2)).toEqual(['environments/a.yaml soak', 'environments/a.yaml bakee']);
    expect(places.slice(2).map((place) => place.split(' ')[0])).toEqual([
      'environments/b.yaml',
      'playbooks/upgrade.yaml',
      'playbooks/upgrade.yaml',
    ]);
  });

  it('that is not there is said to be missing', async () => {
    const loaded = await loadFiles({ 'other/a.yaml': LAB });
    expect(loaded.environments.size).toBe(0);
    expect(loaded.problems).toMatchObject([{ line: 0, message: expect.stringContaining('does not exist') }]);
  });

  it('with two files of one name says which', async () => {
    const loaded = await loadFiles({ 'environments/lab.yaml': LAB, 'environments/lab.yml': LAB });
    expect(loaded.problems).toMatchObject([{ message: 'there is lab.yaml too; one of the two must go' }]);
  });

  it('with a slip in one environment leaves the others usable', async () => {
    const loaded = await loadFiles({
      'environments/a.yaml': environmentText('a', 'soakk: 1m\n'),
      'environments/b.yaml': environmentText('b'),
      'environments/c.yaml': new Uint8Array([0xff, 0xfe, 0x00]),
    });
    expect(['a', 'b', 'c'].map((name) => loaded.environment(name).kind)).toEqual([
      'invalid',
      'ready',
      'invalid',
    ]);
    expect(messages(loaded, 'c')).toEqual(['it is not UTF-8 text']);
  });

  it('reads no file that is absurdly large, and nothing that is no file', async () => {
    const loaded = await loadFiles({
      'environments/big.yaml': '#'.repeat((1 << 20) + 1),
      'environments/folder.yaml/x': '',
    });
    expect(messages(loaded, 'big')[0]).toContain('it is 1048577 bytes long; at most 1048576');
    expect(messages(loaded, 'folder')).toEqual(['it is not a regular file']);
  });
});

describe('names and promotions', () => {
  it('the name of an environment is the name of its file', async () => {
    const loaded = await loadFiles({ 'environments/gstg.yaml': LAB });
    expect(loaded.problems).toMatchObject([
      { line: 1, column: 14, path: 'environment', found: 'lab', suggestion: 'gstg' },
    ]);
  });

  it('a promotion from nowhere names the nearest environment', async () => {
    const loaded = await loadFiles({
      'environments/gstg.yaml': environmentText('gstg'),
      'environments/gprd.yaml': environmentText('gprd', 'promotesFrom: gsgt\n'),
    });
    expect(loaded.problems).toMatchObject([
      {
        path: 'promotesFrom',
        line: 14,
        column: 15,
        message: 'there is no such environment',
        suggestion: 'gstg',
      },
    ]);
    expect(loaded.environment('gstg').kind).toBe('ready');
  });

  it('promotions in a circle are told in every file of the circle, and in no other', async () => {
    const loaded = await loadFiles({
      'environments/a.yaml': environmentText('a', 'promotesFrom: c\n'),
      'environments/b.yaml': environmentText('b', 'promotesFrom: a\n'),
      'environments/c.yaml': environmentText('c', 'promotesFrom: b\n'),
      'environments/d.yaml': environmentText('d', 'promotesFrom: a\n'),
      'environments/self.yaml': environmentText('self', 'promotesFrom: self\n'),
    });
    expect(loaded.problems.map(({ found }) => found)).toEqual([
      'a <- c <- b <- a',
      'b <- a <- c <- b',
      'c <- b <- a <- c',
      'self <- self',
    ]);
    expect(loaded.environment('d').kind).toBe('ready');
  });

  it('two environments cannot keep one journal, in whatever words it is named', async () => {
    const shared = (name: string, path: string) =>
      changed(`path: journal/${name}`, `path: ${path}`, environmentText(name));
    const loaded = await loadFiles({
      'environments/a.yaml': shared('a', '../journal'),
      'environments/b.yaml': shared('b', './x/../../journal/'),
    });
    expect(loaded.problems).toMatchObject([
      {
        path: 'journal.path',
        message: 'a keeps its journal there; each environment needs a place of its own',
      },
    ]);
    expect(loaded.environment('a').kind).toBe('ready');
    const bucket = (name: string) =>
      changed(
        `{ kind: local, path: journal/${name} }`,
        '{ kind: gcs, bucket: some-bucket }',
        environmentText(name),
      );
    const inCloud = await loadFiles({
      'environments/a.yaml': bucket('a'),
      'environments/b.yaml': bucket('b'),
    });
    expect(inCloud.problems).toMatchObject([{ path: 'journal.bucket', found: 'gs://some-bucket/' }]);
  });

  it('two environments cannot keep their packages in one place: the same version has two files', async () => {
    const shared = (name: string) => changed(`artifacts/${name}`, '../store', environmentText(name));
    const loaded = await loadFiles({
      'environments/a.yaml': shared('a'),
      'environments/b.yaml': shared('b'),
    });
    expect(loaded.problems).toMatchObject([
      {
        path: 'artifacts.path',
        found: `${loaded.dir}/store`,
        message: expect.stringContaining('a keeps its packages'),
      },
    ]);
  });
});

describe('a VM in two environments', () => {
  const both = (a: string, b: string) => loadFiles({ 'environments/a.yaml': a, 'environments/b.yaml': b });
  const LIST = environmentText('a').replace('name: web-02', 'name: web-02, role: db');
  const inCloud = (name: string, settings: string, more = '') =>
    environmentText(name, more).replace(/inventory:\n(?: .*\n)+/, `inventory: { kind: gce, ${settings} }\n`);

  it('is refused in the later one, by its id', async () => {
    const b = environmentText('b').replaceAll('id: "b-', 'id: "a-');
    const loaded = await both(environmentText('a'), b);
    expect(loaded.problems).toMatchObject([
      {
        file: `${loaded.dir}/environments/b.yaml`,
        line: 2,
        path: 'inventory',
        message: 'a has the VM web-01 (id a-1) and 1 more too; a VM belongs to one environment',
      },
    ]);
    expect([loaded.environment('a').kind, loaded.environment('b').kind]).toEqual(['ready', 'invalid']);
  });

  it('is refused in a list that both name as their file', async () => {
    const shared = (name: string, more = '') =>
      environmentText(name, more).replace(/ {2}hosts:\n( {4}-.*\n)+/, '  file: ../hosts.yaml\n');
    const files = { 'hosts.yaml': HOSTS, 'environments/a.yaml': shared('a') };
    const loaded = await loadFiles({ ...files, 'environments/b.yaml': shared('b') });
    expect(loaded.problems).toMatchObject([{ path: 'inventory' }]);
    const apart = await loadFiles({
      ...files,
      'environments/b.yaml': shared('b', 'targeting: { include: \'role == "db"\' }\n'),
    });
    expect(apart.problems).toEqual([]);
  });

  it('is fine where targeting tells them apart, or the agents are different ones', async () => {
    const web = `${LIST.replace('role: db, ', '')}targeting: { include: 'name == "web-01"' }\n`;
    const db = environmentText('b', 'targeting: { include: \'name == "web-02"\' }\n');
    const other = environmentText('b', 'agent: { package: other, service: otherd }\n');
    for (const b of [db, other])
      expect((await both(web, b.replaceAll('id: "b-', 'id: "a-'))).problems).toEqual([]);
  });

  it.each([
    ['projects: [my-project]', 'projects: [my-project]'],
    ['projects: [my-project, a-project]', 'projects: [b-project, my-project]'],
    [
      'projects: [my-project], zones: [us-east1-b, us-east1-c]',
      'projects: [my-project], zones: [us-east1-c]',
    ],
    ['projects: [my-project]', 'projects: [my-project], zones: [us-east1-c]'],
  ])('could be one of %s and of %s', async (a, b) => {
    const loaded = await both(inCloud('a', a), inCloud('b', b));
    expect(loaded.problems).toMatchObject([
      { found: 'my-project', message: expect.stringContaining('a has the VMs of this project too') },
    ]);
  });

  it.each([
    ['projects: [my-project]', 'projects: [other-project]'],
    ['projects: [my-project], zones: [us-east1-b]', 'projects: [my-project], zones: [us-east1-c]'],
    ['projects: [my-project], filter: "labels.env = a"', 'projects: [my-project], filter: "labels.env = b"'],
  ])('cannot be in %s and in %s', async (a, b) => {
    expect((await both(inCloud('a', a), inCloud('b', b))).problems).toEqual([]);
  });

  it('cannot be in two parts of a project that `include` tells apart', async () => {
    const part = (name: string) =>
      inCloud(name, 'projects: [my-project]', `targeting: { include: 'labels.env == "${name}"' }\n`);
    expect((await both(part('a'), part('b'))).problems).toEqual([]);
  });
});

describe('paths', () => {
  it('are relative to the file, to the home, or to the state folder', async () => {
    const text = changed('  agent: true', '  identityFiles: [../id, ~/id, "${state}/id", /abs/./id]');
    const loaded = await loadFiles({ 'environments/lab.yaml': text });
    const { ssh, artifacts, file } = ready(loaded);
    expect(ssh.identityFiles).toEqual([
      `${loaded.dir}/id`,
      `${loaded.dir}/home/id`,
      `${loaded.dir}/state/id`,
      '/abs/id',
    ]);
    expect(ssh.knownHosts).toEqual([`${loaded.dir}/home/.ssh/known_hosts`]);
    expect(artifacts).toEqual({ kind: 'local', path: `${loaded.dir}/environments/artifacts/lab` });
    expect(file).toBe(`${loaded.dir}/environments/lab.yaml`);
  });

  it('name the program to connect through, unless it is one of the PATH', async () => {
    const proxyOf = async (program: string) => {
      const text = changed('  agent: true', `  agent: true\n  proxyCommand: [${program}, a/b, "{address}"]`);
      const loaded = await loadFiles({ 'environments/lab.yaml': text });
      return ready(loaded).ssh.proxyCommand.map((word) => word.replace(loaded.dir, ''));
    };
    expect(await proxyOf('gcloud')).toEqual(['gcloud', 'a/b', '{address}']);
    expect(await proxyOf('../bin/tunnel')).toEqual(['/bin/tunnel', 'a/b', '{address}']);
    expect(await proxyOf('~/tunnel')).toEqual(['/home/tunnel', 'a/b', '{address}']);
    expect(await proxyOf('/opt/tunnel')).toEqual(['/opt/tunnel', 'a/b', '{address}']);
  });

  it.each([
    ['$HOME/id', 'other variables are not'],
    ['${home}/id', 'other variables are not'],
    ['x/${state}/id', 'other variables are not'],
    ['~root/id', 'home is not expanded'],
    ['"a\\tb"', 'no control characters'],
    ['""', 'of the form'],
  ])('%s is refused', async (path, message) => {
    const loaded = await loadFiles({
      'environments/lab.yaml': changed(
        '  agent: true',
        `  identityFiles: [${path.startsWith('"') ? path : `"${path}"`}]`,
      ),
    });
    expect(messages(loaded)).toEqual([expect.stringContaining(message)]);
  });

  it('$state is asked whether it is ${state}', async () => {
    const loaded = await loadFiles({ 'environments/lab.yaml': changed('artifacts/lab', '$state/a') });
    expect(loaded.problems).toMatchObject([{ suggestion: '${state}/a' }]);
  });
});

describe('an inventory in a file', () => {
  it('is read where it is named', async () => {
    for (const [name, text] of [
      ['hosts.yaml', HOSTS],
      ['hosts.json', JSON.stringify([{ id: '1', name: 'web-01', address: 'a', zone: 'z', role: 'web' }])],
    ] as const) {
      const loaded = await loadFiles({ 'environments/lab.yaml': inFile(`../${name}`), [name]: text });
      expect(ready(loaded).inventory).toMatchObject({
        kind: 'static',
        hosts: [{ id: '1', name: 'web-01', os: 'unknown', spot: false }],
      });
    }
  });

  it('that is not there makes the environment unusable, not wrong', async () => {
    const loaded = await loadFiles({ 'environments/lab.yaml': inFile('hosts.yaml') });
    expect(loaded.problems).toEqual([]);
    expect(loaded.environment('lab')).toMatchObject({
      kind: 'not-there',
      problems: [{ path: 'inventory.file', message: expect.stringContaining('does not exist') }],
    });
  });

  it.each([
    ['broken', '- { id: "1"', 'this is not YAML'],
    ['empty', '', 'the file is empty'],
    ['an empty list', '[]', 'the list is empty'],
    ['a map', 'hosts: []', 'a list must stand here'],
    ['a host twice', HOSTS + HOSTS, 'host 1 of the list has the same id'],
    ['an id without quotes', HOSTS.replace('"1"', '1'), 'put it in quotes'],
  ])('that is %s is wrong in its own file', async (_name, text, message) => {
    const loaded = await loadFiles({ 'environments/lab.yaml': inFile('../hosts.yaml'), 'hosts.yaml': text });
    expect(loaded.environment('lab').kind).toBe('invalid');
    expect(loaded.problems[0]).toMatchObject({ file: `${loaded.dir}/hosts.yaml` });
    expect(messages(loaded).join('\n')).toContain(message);
  });

  it('that is a folder or not UTF-8 is wrong where it is named', async () => {
    for (const files of [{ 'hosts/x': '' }, { hosts: new Uint8Array([0xff]) }]) {
      const loaded = await loadFiles({ 'environments/lab.yaml': inFile('../hosts'), ...files });
      expect(loaded.environment('lab').kind).toBe('invalid');
      expect(loaded.problems).toHaveLength(1);
    }
  });
});

describe('Prometheus’ URL in a file', () => {
  const text = changed('  url: http://127.0.0.1:9090', '  urlFile: ../url');

  it('is its first line, without a slash at the end', async () => {
    const loaded = await loadFiles({
      'environments/lab.yaml': text,
      url: ' http://127.0.0.1:1234/p/ \nrest\n',
    });
    expect(ready(loaded).prometheus.url).toBe('http://127.0.0.1:1234/p');
  });

  it('that is not there makes the environment unusable, not wrong', async () => {
    const loaded = await loadFiles({ 'environments/lab.yaml': text });
    expect(loaded.environment('lab').kind).toBe('not-there');
    expect(loaded.problems).toEqual([]);
  });

  it.each(['', 'not a url', 'ftp://x', 'http://u:hunter2@x'])(
    'that holds %j is wrong, and not repeated',
    async (url) => {
      const loaded = await loadFiles({ 'environments/lab.yaml': text, url });
      expect(loaded.problems).toMatchObject([{ path: 'prometheus.urlFile', ...placeOf(text, '../url') }]);
      expect(JSON.stringify(loaded.problems)).not.toContain('hunter2');
    },
  );
});

describe('an environment in Google Cloud', () => {
  const gce = (more = '', settings = 'projects: [my-project]') =>
    environmentText('lab', more).replace(/inventory:\n(?: .*\n)+/, `inventory: { kind: gce, ${settings} }\n`);

  it('is ready with what is right for most', async () => {
    const loaded = await loadFiles({ 'environments/lab.yaml': gce('coverage: { target: 97.5 }\n') });
    expect(loaded.problems).toEqual([]);
    expect(ready(loaded)).toMatchObject({
      coverageTarget: 97.5,
      inventory: {
        kind: 'gce',
        projects: ['my-project'],
        roleLabel: 'type',
        address: '{internal}',
        publishedHostKeys: true,
        instanceCheck: true,
        credentials: {},
      },
    });
  });

  it('has what was written, with paths made absolute and places without slashes at their ends', async () => {
    const text = gce(
      '',
      `projects: [my-project, other-project, my-project], zones: [us-east1-b], filter: 'labels.env = "x"',
    roleLabel: role, address: '{name}.c.{project}.internal', hostKeys: known-hosts, instanceCheck: false,
    credentials: { keyFile: ../key.json, impersonate: r@p.iam.gserviceaccount.com }`,
    )
      .replace(
        '{ kind: local, path: artifacts/lab }',
        '{ kind: gcs, bucket: b-1, prefix: a/b, project: my-project, delivery: service-account, fetchFrom: "https://private.example/" }',
      )
      .replace(
        '{ kind: local, path: journal/lab }',
        '{ kind: gcs, bucket: b-2, credentials: { keyFile: ~/k } }',
      );
    const loaded = await loadFiles({ 'environments/lab.yaml': text });
    const { inventory, artifacts, journal } = ready(loaded);
    expect(inventory).toEqual({
      kind: 'gce',
      projects: ['my-project', 'other-project'],
      zones: ['us-east1-b'],
      filter: 'labels.env = "x"',
      roleLabel: 'role',
      address: '{name}.c.{project}.internal',
      publishedHostKeys: false,
      instanceCheck: false,
      credentials: { keyFile: `${loaded.dir}/key.json`, impersonate: 'r@p.iam.gserviceaccount.com' },
    });
    expect(artifacts).toEqual({
      kind: 'gcs',
      bucket: 'b-1',
      prefix: 'a/b',
      project: 'my-project',
      credentials: {},
      delivery: 'service-account',
      fetchFrom: 'https://private.example',
    });
    expect(journal).toEqual({
      kind: 'gcs',
      bucket: 'b-2',
      prefix: '',
      credentials: { keyFile: `${loaded.dir}/home/k` },
    });
  });

  it('that has mistakes tells them all', async () => {
    const loaded = await loadFiles({
      'environments/lab.yaml': gce('soakk: 1m\n').replace('my-project', 'M'),
    });
    expect(loaded.environment('lab').kind).toBe('invalid');
    expect(loaded.problems.map((problem) => problem.path)).toEqual(['inventory.projects[0]', 'soakk']);
  });
});

describe('playbooks', () => {
  it('of one’s own folder override the shipped ones by action', async () => {
    const loaded = await loadFiles({
      'environments/lab.yaml': LAB,
      'shipped/upgrade.yaml': UPGRADE.replace('run: look', 'run: look, timeout: 7s'),
      'shipped/rollback.yaml':
        'action: rollback\ndescription: x\nsteps: [{ run: look }, { run: revert, timeout: 70s }, { run: prove }]\n',
      'playbooks/upgrade.yaml': UPGRADE.replace('run: look', 'run: look, timeout: 9s'),
    });
    expect(ready(loaded).policy.stepTimeouts).toMatchObject({ lookMs: 9_000, revertMs: 300_000 + 70_000 });
  });

  it('that are wrong make every environment unusable: another is never used in its place', async () => {
    const loaded = await loadFiles({
      'environments/lab.yaml': LAB,
      'environments/b.yaml': environmentText('b'),
      'shipped/upgrade.yaml': UPGRADE,
      'playbooks/upgrade.yaml': `${UPGRADE}soakk: 1m\n`,
    });
    expect(['lab', 'b'].map((name) => loaded.environment(name).kind)).toEqual(['invalid', 'invalid']);
    expect(loaded.problems).toMatchObject([
      { file: `${loaded.dir}/playbooks/upgrade.yaml`, path: 'soakk', suggestion: 'soak' },
    ]);
  });

  it('have the name of their file', async () => {
    const loaded = await loadFiles({ 'environments/lab.yaml': LAB, 'playbooks/canary.yaml': UPGRADE });
    expect(loaded.problems).toMatchObject([{ path: 'action', found: 'upgrade', suggestion: 'canary' }]);
  });

  it('twice in one folder are refused', async () => {
    const loaded = await loadFiles({
      'environments/lab.yaml': LAB,
      'playbooks/upgrade.yaml': UPGRADE,
      'playbooks/upgrade.yml': UPGRADE,
    });
    expect(loaded.problems).toMatchObject([{ message: 'there is upgrade.yaml too; one of the two must go' }]);
  });
});

describe('what an emergency may go on with', () => {
  const noUrl = '  urlFile: ../url';
  const url = (text: string): string => changed('  url: http://127.0.0.1:9090', noUrl, text);

  function lastResort(loaded: Loaded, name = 'lab'): LastResort | null {
    const found = loaded.environment(name);
    return 'lastResort' in found ? found.lastResort : null;
  }

  it('without Prometheus’ URL is the list of hosts', async () => {
    const found = lastResort(await loadFiles({ 'environments/lab.yaml': url(LAB) }));
    expect(found?.environment.inventory).toMatchObject({ hosts: [{ name: 'web-01' }, { name: 'web-02' }] });
    expect(found?.whyNoHosts).toBeNull();
    expect(found?.whyNoMetrics).toMatch(/lab\.yaml:\d+:\d+: the file with Prometheus' URL does not exist/u);
  });

  it.each([
    ['is not there', {}, /lab\.yaml:\d+:\d+: the list of hosts does not exist/u],
    ['has slips', { 'hosts.yaml': `${HOSTS}${HOSTS}` }, /hosts\.yaml:2:\d+: .* \(and \d+ more\)$/u],
    ['is no list', { 'hosts.yaml': 'a: [' }, /hosts\.yaml:\d+:\d+: /u],
  ] as const)(
    'where the list of hosts %s is no list, with the reason and its place',
    async (_, files, why) => {
      const loaded = await loadFiles({ 'environments/lab.yaml': inFile('../hosts.yaml'), ...files });
      expect(lastResort(loaded)).toMatchObject({
        whyNoHosts: expect.stringMatching(why),
        whyNoMetrics: null,
      });
      expect(lastResort(loaded)?.environment.inventory).toMatchObject({
        hosts: [],
        file: expect.stringMatching(/\/hosts\.yaml$/u),
      });
    },
  );

  it('is nothing where the environment or a rollout’s playbook is wrong, or the sandbox does not run', async () => {
    const wrong = [
      { 'environments/lab.yaml': `${LAB}nonsense: 1\n` },
      { 'environments/lab.yaml': url(LAB), 'playbooks/upgrade.yaml': 'a: [' },
      { 'environments/lab.yaml': inFile('${state}/sandbox/lab-hosts.yaml') },
    ];
    for (const files of wrong) expect(lastResort(await loadFiles(files))).toBeNull();
  });

  it('of two lists with one VM is no list for the later one, and neither is a cloud’s listing', async () => {
    const twice = environmentText('zoo').replaceAll('zoo-1', '1');
    const lists = { 'environments/lab.yaml': LAB, 'environments/zoo.yaml': twice };
    expect(lastResort(await loadFiles(lists), 'zoo')?.whyNoHosts).toContain('lab has the VM web-01');
    const cloud = (name: string): string =>
      environmentText(name).replace(
        /inventory:\n(?: .*\n)+/,
        'inventory: { kind: gce, projects: [my-project] }\n',
      );
    for (const zoo of [cloud('zoo'), url(cloud('zoo'))]) {
      const loaded = await loadFiles({ 'environments/lab.yaml': cloud('lab'), 'environments/zoo.yaml': zoo });
      expect(loaded.environment('lab').kind).toBe('ready');
      expect(lastResort(loaded, 'zoo')).toBeNull();
    }
  });

  it('without Prometheus’ URL is no list where an environment that can be used has one of its VMs', async () => {
    const twice = url(environmentText('aaa').replaceAll('aaa-1', '1'));
    const loaded = await loadFiles({ 'environments/aaa.yaml': twice, 'environments/lab.yaml': LAB });
    expect(loaded.environment('lab').kind).toBe('ready');
    expect(loaded.environment('aaa').kind).toBe('not-there');
    expect(lastResort(loaded, 'aaa')?.whyNoHosts).toContain('lab has the VM web-01');
  });
});
