/** A value against its schema: either what it means, or everything that is wrong with it, in people's words. */
import type { z } from 'zod';
import { parseDuration } from '../domain/duration.ts';
import { nearestWord } from '../domain/nearest.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { type Fault, type FaultDetail, fault } from './problem.ts';
import {
  choicesOf,
  type Described,
  describe,
  keysOf,
  objectOption,
  readKey,
  schemaAt,
  wordsOf,
} from './schema-walk.ts';

/** How a scalar was typed, or null. */
export type SourceOf = (path: Fault['path']) => string | null;

export function check<S extends z.ZodType>(
  schema: S,
  value: unknown,
  sourceOf: SourceOf,
): Result<z.output<S>, readonly Fault[]> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const context = { schema, value, sourceOf };
  return err(parsed.error.issues.flatMap((issue) => faultsOf(issue, context)));
}

interface Context {
  readonly schema: z.core.$ZodType;
  readonly value: unknown;
  readonly sourceOf: SourceOf;
}

function faultsOf(issue: z.core.$ZodIssue, context: Context): Fault[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step));
  const described = schemaAt(context.schema, path, context.value);
  const found = { ...foundAt(path, described, context), ...allowedBy(described) };
  switch (issue.code) {
    case 'custom':
      return [fault(path, issue.message, customDetail(issue.params as FaultDetail, described))];
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(path, key, context));
    case 'invalid_type':
      return [wrongType(path, issue.expected, described, context)];
    case 'invalid_value':
      return [wrongWord(path, issue.values.map(String), context)];
    case 'invalid_union': {
      const words = described === null ? [] : choicesOf(described.schema);
      if (words.length > 0) return [fault(path, 'a map of keys must stand here', found)];
      const options = choicesAbove(path, context);
      if (options.length > 0) return [wrongWord(path, options, context)];
      const inside = issuesInside(issue, described, valueAt(context.value, path));
      if (inside.length > 0)
        return inside.flatMap((one) => faultsOf({ ...one, path: [...issue.path, ...one.path] }, context));
      return [fault(path, `not a ${described?.note.form ?? 'value that is known here'}`, found)];
    }
    case 'too_small':
      return [
        fault(
          path,
          issue.origin === 'array' ? 'the list is empty' : `it must be at least ${String(issue.minimum)}`,
          found,
        ),
      ];
    case 'too_big':
      return [fault(path, `it must be at most ${String(issue.maximum)}`, found)];
    case 'invalid_format':
      return [
        fault(path, `not ${article(described?.note.form ?? 'text')} of the form that is taken here`, found),
      ];
    default:
      return [fault(path, `not allowed here: ${issue.message}`, found)];
  }
}

/** Where a word or a map of keys may stand and a map does: what is wrong inside it, rather than that it is neither. */
function issuesInside(
  issue: z.core.$ZodIssueInvalidUnion,
  described: Described | null,
  value: unknown,
): readonly z.core.$ZodIssue[] {
  const option = described === null ? -1 : objectOption(described.schema);
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isMap ? (issue.errors[option] ?? []) : [];
}

function article(noun: string): string {
  return noun === 'text' ? 'text' : `${/^[aeiou]/i.test(noun) ? 'an' : 'a'} ${noun}`;
}

function allowedBy(described: Described | null): FaultDetail {
  if (described === null) return {};
  const words = wordsOf(described.schema);
  const allowed = words.length > 0 ? words : described.note.allowed;
  return allowed === undefined ? {} : { allowed };
}

function customDetail(detail: FaultDetail, described: Described | null): FaultDetail {
  if (described?.note.secret !== true) return detail;
  return detail.allowed === undefined ? {} : { allowed: detail.allowed };
}

function foundAt(path: Fault['path'], described: Described | null, context: Context): FaultDetail {
  if (described?.note.secret === true) return { found: '(not shown: it could be a secret)' };
  return { found: valueText(path, context) };
}

function valueText(path: Fault['path'], context: Context): string {
  const value = valueAt(context.value, path);
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a map of keys';
  return withoutPassword(context.sourceOf(path) ?? JSON.stringify(value).slice(0, 120));
}

/** `user:password@host` is shown without the password, wherever it was written. */
function withoutPassword(text: string): string {
  return text.replace(/:[^:/@\s]+@/g, ':***@');
}

function valueAt(value: unknown, path: Fault['path']): unknown {
  return path.reduce<unknown>((current, step) => readKey(current, step), value);
}

const SECRET_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ['token', ['tokenEnv', 'tokenFile']],
  ['bearertoken', ['tokenEnv', 'tokenFile']],
  ['password', ['passwordEnv', 'passwordFile']],
  ['passphrase', ['passphraseEnv', 'passphraseFile']],
  ['privatekey', ['identityFiles']],
]);

function unknownKey(path: Fault['path'], key: string, context: Context): Fault {
  const described = schemaAt(context.schema, path, context.value);
  const chosen = described === null ? null : chosenObject(described, valueAt(context.value, path));
  const keys = chosen === null ? [] : Object.keys(keysOf(chosen.schema) ?? {});
  const secret =
    SECRET_KEYS.get(key.toLowerCase().replaceAll(/[^a-z]/g, ''))?.filter((name) => keys.includes(name)) ?? [];
  if (secret.length > 0) {
    const message = `a secret does not belong into this file; say where it is with ${secret.join(' or ')}`;
    return fault([...path, key], message, { part: 'key', found: key, allowed: secret });
  }
  const meant = nearestWord(key, keys);
  const detail = { part: 'key' as const, found: key, allowed: keys };
  return fault([...path, key], 'unknown key', meant === null ? detail : { ...detail, suggestion: meant });
}

function chosenObject(described: Described, value: unknown): Described | null {
  const choices = choicesOf(described.schema);
  if (choices.length === 0) return described;
  const chosen = choices.find((choice) => readKey(value, choice.key) === choice.value);
  return chosen === undefined ? null : describe(chosen.schema);
}

/** The words of the key that tells alternatives apart, when `path` leads to that key. */
function choicesAbove(path: Fault['path'], context: Context): readonly string[] {
  const above = schemaAt(context.schema, path.slice(0, -1), context.value);
  return above === null ? [] : choicesOf(above.schema).map((choice) => choice.value);
}

function wrongWord(path: Fault['path'], words: readonly string[], context: Context): Fault {
  const value = valueAt(context.value, path);
  if (value === undefined) return fault(path, 'this key is missing', { allowed: words });
  const meant = typeof value === 'string' ? nearestWord(value, words) : null;
  const detail = { found: valueText(path, context), allowed: words };
  return fault(
    path,
    'not one of the words that are known here',
    meant === null ? detail : { ...detail, suggestion: meant },
  );
}

function wrongType(
  path: Fault['path'],
  expected: string,
  described: Described | null,
  context: Context,
): Fault {
  const value = valueAt(context.value, path);
  if (value === undefined)
    return fault(path, described?.note.missing ?? 'this key is missing', allowedBy(described));
  const detail = { ...foundAt(path, described, context), ...allowedBy(described) };
  if (expected === 'string') return notText(path, value, described, detail);
  if (
    (expected === 'number' || expected === 'int') &&
    typeof value === 'string' &&
    value.trim() !== '' &&
    Number.isFinite(Number(value))
  ) {
    return fault(path, 'a number must stand here, without quotes', { ...detail, suggestion: value.trim() });
  }
  const words: Readonly<Record<string, string>> = {
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a map of keys',
    record: 'a map of keys',
  };
  return fault(path, `${words[expected] ?? expected} must stand here`, detail);
}

/** Where a text is wanted and YAML read something else: most often a version or an id without quotes. */
function notText(
  path: Fault['path'],
  value: unknown,
  described: Described | null,
  detail: FaultDetail,
): Fault {
  const found = detail.found ?? '';
  if (described?.note.form === 'duration' && typeof value === 'number') {
    const parsed = parseDuration(String(value));
    return fault(path, `not a duration: ${parsed.ok ? 'the unit is missing' : parsed.error}`, detail);
  }
  if (described?.note.secret === true) return fault(path, 'text must stand here', detail);
  if (typeof value === 'number') {
    const read = String(value);
    const changed = read === found ? '' : `, here ${read}`;
    return fault(path, `without quotes YAML reads a number${changed}; put it in quotes`, {
      ...detail,
      suggestion: `"${found}"`,
    });
  }
  if (typeof value === 'boolean') {
    return fault(path, 'without quotes YAML reads true or false; put it in quotes', {
      ...detail,
      suggestion: `"${found}"`,
    });
  }
  if (value === null) return fault(path, 'nothing stands here; an empty text is ""', detail);
  return fault(path, 'text must stand here', detail);
}
