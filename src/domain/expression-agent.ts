/**
 * Evaluating expressions that may ask the host itself. Three-valued: what is not known decides nothing, but the rest of the
 * expression may decide without it. Pure.
 *
 * EA1  `unknown` is never taken for false: `not` of it is `unknown` too, so that no host is chosen or left out by what nobody knows.
 * EA2  A metadata value that is withheld is not known either (WM3).
 */
import { agentTexts } from './agent-texts.ts';
import { type Attribute, type Expression, matches } from './expression.ts';
import type { Host } from './host.ts';
import type { AgentStatus } from './lifecycle.ts';
import { tell } from './withheld-metadata.ts';

export type Answer = true | false | 'unknown';

/** Does it compare what only the host can tell? */
export function asksAgent(expression: Expression): boolean {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return asksAgent(expression.left) || asksAgent(expression.right);
    case 'not':
      return asksAgent(expression.of);
    default:
      return 'attribute' in expression && expression.attribute.kind === 'agent';
  }
}

/** Does it hold of the host, of which `status` is known (null: nothing)? Never throws for a tree that `parseExpression` gave. */
export function evaluateWith(expression: Expression, host: Host, status: AgentStatus | null): Answer {
  switch (expression.kind) {
    case 'not': {
      const of = evaluateWith(expression.of, host, status);
      return of === 'unknown' ? of : !of;
    }
    case 'and':
    case 'or': {
      const settles = expression.kind === 'or';
      const left = evaluateWith(expression.left, host, status);
      if (left === settles) return settles;
      const right = evaluateWith(expression.right, host, status);
      if (right === settles) return settles;
      return left === 'unknown' || right === 'unknown' ? 'unknown' : !settles;
    }
    case 'equals':
    case 'differs':
    case 'like':
    case 'unlike':
    case 'one-of':
    case 'has':
      if (expression.attribute.kind === 'agent') return askedAgent(expression, expression.attribute, status);
      break;
    default:
  }
  const told = tell(expression, host);
  return told === 'withheld' ? 'unknown' : told;
}

type Comparison = Extract<Expression, { readonly attribute: Attribute }>;

function askedAgent(
  expression: Comparison,
  { name }: Extract<Attribute, { kind: 'agent' }>,
  status: AgentStatus | null,
): Answer {
  const texts = agentTexts(name, status);
  if (texts === null) return 'unknown';
  switch (expression.kind) {
    case 'equals':
      return texts.includes(expression.value);
    case 'differs':
      return !texts.includes(expression.value);
    case 'like':
      return texts.some((text) => matches(expression.pattern, text));
    case 'unlike':
      return !texts.some((text) => matches(expression.pattern, text));
    case 'one-of':
      return texts.some((text) => expression.values.includes(text));
    case 'has':
      return texts.length > 0;
    default:
      return expression satisfies never;
  }
}
