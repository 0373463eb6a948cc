import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import {
  escapeRe2,
  MAX_HOSTS_PATTERN,
  promDuration,
  renderQuery,
  showQuery,
} from '../../src/domain/gate-query.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';

const gate = (query: string): GatePolicy => ({ ...BUILTIN_GATES['agent-alive'], query, windowMs: 90_000 });
const fillings = { label: 'fqdn', hostValues: ['h1.example.com', 'h2'], process: 'osqueryd', matchers: '' };
const many = (count: number) =>
  Array.from({ length: count }, (_, index) => `web-${index}.c.project.internal`);

describe('renderQuery', () => {
  it('fills every placeholder', () => {
    const query = gate('rate(x{g="$process",$label=~"$hosts"$matchers}[$window])');
    expect(renderQuery(query, { ...fillings, matchers: 'env="gprd"' })).toEqual([
      String.raw`rate(x{g="osqueryd",fqdn=~"h1\\.example\\.com|h2",env="gprd"}[90s])`,
    ]);
  });

  it('leaves $matchers empty where there are none, and adds the comma itself', () => {
    expect(renderQuery(gate('x{a="b"$matchers}'), fillings)).toEqual(['x{a="b"}']);
    expect(renderQuery(gate('x{a="b"$matchers}'), { ...fillings, matchers: ' ,env="x", ' })).toEqual([
      'x{a="b",env="x"}',
    ]);
  });

  it('names the environment, as text that cannot end its string', () => {
    const query = gate('x{env="$environment"$matchers}');
    expect(renderQuery(query, { ...fillings, environment: 'gprd' })).toEqual(['x{env="gprd"}']);
    expect(renderQuery(query, { ...fillings, environment: 'a"b' })).toEqual([String.raw`x{env="a\"b"}`]);
    expect(renderQuery(query, fillings)).toEqual(['x{env=""}']);
  });

  it('leaves what only looks like a placeholder alone', () => {
    expect(renderQuery(gate('label_replace(x{a=~"web$"}, "$labels", "$1", "b", "(.*)")'), fillings)).toEqual([
      'label_replace(x{a=~"web$"}, "$labels", "$1", "b", "(.*)")',
    ]);
  });

  it('escapes for the kind of string that the placeholder stands in', () => {
    const odd = { ...fillings, hostValues: ['a"b\'c`d.e'] };
    expect(renderQuery(gate('x{$label=~"$hosts"}'), odd)).toEqual([
      String.raw`x{fqdn=~"a\"b'c` + '`' + String.raw`d\\.e"}`,
    ]);
    expect(renderQuery(gate("x{$label=~'$hosts'}"), odd)).toEqual([
      String.raw`x{fqdn=~'a"b\'c` + '`' + String.raw`d\\.e'}`,
    ]);
    expect(renderQuery(gate('x{$label=~`$hosts`}'), odd)).toEqual(['x{fqdn=~`a"b\'c\\x60d\\.e`}']);
  });

  it('asks one query for a wave of 200 hosts', () => {
    expect(renderQuery(gate('x{$label=~"$hosts"}'), { ...fillings, hostValues: many(200) })).toHaveLength(1);
  });

  it('cuts 10,000 hosts into queries that together name every host once', () => {
    const queries = renderQuery(gate('x{$label=~"$hosts"}'), { ...fillings, hostValues: many(10_000) });
    expect(queries.length).toBeLessThan(60);
    const named = queries.flatMap((query) => query.slice('x{fqdn=~"'.length, -'"}'.length).split('|'));
    expect(named).toEqual(many(10_000).map((name) => name.replaceAll('.', String.raw`\\.`)));
    for (const query of queries)
      expect(query.replaceAll('\\\\', '\\').length).toBeLessThan(MAX_HOSTS_PATTERN + 20);
  });

  it('asks nothing without hosts', () => {
    expect(renderQuery(gate('x'), { ...fillings, hostValues: [] })).toEqual([]);
  });

  it('for any host name: the string ends where it should and matches that name alone', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (name) => {
        const [query = ''] = renderQuery(gate('x{$label=~"$hosts"}'), { ...fillings, hostValues: [name] });
        const literal = query.slice('x{fqdn=~'.length, -1);
        // For these texts, Go's string escapes are JSON's.
        const pattern = JSON.parse(literal) as string;
        expect(new RegExp(`^(?:${pattern})$`, 's').exec(name)?.[0]).toBe(name);
        expect(new RegExp(`^(?:${pattern})$`, 's').test(`${name}x`)).toBe(false);
      }),
    );
  });
});

describe('showQuery', () => {
  it('shows a short query as it is sent', () => {
    expect(showQuery(gate('x{$label=~"$hosts"}'), fillings)).toBe(
      String.raw`x{fqdn=~"h1\\.example\\.com|h2"}`,
    );
  });

  it('cuts a long host list, since verdicts go into the journal', () => {
    const shown = showQuery(BUILTIN_GATES['agent-cpu'], { ...fillings, hostValues: many(10_000) });
    expect(shown.length).toBeLessThan(1_500);
    expect(shown).toMatch(/ # and 9997 more hosts, in \d+ queries$/);
  });
});

describe('durations and escapes', () => {
  it('writes whole seconds where it can', () => {
    expect([promDuration(60_000), promDuration(1_500)]).toEqual(['60s', '1500ms']);
  });

  it('escapes what RE2 gives a meaning', () => {
    expect(escapeRe2('a.b+c|d')).toBe(String.raw`a\.b\+c\|d`);
  });
});

describe('built-in gates', () => {
  it('are named as they are keyed and leave no placeholder behind', () => {
    for (const [name, builtin] of Object.entries(BUILTIN_GATES)) {
      expect(builtin.name).toBe(name);
      if (builtin.source !== undefined) {
        expect(builtin.query).toBe('');
        continue;
      }
      const [query = ''] = renderQuery(builtin, fillings);
      expect(query).not.toMatch(/\$/);
      expect(query).toContain(
        name === 'host-run-queue' ? 'node_schedstat_waiting_seconds_total{fqdn=~' : 'groupname="osqueryd"',
      );
    }
  });
});
