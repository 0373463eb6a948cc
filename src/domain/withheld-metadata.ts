/**
 * What of a VM's metadata is kept from everybody, and what may therefore be asked of it. Metadata is where people put start-up
 * scripts, keys and passwords, and what is kept may be shown, matched and journaled. Pure.
 *
 * WM1  A withheld value is kept as empty; that its key is there stays known.
 * WM2  A comparison whose answer would always rest on a withheld value is refused where it is written.
 * WM3  A glob over a value that is empty, and so may be withheld, is neither true nor false: a rule must not decide by it.
 */
import { type Expression, evaluate } from './expression.ts';
import type { Host } from './host.ts';

/** Longer values are programs and configuration. */
const LONGEST_VALUE = 256;

const TELLING_KEY =
  /(^|[-_])env($|[-_])|script|key|user-data|secret|pass|pwd|token|credential|cert|private|config|auth|dsn|connection|salt|signature|kube-labels/i;

/** Switches, such as `enable-oslogin`, whatever they are called. */
const SWITCH = /^(true|false|y|n|yes|no|0|1)$/i;

/** An address with a password in it, a connection string, or the whole of a key. */
const TELLING_VALUE =
  /:\/\/[^/\s]*@|(pass\w*|pwd|secret|token|api_?key|signature)["']?\s*[=:]|BEGIN [A-Z ]*PRIVATE KEY/i;

/** May the value be a secret, or a program? */
export function isWithheld(key: string, value: string): boolean {
  if (SWITCH.test(value)) return false;
  return (
    value.length > LONGEST_VALUE || value.includes('\n') || TELLING_KEY.test(key) || TELLING_VALUE.test(value)
  );
}

export interface Unanswerable {
  /** Key of the metadata. */
  readonly key: string;
  /** A sentence without its end mark. */
  readonly why: string;
}

/** WM2: the first such comparison; null: there is none. */
export function unanswerable(expression: Expression): Unanswerable | null {
  switch (expression.kind) {
    case 'and':
    case 'or':
      return unanswerable(expression.left) ?? unanswerable(expression.right);
    case 'not':
      return unanswerable(expression.of);
    case 'equals':
    case 'differs':
      return whyUnanswerable(expression.attribute, [expression.value]);
    case 'one-of':
      return whyUnanswerable(expression.attribute, expression.values);
    case 'like':
    case 'unlike':
      return whyUnanswerable(expression.attribute, null);
    default:
      return null;
  }
}

/** `values`: what it is compared with; null: a glob. */
function whyUnanswerable(
  attribute: Extract<Expression, { kind: 'equals' | 'differs' }>['attribute'],
  values: readonly string[] | null,
): Unanswerable | null {
  if (attribute.kind !== 'keyed' || attribute.name !== 'metadata') return null;
  const { key } = attribute;
  // By its key alone, whatever the value.
  if (isWithheld(key, 'x') && (values ?? ['x']).some((value) => !SWITCH.test(value)))
    return { key, why: `the values of metadata ${key} may be secrets or programs and are withheld` };
  if (values?.includes(''))
    return { key, why: 'a metadata value that is withheld looks as if it were empty' };
  return values?.some((value) => isWithheld(key, value))
    ? { key, why: 'metadata values like this one may be secrets or programs and are withheld' }
    : null;
}

/** Does it hold of the host? `withheld`: WM3, and the answer rests on it. */
export function tell(expression: Expression, host: Host): boolean | 'withheld' {
  switch (expression.kind) {
    case 'not': {
      const of = tell(expression.of, host);
      return of === 'withheld' ? of : !of;
    }
    case 'and':
    case 'or': {
      const settles = expression.kind === 'or';
      const left = tell(expression.left, host);
      if (left === settles) return settles;
      const right = tell(expression.right, host);
      if (right === settles) return settles;
      return left === 'withheld' || right === 'withheld' ? 'withheld' : !settles;
    }
    case 'like':
    case 'unlike': {
      const { attribute } = expression;
      const isDoubtful =
        attribute.kind === 'keyed' &&
        attribute.name === 'metadata' &&
        Object.hasOwn(host.metadata, attribute.key) &&
        host.metadata[attribute.key] === '';
      return isDoubtful ? 'withheld' : evaluate(expression, host);
    }
    default:
      return evaluate(expression, host);
  }
}
