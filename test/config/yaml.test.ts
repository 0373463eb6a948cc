/** What YAML itself can get wrong, before any key has a meaning. */
import { describe, expect, it } from 'vitest';
import { decodeText } from '../../src/config/read-file.ts';
import { readYaml } from '../../src/config/yaml-file.ts';
import { changed, environmentText, placeOf, problemsOf } from './some-files.ts';

describe('a file that is not good YAML', () => {
  it('names a key that is there twice, at its second place', () => {
    const text = environmentText('lab', 'soak: 1m\nsoak: 2m\n');
    expect(problemsOf(text)).toMatchObject([
      { ...placeOf(text, 'soak: 2m'), message: 'this key is there twice', found: 'soak' },
    ]);
  });

  it('says that a tab indents the line', () => {
    const text = changed('  user: ops', '\tuser: ops');
    expect(problemsOf(text)).toContainEqual(
      expect.objectContaining({ line: 10, message: expect.stringContaining('a tab indents this line') }),
    );
  });

  it.each(['', '\n\n', '# only a comment\n', '---\n', '~\n'])('is empty: %j', (text) => {
    expect(problemsOf(text)).toMatchObject([{ line: 1, column: 1, message: 'the file is empty' }]);
  });

  it.each(['- a\n', 'word\n', '5\n'])('holds something else than keys: %j', (text) => {
    expect(problemsOf(text)).toMatchObject([
      { line: 1, column: 1, message: 'a map of keys must stand here' },
    ]);
  });

  it('holds a second document', () => {
    expect(problemsOf(`${environmentText()}---\nsoak: 1m\n`)).toMatchObject([
      { line: 14, message: expect.stringContaining('a second document') },
    ]);
  });

  it('has a tag, and is told to quote', () => {
    expect(problemsOf(environmentText('lab', 'description: !important fleet\n'))).toMatchObject([
      { line: 14, column: 14, message: expect.stringContaining('put quotes around') },
    ]);
  });

  it('asks for the YAML in which `yes` is true and 1:30 a number', () => {
    expect(problemsOf(`%YAML 1.1\n---\n${environmentText()}`)).toMatchObject([
      { found: '%YAML 1.1', message: expect.stringContaining('YAML 1.2') },
    ]);
    expect(problemsOf(`%YAML 1.2\n---\n${environmentText()}`)).toEqual([]);
  });

  it.each(['? [a, b]\n: 1\n', '? {a: 1}\n: 1\n'])('has a key that is no text: %j', (text) => {
    expect(problemsOf(text)).toMatchObject([
      { line: 1, message: expect.stringContaining('a key is a plain text') },
    ]);
  });

  it('leaves a quote or a bracket open', () => {
    for (const text of ['description: "a\n', 'gates: [\n', 'a: {b: 1\n'])
      expect(problemsOf(text)[0]?.message).toContain('this is not YAML');
  });
});

describe('anchors', () => {
  const twice = changed(
    'role: web }\n    - { id: "2", name: web-02, address: 10.0.0.2, zone: us-east1-c, role: web }',
    'role: &role web }\n    - { id: "2", name: web-02, address: 10.0.0.2, zone: us-east1-c, role: *role }',
  );

  it('stand for what they name', () => {
    expect(problemsOf(twice)).toEqual([]);
  });

  it('that nothing above has are named', () => {
    const text = changed('role: *role', 'role: *rule', twice);
    expect(problemsOf(text)).toMatchObject([
      { ...placeOf(text, '*rule'), message: 'nothing above is anchored as &rule', found: '*rule' },
    ]);
  });

  it('are followed to the place of the mistake', () => {
    const text = environmentText(
      'lab',
      'freeze:\n  - &f { from: 2027-01-01, until: soon, reason: x }\n  - *f\n',
    );
    const place = placeOf(text, 'soon');
    expect(problemsOf(text)).toMatchObject([place, place]);
  });

  it('used in a circle are refused', () => {
    for (const text of ['a: &a [*a]\n', 'a: &a { b: *a }\n', 'a: &a {<<: {<<: *a}}\n'])
      expect(problemsOf(text).length, text).toBeGreaterThan(0);
  });

  it('that unfold to billions are refused at once', () => {
    const lines = ['a0: &a0 [x,x,x,x,x,x,x,x,x]'];
    for (let level = 1; level < 12; level++)
      lines.push(
        `a${level}: &a${level} [${Array(9)
          .fill(`*a${level - 1}`)
          .join(',')}]`,
      );
    expect(problemsOf(lines.join('\n'))).toMatchObject([
      { line: 1, message: expect.stringContaining('anchors are used too often') },
    ]);
  });

  it('used more often than any fleet is large are refused at the place where it is too much', () => {
    const text = `description: &d x\ngates: [${'*d,'.repeat(30_000)}]\n`;
    expect(problemsOf(text)).toMatchObject([
      { line: 2, column: 9 + 3 * 20_000, message: expect.stringContaining('more than 20000 times') },
    ]);
  });

  it('may give thousands of hosts the same labels', () => {
    const hosts = Array.from({ length: 3_000 }, (_, index) => `- { id: "${index}", labels: *l }`);
    const { yaml, problems } = readYaml(
      '/hosts.yaml',
      `- { id: x, labels: &l { team: infra } }\n${hosts.join('\n')}\n`,
    );
    expect(problems).toEqual([]);
    expect(yaml?.value).toHaveLength(3_001);
  });
});

describe('merge keys', () => {
  it('lay one map under another, the own keys winning', () => {
    const { yaml } = readYaml('/f', 'a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }\nc: { <<: [*a, { z: 4 }] }\n');
    expect(yaml?.value).toEqual({ a: { x: 1, y: 2 }, b: { x: 1, y: 3 }, c: { x: 1, y: 2, z: 4 } });
  });

  it('lead to the place where the mistake stands', () => {
    const text = environmentText(
      'lab',
      'freeze:\n  - &f { from: 2027-01-01, until: soon, reason: x }\n  - { <<: *f, until: 2027-01-02 }\n',
    );
    expect(problemsOf(text)).toMatchObject([{ ...placeOf(text, 'soon'), path: 'freeze[0].until' }]);
    const merged = environmentText('lab', 'waves:\n  <<: { thn: ["100%"] }\n');
    expect(problemsOf(merged)).toMatchObject([
      { ...placeOf(merged, 'thn'), message: 'unknown key', suggestion: 'then' },
    ]);
  });

  it.each(['a: { <<: 5 }\n', 'a: { <<: [1] }\n', 'a: &a 1\nb: { <<: *a }\n'])(
    'take maps only: %j',
    (text) => {
      expect(problemsOf(text)).toMatchObject([
        { message: expect.stringContaining('a merge (`<<`) takes a map') },
      ]);
    },
  );

  it('are keys like any other in quotes', () => {
    expect(problemsOf(environmentText('lab', '"<<": { soak: 1m }\n'))).toMatchObject([
      { line: 14, column: 1, path: '["<<"]', message: 'unknown key' },
    ]);
  });
});

describe('a file made to break the reader', () => {
  it.each([
    ['lists in lists', '['.repeat(30_000)],
    ['maps in maps', '{a: '.repeat(20_000)],
    ['closed lists', '['.repeat(5_000) + ']'.repeat(5_000)],
    ['indented', Array.from({ length: 1_000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
    ['dashes', '- '.repeat(20_000)],
    ['control characters', '\u0000\u0001\u001b[31m: \u0007'],
    ['prototype', '__proto__: { soak: 1m }\nconstructor: 1\nhasOwnProperty: 1\n'],
  ])('%s', (_name, text) => {
    const problems = problemsOf(text);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.every((problem) => problem.line >= 1 && problem.column >= 1)).toBe(true);
  });
});

describe('bytes', () => {
  const bytes = (...parts: (string | number)[]): Uint8Array =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))));

  it('that are not UTF-8 are refused at their place', () => {
    expect(decodeText(bytes('a: 1\nbä: ', 0xff, '\n'))).toMatchObject({
      ok: false,
      error: { kind: 'unreadable', line: 2, column: 5 },
    });
  });

  it('of UTF-16 are refused', () => {
    expect(decodeText(Buffer.from('\ufeffa: 1', 'utf16le')).ok).toBe(false);
  });

  it('of a byte-order mark are dropped', () => {
    expect(decodeText(bytes(0xef, 0xbb, 0xbf, 'a: 1'))).toEqual({ ok: true, value: 'a: 1' });
  });
});
