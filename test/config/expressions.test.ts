/** A wrong expression is shown at its own place inside the YAML value, however that was written. */
import { describe, expect, it } from 'vitest';
import { environmentText, placeOf, problemsOf } from './some-files.ts';

/** `rol` is the slip; `MARK` would be the place. */
const STYLES: readonly (readonly [string, string])[] = [
  ['plain', 'targeting:\n  include: spot and rol == "web"\n'],
  ['single quotes', `targeting:\n  include: 'spot and rol == "web"'\n`],
  ['single quotes with a quote before', `targeting:\n  include: 'role == ''a'' and rol == "web"'\n`],
  [
    'double quotes with escapes before',
    `targeting:\n  include: "role == \\"a\\" and \\x72ole == 'b' and rol == 'web'"\n`,
  ],
  ['a literal block', 'targeting:\n  include: |\n    spot and\n    rol == "web"\n'],
  ['a literal block without its last end', 'targeting:\n  include: |-\n    spot and rol == "web"'],
  [
    'a literal block that begins with blank lines',
    'targeting:\n  include: |\n\n\n    spot and\n    rol == "web"\n',
  ],
  ['a folded block', 'targeting:\n  include: >-\n    spot and\n    not spot and\n    rol == "web"\n'],
  [
    'a block with an anchor and a comment',
    'targeting:\n  include: &i | # which hosts\n    spot and\n    rol == "web"\n',
  ],
  [
    'a map in one line',
    'targeting: { exempt: [{ when: \'spot and rol == "web"\', reason: x, until: 2030-01-01 }] }\n',
  ],
];

describe('a wrong expression', () => {
  it.each(STYLES)('in %s', (_style, yaml) => {
    const text = environmentText('lab', yaml);
    expect(problemsOf(text)).toMatchObject([
      {
        ...placeOf(text, 'rol =='),
        found: 'rol',
        suggestion: 'role',
        message: expect.stringContaining('column'),
      },
    ]);
  });

  it.each(STYLES)('with the line ends of Windows in %s', (_style, yaml) => {
    const text = environmentText('lab', yaml).replaceAll('\n', '\r\n');
    expect(problemsOf(text)).toMatchObject([{ ...placeOf(text, 'rol =='), found: 'rol' }]);
  });

  it('over several lines in quotes is shown where the value begins', () => {
    const text = environmentText('lab', 'targeting:\n  include: "spot and\n    rol == 1"\n');
    expect(problemsOf(text)).toMatchObject([{ ...placeOf(text, '"spot and'), found: 'rol' }]);
  });

  it('that ends too early is shown at its end', () => {
    const text = environmentText('lab', 'targeting:\n  include: spot and\n');
    expect(problemsOf(text)).toMatchObject([
      { line: 15, column: '  include: spot and'.length + 1, found: 'the end of the expression' },
    ]);
  });

  it('that asks for a metadata value which is always withheld is refused, wherever it stands', () => {
    const when = "role == 'web' and metadata.startup-script =~ '*apt*'";
    const text = environmentText(
      'lab',
      `targeting:\n  include: metadata.kube-env == "x"\n  exempt:\n    - { when: "${when}", reason: x, until: 2030-01-01 }\n`,
    );
    expect(problemsOf(text)).toMatchObject([
      { ...placeOf(text, 'kube-env'), path: 'targeting.include', found: 'kube-env' },
      {
        ...placeOf(text, 'startup-script'),
        message: expect.stringContaining('withheld'),
        allowed: expect.arrayContaining(['has(metadata["startup-script"])']),
      },
    ]);
  });

  it('that is empty is none', () => {
    expect(problemsOf(environmentText('lab', 'targeting:\n  include: ""\n'))).toMatchObject([
      { line: 15, path: 'targeting.include' },
    ]);
  });
});
