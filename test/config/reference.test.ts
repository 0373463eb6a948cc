/** The reference and the JSON Schema are made from the schema that validates; here it is shown that they leave nothing out. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { environmentJsonSchema, playbookJsonSchema } from '../../src/config/json-schema.ts';
import { type ConfigKind, referenceKeys } from '../../src/config/reference.ts';
import { renderReference } from '../../src/config/reference-text.ts';
import { problemsOf } from './some-files.ts';

const KINDS: readonly ConfigKind[] = ['environment', 'playbook'];
const SCHEMAS = { environment: environmentJsonSchema(), playbook: playbookJsonSchema() };

type Json = Readonly<Record<string, unknown>>;

function isMap(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Paths of all keys, read from the exported schema alone. */
function keysOf(schema: unknown, path = ''): string[] {
  if (!isMap(schema)) return [];
  const alternatives = [schema.oneOf, schema.anyOf].flatMap((list) => (Array.isArray(list) ? list : []));
  const below = alternatives.flatMap((one: unknown) => {
    const kind = isMap(one) && isMap(one.properties) ? one.properties.kind : undefined;
    return keysOf(one, isMap(kind) ? `${path}(${String(kind.const)})` : path);
  });
  const own = isMap(schema.properties) ? Object.entries(schema.properties) : [];
  return [
    ...below,
    ...keysOf(schema.items, `${path}[]`),
    ...keysOf(schema.additionalProperties, `${path}.NAME`),
    ...own.flatMap(([key, child]) => {
      const at = path === '' ? key : `${path}.${key}`;
      return [at, ...keysOf(child, at)];
    }),
  ];
}

/** Every schema inside the schema, with the names of its words. */
function wordsIn(schema: unknown): string[] {
  if (Array.isArray(schema)) return schema.flatMap(wordsIn);
  if (!isMap(schema)) return [];
  return Object.entries(schema).flatMap(([word, value]) => {
    if (word === 'properties' && isMap(value)) return Object.values(value).flatMap(wordsIn);
    return ['default', 'const', 'enum'].includes(word) ? [word] : [word, ...wordsIn(value)];
  });
}

describe.each(KINDS)('the reference of %s files', (kind) => {
  const keys = referenceKeys(kind);

  it('describes every key, with its type', () => {
    const poor = keys.filter((key) => !/^.{8,}[.)]$/s.test(key.description) || key.type.trim() === '');
    expect(poor.map((key) => key.path)).toEqual([]);
  });

  it('has the keys that the schema takes, and no others', () => {
    expect(keys.map((key) => key.path).sort()).toEqual(keysOf(SCHEMAS[kind]).sort());
    expect(new Set(keys.map((key) => key.path)).size).toBe(keys.length);
  });

  it('gives a unit for every number that is not a port', () => {
    const bare = keys.filter((key) => /^(whole )?number/.test(key.type) && key.unit === undefined);
    const unnamed = bare.filter(
      (key) => key.type !== 'number of hosts or percentage' && !key.path.endsWith('port'),
    );
    expect(unnamed.map((key) => key.path)).toEqual([]);
  });
});

describe('defaults in the reference', () => {
  it('are taken when they are written down', () => {
    const keys = referenceKeys('environment').filter(
      (key) => key.fallback !== undefined && !/[[(]/.test(key.path),
    );
    expect(keys.length).toBeGreaterThan(25);
    for (const { path, fallback = '' } of keys) {
      const steps = path.split('.').map((step, depth) => `${'  '.repeat(depth)}${step}:`);
      const value = /^[["\d]|^\{\W|^(null|true|false)$/.test(fallback) ? fallback : JSON.stringify(fallback);
      // Gates that ask queries need somebody to answer them.
      const beside = path === 'gates' ? 'prometheus: { url: "http://127.0.0.1" }\n' : '';
      const text = `${beside}${steps.join('\n')} ${path === 'targeting.include' ? '"true"' : value}\n`;
      expect(
        problemsOf(text).filter((problem) => problem.path.startsWith(path)),
        text,
      ).toEqual([]);
    }
  });
});

describe('the reference as text', () => {
  const text = (part?: string, width = 80) => {
    const rendered = renderReference(part === undefined ? { width } : { part, width });
    if (!rendered.ok) throw new Error(JSON.stringify(rendered.error));
    return rendered.value;
  };

  it('keeps to the width of the terminal', () => {
    for (const width of [60, 80, 100]) {
      const long = text(undefined, width)
        .split('\n')
        .filter((line) => line.length > width && line.trim().includes(' '));
      expect(long).toEqual([]);
    }
  });

  it('groups keys beneath the one that holds them', () => {
    const lines = text().split('\n');
    const at = lines.indexOf('limits  map; default {}');
    expect(lines.slice(at, at + 3)).toEqual([
      'limits  map; default {}',
      '    What is borne before a rollout holds or goes back.',
      '    failedHosts  whole number from 0 (unit: hosts); default 0',
    ]);
    expect(lines).toContain('    kind: gce');
  });

  it('shows the part that is asked for, and only that', () => {
    expect(text('limits')).toContain('    failedHosts  ');
    expect(text('limits')).not.toContain('promotesFrom');
    expect(text('inventory.projects')).toContain('inventory(gce).projects  list of text; required');
    expect(text('steps')).toContain('playbooks/NAME.yaml');
    expect(text('gates').match(/agent-memory: above 250000000 bytes/g)).toHaveLength(1);
  });

  it('names the nearest key where there is none of that name', () => {
    expect(renderReference({ part: 'limts', width: 80 })).toMatchObject({ error: { suggestion: 'limits' } });
    expect(renderReference({ part: 'failedHosts', width: 80 })).toMatchObject({
      error: { suggestion: 'limits.failedHosts' },
    });
  });

  it('can make keys stand out without changing their width', () => {
    const bold = renderReference({ width: 80, strong: (key) => `<${key}>` });
    expect(bold.ok && bold.value.replaceAll(/[<>]/g, '')).toBe(text().replaceAll(/[<>]/g, ''));
    expect(bold.ok && bold.value).toContain('<failedHosts>  whole number');
  });
});

describe('the JSON Schema', () => {
  it.each(KINDS)('of %s files has no words but its own', (kind) => {
    const known = new Set(
      '$schema title description type properties required additionalProperties propertyNames items oneOf anyOf enum const default pattern minimum maximum exclusiveMinimum minItems minLength'.split(
        ' ',
      ),
    );
    expect([...new Set(wordsIn(SCHEMAS[kind]))].filter((word) => !known.has(word))).toEqual([]);
  });

  it('takes no key that is not known, at any depth', () => {
    const open = (schema: unknown): number => {
      if (Array.isArray(schema)) return schema.reduce<number>((sum, one) => sum + open(one), 0);
      if (!isMap(schema)) return 0;
      const own = isMap(schema.properties) && schema.additionalProperties !== false ? 1 : 0;
      return Object.values(schema).reduce<number>((sum, one) => sum + open(one), own);
    };
    expect(open(SCHEMAS.environment) + open(SCHEMAS.playbook)).toBe(0);
  });

  it('refuses what the program refuses, as far as a schema can say it', () => {
    const schema = z.fromJSONSchema(SCHEMAS.playbook);
    const right = { action: 'upgrade', description: 'x', steps: [{ run: 'look', timeout: '60s' }] };
    expect(schema.safeParse(right).success).toBe(true);
    for (const wrong of [
      { ...right, action: 'upgrad' },
      { ...right, steps: [] },
      { ...right, steps: [{ run: 'look', timeout: 60 }] },
      { ...right, steps: [{ run: 'look', timeout: '60' }] },
      { ...right, stepps: [] },
    ])
      expect(schema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
  });

  it('tells the unit of a number', () => {
    expect(JSON.stringify(SCHEMAS.environment)).toContain('Most connections at once. Unit: connections.');
  });
});
