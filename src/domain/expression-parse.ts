/**
 * Parses and checks the targeting language in one go, so that what comes out can be evaluated on any host:
 *
 *     expression := and-part { "or" and-part }
 *     and-part   := unary { "and" unary }
 *     unary      := "not" unary | "(" expression ")" | "true" | "false" | "spot" | "has" "(" key ")" | comparison
 *     comparison := attribute ("==" | "!=" | "=~" | "!~") string | attribute ["not"] "in" "[" string {"," string} "]"
 *                 | string ["not"] "in" ("tags" | "licenses") | "created" ("<" | "<=" | ">" | ">=") moment
 *
 * E1  It never throws, whatever the text.  E2  A word that does not exist is an error, never just false.
 * E3  What only the host itself can tell (agent-texts.ts) is a word of this language only where hosts are asked.
 */
import {
  AGENT_ATTRIBUTES,
  AGENT_STATES,
  type AgentAttributeName,
  meantState,
  OPTIONAL_AGENT_ATTRIBUTES,
} from './agent-texts.ts';
import { type ExpressionError, readTokens, type Token } from './expression-tokens.ts';
import { VM_STATUSES } from './host.ts';
import { MOMENT_EXAMPLES, parseMoment } from './moment.ts';
import { nearestWord } from './nearest.ts';
import { ok, type Result } from './result.ts';

/** Attributes with one text each. `region` is the zone without its last part. */
export const TEXT_ATTRIBUTES = [
  'id',
  'name',
  'address',
  'zone',
  'region',
  'role',
  'machineType',
  'os',
  'status',
  'project',
  'network',
  'internalAddress',
  'externalAddress',
] as const;
/** Those that a host may lack; an absent one equals nothing. */
export const OPTIONAL_ATTRIBUTES = ['project', 'network', 'internalAddress', 'externalAddress'] as const;
/** Attributes with many texts each. */
export const LIST_ATTRIBUTES = ['tags', 'licenses'] as const;
export const TIME_OPERATORS = ['<=', '>=', '<', '>'] as const;
/** Attributes that are read by key: `labels.team`, `metadata["created-by"]`. */
export const KEYED_ATTRIBUTES = ['labels', 'metadata'] as const;

export type Attribute =
  | { readonly kind: 'text'; readonly name: (typeof TEXT_ATTRIBUTES)[number] }
  | KeyedAttribute
  /** Learned by asking the host: only with `agent` (E3). */
  | { readonly kind: 'agent'; readonly name: AgentAttributeName };

export interface KeyedAttribute {
  readonly kind: 'keyed';
  readonly name: (typeof KEYED_ATTRIBUTES)[number];
  readonly key: string;
}

export type Expression =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'equals' | 'differs'; readonly attribute: Attribute; readonly value: string }
  /** Globs: `*` any text, `?` one character, nothing else is special. */
  | { readonly kind: 'like' | 'unlike'; readonly attribute: Attribute; readonly pattern: string }
  | { readonly kind: 'one-of'; readonly attribute: Attribute; readonly values: readonly string[] }
  | { readonly kind: 'contains'; readonly list: (typeof LIST_ATTRIBUTES)[number]; readonly value: string }
  | { readonly kind: 'has'; readonly attribute: Attribute }
  /** When the VM was made; never true where that is not known. */
  | {
      readonly kind: 'created';
      readonly operator: (typeof TIME_OPERATORS)[number];
      /** As written: a date is its first moment, UTC. */
      readonly moment: string;
      /** The same, ms since the epoch. */
      readonly at: number;
    }
  | { readonly kind: 'spot' };

/** Deepest nesting of parentheses and `not`. */
const MAX_DEPTH = 100;

const OPERATORS = ['==', '!=', '=~', '!~', 'in', 'not in'];
const STARTS = [
  ...TEXT_ATTRIBUTES,
  'labels.KEY',
  'metadata.KEY',
  'has(labels.KEY)',
  '"TAG" in tags',
  '"LICENCE" in licenses',
  'created < "DATE"',
  'spot',
  'not',
  '(',
  'true',
  'false',
];
const START_WORDS = [
  ...TEXT_ATTRIBUTES,
  ...KEYED_ATTRIBUTES,
  ...LIST_ATTRIBUTES,
  'has',
  'created',
  'spot',
  'not',
  'true',
  'false',
];
/** An example of what a list may hold. */
const LIST_ITEMS = { tags: 'TAG', licenses: 'LICENCE' } as const;

export interface ExpressionOptions {
  /** The hosts are asked, so that it may compare `version`, `state` and `hold`. Default false. */
  readonly agent?: boolean;
}

/** The checked tree, or the first thing that is wrong. */
export function parseExpression(
  text: string,
  { agent = false }: ExpressionOptions = {},
): Result<Expression, ExpressionError> {
  const tokens = readTokens(text);
  return tokens.ok ? new Parser(tokens.value, agent).whole() : tokens;
}

type Parsed = Result<Expression, ExpressionError>;

function isOptional(name: string): boolean {
  return [...OPTIONAL_ATTRIBUTES, ...OPTIONAL_AGENT_ATTRIBUTES].some((optional) => optional === name);
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #asksHosts: boolean;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], asksHosts: boolean) {
    this.#tokens = tokens;
    this.#asksHosts = asksHosts;
  }

  whole(): Parsed {
    const expression = this.#or();
    if (!expression.ok || this.#peek().kind === 'end') return expression;
    const token = this.#peek();
    const meant = token.kind === 'word' ? nearestWord(token.text, ['and', 'or']) : null;
    return this.#wrong('the expression goes on without `and` or `or`', ['and', 'or', 'the end'], meant);
  }

  #or(): Parsed {
    return this.#chain('or', () => this.#chain('and', () => this.#unary()));
  }

  #chain(word: 'and' | 'or', part: () => Parsed): Parsed {
    let left = part();
    while (left.ok && this.#takeWord(word)) {
      const right = part();
      if (!right.ok) return right;
      left = ok({ kind: word, left: left.value, right: right.value });
    }
    return left;
  }

  #unary(): Parsed {
    this.#depth++;
    try {
      if (this.#depth > MAX_DEPTH) return this.#wrong(`nested deeper than ${MAX_DEPTH}`, []);
      if (this.#takeWord('not')) {
        const of = this.#unary();
        return of.ok ? ok({ kind: 'not', of: of.value }) : of;
      }
      if (!this.#takeSign('(')) return this.#simple();
      const inner = this.#or();
      if (!inner.ok || this.#takeSign(')')) return inner;
      return this.#wrong('the parenthesis is not closed', [')', 'and', 'or']);
    } finally {
      this.#depth--;
    }
  }

  #simple(): Parsed {
    const token = this.#peek();
    if (token.kind === 'string') return this.#contains(token.value);
    if (this.#takeWord('true')) return ok({ kind: 'constant', value: true });
    if (this.#takeWord('false')) return ok({ kind: 'constant', value: false });
    if (this.#takeWord('spot')) return this.#spot();
    if (this.#takeWord('has')) return this.#has();
    const list = LIST_ATTRIBUTES.find((name) => token.kind === 'word' && token.text === name);
    if (list !== undefined) {
      const example = `"${LIST_ITEMS[list]}" in ${list}`;
      return this.#wrong(`${list} are many: ask for one of them`, [example], example);
    }
    if (this.#takeWord('created')) return this.#created();
    const attribute = this.#attribute();
    return attribute.ok ? this.#comparison(attribute.value) : attribute;
  }

  #spot(): Parsed {
    const next = this.#peek();
    if (next.kind === 'punctuation' && (next.text === '==' || next.text === '!=')) {
      return this.#wrong('`spot` is true or false by itself', ['spot', 'not spot', 'and', 'or']);
    }
    return ok({ kind: 'spot' });
  }

  #contains(value: string): Parsed {
    this.#at++;
    const negated = this.#takeWord('not');
    const allowed = LIST_ATTRIBUTES.map((name) => `${negated ? 'not in' : 'in'} ${name}`);
    if (!this.#takeWord('in')) return this.#wrong('after a text comes `in tags` or `in licenses`', allowed);
    const list = LIST_ATTRIBUTES.find((name) => this.#takeWord(name));
    if (list === undefined) {
      const token = this.#peek();
      const meant = token.kind === 'word' ? nearestWord(token.text, LIST_ATTRIBUTES) : null;
      return this.#wrong(
        'a text can only be looked for in the tags or the licences',
        LIST_ATTRIBUTES,
        meant ?? 'tags',
      );
    }
    const contains: Expression = { kind: 'contains', list, value };
    return ok(negated ? { kind: 'not', of: contains } : contains);
  }

  #created(): Parsed {
    const operator = TIME_OPERATORS.find((sign) => this.#takeSign(sign));
    if (operator === undefined) {
      return this.#wrong('the time of creation is before or after another', TIME_OPERATORS);
    }
    const token = this.#peek();
    if (token.kind !== 'string') {
      const quoted = MOMENT_EXAMPLES.map((example) => `"${example}"`);
      return this.#wrong('a date or a time in quotes must stand here', quoted);
    }
    const at = parseMoment(token.value, 'start');
    if (at === null) return this.#wrong('not a date (UTC) nor a time with its zone', MOMENT_EXAMPLES);
    this.#at++;
    return ok({ kind: 'created', operator, moment: token.value, at });
  }

  #has(): Parsed {
    if (!this.#takeSign('(')) return this.#wrong('after `has` comes a key in parentheses', ['(']);
    const start = this.#at;
    const attribute = this.#attribute();
    if (!attribute.ok) return attribute;
    if (attribute.value.kind !== 'keyed' && !isOptional(attribute.value.name)) {
      this.#at = start;
      return this.#wrong('`has` asks for what a host may lack; every host has this one', [
        'labels.KEY',
        'metadata.KEY',
        ...OPTIONAL_ATTRIBUTES,
        ...(this.#asksHosts ? OPTIONAL_AGENT_ATTRIBUTES : []),
      ]);
    }
    if (!this.#takeSign(')')) return this.#wrong('the parenthesis of `has` is not closed', [')']);
    return ok({ kind: 'has', attribute: attribute.value });
  }

  #attribute(): Result<Attribute, ExpressionError> {
    const token = this.#peek();
    const name = TEXT_ATTRIBUTES.find((candidate) => token.kind === 'word' && candidate === token.text);
    if (name !== undefined) {
      this.#at++;
      return ok({ kind: 'text', name });
    }
    const keyed = KEYED_ATTRIBUTES.find((candidate) => token.kind === 'word' && candidate === token.text);
    if (keyed !== undefined) {
      this.#at++;
      return this.#keyed(keyed);
    }
    const told = AGENT_ATTRIBUTES.find((candidate) => token.kind === 'word' && candidate === token.text);
    if (told !== undefined && this.#asksHosts) {
      this.#at++;
      return ok({ kind: 'agent', name: told });
    }
    const starts = this.#asksHosts ? [...AGENT_ATTRIBUTES, 'has(hold)', ...STARTS] : STARTS;
    if (token.kind !== 'word') return this.#wrong('a host attribute or a condition must stand here', starts);
    if (told !== undefined) {
      const message = `\`${told}\` can only be learned by asking the host: only --where of osqueryd's verbs may compare it`;
      return this.#wrong(message, starts);
    }
    const words = this.#asksHosts ? [...START_WORDS, ...AGENT_ATTRIBUTES] : START_WORDS;
    return this.#wrong(`\`${token.text}\` is no attribute of a host`, starts, nearestWord(token.text, words));
  }

  #keyed(name: 'labels' | 'metadata'): Result<KeyedAttribute, ExpressionError> {
    const dotted = this.#takeSign('.');
    if (!dotted && !this.#takeSign('['))
      return this.#wrong(`a key of ${name} must follow`, [`${name}.KEY`, `${name}["KEY"]`]);
    const token = this.#peek();
    if (token.kind !== (dotted ? 'word' : 'string')) {
      return this.#wrong(`a key of ${name} must stand here`, [dotted ? 'KEY' : '"KEY"']);
    }
    this.#at++;
    if (!dotted && !this.#takeSign(']')) return this.#wrong('the bracket is not closed', [']']);
    return ok({ kind: 'keyed', name, key: token.kind === 'string' ? token.value : token.text });
  }

  #comparison(attribute: Attribute): Parsed {
    if (this.#takeSign('=='))
      return this.#against(attribute, (value) => ({ kind: 'equals', attribute, value }));
    if (this.#takeSign('!='))
      return this.#against(attribute, (value) => ({ kind: 'differs', attribute, value }));
    if (this.#takeSign('=~')) return this.#text((pattern) => ({ kind: 'like', attribute, pattern }));
    if (this.#takeSign('!~')) return this.#text((pattern) => ({ kind: 'unlike', attribute, pattern }));
    const negated = this.#takeWord('not');
    if (this.#takeWord('in')) return this.#oneOf(attribute, negated);
    const token = this.#peek();
    if (token.kind === 'punctuation' && TIME_OPERATORS.some((sign) => sign === token.text)) {
      return this.#wrong(`only \`created\` can be compared with ${token.text}`, OPERATORS);
    }
    const meant = token.kind === 'word' ? nearestWord(token.text, ['in', 'not']) : null;
    return this.#wrong('a comparison must follow the attribute', OPERATORS, meant);
  }

  #oneOf(attribute: Attribute, negated: boolean): Parsed {
    if (!this.#takeSign('[')) return this.#wrong('after `in` comes a list', ['["a", "b"]']);
    const values: string[] = [];
    do {
      const value = this.#against(attribute, (text) => ({ kind: 'equals', attribute, value: text }));
      if (!value.ok) return value;
      if (value.value.kind === 'equals') values.push(value.value.value);
    } while (this.#takeSign(','));
    if (!this.#takeSign(']')) return this.#wrong('the list is not closed', [',', ']']);
    const oneOf: Expression = { kind: 'one-of', attribute, values };
    return ok(negated ? { kind: 'not', of: oneOf } : oneOf);
  }

  /** A text to be equal to; where the attribute knows few words, one of those. */
  #against(attribute: Attribute, make: (value: string) => Expression): Parsed {
    const token = this.#peek();
    if (attribute.kind === 'keyed' || token.kind !== 'string') return this.#text(make);
    const { value } = token;
    if (attribute.name === 'status' && !isOneOf(value, VM_STATUSES)) {
      const meant = nearestWord(value, VM_STATUSES);
      return this.#wrong('no VM ever has this status', VM_STATUSES, quoted(meant));
    }
    if (attribute.name === 'state' && !isOneOf(value, AGENT_STATES)) {
      return this.#wrong('no service is ever in this state', AGENT_STATES, quoted(meantState(value)));
    }
    if (attribute.name === 'hold' && /^(yes|no|true|false|held)?$/i.test(value)) {
      const asked = /^(no|false)?$/i.test(value) ? 'not has(hold)' : 'has(hold)';
      return this.#wrong('`hold` is the reason of a hold, a text', ['has(hold)', 'not has(hold)'], asked);
    }
    return this.#text(make);
  }

  #text(make: (value: string) => Expression): Parsed {
    const token = this.#peek();
    if (token.kind === 'string') {
      this.#at++;
      return ok(make(token.value));
    }
    const meant = token.kind === 'word' ? `"${token.text}"` : null;
    return this.#wrong('a text in quotes must stand here', ['"TEXT"'], meant);
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', text: '', column: 1 };
  }

  #takeWord(word: string): boolean {
    const token = this.#peek();
    const taken = token.kind === 'word' && token.text === word;
    if (taken) this.#at++;
    return taken;
  }

  #takeSign(sign: string): boolean {
    const token = this.#peek();
    const taken = token.kind === 'punctuation' && token.text === sign;
    if (taken) this.#at++;
    return taken;
  }

  #wrong(
    message: string,
    allowed: readonly string[],
    suggestion: string | null = null,
  ): { ok: false; error: ExpressionError } {
    const token = this.#peek();
    const found = token.kind === 'end' ? 'the end of the expression' : token.text;
    const base = { column: token.column, message, found, allowed };
    return { ok: false, error: suggestion === null ? base : { ...base, suggestion } };
  }
}

function isOneOf(text: string, words: readonly string[]): boolean {
  return words.includes(text);
}

function quoted(word: string | null): string | null {
  return word === null ? null : `"${word}"`;
}
