/** The scanner is not fooled by what only looks like code. */
import { describe, expect, it } from 'vitest';
import { importsOf } from './imports.ts';
import { tokenize } from './tokens.ts';

const words = (source: string): string[] =>
  tokenize(source).flatMap((t) => (t.kind === 'word' ? [t.text] : []));

describe('the scanner', () => {
  it.each([
    ['a // b\nc', ['a', 'c']],
    ['a /* b\n * c */ d', ['a', 'd']],
    ["'// a' + b", ['b']],
    ['"\\" a" + b', ['b']],
    ['`a ${b + `c ${d}`} e` + f', ['b', 'd', 'f']],
    ['`${({ a: { b } })}` + c', ['a', 'b', 'c']],
    ['`\\${a} \\` b` + c', ['c']],
    ['a = b / c / d', ['a', 'b', 'c', 'd']],
    ['a = /b\\/c[/]d/g.test(e)', ['a', 'test', 'e']],
    ['a = (b) / c / d', ['a', 'b', 'c', 'd']],
    ['a! / b / c', ['a', 'b', 'c']],
    ['if (!/a/.test(b)) c', ['if', 'test', 'b', 'c']],
    ['return /a"b/', ['return']],
    ["x.replace(/'/g, a).b(/`/)", ['x', 'replace', 'a', 'b']],
    ['a?.b ?? c?.5:d', ['a', 'b', 'c', 'd']],
    ['0xFFn + 1_000 + .5 + a', ['a']],
    ['#!/usr/bin/env node a\nb', ['b']],
    ['größe + $x + _y + #z', ['größe', '$x', '_y', '#z']],
  ])('reads the words of %s', (source, expected) => {
    expect(words(source)).toEqual(expected);
  });

  it('counts lines through comments, strings and templates', () => {
    const tokens = tokenize('/*\n\n*/ a\n`\n${b}\n` // x\nc');
    expect(tokens.filter((t) => t.kind === 'word').map((t) => [t.text, t.line])).toEqual([
      ['a', 3],
      ['b', 5],
      ['c', 7],
    ]);
  });

  it.each(['`never closed', "'never closed", '/* never closed', '/[a', '`${', '\\', '#!only'])(
    'comes to an end on %j, which no compiler accepts',
    (source) => {
      expect(tokenize(source).length).toBeLessThan(20);
    },
  );
});

describe('imports', () => {
  it.each([
    ["import a from 'x'", 'x', false],
    ["import type from 'x'", 'x', false],
    ["import type, { b } from 'x'", 'x', false],
    ["import type { A } from 'x'", 'x', true],
    ["import { type A } from 'x'", 'x', false],
    ["import { from } from 'x'", 'x', false],
    ["import { default as a, 'b c' as d } from 'x'", 'x', false],
    ["import json from 'x' with { type: 'json' }", 'x', false],
    ["export * as a from 'x'", 'x', false],
    ["export type { A } from 'x'", 'x', true],
    ["require('x')", 'x', false],
    ["import('x', { with: {} })", 'x', false],
    ['import(`x`)', null, false],
    ["import('x' + y)", null, false],
  ])('reads %s', (source, specifier, typeOnly) => {
    expect(importsOf(tokenize(source))).toEqual([{ specifier, typeOnly, line: 1 }]);
  });

  it.each([
    "const a = b.import('x');",
    'import.meta.dirname;',
    "export const from = 'x';",
    "export type Word = 'import' | 'from';",
    "export { a }; const from = 'x';",
    'const s = "import a from \'x\'";',
    "// import a from 'x'",
    "/** `import('x')` */",
    "const o = { import: 'x', require: 'y' };",
    "export default from('x');",
    "export function from(x = 'y') {}",
  ])('reads none in %s', (source) => {
    expect(importsOf(tokenize(source))).toEqual([]);
  });
});
