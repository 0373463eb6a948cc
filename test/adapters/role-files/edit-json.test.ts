/** One value changed and not a byte besides: what is put in, what is taken out, what is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editJson } from '../../../src/adapters/role-files/edit-json.ts';

const ROLE = `{
  "name": "gprd-base",
  "default_attributes": {
    "uptycs": {
      "enable": true,
      "version":   "5.10.2"
    },
    "list": [1,2,
             3]
  },
  "json_class": "Chef::Role",
  "run_list": ["recipe[a]", "recipe[b]"]
}
`;
const ENABLE = ['default_attributes', 'uptycs', 'enable'];

function edited(
  text: string,
  path: readonly string[],
  value: string | null,
): { before: string | null; text: string } {
  const result = editJson(text, path, value);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

function refused(text: string, path: readonly string[] = ['a'], value: string | null = 'false'): string {
  const result = editJson(text, path, value);
  return result.ok ? '' : result.error;
}

describe('a value that is there', () => {
  it('is changed, and nothing else is', () => {
    expect(edited(ROLE, ENABLE, 'false')).toEqual({
      before: 'true',
      text: ROLE.replace('"enable": true', '"enable": false'),
    });
    expect(edited(ROLE, ['default_attributes', 'uptycs', 'version'], '"x"').text).toBe(
      ROLE.replace('"5.10.2"', '"x"'),
    );
  });

  it('that is the same already is left as it is written', () => {
    expect(edited(ROLE, ENABLE, 'true')).toEqual({ before: 'true', text: ROLE });
    const odd = '{"a": {"b":1e2}}';
    expect(edited(odd, ['a', 'b'], '100').text).toBe(odd);
    expect(edited(odd, ['a'], '{"b": 100}').text).toBe(odd);
  });

  it('keeps a text with other line ends, tabs, no last line end, and letters of any kind', () => {
    for (const text of [
      ROLE.replaceAll('\n', '\r\n'),
      ROLE.replaceAll('  ', '\t'),
      ROLE.trimEnd(),
      ROLE.replace('gprd', 'é💥\\u00e9'),
      ROLE.replaceAll('\n', ''),
    ])
      expect(edited(text, ENABLE, 'false').text).toBe(text.replace('"enable": true', '"enable": false'));
  });

  it('may have comments around it, which stay', () => {
    const text = '{\n  // Who reads this: ask first.\n  "a": /* why */ true, // since 2020\n  "b": 1\n}\n';
    expect(edited(text, ['a'], 'false').text).toBe(text.replace('true', 'false'));
  });
});

describe('a value that is not there', () => {
  it('stands behind the last one of its object, as those beside it do', () => {
    expect(edited(ROLE, ['default_attributes', 'uptycs', 'reason'], '"x"')).toEqual({
      before: null,
      text: ROLE.replace('"5.10.2"\n', '"5.10.2",\n      "reason":   "x"\n'),
    });
  });

  it('makes the objects that are missing on the way', () => {
    expect(edited(ROLE, ['default_attributes', 'osquery', 'daemon', 'enabled'], 'false').text).toBe(
      ROLE.replace(
        '             3]\n',
        '             3],\n    "osquery": {\n      "daemon": {\n        "enabled": false\n      }\n    }\n',
      ),
    );
  });

  it.each([
    ['{}\n', '{\n  "a": {\n    "b": 1\n  }\n}\n'],
    ['{\r\n\t"x": {\r\n\t}\r\n}', '{\r\n\t"x": {\r\n\t},\r\n\t"a": {\r\n\t\t"b": 1\r\n\t}\r\n}'],
    ['{"x":1}', '{"x":1,"a":{"b":1}}'],
    ['{ "x": 1 }', '{ "x": 1, "a": { "b": 1 } }'],
    ['{"a":{}}', '{"a":{"b": 1}}'],
    ['{\n    "a": {}\n}', '{\n    "a": {\n        "b": 1\n    }\n}'],
    ['{\n  "x": 1 // one\n}\n', '{\n  "x": 1, // one\n  "a": {\n    "b": 1\n  }\n}\n'],
    ['{\n  "x": 1 /* one */\n}\n', '{\n  "x": 1, /* one */\n  "a": {\n    "b": 1\n  }\n}\n'],
    ['{\n  "a": {\n    // nothing yet\n  }\n}\n', '{\n  "a": {\n    "b": 1\n    // nothing yet\n  }\n}\n'],
  ])('in %j', (text, wanted) => {
    expect(edited(text, ['a', 'b'], '1').text).toBe(wanted);
  });

  it('and is to be taken out is no change', () => {
    expect(edited(ROLE, ['default_attributes', 'x', 'y'], null)).toEqual({ before: null, text: ROLE });
  });
});

describe('a key that is taken out', () => {
  it.each([
    ['{\n  "a": 1,\n  "b": 2\n}\n', '{\n  "b": 2\n}\n'],
    ['{\n  "b": 2,\n  "a": 1\n}\n', '{\n  "b": 2\n}\n'],
    ['{"a":1}', '{}'],
    ['{\n  "a": 1\n}\n', '{}\n'],
    ['{ "b": 1, "a": { "c": 2 }, "d": 3 }', '{ "b": 1, "d": 3 }'],
  ])('from %j', (text, wanted) => {
    expect(edited(text, ['a'], null).text).toBe(wanted);
  });

  it('beside a comment is left to a person', () => {
    expect(refused('{\n  "b": 1, // about b\n  "a": 2\n}', ['a'], null)).toBe(
      'a comment stands beside the key on line 3: take it out by hand',
    );
  });

  it('leaves what was there before it was put in, whatever the text', () => {
    const json = fc.json({ maxDepth: 3 }).map((text) => JSON.parse(text) as unknown);
    const object = fc.dictionary(fc.string({ maxLength: 4 }), json, { maxKeys: 4 });
    const space = fc.constantFrom('', '\t', '  ', '    ');
    fc.assert(
      fc.property(object, space, fc.constantFrom('\n', '\r\n'), (value, indent, eol) => {
        const text = JSON.stringify({ ...value, keep: { it: 1 } }, null, indent).replaceAll('\n', eol);
        const put = edited(text, ['keep', 'new-key'], '"x"').text;
        expect(JSON.parse(put)).toEqual({ ...value, keep: { it: 1, 'new-key': 'x' } });
        expect(edited(put, ['keep', 'new-key'], null)).toEqual({ before: '"x"', text });
      }),
      { numRuns: 300 },
    );
  });
});

describe('a text that is not certain', () => {
  it('with the key twice is refused, with both lines', () => {
    expect(refused('{\n  "a": 1,\n  "a": 2\n}')).toBe(
      'the file has the key "a" more than once, on lines 2 and 3',
    );
    expect(refused('{"x": {"a": 1, "a": 2}}', ['x', 'a'])).toContain('x has the key "a" more than once');
    expect(refused('{"x": {}, "x": {"a": 1}}', ['x', 'a'])).toContain(
      'the file has the key "x" more than once',
    );
    // What is not on the way is not ours.
    expect(refused('{"b": 1, "b": 2, "a": 1}')).toBe('');
  });

  it.each([
    ['', 'it is not JSON'],
    ['{"a": 1,}', 'on line 1, column 9'],
    ['{\n  "a": 1\n  "b": 2\n}', 'on line 3, column 3'],
    ['{"a": tru}', 'it is not JSON'],
    ["{'a': 1}", 'it is not JSON'],
    ['{"a": 1} x', 'it is not JSON'],
    ['{"a": 1', 'it is not JSON'],
    ['<<<<<<< HEAD\n{"a": 1}\n', 'on line 1, column 1'],
    ['[]', 'the file is a list, not an object'],
    ['"a"', 'the file is a text, not an object'],
  ])('%j', (text, message) => {
    expect(refused(text)).toContain(message);
  });

  it.each([
    ['{"a": 1}', 'a is a number, not an object'],
    ['{"a": null}', 'a is null, not an object'],
    ['{"a": []}', 'a is a list, not an object'],
    ['{"a": true}', 'a is true or false, not an object'],
  ])('where the way leads through a value: %s', (text, message) => {
    expect(refused(text, ['a', 'b'])).toBe(message);
  });
});

describe('at the edge of what can be read', () => {
  it('a number with more digits than a program keeps is told apart by them', () => {
    const [one, other] = ['12345678901234567890', '12345678901234567891'];
    expect(editJson(`{"a":${one}}`, ['a'], other)).toMatchObject({
      value: { before: one, text: `{"a":${other}}` },
    });
    expect(editJson(`{"a":1e400}`, ['a'], 'null')).toMatchObject({ value: { text: '{"a":null}' } });
    expect(editJson(`{"a":1.0}`, ['a'], '1')).toMatchObject({ value: { text: '{"a":1.0}' } });
  });

  it('what is nested a thousandfold too deep is refused', () => {
    const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    expect(editJson(deep, ['b'], '1')).toEqual({ ok: false, error: 'it is nested too deeply to be read' });
  });
});
