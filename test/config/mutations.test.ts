/** Whatever happens to a right file, reading it gives what was written or problems with places inside it, and never throws. */
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renderProblems } from '../../src/config/problem.ts';
import { readEnvironmentText, readHostsText, readPlaybookText } from '../../src/config/written.ts';

function shipped(folder: string): string[] {
  return readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`, 'utf8'));
}

const HOSTS = ['1', '2'].map((id) => ({
  id,
  name: `h${id}`,
  address: `10.0.0.${id}`,
  zone: 'z-a',
  role: 'web',
}));

const KINDS = [
  { what: 'an environment', texts: shipped('environments'), read: readEnvironmentText, file: '/x/gprd.yaml' },
  { what: 'a playbook', texts: shipped('playbooks'), read: readPlaybookText, file: '/x/upgrade.yaml' },
  {
    what: 'a list of hosts',
    texts: [JSON.stringify(HOSTS, null, 2)],
    read: (file: string, text: string) => readHostsText(file, text, 22),
    file: '/x/hosts.json',
  },
];

/** What breaks YAML, readers of YAML, and readers of objects. */
const BITS = [
  '\t',
  '"',
  "'",
  ':',
  '- ',
  '{',
  '}',
  '[',
  ']',
  '&a ',
  '*a',
  '<<: *a\n',
  '!x ',
  '|',
  '>',
  '#',
  '\n',
  '  ',
  '%',
  '---\n',
  '5.20',
  'null',
  'true',
  '1e999',
  '.nan',
  '0x10',
  '\u0000',
  'é',
  '😀',
  '\r\n',
  '? ',
  '@',
  '`',
  'constructor: x\n',
  '__proto__: 1\n',
  'toString',
  'hasOwnProperty: {}\n',
];

const problemsIn = (text: string) => readEnvironmentText('/x/gprd.yaml', text).problems;

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.oneof(fc.constant(0), fc.nat(20)),
  put: fc.oneof(fc.constantFrom(...BITS), fc.string({ maxLength: 5 })),
});

describe('a right file with slips of the hand in it', () => {
  it.each(KINDS)('$what: is read, or every problem lies inside it', ({ texts, read, file }) => {
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.array(edit, { minLength: 1, maxLength: 4 }),
        (right, edits) => {
          const text = edits.reduce((before, { at, removed, put }) => {
            const start = Math.floor(at * before.length);
            return before.slice(0, start) + put + before.slice(start + removed);
          }, right);
          const { written, problems } = read(file, text);
          expect(written === null).toBe(problems.length > 0);
          const lines = text.split('\n');
          const outside = problems.filter(
            ({ line, column }) => line < 1 || column < 1 || column > (lines[line - 1]?.length ?? -1) + 1,
          );
          expect(outside).toEqual([]);
          expect(typeof renderProblems(problems)).toBe('string');
        },
      ),
      { numRuns: 300 },
    );
  });

  it('a key that every object has is unknown like any other', () => {
    expect(problemsIn('constructor: x\n')).toContainEqual(
      expect.objectContaining({ path: 'constructor', message: 'unknown key', line: 1, column: 1 }),
    );
  });

  it('ten thousand open brackets are one problem of the file, not ten thousand', () => {
    const problems = problemsIn('['.repeat(10_000));
    expect(problems[0]?.message).toContain('nests too deep');
    expect(problems.length).toBeLessThan(5);
  });

  it('lines are counted inside a text whose quote is never closed', () => {
    const [problem] = problemsIn("a: 'open\nb: 1\nc: 2: 3\n");
    expect(problem?.line).toBeGreaterThanOrEqual(1);
    expect(problem?.line).toBeLessThanOrEqual(4);
  });
});
