/**
 * One value of a JSON text changed, and nothing else of it: not a blank, not an order, not a comment. Pure.
 *
 * E1  What is cut out and put in is the value, or one property with its comma; the rest is the same bytes.
 * E2  A text that reads in two ways (a key twice, something that is no JSON) is refused, never guessed at.
 */
import { type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { err, ok, type Result } from '../../domain/result.ts';

export interface EditedJson {
  /** JSON text of what was there; null: nothing. */
  readonly before: string | null;
  /** The whole new text; the same as before where it is so already. */
  readonly text: string;
}

/** `value` is JSON text, put in as it stands; null takes the key out. Objects that are missing on the way are made. */
export function editJson(
  text: string,
  path: readonly string[],
  value: string | null,
): Result<EditedJson, string> {
  let root: Result<Node, string>;
  try {
    root = parsed(text);
  } catch (cause) {
    if (cause instanceof RangeError) return err('it is nested too deeply to be read');
    throw cause;
  }
  if (!root.ok) return root;
  let at = root.value;
  for (const [depth, key] of path.entries()) {
    const where = depth === 0 ? 'the file' : path.slice(0, depth).join('.');
    if (at.type !== 'object') return err(`${where} is ${KINDS[at.type] ?? at.type}, not an object`);
    const same = (at.children ?? []).filter((child) => keyOf(child) === key);
    const [found, second] = same;
    if (second !== undefined) {
      const lines = same.map((child) => lineOf(text, child.offset)).join(' and ');
      return err(`${where} has the key ${JSON.stringify(key)} more than once, on lines ${lines}`);
    }
    const rest = path.slice(depth + 1);
    const child = found?.children?.[1];
    if (found === undefined || child === undefined)
      return ok({
        before: null,
        text: value === null ? text : withProperty(text, at, [key, ...rest], value),
      });
    if (rest.length > 0) at = child;
    else return changed(text, at, found, child, value);
  }
  return err('no key is named');
}

const KINDS: Readonly<Record<string, string>> = {
  array: 'a list',
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  null: 'null',
};

function parsed(text: string): Result<Node, string> {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { disallowComments: false, allowTrailingComma: false });
  const [first] = errors;
  if (first !== undefined) {
    const column = first.offset - (text.lastIndexOf('\n', first.offset - 1) + 1) + 1;
    const what = printParseErrorCode(first.error).replaceAll(
      /(?!^)([A-Z])/g,
      (sign) => ` ${sign.toLowerCase()}`,
    );
    return err(`it is not JSON: ${what}, on line ${lineOf(text, first.offset)}, column ${column}`);
  }
  return root === undefined ? err('it is empty') : ok(root);
}

function changed(
  text: string,
  parent: Node,
  property: Node,
  child: Node,
  value: string | null,
): Result<EditedJson, string> {
  const before = text.slice(child.offset, endOf(child));
  if (value === null) {
    const without = withoutProperty(text, parent, property);
    return without.ok ? ok({ before, text: without.value }) : without;
  }
  return ok({ before, text: isSame(before, value) ? text : splice(text, child.offset, endOf(child), value) });
}

/** The same value, however it is written. Of numbers that lose digits when they are read, and of what has comments inside, the text counts. */
function isSame(before: string, value: string): boolean {
  if (before === value) return true;
  try {
    const [one, other] = [JSON.parse(before), JSON.parse(value)] as unknown[];
    if (typeof one === 'number' && Math.abs(one) > Number.MAX_SAFE_INTEGER) return false;
    return JSON.stringify(one) === JSON.stringify(other);
  } catch {
    return false;
  }
}

/** In the manner of the properties that are there: on a line of its own, or all on one. */
function withProperty(text: string, parent: Node, keys: readonly string[], value: string): string {
  const last = parent.children?.at(-1);
  const inner = text.slice(parent.offset + 1, endOf(parent) - 1);
  const oneLine =
    last === undefined ? !text.trim().includes('\n') && text.trim() !== '{}' : !inner.includes('\n');
  const style = styleOf(text, last, oneLine);
  const outer = indentAt(text, parent.offset);
  const own = last === undefined || oneLine ? outer + style.unit : indentAt(text, last.offset);
  const property = propertyText(keys, value, style, own);
  if (last !== undefined) {
    if (oneLine) return splice(text, endOf(last), endOf(last), `,${style.gap}${property}`);
    // A comment behind the last value stays with it.
    const behind = restOfLine(text, endOf(last));
    return splice(
      splice(text, behind, behind, `${style.eol}${own}${property}`),
      endOf(last),
      endOf(last),
      ',',
    );
  }
  const start = parent.offset + 1;
  if (inner.trim() !== '') return splice(text, start, start, `${style.eol}${own}${property}`);
  const filled = oneLine ? property : `${style.eol}${own}${property}${style.eol}${outer}`;
  return splice(text, start, endOf(parent) - 1, filled);
}

interface Style {
  readonly oneLine: boolean;
  readonly eol: string;
  /** One step of indentation. */
  readonly unit: string;
  /** Between key and value. */
  readonly colon: string;
  /** Behind a comma, on one line. */
  readonly gap: string;
}

function styleOf(text: string, sibling: Node | undefined, oneLine: boolean): Style {
  const [key, value] = sibling?.children ?? [];
  const between = key === undefined || value === undefined ? ': ' : text.slice(endOf(key), value.offset);
  const colon = /^[ \t]*:[ \t]*$/.test(between) ? between : ': ';
  return {
    oneLine,
    eol: /\r?\n/.exec(text)?.[0] ?? '\n',
    unit: /^[ \t]+(?=")/m.exec(text)?.[0] ?? '  ',
    colon,
    gap: colon.endsWith(' ') ? ' ' : '',
  };
}

function propertyText(keys: readonly string[], value: string, style: Style, indent: string): string {
  const [key = '', ...rest] = keys;
  const head = `${JSON.stringify(key)}${style.colon}`;
  if (rest.length === 0) return `${head}${value}`;
  const deeper = indent + style.unit;
  const inside = propertyText(rest, value, style, deeper);
  return style.oneLine
    ? `${head}{${style.gap}${inside}${style.gap}}`
    : `${head}{${style.eol}${deeper}${inside}${style.eol}${indent}}`;
}

function withoutProperty(text: string, parent: Node, property: Node): Result<string, string> {
  const all = parent.children ?? [];
  const index = all.indexOf(property);
  const before = all[index - 1];
  const after = all[index + 1];
  const from = before === undefined ? property.offset : endOf(before);
  const until = before === undefined ? (after?.offset ?? endOf(property)) : endOf(property);
  const beside = text.slice(from, property.offset) + text.slice(endOf(property), until);
  const line = lineOf(text, property.offset);
  if (!/^[\s,]*$/.test(beside))
    return err(`a comment stands beside the key on line ${line}: take it out by hand`);
  if (before !== undefined || after !== undefined) return ok(splice(text, from, until, ''));
  const inner =
    text.slice(parent.offset + 1, property.offset) + text.slice(endOf(property), endOf(parent) - 1);
  return ok(
    inner.trim() === ''
      ? splice(text, parent.offset + 1, endOf(parent) - 1, '')
      : splice(text, property.offset, endOf(property), ''),
  );
}

function keyOf(property: Node): unknown {
  return property.children?.[0]?.value;
}

function endOf(node: Node): number {
  return node.offset + node.length;
}

function splice(text: string, from: number, until: number, piece: string): string {
  return text.slice(0, from) + piece + text.slice(until);
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function indentAt(text: string, offset: number): string {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start, offset))?.[0] ?? '';
}

/** Where the line ends, if nothing but a comment is left of it; else `offset` itself. */
function restOfLine(text: string, offset: number): number {
  const comment = /^[ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*?\*\/)(?=[ \t]*\r?\n)/.exec(text.slice(offset));
  return offset + (comment?.[0].length ?? 0);
}
