import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Attribute,
  type Expression,
  evaluate,
  explainExpression,
  LIST_ATTRIBUTES,
  OPTIONAL_ATTRIBUTES,
  parseExpression,
  printExpression,
  regionOf,
  TEXT_ATTRIBUTES,
  TIME_OPERATORS,
} from '../../src/domain/expression.ts';
import type { Host } from '../../src/domain/host.ts';

const host: Host = {
  id: '1001',
  name: 'web-01',
  address: '10.0.0.1',
  zone: 'us-east1-b',
  role: 'web',
  machineType: 'n2-standard-4',
  os: 'debian-12',
  status: 'RUNNING',
  labels: { team: 'infra', 'goog-gke-node': '' },
  tags: ['http', 'ssh'],
  metadata: { 'created-by': 'terraform' },
  spot: false,
};

/** As the inventory of a cloud tells it. */
const cloudy: Host = {
  ...host,
  project: 'gitlab-production',
  network: 'default',
  internalAddress: '10.0.0.1',
  externalAddress: '34.1.2.3',
  licenses: ['debian-12-bookworm'],
  createdAt: Date.UTC(2026, 0, 1),
};

function holds(text: string, of: Host = host): boolean {
  const parsed = parseExpression(text);
  if (!parsed.ok) throw new Error(`${text}: ${JSON.stringify(parsed.error)}`);
  return evaluate(parsed.value, of);
}

function wrong(text: string) {
  const parsed = parseExpression(text);
  if (parsed.ok) throw new Error(`${text} was taken`);
  return parsed.error;
}

describe('an expression over a host', () => {
  it.each([
    ['true', true],
    ['false', false],
    ['role == "web"', true],
    ["role == 'web'", true],
    ['role != "web"', false],
    ['zone in ["us-east1-b", "us-east1-c"]', true],
    ['zone not in ["us-east1-b"]', false],
    ['region == "us-east1"', true],
    ['name =~ "web-*"', true],
    ['name =~ "web-0?"', true],
    ['name =~ "eb-01"', false],
    ['name !~ "web-*"', false],
    ['labels.team == "infra"', true],
    ['labels["team"] == "infra"', true],
    ['has(labels.goog-gke-node)', true],
    ['has(labels.foo)', false],
    ['labels.foo == ""', false],
    ['labels.foo != "x"', true],
    ['labels.foo =~ "*"', false],
    ['has(labels.constructor)', false],
    ['has(labels.__proto__)', false],
    ['metadata.created-by == "terraform"', true],
    ['"http" in tags', true],
    ['"http" not in tags', false],
    ['spot', false],
    ['not spot and status == "RUNNING"', true],
    ['false and false or true', true],
    ['false and (false or true)', false],
    ['not false and false', false],
    ['machineType == "n2-standard-4" and os =~ "debian-*" and id == "1001" and address == "10.0.0.1"', true],
  ])('%s is %s', (text, expected) => {
    expect(holds(text)).toBe(expected);
  });

  it.each([
    ['project == "gitlab-production" and network == "default"', true],
    ['internalAddress =~ "10.*" and externalAddress in ["34.1.2.3"]', true],
    ['has(externalAddress) and has(project)', true],
    ['"debian-12-bookworm" in licenses', true],
    ['"debian-12-bookworm" not in licenses', false],
    ['"cos-cloud" in licenses', false],
    ['created >= "2026-01-01"', true],
    ['created > "2026-01-01"', false],
    ['created <= "2026-01-01T00:00:00Z"', true],
    ['created < "2026-01-01T00:00:00Z"', false],
    ['created < "2026-01-01T00:30:00+01:00"', false],
    ['created < "2026-01-02" and created > "2025-12-31"', true],
  ])('of a cloud: %s is %s', (text, expected) => {
    expect(holds(text, cloudy)).toBe(expected);
  });

  it.each([
    ['project == ""', false],
    ['project != "x"', true],
    ['has(externalAddress)', false],
    ['"debian-12-bookworm" in licenses', false],
    ['created < "2026-01-01"', false],
    ['created >= "2026-01-01"', false],
    ['created > "1970-01-01" or created <= "1970-01-01"', false],
    ['not created < "2026-01-01"', true],
  ])('whose inventory does not tell: %s is %s', (text, expected) => {
    expect(holds(text)).toBe(expected);
  });

  it('tells what it read of a cloud, and what it could not', () => {
    const parsed = parseExpression('created < "2026-01-02" and "x" in licenses and has(project)');
    const told = (of: Host) => parsed.ok && explainExpression(parsed.value, of);
    expect(told(cloudy)).toBe(
      'created="2026-01-01T00:00:00.000Z", licenses=[debian-12-bookworm], project="gitlab-production"',
    );
    expect(told(host)).toBe('created absent, licenses absent, project absent');
  });

  it('takes the region of a zone, and a zone of another form as its own region', () => {
    expect([regionOf('us-east1-b'), regionOf('rack7'), regionOf('')]).toEqual(['us-east1', 'rack7', '']);
  });

  it('tells what it read, as evidence', () => {
    const parsed = parseExpression('role == "web" and not has(labels.foo) and "x" in tags and not spot');
    expect(parsed.ok && explainExpression(parsed.value, host)).toBe(
      'role="web", labels.foo absent, tags=[http, ssh], spot=false',
    );
  });

  it('answers fast for a glob made to be slow', () => {
    expect(holds(`name =~ "${'*a'.repeat(500)}b"`, { ...host, name: 'a'.repeat(5000) })).toBe(false);
  });
});

describe('a wrong expression', () => {
  it.each([
    ['rol == "web"', 1, 'rol', 'role'],
    ['true and machinetype == "x"', 10, 'machinetype', 'machineType'],
    ['role = "web"', 6, '=', '=='],
    ['role == web', 9, 'web', '"web"'],
    ['role == "web" && spot', 15, '&&', 'and'],
    ['role == "web" adn spot', 15, 'adn', 'and'],
    ['status == "RUNING"', 11, '"RUNING"', '"RUNNING"'],
    ['status in ["RUNNING", "running"]', 23, '"running"', '"RUNNING"'],
    ['tags == "http"', 1, 'tags', '"TAG" in tags'],
    ['!spot', 1, '!', 'not'],
    ['licenses == "x"', 1, 'licenses', '"LICENCE" in licenses'],
    ['"x" in licences', 8, 'licences', 'licenses'],
    ['role <> "web"', 6, '<>', '!='],
    ['projet == "x"', 1, 'projet', 'project'],
  ])('%s: column %i, found %s, meant %s', (text, column, found, suggestion) => {
    expect(wrong(text)).toMatchObject({ column, found, suggestion });
  });

  it.each([
    ['', 1],
    ['role', 5],
    ['role ==', 8],
    ['(spot', 6],
    ['spot)', 5],
    ['zone in []', 10],
    ['zone in ["a"', 13],
    ['has(role)', 5],
    ['labels == "x"', 8],
    ['spot == true', 6],
    ['"http" in zone', 11],
    ['role == "web', 9],
    ['role == "a\\n"', 11],
    ['role == "x" # no', 13],
    ['created', 8],
    ['created == "2026-01-01"', 9],
    ['created in ["2026-01-01"]', 9],
    ['created < 2026-01-01', 11],
    ['created < "yesterday"', 11],
    ['created < "2026-02-30"', 11],
    ['created < "2026-01-01T00:00:00"', 11],
    ['has(created)', 5],
    ['role < "web"', 6],
  ])('%s: column %i', (text, column) => {
    const error = wrong(text);
    expect(error.column).toBe(column);
    expect(error.message).not.toBe('');
  });

  it('is refused and not overflown when it nests too deep or is too long', () => {
    expect(wrong('('.repeat(9000)).message).toContain('nested deeper');
    expect(wrong('not '.repeat(4000)).message).toContain('nested deeper');
    expect(wrong('a'.repeat(20_000)).message).toContain('longer than');
    expect(holds(`spot${' or spot'.repeat(2000)}`)).toBe(false);
  });
});

const text = fc.oneof(fc.string({ maxLength: 8 }), fc.stringMatching(/^[a-z0-9"'\\ -]{0,8}$/));
const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  fc.record({
    kind: fc.constant('text' as const),
    name: fc.constantFrom(...TEXT_ATTRIBUTES.filter((name) => name !== 'status')),
  }),
  fc.record({
    kind: fc.constant('keyed' as const),
    name: fc.constantFrom('labels' as const, 'metadata' as const),
    key: text,
  }),
);
const keyed = fc.record({
  kind: fc.constant('keyed' as const),
  name: fc.constantFrom('labels' as const, 'metadata' as const),
  key: text,
});
const { tree } = fc.letrec<{ tree: Expression }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5, depthIdentifier: 'tree' },
    fc.record({ kind: fc.constant('constant' as const), value: fc.boolean() }),
    fc.record({ kind: fc.constantFrom('equals' as const, 'differs' as const), attribute, value: text }),
    fc.record({ kind: fc.constantFrom('like' as const, 'unlike' as const), attribute, pattern: text }),
    fc.record({
      kind: fc.constant('one-of' as const),
      attribute,
      values: fc.array(text, { minLength: 1, maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant('contains' as const),
      list: fc.constantFrom(...LIST_ATTRIBUTES),
      value: text,
    }),
    fc.record({
      kind: fc.constant('has' as const),
      attribute: fc.oneof(
        keyed,
        fc.record({
          kind: fc.constant('text' as const),
          name: fc.constantFrom(...OPTIONAL_ATTRIBUTES),
        }),
      ),
    }),
    fc
      .tuple(fc.constantFrom(...TIME_OPERATORS), fc.integer({ min: 0, max: 2_000_000_000 }), fc.boolean())
      .map(([operator, second, isDate]) => {
        const written = new Date(second * 1000).toISOString();
        const moment = isDate ? written.slice(0, 10) : written.replace('.000Z', 'Z');
        return { kind: 'created' as const, operator, moment, at: Date.parse(moment) };
      }),
    fc.constant({ kind: 'spot' as const }),
    fc.record({ kind: fc.constant('not' as const), of: tie('tree') }),
    fc.record({
      kind: fc.constantFrom('and' as const, 'or' as const),
      left: tie('tree'),
      right: tie('tree'),
    }),
  ),
}));

describe('properties of the language', () => {
  it('parses what it prints to the same tree, and evaluates it', () => {
    fc.assert(
      fc.property(tree, (expression) => {
        expect(parseExpression(printExpression(expression))).toEqual({ ok: true, value: expression });
        for (const one of [host, cloudy]) {
          expect(typeof evaluate(expression, one)).toBe('boolean');
          expect(typeof explainExpression(expression, one)).toBe('string');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('never throws, and points into the text', () => {
    const words = fc.array(
      fc.constantFrom(
        'role',
        '==',
        '"web"',
        'in',
        '[',
        ']',
        ',',
        'tags',
        'licenses',
        'created',
        '<',
        '>=',
        '"2026-01-01"',
        'project',
        'and',
        'or',
        'not',
        '(',
        ')',
        'has',
        'labels',
        '.',
        'x',
        'spot',
        '=',
        '"',
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          words.map((list) => list.join(' ')),
        ),
        (source) => {
          const parsed = parseExpression(source);
          const again = parsed.ok ? parseExpression(printExpression(parsed.value)) : parsed;
          expect(again).toEqual(parsed);
          const column = parsed.ok ? 1 : parsed.error.column;
          expect(column >= 1 && column <= source.length + 1).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
