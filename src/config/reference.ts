/** The reference of every key, made from the schema that validates: it cannot say anything else than what is checked. */
import type { z } from 'zod';
import { environmentSchema } from './schema/environment.ts';
import { playbookSchema } from './schema/playbook.ts';
import { choicesOf, type Described, describe, keysOf, wordsOf } from './schema-walk.ts';

export interface ReferenceKey {
  /** Such as `limits.failedHosts`; `[]` stands for an item of a list, `(gce)` for one of several kinds. */
  readonly path: string;
  readonly type: string;
  readonly required: boolean;
  /** As it would be written; absent when there is none. */
  readonly fallback?: string;
  readonly unit?: string;
  readonly description: string;
}

export type ConfigKind = 'environment' | 'playbook';

const SCHEMAS: Readonly<Record<ConfigKind, z.core.$ZodType>> = {
  environment: environmentSchema,
  playbook: playbookSchema,
};

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
  return {
    path,
    type: typeOf(described),
    required: !optional,
    ...(fallback === undefined ? {} : { fallback: written(fallback) }),
    ...(note.unit === undefined ? {} : { unit: note.unit }),
    description: note.description ?? '',
  };
}

function typeOf({ schema, note }: Described): string {
  if (note.form !== undefined) return note.form;
  const words = wordsOf(schema);
  if (words.length > 0) return words.join(' | ');
  const choices = choicesOf(schema);
  if (choices.length > 0) return choices.map((choice) => `${choice.key}: ${choice.value}`).join(' | ');
  const { def } = schema._zod;
  switch (def.type) {
    case 'array':
      return `list of ${typeOf(describe(def.element))}`;
    case 'object':
    case 'record':
      return 'map';
    case 'union':
      return def.options.map((option) => typeOf(describe(option))).join(' | ');
    case 'string':
      return 'text';
    case 'boolean':
      return 'true | false';
    default:
      return def.type;
  }
}

function written(fallback: unknown): string {
  if (typeof fallback === 'string') return fallback === '' ? '""' : fallback;
  return JSON.stringify(fallback);
}

const TITLES: Readonly<Record<ConfigKind, string>> = {
  environment: 'environments/NAME.yaml',
  playbook: 'playbooks/ACTION.yaml',
};

/** Plain text, one key a paragraph: path, type, unit, default, meaning. */
export function renderReference(): string {
  return (['environment', 'playbook'] as const).map(renderKind).join('\n\n');
}

function renderKind(kind: ConfigKind): string {
  const lines = [TITLES[kind], '='.repeat(TITLES[kind].length), ''];
  for (const key of referenceKeys(kind)) {
    const unit = key.unit === undefined ? '' : `, ${key.unit}`;
    let standing = key.required ? 'required' : 'optional';
    if (key.fallback !== undefined) standing = `default ${key.fallback}`;
    lines.push(`${key.path}  (${key.type}${unit}; ${standing})`);
    if (key.description !== '') lines.push(`    ${key.description}`);
  }
  lines.push(
    '',
    'Durations are written 500ms, 10s, 30m, 1h30m, 24h or 2d; shares of hosts "10%" in quotes.',
    `Paths are relative to the file; ~/ is your home, ${'$'}{state}/ the folder of the sandbox and of local state.`,
  );
  return lines.join('\n');
}
