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
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
} from 'yaml';
import { type Fault, type Problem, pathText } from './problem.ts';
import { textOffset } from './text-offset.ts';

export interface YamlFile {
  /** Absolute path it was read from. */
  readonly file: string;
  /** Plain values; anchors and merges resolved. */
  readonly value: unknown;
  /** The scalar at a path as it was typed, quotes included; null when there is none, or when it is long. */
  sourceOf(path: Fault['path']): string | null;
  problem(fault: Fault): Problem;
}

/**
 * How often anchors may be used, and what they may unfold to: enough for 20,000 hosts with the same labels, too few for a
 * file that grows without bound.
 */
const MAX_ALIASES = 20_000;

/** A file without problems has a value; a file with problems of YAML itself has none. */
export function readYaml(
  file: string,
  text: string,
): { readonly yaml: YamlFile | null; readonly problems: readonly Problem[] } {
  const lines = lineCounterOf(text);
  const at = (offset: number, message: string, detail: Partial<Problem> = {}): Problem => {
    const { line, col } = lines.linePos(Math.min(Math.max(offset, 0), text.length));
    return { ...detail, file, line: Math.max(line, 1), column: Math.max(col, 1), path: '', message };
  };
  try {
    const doc = parseDocument(text, {
      prettyErrors: false,
      merge: true,
      logLevel: 'error',
    });
    const problems = firstAtEachPlace([...doc.errors, ...doc.warnings]).map((error) => {
      const [start] = error.pos;
      return at(
        start,
        syntaxMessage(error.code, error.message),
        syntaxDetail(error.code, text.slice(start, start + 80)),
      );
    });
    if (doc.directives?.yaml.explicit === true && doc.directives.yaml.version !== '1.2') {
      const { version } = doc.directives.yaml;
      problems.push(
        at(0, 'only YAML 1.2 is read here', { found: `%YAML ${version}`, allowed: ['no %YAML line'] }),
      );
    }
    const { sources, faults } = linksOf(doc);
    for (const { node, message, found } of faults)
      problems.push(at(node.range?.[0] ?? 0, message, found === undefined ? {} : { found }));
    if (problems.length > 0) return { yaml: null, problems };
    if (doc.contents === null || (isScalar(doc.contents) && doc.contents.value === null)) {
      return { yaml: null, problems: [at(0, 'the file is empty')] };
    }
    const value: unknown = doc.toJS({ maxAliasCount: MAX_ALIASES });
    return { yaml: yamlFile({ file, text, doc, lines, value, sources }), problems: [] };
  } catch (error) {
    // The parser recurses, and counts what aliases unfold to; a file made to break it ends in RangeError or ReferenceError.
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
      if (message.includes('call stack')) return 'the file is not readable as YAML: it nests too deep';
      return `this is not YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
  }
}

function syntaxDetail(code: string, rest: string): Partial<Problem> {
  if (code !== 'DUPLICATE_KEY') return {};
  const key = /^["']?([^"':\n]+)/.exec(rest)?.[1];
  return key === undefined ? {} : { found: key.trim() };
}

/** What each alias stands for. */
type Sources = ReadonlyMap<Alias, Node>;

interface Links {
  readonly sources: Sources;
  readonly faults: readonly { readonly node: Node; readonly message: string; readonly found?: string }[];
}

/** One walk over the whole document: an alias means the last anchor of its name above it. */
function linksOf(doc: Document): Links {
  const anchors = new Map<string, Node>();
  const sources = new Map<Alias, Node>();
  const merges: Node[] = [];
  const faults: { node: Node; message: string; found?: string }[] = [];
  visit(doc, {
    Node(_key, node) {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        return undefined;
      }
      const source = anchors.get(node.source);
      if (source === undefined)
        faults.push({
          node,
          message: `nothing above is anchored as &${node.source}`,
          found: `*${node.source}`,
        });
      else if (sources.size < MAX_ALIASES) sources.set(node, source);
      else {
        faults.push({ node, message: `anchors are used more than ${MAX_ALIASES} times` });
        return visit.BREAK;
      }
      return undefined;
    },
    Pair(_key, { key, value }) {
      if (isAlias(key) || isMap(key) || isSeq(key))
        faults.push({ node: key, message: 'a key is a plain text here, not a list, a map or an alias' });
      else if (isPlainMerge(key) && isNode(value)) merges.push(value);
    },
  });
  for (const value of merges) {
    if (mergeSources(sources, value).every((one) => isMap(one))) continue;
    faults.push({ node: value, message: 'a merge (`<<`) takes a map, an alias of one, or a list of those' });
  }
  return { sources, faults };
}

/** Open brackets are all told of at the end of the file, once each: one is enough. */
function firstAtEachPlace<T extends { readonly pos: readonly [number, number] }>(errors: readonly T[]): T[] {
  const places = new Map<number, T>();
  for (const error of errors) if (!places.has(error.pos[0])) places.set(error.pos[0], error);
  return [...places.values()];
}

/** Counts the lines itself: the parser's own counting skips lines inside texts that it could not read to their end. */
function lineCounterOf(text: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) lines.addNewLine(end + 1);
  return lines;
}

/** What a merge key's value merges; null for an alias of nothing. */
function mergeSources(sources: Sources, value: Node | null): (Node | null)[] {
  const source = follow(sources, value);
  return isSeq(source) ? source.items.map((item) => follow(sources, item as Node)) : [source];
}

interface Parsed {
  readonly file: string;
  readonly text: string;
  readonly doc: Document;
  readonly lines: LineCounter;
  readonly value: unknown;
  readonly sources: Sources;
}

function yamlFile(parsed: Parsed): YamlFile {
  const { file, text, lines, value, sources } = parsed;
  return {
    file,
    value,
    sourceOf(path) {
      const found = find(parsed, path);
      const node = found.whole ? follow(sources, found.node) : null;
      if (!isScalar(node) || !node.range) return null;
      const source = text.slice(node.range[0], node.range[1]).trim();
      return source === '' || source.length > 120 || source.includes('\n') ? null : source;
    },
    problem({ path, part, offset, ...rest }) {
      const found = find(parsed, path);
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

function find({ doc, sources }: Parsed, path: Fault['path']): Found {
  let node: Node | null = doc.contents;
  let key: Node | null = null;
  for (const step of path) {
    const child: Found | null = childOf(sources, follow(sources, node), step);
    if (child === null) return { node: key ?? node, key, whole: false };
    node = child.node ?? child.key;
    key = child.key;
  }
  return { node, key, whole: true };
}

function follow(sources: Sources, node: Node | null): Node | null {
  return isAlias(node) ? (sources.get(node) ?? null) : node;
}

function childOf(sources: Sources, node: Node | null, step: string | number): Found | null {
  if (isSeq(node)) {
    const item = node.items[Number(step)];
    return item === undefined ? null : { node: item as Node, key: null, whole: true };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find((candidate) => keyText(candidate.key) === String(step));
  if (pair !== undefined) return { node: pair.value as Node | null, key: pair.key as Node, whole: true };
  const merge = node.items.find((candidate) => isPlainMerge(candidate.key));
  if (merge === undefined) return null;
  for (const one of mergeSources(sources, merge.value as Node | null)) {
    const child = isMap(one) && one !== node ? childOf(sources, one, step) : null;
    if (child !== null) return child;
  }
  return null;
}

/** A key as it is called in the plain value; null for a merge. */
function keyText(key: unknown): string | null {
  if (!isScalar(key)) return null;
  if (key.value === null) return '';
  const { value } = key;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : null;
}

/** A quoted `"<<"` is a key like any other. */
function isPlainMerge(key: unknown): boolean {
  if (!isScalar(key)) return false;
  return typeof key.value === 'symbol'
    ? key.value.description === '<<'
    : key.value === '<<' && key.type === 'PLAIN';
}
