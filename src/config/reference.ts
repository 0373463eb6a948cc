/** The reference of every key, made from the schema that validates: it cannot say anything else than what is checked. */
import { z } from 'zod';
import { environmentSchema } from './schema/environment.ts';
import { playbookSchema } from './schema/playbook.ts';
import { choicesOf, type Described, describe, keysOf, wordsOf } from './schema-walk.ts';

export interface ReferenceKey {
  /** Such as `limits.failedHosts`; `[]` stands for an item of a list, `NAME` for a name of one's own,
   * `(gce)` for one of several kinds. */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  /** As it would be written; absent when there is none. */
  readonly fallback?: string;
  readonly unit?: string;
  readonly description: string;
  /** What may stand there, in words or by example, where the type does not say it. */
  readonly takes?: string;
}

export type ConfigKind = 'environment' | 'playbook';

const SCHEMAS: Readonly<Record<ConfigKind, z.core.$ZodType>> = {
  environment: environmentSchema,
  playbook: playbookSchema,
};

export function aboutFile(kind: ConfigKind): string {
  return describe(SCHEMAS[kind]).note.description ?? '';
}

/** In the order in which they are written in the schema. */
export function referenceKeys(kind: ConfigKind): ReferenceKey[] {
  return keysBelow(describe(SCHEMAS[kind]), '');
}

function keysBelow({ schema }: Described, path: string): ReferenceKey[] {
  const choices = choicesOf(schema);
  if (choices.length > 0) {
    return choices.flatMap((choice) => keysBelow(describe(choice.schema), `${path}(${choice.value})`));
  }
  const { def } = schema._zod;
  if (def.type === 'array') return keysBelow(describe(def.element), `${path}[]`);
  if (def.type === 'record') return keysBelow(describe(def.valueType), `${path}.NAME`);
  const keys = keysOf(schema);
  if (keys === null) return [];
  return Object.entries(keys).flatMap(([key, child]) => {
    const described = describe(child);
    const own = path === '' ? key : `${path}.${key}`;
    return [keyOf(own, described), ...keysBelow(described, own)];
  });
}

function keyOf(path: string, described: Described): ReferenceKey {
  const { note, optional, fallback } = described;
  const takes = takesOf(described);
  return {
    path,
    type: typeOf(described),
    required: !optional,
    ...(fallback === undefined ? {} : { fallback: written(fallback) }),
    ...(note.unit === undefined ? {} : { unit: note.unit }),
    description: note.description ?? '',
    ...(takes === '' ? {} : { takes }),
  };
}

function typeOf({ schema, note }: Described): string {
  if (note.form !== undefined) return note.form;
  const words = wordsOf(schema);
  if (words.length > 0) return words.join(' | ');
  const choices = choicesOf(schema);
  if (choices.length > 0) return choices.map((choice) => `${choice.key}: ${choice.value}`).join(' | ');
  const { def } = schema._zod;
  if (def.type === 'array') return `list of ${typeOf(describe(def.element))}`;
  if (def.type === 'object') return 'map';
  if (def.type === 'record') return `map of ${plural(typeOf(describe(def.valueType)))}`;
  if (def.type === 'union') return def.options.map((option) => typeOf(describe(option))).join(' | ');
  if (schema instanceof z.ZodNumber) return numberType(schema);
  if (def.type === 'string') return 'text';
  return def.type === 'boolean' ? 'true | false' : def.type;
}

function plural(type: string): string {
  return type === 'text' ? 'texts' : type;
}

function numberType({ minValue, maxValue, isInt }: z.ZodNumber): string {
  const word = isInt ? 'whole number' : 'number';
  const least = minValue !== null && minValue > Number.MIN_SAFE_INTEGER ? minValue : null;
  const most = maxValue !== null && maxValue < Number.MAX_SAFE_INTEGER ? maxValue : null;
  if (least !== null && most !== null) return `${word} from ${least} to ${most}`;
  return least === null ? word : `${word} from ${least}`;
}

/** Forms whose examples the reference gives once, at its end. */
const EXPLAINED = ['duration', 'path', 'number of hosts or percentage'];

function takesOf({ schema, note }: Described): string {
  const { def } = schema._zod;
  const item = def.type === 'array' ? describe(def.element).note : note;
  const allowed = item.allowed ?? [];
  if (EXPLAINED.includes(item.form ?? '') || allowed.includes('any text')) return '';
  return allowed.join(', ');
}

function written(fallback: unknown): string {
  if (typeof fallback === 'string') return fallback === '' ? '""' : fallback;
  return JSON.stringify(fallback);
}
