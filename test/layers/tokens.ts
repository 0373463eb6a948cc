/**
 * TypeScript source as tokens: just enough to find imports and uses of globals without being fooled by comments, strings,
 * templates and regular expressions. (The compiler of TypeScript 7 offers no parser to programs.)
 */

export interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'regex' | 'template' | 'punctuation';
  /** The text; of a string, what stands between its quotes. A template is empty: what is in its `${}` follows as tokens. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

const SPACE = /\s+/y;
const LINE_COMMENT = /\/\/[^\n]*/y;
const BLOCK_COMMENT = /\/\*[\s\S]*?\*\//y;
const STRING = /'((?:[^'\\\n]|\\[\s\S])*)'|"((?:[^"\\\n]|\\[\s\S])*)"/y;
const WORD = /#?[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
const NUMBER = /(?:0[xXbBoO][\da-fA-F_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)n?/y;
const REGEX = /\/(?:[^/\\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*\])+\/[a-z]*/y;
const PUNCTUATION = /\?\.(?!\d)|=>|\.\.\.|[^\s]/y;

/** Words after which a slash begins a regular expression and does not divide. */
const BEFORE_REGEX = new Set(
  'return typeof case in of delete void throw new else do await yield instanceof extends default'.split(' '),
);

export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** Depth of braces inside each open `${`; a brace that closes at depth 0 goes on with the template. */
  const templates: number[] = [];
  let at = source.startsWith('#!') ? source.indexOf('\n') : 0;
  if (at < 0) return tokens;
  let line = 1;

  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0] ?? null;
  };
  const skip = (text: string): void => {
    at += text.length;
    line += text.split('\n').length - 1;
  };
  const push = (kind: Token['kind'], text: string, taken: string): void => {
    tokens.push({ kind, text, line });
    skip(taken);
  };
  /** From behind a backtick or a closing brace to behind the next backtick or `${`. */
  const templatePart = (): void => {
    let end = at;
    while (end < source.length && source[end] !== '`' && !source.startsWith('${', end))
      end += source[end] === '\\' ? 2 : 1;
    const opens = source[end] === '$';
    skip(source.slice(at, end + (opens ? 2 : 1)));
    if (opens) templates.push(0);
  };

  while (at < source.length) {
    const blank = match(SPACE) ?? match(LINE_COMMENT) ?? match(BLOCK_COMMENT);
    if (blank !== null) {
      skip(blank);
      continue;
    }
    const string = match(STRING);
    if (string !== null) {
      push('string', string.slice(1, -1), string);
      continue;
    }
    if (source[at] === '`') {
      push('template', '', '`');
      templatePart();
      continue;
    }
    const regex = source[at] === '/' && regexMayBegin(tokens) ? match(REGEX) : null;
    if (regex !== null) {
      push('regex', regex, regex);
      continue;
    }
    const word = match(WORD);
    if (word !== null) {
      push('word', word, word);
      continue;
    }
    const number = /[\d.]/.test(source[at] ?? '') ? match(NUMBER) : null;
    if (number !== null) {
      push('number', number, number);
      continue;
    }
    const mark = match(PUNCTUATION) ?? source[at] ?? '';
    const depth = templates.at(-1);
    if (mark === '}' && depth === 0) {
      templates.pop();
      skip(mark);
      templatePart();
      continue;
    }
    if (depth !== undefined && mark === '{') templates[templates.length - 1] = depth + 1;
    if (depth !== undefined && mark === '}') templates[templates.length - 1] = depth - 1;
    push('punctuation', mark, mark);
  }
  return tokens;
}

function regexMayBegin(before: readonly Token[]): boolean {
  const last = before.at(-1);
  if (!last) return true;
  if (last.kind === 'word') return BEFORE_REGEX.has(last.text);
  if (last.kind !== 'punctuation') return false;
  // `x! / y` divides, `!/x/` is a regular expression.
  if (last.text === '!') {
    const value = before.at(-2);
    return !(
      value &&
      (value.kind === 'word' ? !BEFORE_REGEX.has(value.text) : value.text === ')' || value.text === ']')
    );
  }
  return last.text !== ')' && last.text !== ']' && last.text !== '}';
}

/** True where the file's first thing, a `#!` line aside, is a comment. */
export function beginsWithComment(source: string): boolean {
  const text = source.startsWith('#!') ? source.slice(source.indexOf('\n') + 1) : source;
  return /^\s*\/[/*]/.test(text);
}
