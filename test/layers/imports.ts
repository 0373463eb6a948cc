/** Every way in which a TypeScript file names another module, found in its tokens. */
import type { Token } from './tokens.ts';

export interface Import {
  /** Null where it is computed, so that nobody can tell what is imported. */
  readonly specifier: string | null;
  /** Erased when compiled. */
  readonly typeOnly: boolean;
  readonly line: number;
}

export function importsOf(tokens: readonly Token[]): Import[] {
  const found: Import[] = [];
  for (const [index, token] of tokens.entries()) {
    if (token.kind !== 'word' || isProperty(tokens, index)) continue;
    const next = tokens[index + 1];
    if (token.text === 'import' || token.text === 'require') {
      if (next?.text === '(' && next.kind === 'punctuation') {
        found.push(called(tokens, index));
        continue;
      }
    }
    if (token.text === 'import' && next?.kind === 'string') {
      found.push({ specifier: next.text, typeOnly: false, line: token.line });
    } else if (token.text === 'import' || token.text === 'export') {
      const from = fromClause(tokens, index);
      if (from !== null) {
        const typeOnly =
          next?.text === 'type' && tokens[index + 2]?.text !== 'from' && tokens[index + 2]?.text !== ',';
        found.push({ specifier: from, typeOnly, line: token.line });
      }
    }
  }
  return found;
}

/** `.import` and `{ import: 1 }` name a field. */
function isProperty(tokens: readonly Token[], index: number): boolean {
  const before = tokens[index - 1]?.text;
  return before === '.' || before === '?.' || tokens[index + 1]?.text === ':';
}

function called(tokens: readonly Token[], index: number): Import {
  const argument = tokens[index + 2];
  const after = tokens[index + 3]?.text;
  const literal = argument?.kind === 'string' && (after === ')' || after === ',');
  return { specifier: literal ? argument.text : null, typeOnly: false, line: tokens[index]?.line ?? 0 };
}

/** What stands after `from`, behind nothing but names, braces, commas and stars; null where the statement has none. */
function fromClause(tokens: readonly Token[], index: number): string | null {
  for (let at = index + 1; at < tokens.length; at++) {
    const token = tokens[at];
    const next = tokens[at + 1];
    if (token?.kind === 'word' && token.text === 'from' && next?.kind === 'string') return next.text;
    const partOfClause =
      token?.kind === 'word' ||
      token?.kind === 'string' ||
      (token && ['{', '}', ',', '*'].includes(token.text));
    if (!partOfClause || (token.kind === 'word' && DECLARES.has(token.text))) return null;
  }
  return null;
}

/** `export const x` begins a declaration, in which a `from` means nothing. */
const DECLARES = new Set(
  'const let var function class interface enum namespace abstract async declare'.split(' '),
);
