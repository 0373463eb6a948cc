/**
 * The targeting language over a host's attributes: printing and evaluating. Parsing and checking is expression-parse.ts.
 * An absent label, metadata key or attribute equals nothing and is like nothing; `!=` and `!~` are therefore true of it. Of a
 * host whose creation time is not known no comparison of it is true.
 */
import { agentTexts } from './agent-texts.ts';
import {
  type Attribute,
  type Expression,
  LIST_ATTRIBUTES,
  OPTIONAL_ATTRIBUTES,
  TEXT_ATTRIBUTES,
  TIME_OPERATORS,
} from './expression-parse.ts';
import type { Host } from './host.ts';
import type { AgentStatus } from './lifecycle.ts';
import { unreachable } from './result.ts';

export {
  type Attribute,
  type Expression,
  LIST_ATTRIBUTES,
  OPTIONAL_ATTRIBUTES,
  parseExpression,
  TEXT_ATTRIBUTES,
  TIME_OPERATORS,
} from './expression-parse.ts';

/** The language in a few lines for people, from the same lists that it is checked by. */
export const EXPRESSION_GUIDE: readonly string[] = [
  `An expression compares ${TEXT_ATTRIBUTES.join(', ')}, labels.KEY or metadata.KEY with texts: ==, !=, =~ and !~ (globs: * any text, ? one character), in ["A", "B"], not in.`,
  `has(labels.KEY), and has() of ${OPTIONAL_ATTRIBUTES.join(', ')}: whether a host has it; what it has not equals nothing.`,
  'Metadata values that may be secrets or programs (keys, scripts, kube-env, ...) are withheld: of them only has(metadata.KEY) can be asked.',
  `${LIST_ATTRIBUTES.map((list) => `"TEXT" in ${list}`).join(', ')}; spot; true; false; joined by and, or, not and parentheses.`,
  `created ${TIME_OPERATORS.join(', ')} "2026-01-31": a date is its first moment, UTC; of a host whose creation time is not known none is true.`,
];

/** What `--where` of osqueryd's verbs may ask besides. */
export const AGENT_EXPRESSION_GUIDE: readonly string[] = [
  'version (of what runs, else of what is installed: "5.10.2" or "5.10.2-1.linux"), state (active, inactive, failed, ..., absent) and hold (its reason) are asked of the hosts themselves; has(version), has(hold).',
  'Of a host that does not answer they are not known: it is chosen or left out where the rest of the expression decides, and listed otherwise.',
];

/**
 * Does the expression hold of the host? Never throws for a tree that `parseExpression` gave without `agent`; one that asks the host
 * is for evaluateWith (expression-agent.ts).
 */
export function evaluate(expression: Expression, host: Host): boolean {
  switch (expression.kind) {
    case 'constant':
      return expression.value;
    case 'and':
      return evaluate(expression.left, host) && evaluate(expression.right, host);
    case 'or':
      return evaluate(expression.left, host) || evaluate(expression.right, host);
    case 'not':
      return !evaluate(expression.of, host);
    case 'equals':
      return read(expression.attribute, host) === expression.value;
    case 'differs':
      return read(expression.attribute, host) !== expression.value;
    case 'like':
      return matches(expression.pattern, read(expression.attribute, host));
    case 'unlike':
      return !matches(expression.pattern, read(expression.attribute, host));
    case 'one-of': {
      const value = read(expression.attribute, host);
      return value !== undefined && expression.values.includes(value);
    }
    case 'contains':
      return (host[expression.list] ?? []).includes(expression.value);
    case 'has':
      return read(expression.attribute, host) !== undefined;
    case 'spot':
      return host.spot;
    case 'created':
      return host.createdAt !== undefined && isAround(host.createdAt, expression.operator, expression.at);
    default:
      return unreachable(expression);
  }
}

/** Text that parses to the same tree again. */
export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'constant':
      return String(expression.value);
    case 'and':
    case 'or':
      return `${operand(expression.left, expression.kind, 'left')} ${expression.kind} ${operand(expression.right, expression.kind, 'right')}`;
    case 'not':
      return isChain(expression.of)
        ? `not (${printExpression(expression.of)})`
        : `not ${printExpression(expression.of)}`;
    case 'equals':
      return `${printAttribute(expression.attribute)} == ${quote(expression.value)}`;
    case 'differs':
      return `${printAttribute(expression.attribute)} != ${quote(expression.value)}`;
    case 'like':
      return `${printAttribute(expression.attribute)} =~ ${quote(expression.pattern)}`;
    case 'unlike':
      return `${printAttribute(expression.attribute)} !~ ${quote(expression.pattern)}`;
    case 'one-of':
      return `${printAttribute(expression.attribute)} in [${expression.values.map(quote).join(', ')}]`;
    case 'contains':
      return `${quote(expression.value)} in ${expression.list}`;
    case 'has':
      return `has(${printAttribute(expression.attribute)})`;
    case 'spot':
      return 'spot';
    case 'created':
      return `created ${expression.operator} ${quote(expression.moment)}`;
    default:
      return unreachable(expression);
  }
}

/**
 * What the expression reads of the host, such as `role="web", labels.team absent`: the evidence for what it decided. `status`: what
 * the host told of its agent; null: nothing, and `version not known`.
 */
export function explainExpression(
  expression: Expression,
  host: Host,
  status: AgentStatus | null = null,
): string {
  const facts = new Set<string>();
  collectFacts(expression, { host, status }, facts);
  return [...facts].join(', ');
}

interface Told {
  readonly host: Host;
  readonly status: AgentStatus | null;
}

function collectFacts(expression: Expression, told: Told, facts: Set<string>): void {
  const { host } = told;
  switch (expression.kind) {
    case 'constant':
      return;
    case 'and':
    case 'or':
      collectFacts(expression.left, told, facts);
      collectFacts(expression.right, told, facts);
      return;
    case 'not':
      collectFacts(expression.of, told, facts);
      return;
    case 'contains': {
      const items = host[expression.list];
      facts.add(
        items === undefined ? `${expression.list} absent` : `${expression.list}=[${items.join(', ')}]`,
      );
      return;
    }
    case 'created':
      facts.add(
        host.createdAt === undefined
          ? 'created absent'
          : `created=${quote(new Date(host.createdAt).toISOString())}`,
      );
      return;
    case 'spot':
      facts.add(`spot=${host.spot}`);
      return;
    case 'equals':
    case 'differs':
    case 'like':
    case 'unlike':
    case 'one-of':
    case 'has': {
      const { attribute } = expression;
      const name = printAttribute(attribute);
      if (attribute.kind === 'agent') {
        const texts = agentTexts(attribute.name, told.status);
        const first = texts?.[0];
        if (texts === null) facts.add(`${name} not known`);
        else facts.add(first === undefined ? `${name} absent` : `${name}=${quote(first)}`);
        return;
      }
      const value = read(attribute, host);
      facts.add(value === undefined ? `${name} absent` : `${name}=${quote(value)}`);
      return;
    }
    default:
      unreachable(expression);
  }
}

function isAround(time: number, operator: '<' | '<=' | '>' | '>=', at: number): boolean {
  switch (operator) {
    case '<':
      return time < at;
    case '<=':
      return time <= at;
    case '>':
      return time > at;
    case '>=':
      return time >= at;
    default:
      return unreachable(operator);
  }
}

/** The zone without its last part: `us-east1-b` is in `us-east1`. A zone of another form is its own region. */
export function regionOf(zone: string): string {
  return zone.replace(/-[a-z0-9]$/, '');
}

function read(attribute: Attribute, host: Host): string | undefined {
  // Absent would make `!=` true of every host: nobody may take what was never asked for an answer.
  if (attribute.kind === 'agent')
    throw new Error(`bug: ${attribute.name} was asked of a host without asking it`);
  if (attribute.kind === 'keyed') return readKey(host[attribute.name], attribute.key);
  return attribute.name === 'region' ? regionOf(host.zone) : host[attribute.name];
}

function readKey(record: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

function isChain(expression: Expression): boolean {
  return expression.kind === 'and' || expression.kind === 'or';
}

/** Chains lean to the left, so that a chain on the right needs parentheses to come back as it was. */
function operand(expression: Expression, around: 'and' | 'or', side: 'left' | 'right'): string {
  const bare =
    !isChain(expression) || (side === 'left' && (expression.kind === around || expression.kind === 'and'));
  const loose = side === 'right' && around === 'or' && expression.kind === 'and';
  return bare || loose ? printExpression(expression) : `(${printExpression(expression)})`;
}

function printAttribute(attribute: Attribute): string {
  if (attribute.kind !== 'keyed') return attribute.name;
  const plain = /^[A-Za-z0-9_][A-Za-z0-9_/-]*$/.test(attribute.key);
  return plain ? `${attribute.name}.${attribute.key}` : `${attribute.name}[${quote(attribute.key)}]`;
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** Glob (`*` any text, `?` one character) without backtracking blow-up: remembers the last star only, so that no pattern is slow. */
export function matches(pattern: string, text: string | undefined): boolean {
  if (text === undefined) return false;
  let p = 0;
  let t = 0;
  let star = -1;
  let resume = 0;
  while (t < text.length) {
    const sign = pattern[p];
    if (sign === '*') {
      star = p++;
      resume = t;
    } else if (sign !== undefined && (sign === '?' || sign === text[t])) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (pattern[p] === '*') p++;
  return p === pattern.length;
}
