/**
 * YAML text with positions. Everything that YAML itself has to say against a file is found here; what the keys mean is not.
 *
 * Y1  Never throws, whatever the bytes.  Y2  Every problem has a place inside the file.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { type Fault, type Problem, pathText } from './problem.ts';

export interface Place {
  /** Both 1-based. */
  readonly line: number;
  readonly column: number;
}

export interface YamlFile {
  /** Absolute path it was read from. */
  readonly file: string;
  /** Plain values; anchors and merges resolved. */
  readonly value: unknown;
  /** The scalar at a path as it was typed, quotes included; null when there is none, or when it is long. */
  sourceOf(path: Fault['path']): string | null;
  problem(fault: Fault): Problem;
}

/** How often anchors may be used: enough for any honest file, too few for one that grows without bound. */
const MAX_ALIASES = 1000;

/** A file without problems has a value; a file with problems of YAML itself has none. */
export function readYaml(
  file: string,
  text: string,
): { readonly yaml: YamlFile | null; readonly problems: readonly Problem[] } {
  const lines = new LineCounter();
  const at = (offset: number, message: string, detail: Partial<Problem> = {}): Problem => {
    const { line, col } = lines.linePos(Math.min(Math.max(offset, 0), text.length));
    return { ...detail, file, line: Math.max(line, 1), column: Math.max(col, 1), path: '', message };
  };
  try {
    const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
    if (lines.lineStarts.length === 0) lines.addNewLine(0);
    const problems = [...doc.errors, ...doc.warnings].map((error) => {
      const [start] = error.pos;
      return at(
        start,
        syntaxMessage(error.code, error.message),
        syntaxDetail(error.code, text.slice(start, start + 80)),
      );
    });
    for (const alias of brokenAliases(doc)) {
      problems.push(
        at(alias.range?.[0] ?? 0, `nothing above is anchored as &${alias.source}`, {
          found: `*${alias.source}`,
        }),
      );
    }
    if (problems.length > 0) return { yaml: null, problems };
    if (doc.contents === null || (isScalar(doc.contents) && doc.contents.value === null)) {
      return { yaml: null, problems: [at(0, 'the file is empty')] };
    }
    const value: unknown = doc.toJS({ maxAliasCount: MAX_ALIASES });
    return { yaml: yamlFile({ file, text, doc, lines, value }), problems: [] };
  } catch (error) {
    // The parser recurses and counts aliases; a file made to break it ends in RangeError or ReferenceError.
    const why =
      error instanceof RangeError ? 'it nests too deep' : 'its anchors are used too often or in a circle';
    return { yaml: null, problems: [at(0, `the file is not readable as YAML: ${why}`)] };
  }
}

function syntaxMessage(code: string, message: string): string {
  switch (code) {
    case 'DUPLICATE_KEY':
      return 'this key is there twice';
    case 'TAB_AS_INDENT':
      return 'a tab indents this line; YAML takes blanks only';
    case 'MULTIPLE_DOCS':
      return 'a second document begins here; one file holds one';
    case 'TAG_RESOLVE_FAILED':
      return 'tags such as !name are not used here; put quotes around a text that begins with !';
    default:
      return `this is not YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
  }
}

function syntaxDetail(code: string, rest: string): Partial<Problem> {
  if (code !== 'DUPLICATE_KEY') return {};
  const key = /^["']?([^"':\n]+)/.exec(rest)?.[1];
  return key === undefined ? {} : { found: key.trim() };
}

function brokenAliases(doc: Document): Alias[] {
  const broken: Alias[] = [];
  visit(doc, {
    Alias(_key, alias) {
      if (alias.resolve(doc) === undefined) broken.push(alias);
    },
  });
  return broken;
}

interface Parsed {
  readonly file: string;
  readonly text: string;
  readonly doc: Document;
  readonly lines: LineCounter;
  readonly value: unknown;
}

function yamlFile(parsed: Parsed): YamlFile {
  const { file, text, doc, lines, value } = parsed;
  return {
    file,
    value,
    sourceOf(path) {
      const found = find(doc, path);
      const node = found.whole ? follow(doc, found.node) : null;
      if (!isScalar(node) || !node.range) return null;
      const source = text.slice(node.range[0], node.range[1]).trim();
      return source === '' || source.length > 120 || source.includes('\n') ? null : source;
    },
    problem({ path, part, offset, ...rest }) {
      const found = find(doc, path);
      const node = part === 'key' && found.whole && found.key !== null ? found.key : found.node;
      let start = node?.range?.[0] ?? 0;
      if (offset !== undefined && found.whole && isScalar(node)) start = textOffset(text, node, offset);
      const { line, col } = lines.linePos(Math.min(start, text.length));
      return { ...rest, file, line: Math.max(line, 1), column: Math.max(col, 1), path: pathText(path) };
    },
  };
}

interface Found {
  readonly node: Node | null;
  readonly key: Node | null;
  /** Whether the whole path is there; otherwise `node` is the innermost part of it that is. */
  readonly whole: boolean;
}

function find(doc: Document, path: Fault['path']): Found {
  let node: Node | null = doc.contents as Node | null;
  let key: Node | null = null;
  for (const step of path) {
    const child: Found | null = childOf(doc, follow(doc, node), step);
    if (child === null) return { node: key ?? node, key, whole: false };
    node = child.node ?? child.key;
    key = child.key;
  }
  return { node, key, whole: true };
}

function follow(doc: Document, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(doc) ?? null) : node;
}

function childOf(doc: Document, node: Node | null, step: string | number): Found | null {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? null : { node: item as Node, key: null, whole: true };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find(
    (candidate) => isScalar(candidate.key) && String(candidate.key.value ?? '') === String(step),
  );
  if (pair !== undefined) return { node: pair.value as Node | null, key: pair.key as Node, whole: true };
  const merge = node.items.find((candidate) => isScalar(candidate.key) && isMergeKey(candidate.key.value));
  if (merge === undefined || step === '<<') return null;
  const source = follow(doc, merge.value as Node | null);
  const sources = isSeq(source) ? source.items.map((item) => follow(doc, item as Node)) : [source];
  for (const one of sources) {
    const child = isMap(one) && one !== node ? childOf(doc, one, step) : null;
    if (child !== null) return child;
  }
  return null;
}

function isMergeKey(value: unknown): boolean {
  return value === '<<' || (typeof value === 'symbol' && value.description === '<<');
}

/** Where the n-th character of a scalar's value stands in the file: quotes, escapes and block indentation shift it. */
function textOffset(text: string, node: Node, offset: number): number {
  const [start, end] = node.range ?? [0, 0];
  const source = text.slice(start, end);
  const style = isScalar(node) ? node.type : undefined;
  if (style === 'PLAIN') return source.includes('\n') ? start : start + Math.min(offset, source.length);
  if (style === 'QUOTE_SINGLE' || style === 'QUOTE_DOUBLE') {
    if (source.includes('\n')) return start;
    let at = 1;
    for (let seen = 0; seen < offset && at < source.length - 1; seen++)
      at += style === 'QUOTE_SINGLE' ? singleWidth(source, at) : escapeWidth(source, at);
    return start + at;
  }
  return blockOffset(text, start, end, offset);
}

function singleWidth(source: string, at: number): number {
  return source.startsWith("''", at) ? 2 : 1;
}

function escapeWidth(source: string, at: number): number {
  if (source[at] !== '\\') return 1;
  const long: Readonly<Record<string, number>> = { x: 4, u: 6, U: 10 };
  return long[source[at + 1] ?? ''] ?? 2;
}

/** Literal and folded blocks: each line loses its indentation, and keeps one character for its end. */
function blockOffset(text: string, start: number, end: number, offset: number): number {
  let lineStart = text.indexOf('\n', start) + 1;
  if (lineStart === 0 || lineStart >= end) return start;
  const indent = /^ */.exec(text.slice(lineStart, end))?.[0].length ?? 0;
  let left = offset;
  while (lineStart < end) {
    const lineEnd = text.indexOf('\n', lineStart);
    const stop = lineEnd < 0 || lineEnd > end ? end : lineEnd;
    const length = Math.max(0, stop - lineStart - indent);
    if (left <= length) return Math.min(lineStart + indent + left, end);
    left -= length + 1;
    lineStart = stop + 1;
  }
  return Math.max(start, end - 1);
}
