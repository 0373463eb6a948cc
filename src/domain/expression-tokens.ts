/** Words of the targeting language, with the column of each. Parsing is expression-parse.ts. */
import { err, ok, type Result } from './result.ts';

/** What is wrong with an expression, and where. */
export interface ExpressionError {
  /** 1-based, in UTF-16 units of the expression's own text. */
  readonly column: number;
  readonly message: string;
  /** What stands there. */
  readonly found: string;
  /** What could stand there. */
  readonly allowed: readonly string[];
  /** What was probably meant, where that can be told. */
  readonly suggestion?: string;
}

export type Punctuation =
  | '=='
  | '!='
  | '=~'
  | '!~'
  | '<='
  | '>='
  | '<'
  | '>'
  | '('
  | ')'
  | '['
  | ']'
  | ','
  | '.';

export type Token =
  | { readonly kind: 'word'; readonly text: string; readonly column: number }
  | { readonly kind: 'string'; readonly text: string; readonly value: string; readonly column: number }
  | { readonly kind: 'punctuation'; readonly text: Punctuation; readonly column: number }
  | { readonly kind: 'end'; readonly text: ''; readonly column: number };

/** Longest expression that is taken, in characters. */
export const MAX_EXPRESSION_LENGTH = 16_384;

const PUNCTUATION: readonly Punctuation[] = [
  '==',
  '!=',
  '=~',
  '!~',
  '<=',
  '>=',
  '<',
  '>',
  '(',
  ')',
  '[',
  ']',
  ',',
  '.',
];

/** Signs of other languages, and the word of this one. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ['<>', '!='],
  ['&&', 'and'],
  ['||', 'or'],
  ['&', 'and'],
  ['|', 'or'],
  ['=', '=='],
  ['!', 'not'],
  ['~', '=~'],
  ['“', '"'],
  ['”', '"'],
];

export function readTokens(text: string): Result<readonly Token[], ExpressionError> {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    const message = `the expression is longer than ${MAX_EXPRESSION_LENGTH} characters`;
    return err({ column: 1, message, found: `${text.length} characters`, allowed: [] });
  }
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const column = at + 1;
    const blank = /^\s+/.exec(text.slice(at, at + 256));
    if (blank !== null) {
      at += blank[0].length;
      continue;
    }
    const first = text[at] ?? '';
    if (first === '"' || first === "'") {
      const string = readString(text, at, first);
      if (!string.ok) return string;
      tokens.push(string.value);
      at += string.value.text.length;
      continue;
    }
    const word = readWord(text, at);
    if (word !== '') {
      tokens.push({ kind: 'word', text: word, column });
      at += word.length;
      continue;
    }
    const sign = PUNCTUATION.find((candidate) => text.startsWith(candidate, at));
    if (sign === undefined || text.startsWith('<>', at)) return err(strangeSign(text, at));
    tokens.push({ kind: 'punctuation', text: sign, column });
    at += sign.length;
  }
  tokens.push({ kind: 'end', text: '', column: text.length + 1 });
  return ok(tokens);
}

const WORD_START = /[A-Za-z0-9_]/;
/** `-` and `/` are inside words because label keys and values have them: `labels.goog-gke-node`. */
const WORD_PART = /[A-Za-z0-9_/-]/;

function readWord(text: string, start: number): string {
  if (!WORD_START.test(text[start] ?? '')) return '';
  let end = start + 1;
  while (end < text.length && WORD_PART.test(text[end] ?? '')) end++;
  return text.slice(start, end);
}

function readString(
  text: string,
  start: number,
  quote: string,
): Result<Token & { kind: 'string' }, ExpressionError> {
  const column = start + 1;
  let value = '';
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === quote) return ok({ kind: 'string', text: text.slice(start, at + 1), value, column });
    if (char !== '\\') {
      value += char;
      continue;
    }
    at++;
    const escaped = text[at] ?? '';
    if (escaped !== '\\' && escaped !== '"' && escaped !== "'") {
      const message = 'after a backslash comes a quote or another backslash';
      return err({ column: at, message, found: `\\${escaped}`, allowed: ['\\"', "\\'", '\\\\'] });
    }
    value += escaped;
  }
  const message = `the text that begins here has no closing ${quote}`;
  return err({ column, message, found: text.slice(start, start + 40), allowed: [quote] });
}

function strangeSign(text: string, at: number): ExpressionError {
  const foreign = FOREIGN.find(([sign]) => text.startsWith(sign, at));
  const found = foreign?.[0] ?? String.fromCodePoint(text.codePointAt(at) ?? 0);
  const base = {
    column: at + 1,
    message: `\`${found}\` is no sign of this language`,
    found,
    allowed: ['==', '!=', '=~', '!~', '<', '>', 'in', 'and', 'or', 'not'],
  };
  return foreign === undefined ? base : { ...base, suggestion: foreign[1] };
}
