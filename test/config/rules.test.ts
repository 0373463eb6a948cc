/** Rules between keys, inside one file. */
import { describe, expect, it } from 'vitest';
import { readHostsText, readPlaybookText } from '../../src/config/written.ts';
import { changed, environmentText, placeOf, problemsOf, problemsWith } from './some-files.ts';

describe('waves', () => {
  const wave = (then: string) => problemsWith(`waves: { then: ${then} }\n`);

  it.each(['["100%"]', '["10%", "50%", "100%"]', '[1, 5, "100%"]', '[5, "1%", 10, "100%"]'])(
    '%s grow and end with everybody',
    (then) => {
      expect(wave(then)).toEqual([]);
    },
  );

  it.each([
    ['["50%", "20%", "100%"]', 'waves.then[1]', 'larger than the one before'],
    ['["50%", "50%", "100%"]', 'waves.then[1]', 'larger than the one before'],
    ['[5, "10%", 5, "100%"]', 'waves.then[2]', 'larger than the one before'],
    ['["100%", "100%"]', 'waves.then[1]', 'larger than the one before'],
    ['["10%"]', 'waves.then[0]', 'must be 100%'],
    ['["10%", 50]', 'waves.then[1]', 'must be 100%'],
    ['[]', 'waves.then', 'the list is empty'],
  ])('%s do not', (then, path, message) => {
    expect(wave(then)).toMatchObject([{ path, message: expect.stringContaining(message) }]);
  });
});

describe('gates', () => {
  it('without any, nothing would be watched', () => {
    expect(problemsWith('gates: []\n')).toMatchObject([{ path: 'gates', message: 'the list is empty' }]);
  });

  it('one of your own needs all of its keys', () => {
    const own =
      'name: queue, query: "x{$label=~\\"$hosts\\"}", unit: s, direction: above, limit: 1, window: 5m';
    expect(problemsWith(`gates: [{ ${own} }]\n`)).toEqual([]);
    expect(problemsWith('gates: [{ name: queue, limit: 1 }]\n')).toMatchObject([
      { path: 'gates[0]', message: expect.stringContaining('needs query, unit, direction, window') },
    ]);
  });

  it('two of one name cannot be told apart', () => {
    expect(problemsWith('gates: [{ use: agent-cpu }, { use: agent-cpu, limit: 0.2 }]\n')).toMatchObject([
      { path: 'gates[1]', message: expect.stringContaining('gate 1 of the list has the same name') },
    ]);
    expect(problemsWith('gates: [{ use: agent-cpu }, { use: agent-cpu, name: hot, limit: 0.2 }]\n')).toEqual(
      [],
    );
  });
});

describe('hosts', () => {
  it.each([
    ['id', 'id: "2"', 'id: "1"'],
    ['name', 'web-02', 'web-01'],
    ['address', '10.0.0.2', '10.0.0.1'],
  ])('the same %s twice is one VM changed twice', (key, from, to) => {
    const text = changed(from, to);
    expect(problemsOf(text)).toMatchObject([
      {
        line: 6,
        path: `inventory.hosts[1].${key}`,
        message: `host 1 of the list has the same ${key}`,
      },
    ]);
  });

  it('one address with two ports is two hosts', () => {
    expect(problemsOf(changed('address: 10.0.0.2', 'address: 10.0.0.1, port: 2222'))).toEqual([]);
    expect(problemsOf(changed('address: 10.0.0.2', 'address: 10.0.0.1, port: 22'))).toHaveLength(1);
  });

  it('are here or in a file, not both and not nowhere', () => {
    expect(problemsOf(changed('  hosts:', '  file: hosts.yaml\n  hosts:'))).toMatchObject([
      { line: 4, path: 'inventory.file', message: 'either hosts or file, not both' },
    ]);
    const nowhere = environmentText().replace(/ {2}hosts:\n( {4}-.*\n)+/, '');
    expect(problemsOf(nowhere)).toMatchObject([
      { line: 2, path: 'inventory', message: 'one of hosts and file is missing' },
    ]);
  });

  it('in a file are checked against the environment’s own port', () => {
    const list =
      '[{id: "1", name: a, address: h, zone: z, role: r}, {id: "2", name: b, address: h, port: 2200, zone: z, role: r}]';
    expect(readHostsText('/hosts.yaml', list, 22).problems).toEqual([]);
    expect(readHostsText('/hosts.yaml', list, 2200).problems).toHaveLength(1);
  });

  it('in a JSON file have their places too, tabs and all', () => {
    const list =
      '[\n\t{\n\t\t"id": "1",\n\t\t"name": "a",\n\t\t"address": "h",\n\t\t"zone": "z",\n\t\t"rol": "r"\n\t}\n]\n';
    expect(readHostsText('/hosts.json', list.replace('rol"', 'role"'), 22).written).toHaveLength(1);
    expect(readHostsText('/hosts.json', list, 22).problems).toMatchObject([
      { line: 2, column: 2, path: '[0].role', message: 'this key is missing' },
      { ...placeOf(list, '"rol"'), path: '[0].rol', suggestion: 'role' },
    ]);
    expect(readHostsText('/hosts.json', '[{', 22).problems.length).toBeGreaterThan(0);
  });
});

describe('ssh and Prometheus', () => {
  it('there must be a way to log in', () => {
    expect(problemsOf(changed('agent: true', 'agent: false'))).toMatchObject([
      { path: 'ssh', message: expect.stringContaining('no way to log in') },
    ]);
    expect(problemsOf(changed('agent: true', 'identityFiles: [~/.ssh/id]'))).toEqual([]);
  });

  it.each([
    ['urlFile: x', 'either url or urlFile, not both'],
    ['tokenEnv: A\n  tokenFile: b', 'either tokenEnv or tokenFile, not both'],
    ['username: ops', 'the password is missing'],
    ['passwordEnv: A', 'a password without username'],
    ['username: ops\n  passwordEnv: A\n  passwordFile: b', 'either passwordEnv or passwordFile, not both'],
    ['username: ops\n  passwordEnv: A\n  tokenEnv: B', 'either a token or a user with password, not both'],
  ])('%s', (lines, message) => {
    expect(problemsOf(`${environmentText()}  ${lines}\n`).map((problem) => problem.message)).toContain(
      message,
    );
  });

  const cloud = (text = environmentText()) =>
    text.replace(/inventory:\n(?: .*\n)+/, 'inventory: { kind: gce, projects: [my-project] }\n');

  it('somebody must log in: a user, or who OS Login says', () => {
    const nobody = changed('  user: ops\n', '');
    expect(problemsOf(nobody)).toMatchObject([
      { path: 'ssh', message: 'nothing says which user to log in as', allowed: ['user: NAME'] },
    ]);
    expect(problemsOf(cloud(nobody))).toMatchObject([{ allowed: ['user: NAME', 'osLogin: true'] }]);
    expect(problemsOf(cloud(changed('user: ops', 'osLogin: false')))).toMatchObject([{ path: 'ssh' }]);
    expect(problemsOf(cloud(changed('user: ops', 'osLogin: true')))).toEqual([]);
    expect(problemsOf(cloud(changed('user: ops', 'user: ops\n  osLogin: false')))).toEqual([]);
  });

  it('OS Login goes with no user of its own, and with Google Cloud alone', () => {
    expect(problemsOf(cloud(changed('user: ops', 'user: ops\n  osLogin: true')))).toMatchObject([
      { path: 'ssh.user', message: expect.stringContaining('not both') },
    ]);
    expect(problemsOf(changed('user: ops', 'osLogin: true'))).toMatchObject([
      { path: 'ssh.osLogin', message: expect.stringContaining('`inventory.kind: gce`') },
    ]);
  });

  it('there is one way to a host: jump hosts or a program', () => {
    const iap = '[gcloud, start-iap-tunnel, "{name}", "{port}", "--project={project}", "--zone={zone}"]';
    expect(problemsOf(cloud(changed('user: ops', `user: ops\n  proxyCommand: ${iap}`)))).toEqual([]);
    expect(problemsOf(cloud(changed('user: ops', `user: ops\n  proxyCommand: ${iap}\n  jump: []`)))).toEqual(
      [],
    );
    expect(
      problemsOf(cloud(changed('user: ops', `user: ops\n  proxyCommand: ${iap}\n  jump: [b]`))),
    ).toMatchObject([{ path: 'ssh.proxyCommand', message: expect.stringContaining('not both') }]);
    expect(problemsOf(changed('user: ops', `user: ops\n  proxyCommand: ${iap}`))).toMatchObject([
      { path: 'ssh.proxyCommand[4]', message: expect.stringContaining('have no project') },
    ]);
  });

  it.each([
    ['["{name}", x]', 0, 'written out'],
    ['["/opt/{zone}/proxy"]', 0, 'written out'],
    ['["nc {address} 22"]', 0, 'write a list of words'],
    ['["nc -x proxy"]', 0, 'write a list of words'],
    ['[nc, "%h", "22"]', 1, 'filled in by ssh'],
    ['[nc, "{host}"]', 1, 'nothing that is filled in'],
    ['[nc, "a\\0b"]', 1, 'no control characters'],
    ['[nc, ""]', 1, 'of the form'],
    ['[nc, 22]', 1, 'put it in quotes'],
  ])('the program to connect through is no %s', (words, index, message) => {
    const problems = problemsOf(changed('user: ops', `user: ops\n  proxyCommand: ${words}`));
    expect(problems).toMatchObject([
      { path: `ssh.proxyCommand[${index}]`, message: expect.stringContaining(message) },
    ]);
  });

  it('a program may have a blank in its path', () => {
    expect(
      problemsOf(changed('user: ops', 'user: ops\n  proxyCommand: ["/opt/a b/nc", "{address}"]')),
    ).toEqual([]);
  });

  it('the passphrase of the keys has one source', () => {
    expect(
      problemsOf(changed('  user: ops', '  user: ops\n  passphraseEnv: A\n  passphraseFile: b')),
    ).toMatchObject([{ message: 'either passphraseEnv or passphraseFile, not both' }]);
  });

  it('Prometheus must be somewhere', () => {
    expect(problemsOf(changed('  url: http://127.0.0.1:9090', '  hostLabel: fqdn'))).toMatchObject([
      { path: 'prometheus', message: 'one of url and urlFile is missing' },
    ]);
  });
});

describe('delivery', () => {
  const gcs = (more: string) =>
    changed('{ kind: local, path: artifacts/lab }', `{ kind: gcs, bucket: my-bucket${more} }`);

  it.each(['', ', delivery: signed-url', ', delivery: service-account'])(
    'by hosts that fetch%s may have an address of its own',
    (delivery) => {
      expect(problemsOf(gcs(`${delivery}, fetchFrom: "https://private.example"`))).toEqual([]);
    },
  );

  it('over SSH has no address to fetch from', () => {
    expect(problemsOf(gcs(', delivery: sftp'))).toEqual([]);
    expect(problemsOf(gcs(', delivery: sftp, fetchFrom: "https://private.example"'))).toMatchObject([
      { path: 'artifacts.fetchFrom', message: 'with `delivery: sftp` no host fetches anything' },
    ]);
  });
});

describe('exemptions', () => {
  const exempt = (rule: string) => problemsWith(`targeting: { exempt: [{ when: spot, ${rule} }] }\n`);

  it('have a reason and an end', () => {
    expect(exempt('reason: lab, until: 2027-06-30')).toEqual([]);
    expect(exempt('reason: lab')).toMatchObject([
      {
        line: 14,
        path: 'targeting.exempt[0].until',
        message: 'the exemption needs an end date, so that somebody looks at it again: this key is missing',
        allowed: expect.arrayContaining(['2027-01-31']),
      },
    ]);
    expect(exempt('until: 2027-06-30')).toMatchObject([
      { path: 'targeting.exempt[0].reason', message: expect.stringContaining('needs a reason') },
    ]);
    expect(exempt('reason: lab, until: never')).toMatchObject([
      { path: 'targeting.exempt[0].until', message: expect.stringContaining('not a date') },
    ]);
  });
});

describe('freezes', () => {
  it.each([
    ['2026-12-21', '2027-01-03', true],
    ['2026-12-21', '2026-12-21', true],
    ['2026-12-21T18:00:00Z', '2026-12-21', true],
    ['2026-12-21T18:00:00Z', '2026-12-21T19:30:00+01:00', true],
    ['2026-12-22', '2026-12-21', false],
    ['2026-12-21T18:00:00Z', '2026-12-20', false],
    ['2026-12-21T18:00:00Z', '2026-12-21T19:00:00+01:00', false],
  ])('from %s until %s: %s', (from, until, right) => {
    const problems = problemsWith(`freeze: [{ from: ${from}, until: ${until}, reason: x }]\n`);
    expect(problems.map((problem) => problem.message)).toEqual(right ? [] : ['it ends before it begins']);
  });
});

describe('playbooks', () => {
  const playbook = (action: string, steps: string, more = '') =>
    readPlaybookText(`/${action}.yaml`, `action: ${action}\ndescription: x\nsteps:\n${steps}${more}`)
      .problems;
  const UPGRADE =
    '  - { run: look }\n  - { run: deliver }\n  - { run: upgrade, undo: revert }\n  - { run: prove }\n';
  const ROLLBACK = '  - { run: look }\n  - { run: revert, timeout: 5m }\n  - { run: prove }\n';

  it('with the steps of their action are right', () => {
    expect([
      ...playbook('upgrade', UPGRADE),
      ...playbook('canary', UPGRADE),
      ...playbook('rollback', ROLLBACK),
    ]).toEqual([]);
  });

  it('cannot leave out a step, nor change the order', () => {
    for (const steps of [
      UPGRADE.replace('  - { run: look }\n', ''),
      ROLLBACK,
      `${UPGRADE}  - { run: look }\n`,
    ])
      expect(playbook('upgrade', steps)).toMatchObject([
        {
          line: 3,
          message: 'the steps of upgrade are these, in this order',
          allowed: ['look, deliver, upgrade, prove'],
        },
      ]);
  });

  it('cannot upgrade without a way back', () => {
    expect(playbook('upgrade', UPGRADE.replace(', undo: revert', ''))).toMatchObject([
      { path: 'steps[2]', message: 'without its undo there is no way back' },
    ]);
    expect(playbook('upgrade', UPGRADE.replace('run: look', 'run: look, undo: revert'))).toMatchObject([
      { path: 'steps[0].undo' },
    ]);
  });

  it('have waves and gates by the same rules as environments', () => {
    expect(
      playbook('upgrade', UPGRADE, 'waves: { then: ["5%"] }\ngates: [{ limit: 1 }]\n').map(
        ({ path }) => path,
      ),
    ).toEqual(['waves.then[0]', 'gates[0]']);
  });

  it('of a rollback take no key that would do nothing', () => {
    const steps = ROLLBACK.replace('run: look', 'run: look, timeout: 1m');
    expect(
      playbook('rollback', steps, 'soak: 5m\ngates: [{ use: agent-cpu }]\n').map(({ path }) => path),
    ).toEqual(['steps[0].timeout', 'soak', 'gates']);
  });
});
