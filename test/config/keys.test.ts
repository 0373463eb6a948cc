/** What a single key may be, and how a mistake in it is told. */
import { describe, expect, it } from 'vitest';
import { renderProblems } from '../../src/config/problem.ts';
import { readPlaybookText } from '../../src/config/written.ts';
import { changed, environmentText, placeOf, problemsOf, problemsWith } from './some-files.ts';

it('a right file has no problems', () => {
  expect(problemsOf(environmentText())).toEqual([]);
});

describe('keys', () => {
  it('a misspelt one is named with the nearest right word, line and column', () => {
    const text = changed('prometheus:', 'promtheus:');
    expect(problemsOf(text)).toContainEqual(
      expect.objectContaining({
        ...placeOf(text, 'promtheus'),
        path: 'promtheus',
        message: 'unknown key',
        found: 'promtheus',
        suggestion: 'prometheus',
      }),
    );
  });

  it('a misspelt one deep inside is named with its whole path', () => {
    const text = environmentText('lab', 'waves:\n  maxUnavailable: { zon: 1 }\n');
    expect(problemsOf(text)).toMatchObject([
      { ...placeOf(text, 'zon:'), path: 'waves.maxUnavailable.zon', suggestion: 'zone' },
    ]);
  });

  it('one of another kind is unknown, with the keys of the kind that is there', () => {
    const text = changed('  kind: static', '  kind: static\n  projects: [a]');
    const [problem] = problemsOf(text);
    expect(problem).toMatchObject({ path: 'inventory.projects', message: 'unknown key' });
    expect(problem?.allowed).toEqual(['kind', 'hosts', 'file']);
  });

  it('a missing one is told at the key that should hold it', () => {
    const text = changed('  url: http://127.0.0.1:9090', '  hostLabel: fqdn').replace('name: web-01, ', '');
    expect(problemsOf(text)).toMatchObject([
      { line: 5, path: 'inventory.hosts[0].name', message: 'this key is missing' },
      { ...placeOf(text, 'prometheus:'), path: 'prometheus' },
    ]);
  });

  it('all mistakes of a file are told at once, in the order of the file', () => {
    const text = `${changed('kind: static', 'kind: statik')}soak: soon\nbake: 5\nfreez: []\n`;
    expect(problemsOf(text).map((problem) => problem.path)).toEqual([
      'inventory.kind',
      'soak',
      'bake',
      'freez',
    ]);
  });

  it('words of the language that runs this are keys like any other', () => {
    const text = environmentText('lab', '__proto__: { soak: 1m }\nconstructor: 1\ntoString: 2\n');
    expect(problemsOf(text).map(({ path, message }) => [path, message])).toEqual([
      ['__proto__', 'unknown key'],
      ['constructor', 'unknown key'],
      ['toString', 'unknown key'],
    ]);
  });
});

describe('texts that YAML reads as something else', () => {
  it('a version without quotes is shown as typed and as read', () => {
    const text = changed('zone: us-east1-b', 'os: 5.20, zone: us-east1-b');
    expect(problemsOf(text)).toMatchObject([
      {
        ...placeOf(text, '5.20'),
        path: 'inventory.hosts[0].os',
        message: 'without quotes YAML reads a number, here 5.2; put it in quotes',
        found: '5.20',
        suggestion: '"5.20"',
      },
    ]);
  });

  it.each([
    ['4711', 'YAML reads a number'],
    ['0x10', 'YAML reads a number, here 16'],
    ['1e3', 'YAML reads a number, here 1000'],
    ['true', 'YAML reads true or false'],
    ['null', 'nothing stands here'],
    ['[a]', 'text must stand here'],
    ['{ a: 1 }', 'text must stand here'],
  ])('an id that is %s', (value, message) => {
    expect(problemsOf(changed('id: "1"', `id: ${value}`))).toMatchObject([
      { path: 'inventory.hosts[0].id', message: expect.stringContaining(message) },
    ]);
  });

  it('a number of 19 digits is not rounded behind anybody’s back', () => {
    expect(problemsOf(changed('id: "1"', 'id: 4711471147114711471'))).toMatchObject([
      { found: '4711471147114711471', suggestion: '"4711471147114711471"' },
    ]);
  });

  it('a switch of Thanos must be text', () => {
    const text = `${environmentText()}  parameters: { partial_response: false }\n`;
    expect(problemsOf(text)).toMatchObject([
      { path: 'prometheus.parameters.partial_response', suggestion: '"false"' },
    ]);
  });
});

describe('durations', () => {
  it.each([
    ['soon', 'is not a number with a unit'],
    ['15', 'the unit is missing; write 15s, 15m or 15h'],
    ['1.5h', 'not a duration'],
    ['-5m', 'not a duration'],
    ['5m1h', 'after a smaller unit'],
    ['"24 h"', 'not a duration'],
    ['0s', 'it must be at least 1ms'],
    ['9999d', 'longer than 366d'],
    ['""', 'it is empty'],
    ['[5m]', 'text must stand here'],
  ])('%s is none', (value, message) => {
    expect(problemsWith(`soak: ${value}\n`)).toMatchObject([
      { line: 14, column: 7, path: 'soak', message: expect.stringContaining(message) },
    ]);
  });

  it('no wave and no environment is left unwatched', () => {
    expect(problemsWith('soak: 0s\nbake: 0m\n').map((problem) => problem.path)).toEqual(['soak', 'bake']);
  });
});

describe('numbers', () => {
  it.each([
    ['concurrency: 0', 'it must be at least 1'],
    ['concurrency: 5000', 'it must be at most 4096'],
    ['concurrency: 1.5', 'a whole number must stand here'],
    ['concurrency: "8"', 'a number must stand here, without quotes'],
    ['concurrency: .nan', 'number must stand here'],
    ['concurrency: .inf', 'number must stand here'],
    ['port: 65536', 'it must be at most 65535'],
    ['agent: yes', 'true or false must stand here'],
  ])('%s', (line, message) => {
    const text = changed('  agent: true', `  agent: true\n  ${line}`).replace(
      '  agent: true\n  agent',
      '  agent',
    );
    expect(problemsOf(text)).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining(message) }),
    );
  });

  it.each(['.nan', '.inf', '-.inf', '"0.1"', 'null'])('a limit of %s would never be exceeded', (limit) => {
    expect(problemsWith(`gates: [{ use: agent-cpu, limit: ${limit} }]\n`)).toMatchObject([
      { path: 'gates[0].limit' },
    ]);
  });
});

describe('numbers of hosts', () => {
  it.each(['0', '-1', '1.5', '"0%"', '"101%"', '"10"', '"10 %"', 'ten', '"%"', '"1e1%"'])(
    '%s is none',
    (value) => {
      const [problem, ...others] = problemsWith(`waves: { maxUnavailable: { zone: ${value} } }\n`);
      expect(others).toEqual([]);
      expect(problem).toMatchObject({
        path: 'waves.maxUnavailable.zone',
        message: 'not a number of hosts (1 or more) nor a percentage (over 0%, at most 100%)',
      });
    },
  );

  it.each(['1', '25', '"10%"', '"0.5%"', '100%'])('%s is one', (value) => {
    expect(problemsWith(`waves: { maxUnavailable: { zone: ${value} } }\n`)).toEqual([]);
  });

  it('a count in quotes is asked whether it is a percentage', () => {
    expect(problemsWith('waves: { maxUnavailable: { zone: "10" } }\n')).toMatchObject([
      { suggestion: '10%' },
    ]);
  });
});

describe('dates', () => {
  it.each(['2027-02-30', '2027-13-01', 'tomorrow', '2027-01-01T10:00', '01.02.2027'])(
    '%s is none',
    (date) => {
      expect(problemsWith(`freeze: [{ from: "${date}", until: 2028-01-01, reason: x }]\n`)).toMatchObject([
        { path: 'freeze[0].from', message: 'not a date (UTC) nor a time with its zone' },
      ]);
    },
  );
});

describe('words', () => {
  it('an unknown kind is told with the kinds there are', () => {
    const text = changed('kind: static', 'kind: statik');
    expect(problemsOf(text)).toMatchObject([
      { ...placeOf(text, 'statik'), found: 'statik', allowed: ['static', 'gce'], suggestion: 'static' },
    ]);
  });

  it('an unknown gate is told with the nearest that ships', () => {
    expect(problemsWith('gates: [{ use: agnet-cpu }]\n')).toMatchObject([
      { path: 'gates[0].use', line: 14, column: 16, suggestion: 'agent-cpu' },
    ]);
  });

  it.each([
    ['environment: lab', 'environment: Lab'],
    ['environment: lab', 'environment: ../lab'],
    ['address: 10.0.0.1', 'address: -oProxyCommand=x'],
    ['name: web-01', 'name: "web 01"'],
    ['user: ops', 'user: -l'],
    ['user: ops', 'user: "ops root"'],
  ])('%s may not be %s', (from, to) => {
    expect(problemsOf(changed(from, to))).toHaveLength(1);
  });
});

describe('templates and queries', () => {
  it('tell an unknown place inside the text with its own column', () => {
    const text = `${environmentText()}  hostValue: "{nam}.internal"\n`;
    expect(problemsOf(text)).toMatchObject([
      { ...placeOf(text, '{nam}'), path: 'prometheus.hostValue', found: '{nam}', suggestion: '{name}' },
    ]);
  });

  it('tell an unknown variable of a query', () => {
    const text = environmentText('lab', 'gates:\n  - { use: agent-cpu, query: "rate(x[$windw])" }\n');
    expect(problemsOf(text)).toMatchObject([{ ...placeOf(text, '$windw'), suggestion: '$window' }]);
  });

  it.each(['env=gprd', 'env="gprd",', '{env="gprd"}', 'env="a" or vector(1)'])(
    '%s are no matchers',
    (text) => {
      expect(problemsOf(`${environmentText()}  matchers: '${text}'\n`)).toMatchObject([
        { path: 'prometheus.matchers' },
      ]);
    },
  );
});

describe('secrets', () => {
  const SECRET = 'glpat-Zx81_secret';
  const in_prometheus = (line: string): string => `${environmentText()}  ${line}\n`;

  it.each([
    ['a token', in_prometheus(`token: ${SECRET}`), 'tokenEnv or tokenFile'],
    ['a bearer token', in_prometheus(`bearer_token: ${SECRET}`), 'tokenEnv or tokenFile'],
    ['a password', in_prometheus(`password: ${SECRET}`), 'passwordEnv or passwordFile'],
    ['a passphrase', changed('  user: ops', `  user: ops\n  passphrase: ${SECRET}`), 'passphraseEnv or'],
    ['a private key', changed('  user: ops', `  user: ops\n  privateKey: ${SECRET}`), 'identityFiles'],
    ['a parameter', in_prometheus(`parameters: { api_key: ${SECRET} }`), 'tokenEnv or tokenFile'],
    ['the URL', changed('http://', `http://ops:${SECRET}@`), 'usernam'],
    ['the URL, twice wrong', changed('http://', `ftp://ops:${SECRET}@`), 'http and https'],
    ['a URL with a query', changed(':9090', `:9090/?token=${SECRET}`), 'parameters'],
    ['the name of a variable', in_prometheus(`tokenEnv: ${SECRET}`), 'environment variable'],
    ['the name of a file', in_prometheus(`tokenFile: "~${SECRET}"`), 'home'],
    ['a jump host', changed('  user: ops', `  user: ops\n  jump: ["ops:${SECRET}@bastion"]`), 'form'],
    ['a number', in_prometheus('tokenEnv: 815081508150'), 'text must stand here'],
  ])('%s is refused and never repeated', (_name, text, message) => {
    const problems = problemsOf(text);
    expect(problems.map((problem) => problem.message).join('\n')).toContain(message);
    expect(JSON.stringify(problems)).not.toContain(SECRET);
    expect(JSON.stringify(problems)).not.toContain('8150');
  });

  it('a token of small letters is not taken for the name of a variable', () => {
    expect(problemsOf(in_prometheus('tokenEnv: d41d8cd98f00b204e9800998ecf8427e'))).toMatchObject([
      { path: 'prometheus.tokenEnv', found: expect.stringContaining('not shown') },
    ]);
  });

  it('a key itself is not taken for the name of its file', () => {
    const key = '-----BEGIN OPENSSH PRIVATE KEY-----';
    const problems = problemsOf(changed('  user: ops', `  user: ops\n  identityFiles: ["${key}"]`));
    expect(problems).toMatchObject([{ message: expect.stringContaining('this is a key itself') }]);
    expect(JSON.stringify(problems)).not.toContain('BEGIN');
  });
});

describe('problems as text', () => {
  it('name file, line, column, path, what was found and what is meant', () => {
    expect(renderProblems(problemsWith('soakk: 5m\n')).split('\n').slice(0, 2)).toEqual([
      '/config/environments/lab.yaml:14:1: soakk: unknown key',
      '  found:        soakk',
    ]);
    expect(renderProblems(problemsWith('soakk: 5m\n'))).toContain('did you mean: soak');
  });

  it('send nothing to the terminal that is not text', () => {
    expect(renderProblems(problemsWith('"\\e[31mred": 1\n'))).toContain('\\u001b[31mred');
    expect(/[\u0000-\u0009\u000b-\u001f]/.test(renderProblems(problemsWith('"a\\e[2Jb": 1\n')))).toBe(false);
  });
});

describe('playbooks', () => {
  it('tell mistakes as environments do', () => {
    const text = 'action: upgrad\ndescription: x\nsteps: [{ run: look, timeout: 1 }]\n';
    expect(readPlaybookText('/upgrade.yaml', text).problems.map(({ path }) => path)).toEqual([
      'action',
      'steps[0].timeout',
    ]);
  });
});
