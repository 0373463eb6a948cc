/** Looks into the schema: what a key is, what it is for, what its default is. The one reading of it for errors and reference. */
import { z } from 'zod';
import type { Note } from './schema/parts.ts';

export interface Described {
  /** The schema without its wrappers. */
  readonly schema: z.core.$ZodTypes;
  /** Notes of all wrappers; an outer one wins. */
  readonly note: Note;
  /** Whether the key may be left out. */
  readonly optional: boolean;
  /** What counts when it is left out. */
  readonly fallback?: unknown;
}

export function describe(schema: z.core.$ZodType): Described {
  let inner = schema as z.core.$ZodTypes;
  let note: Note = {};
  let optional = false;
  let fallback: unknown;
  for (;;) {
    note = { ...z.globalRegistry.get(inner), ...note };
    const { def } = inner._zod;
    if (def.type === 'prefault') {
      // A default inside an optional key is never reached when the key is left out.
      if (!optional) fallback = def.defaultValue;
      optional = true;
      inner = def.innerType as z.core.$ZodTypes;
    } else if (def.type === 'optional') {
      optional = true;
      inner = def.innerType as z.core.$ZodTypes;
    } else if (def.type === 'nullable') {
      inner = def.innerType as z.core.$ZodTypes;
    } else if (def.type === 'pipe') {
      inner = def.in as z.core.$ZodTypes;
    } else {
      return fallback === undefined
        ? { schema: inner, note, optional }
        : { schema: inner, note, optional, fallback };
    }
  }
}

/** Keys that an object of the schema may have, of a word or an object the object's; null for other schemas. */
export function keysOf(schema: z.core.$ZodTypes): Readonly<Record<string, z.core.$ZodType>> | null {
  const { def } = schema._zod;
  if (def.type === 'union') {
    const option = objectOption(schema);
    return option === -1 ? null : keysOf(describe(def.options[option] as z.core.$ZodType).schema);
  }
  return def.type === 'object' ? def.shape : null;
}

/** Which option of a union such as `none` or a map of keys is the map; -1 where it is not just one. */
export function objectOption(schema: z.core.$ZodTypes): number {
  const { def } = schema._zod;
  if (def.type !== 'union' || 'discriminator' in def) return -1;
  const objects = def.options.flatMap((option, index) =>
    describe(option).schema._zod.def.type === 'object' ? [index] : [],
  );
  return objects.length === 1 ? (objects[0] ?? -1) : -1;
}

export interface Choice {
  readonly key: string;
  readonly value: string;
  readonly schema: z.core.$ZodType;
}

/** Alternatives that one key tells apart, such as `kind: static`; empty for other schemas. */
export function choicesOf(schema: z.core.$ZodTypes): readonly Choice[] {
  const { def } = schema._zod;
  if (def.type !== 'union' || !('discriminator' in def)) return [];
  const key = String(def.discriminator);
  return def.options.map((option) => {
    const literal = keysOf(describe(option).schema)?.[key];
    return {
      key,
      value: literal === undefined ? '' : (wordsOf(describe(literal).schema)[0] ?? ''),
      schema: option,
    };
  });
}

/** The words of an enum or literal; empty for other schemas. */
export function wordsOf(schema: z.core.$ZodTypes): readonly string[] {
  const { def } = schema._zod;
  if (def.type === 'enum') return Object.values(def.entries).map(String);
  return def.type === 'literal' ? def.values.map(String) : [];
}

/** The schema that governs a path; null where none does. `value` decides between alternatives. */
export function schemaAt(
  root: z.core.$ZodType,
  path: readonly (string | number)[],
  value: unknown,
): Described | null {
  let described = describe(root);
  let current = value;
  for (const step of path) {
    const choices = choicesOf(described.schema);
    if (choices.length > 0) {
      const chosen = choices.find((choice) => readKey(current, choice.key) === choice.value);
      if (chosen === undefined) return null;
      described = describe(chosen.schema);
    }
    const child = childSchema(described.schema, step);
    if (child === null) return null;
    described = describe(child);
    current = readKey(current, step);
  }
  return described;
}

function childSchema(schema: z.core.$ZodTypes, step: string | number): z.core.$ZodType | null {
  const { def } = schema._zod;
  if (def.type === 'array') return def.element;
  if (def.type === 'record') return def.valueType;
  const keys = keysOf(schema);
  return keys !== null && Object.hasOwn(keys, step) ? (keys[step] ?? null) : null;
}

/** An own key of a map or an item of a list, without trusting the value's shape. */
export function readKey(value: unknown, key: string | number): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string | number, unknown>>)[key]
    : undefined;
}
