/** What a report is as CSV and Markdown: whole, the same every time, and harmless to whoever opens it. */
import { describe, expect, it } from 'vitest';
import { coverageCsv } from '../../src/cli/render/coverage-csv.ts';
import { coverageMarkdown } from '../../src/cli/render/coverage-markdown.ts';
import { type Coverage, coverageLines, headline, percentText } from '../../src/cli/render/coverage-view.ts';
import { fleetLines } from '../../src/cli/render/fleet-view.ts';
import { createPaint } from '../../src/cli/render/paint.ts';
import { coverageReport } from '../../src/domain/coverage-report.ts';
import type { RecordedHost } from '../../src/domain/fleet-changes.ts';
import { fleetRows } from '../../src/domain/fleet-view.ts';
import type { FleetReport } from '../../src/engine/fleet-report.ts';

const NOW = Date.UTC(2026, 10, 21, 3, 4, 5);
const PLAIN = createPaint(false);

function vm(id: number, more: Partial<RecordedHost> = {}): RecordedHost {
  return {
    id: String(id),
    name: `vm-${id}`,
    project: 'prod',
    zone: 'us-east1-b',
    role: 'web',
    machineType: 'n1',
    os: 'debian-12',
    status: 'RUNNING',
    spot: false,
    addresses: [`10.0.${id >> 8}.${id & 255}`],
    eligibility: { kind: 'eligible' },
    agent: {
      kind: 'installed',
      packageVersion: '5.10.2-1.linux',
      service: 'active',
      runningSha256: 'a'.repeat(64),
      hold: '',
    },
    firstSeenAt: NOW,
    lastSeenAt: NOW,
    goneAt: null,
    agentSeenAt: NOW,
    silentSince: null,
    ...more,
  };
}

function covered(hosts: readonly RecordedHost[], more: Partial<FleetReport> = {}, target = 100): Coverage {
  const record = { hosts: new Map(hosts.map((host) => [host.id, host])), unknownZones: [], at: NOW };
  const fleet: FleetReport = {
    environment: 'gprd',
    source: { kind: 'look', at: NOW },
    rows: fleetRows(record, { pin: null, versions: new Map(), pinned: new Set() }),
    all: hosts.length,
    unknownZones: [],
    pin: null,
    since: new Map(),
    notes: [],
    recorded: null,
    ...more,
  };
  const environment = {
    name: 'gprd',
    coverageTarget: target,
    targeting: { include: 'true', exempt: [], eligible: [] },
  };
  const { rows, unknownZones, pin, since } = fleet;
  return {
    fleet,
    report: coverageReport({ environment, rows, unknownZones, pin, since, at: NOW, isPast: false }),
  };
}

/** RFC 4180, as any reader has it. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [];
  for (const [, quoted, plain = '', end] of text.matchAll(
    /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\r$|$)/gu,
  )) {
    if (rows.length === 0 || rows.at(-1)?.[0] === '\u0000') rows.splice(-1, 1, []);
    rows.at(-1)?.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === '\r\n') rows.push(['\u0000']);
    if (end === '\r' || end === '') break;
  }
  return rows;
}

function records(csv: string): Record<string, string>[] {
  const [heads = [], ...rows] = parseCsv(csv);
  return rows.map((row) => Object.fromEntries(heads.map((head, index) => [head, row[index] ?? ''])));
}

describe('CSV', () => {
  it('has a record a VM and one for every unknown zone first, each with every column', () => {
    const csv = coverageCsv([
      covered([vm(1), vm(2, { agent: { kind: 'absent' } })], {
        unknownZones: [{ zone: 'prod/us-east1-c', why: 'timed out, twice', lastKnown: 7 }],
        since: new Map([['2', NOW - 1_000]]),
      }),
    ]);
    expect(records(csv)).toMatchObject([
      { kind: 'unknown-zone', zone: 'prod/us-east1-c', covered: 'unknown', evidence: 'timed out, twice' },
      { kind: 'vm', name: 'vm-2', covered: 'no', agent: 'absent', uncovered_since: '2026-11-21T03:04:04Z' },
      { kind: 'vm', name: 'vm-1', covered: 'yes', agent: 'running', uncovered_since: '', id: '1' },
    ]);
    const columns = csv.split('\r\n')[0]?.split(',').length;
    expect(parseCsv(csv).map((row) => row.length)).toEqual(Array.from({ length: 4 }, () => columns));
    expect(csv.endsWith('\r')).toBe(true);
    expect(csv).not.toContain('\n\n');
  });

  it.each([
    ['=HYPERLINK("http://x")', `'=HYPERLINK("http://x")`],
    ['+1', "'+1"],
    ['-2+3', "'-2+3"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['  =1', "'=1"],
    ['\t=1', "'=1"],
    ['\u0000=1', "'=1"],
    ['\uff1d1', "'\uff1d1"],
    ['"=1', `'"=1`],
    ['a=1', 'a=1'],
    ['a,"b"\r\nc', 'a,"b" c'],
  ])('takes the sting out of %j', (name, cell) => {
    const [record] = records(coverageCsv([covered([vm(1, { name })])]));
    expect(record?.name).toBe(cell);
  });

  it('of a whole reason and evidence keeps quotes, commas and nothing that ends a record', () => {
    const eligibility = {
      kind: 'exempt',
      rule: 'exempt[0]',
      reason: 'because, "they" said\nso',
      evidence: '=cmd|calc',
    } as const;
    const [record] = records(coverageCsv([covered([vm(1, { eligibility })])]));
    expect(record).toMatchObject({
      rule: 'exempt[0]',
      evidence: 'exempt[0] (because, "they" said so): =cmd|calc',
      covered: '',
    });
  });

  it('of an empty fleet is its heads alone', () => {
    expect(parseCsv(coverageCsv([covered([])]))).toHaveLength(1);
  });
});

describe('Markdown', () => {
  it('takes pipes, links, tags and line breaks in names for text', () => {
    const text = coverageMarkdown([
      covered([vm(1, { name: 'a|b [x](https://evil) <img> `c`\n# d', agent: { kind: 'absent' } })]),
    ]);
    expect(text).toContain(String.raw`a\|b \[x\](https:&#8203;//evil) \<img\> \`c\` \# d`);
    const rows = text.split('\n').filter((line) => line.startsWith('|'));
    for (const row of rows) expect(row.replaceAll(String.raw`\|`, '').split('|').length).toBeGreaterThan(3);
  });

  it('names every VM however many there are', () => {
    const hosts = Array.from({ length: 300 }, (_, index) => vm(index + 1, { agent: { kind: 'absent' } }));
    const text = coverageMarkdown([covered(hosts)]);
    for (const { name } of hosts) expect(text).toContain(`| ${name} |`);
  });
});

describe('the share', () => {
  it.each([
    [9_996, 10_000, '99.96 %'],
    [99_999, 100_000, '99.99 %'],
    [1, 3, '33.33 %'],
    [1, 1, '100 %'],
    [0, 5, '0 %'],
  ])('of %i in %i reads %s', (part, whole, text) => {
    expect(percentText(Math.floor((part * 10_000) / whole) / 100)).toBe(text);
  });

  it('of nothing is none, and says so', () => {
    expect(percentText(null)).toBe('n/a');
    const eligibility = { kind: 'exempt', rule: 'r', reason: 'w', evidence: 'e' } as const;
    expect(headline(covered([vm(1, { eligibility })]).report, PLAIN)).toBe('no VM must have the agent');
    expect(headline(covered([]).report, PLAIN)).toContain('HELD');
  });
});

describe('on a terminal', () => {
  const hosts = Array.from({ length: 1_000 }, (_, index) =>
    vm(index + 1, { agent: { kind: 'absent' }, name: `a-rather-long-name-of-a-vm-${index}` }),
  );

  it.each([60, 80, 100, 160])(
    'of %i columns no line is wider, and long lists are cut with how many more',
    (width) => {
      const paint = { ...PLAIN, width };
      const { fleet, report } = covered(hosts);
      for (const lines of [fleetLines(fleet, fleet.rows, paint), coverageLines({ fleet, report }, paint)]) {
        expect(lines.filter((line) => line.length > width)).toEqual([]);
        expect(lines).toContain('  and 900 more (--json lists all)');
      }
    },
  );

  it('and nowhere else', () => {
    const { fleet } = covered(hosts);
    expect(fleetLines(fleet, fleet.rows, PLAIN).join('\n')).toContain('a-rather-long-name-of-a-vm-999');
  });

  it('unknown zones come first, with how many VMs they had', () => {
    const { fleet, report } = covered([vm(1)], {
      unknownZones: [{ zone: 'us-east1-c', why: 'quota', lastKnown: 12 }],
    });
    expect(fleetLines(fleet, fleet.rows, PLAIN).slice(0, 2)).toEqual([
      'gprd  1 VM and 1 zone UNKNOWN',
      '  UNKNOWN       us-east1-c: quota (12 VMs when it was last listed)',
    ]);
    expect(coverageLines({ fleet, report }, PLAIN)[0]).toContain('HELD');
  });

  it('10,000 VMs print within a second', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => vm(index + 1));
    const one = covered(many);
    const began = performance.now();
    fleetLines(one.fleet, one.fleet.rows, PLAIN);
    coverageLines(one, PLAIN);
    coverageMarkdown([one]);
    coverageCsv([one]);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});
