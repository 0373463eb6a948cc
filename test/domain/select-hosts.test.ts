/** Who is meant by a lifecycle command, who is matched and not touched, and who cannot be told. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { StatusAnswer } from '../../src/domain/agent-status.ts';
import { parseExpression } from '../../src/domain/expression.ts';
import type { ClassifiedHost, Eligibility, Host } from '../../src/domain/host.ts';
import type { AgentStatus } from '../../src/domain/lifecycle.ts';
import { type SelectedHosts, selectHosts } from '../../src/domain/select-hosts.ts';
import type { Polarity, Selection } from '../../src/domain/selection.ts';
import { SOME_STATUS, STOPPED_STATUS } from '../fakes/agent-statuses.ts';

const BARS: Record<string, Eligibility> = {
  exempt: { kind: 'exempt', rule: 'exempt[0]', reason: 'GKE', evidence: 'x' },
  undecided: { kind: 'undecided', evidence: 'perhaps' },
  off: { kind: 'not-running', status: 'TERMINATED' },
  windows: { kind: 'unsupported', evidence: 'windows' },
  other: { kind: 'excluded', rule: 'include: role == "web"' },
};

function vm(
  id: string,
  name: string,
  eligibility: Eligibility = { kind: 'eligible' },
  more: Partial<Host> = {},
): ClassifiedHost {
  const host: Host = {
    id,
    name,
    address: `10.0.0.${id}`,
    zone: 'z1',
    role: 'web',
    machineType: 'n1',
    os: 'debian-12',
    status: 'RUNNING',
    labels: {},
    tags: [],
    metadata: {},
    spot: false,
    ...more,
  };
  return { host, eligibility };
}

const FLEET: readonly ClassifiedHost[] = [
  vm('3', 'web-2'),
  vm('2', 'web-1'),
  vm('4', 'db-1', undefined, { role: 'db' }),
  ...Object.entries(BARS).map(([name, bar], index) => vm(String(10 + index), name, bar)),
];
const ALL: Selection = { fleet: true, hosts: [], where: null, except: [] };

function where(text: string): Selection['where'] {
  const parsed = parseExpression(text, { agent: true });
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

const told = ({ host }: ClassifiedHost, status: AgentStatus | string): [string, StatusAnswer] => [
  host.id,
  {
    host,
    answer: typeof status === 'string' ? { kind: 'none', why: status } : { kind: 'status', status },
    tookMs: 1,
  },
];

function select(
  selection: Partial<Selection>,
  polarity: Polarity = 'calm',
  statuses?: ReadonlyMap<string, StatusAnswer>,
): SelectedHosts {
  const whole = { ...ALL, fleet: false, ...selection };
  return selectHosts({
    hosts: FLEET,
    selection: whole,
    polarity,
    ...(statuses === undefined ? {} : { statuses }),
  });
}

const names = (selected: SelectedHosts): string[] => selected.chosen.map(({ name }) => name);
const leftOut = (selected: SelectedHosts): string[] =>
  selected.leftOut.map(({ host, why }) => `${host.name} ${why.kind}`);

describe('the whole fleet', () => {
  it('calm: whoever must have the agent, in the order of names; the others by name with the reason', () => {
    const selected = select({ fleet: true });
    expect(names(selected)).toEqual(['db-1', 'web-1', 'web-2']);
    expect(leftOut(selected)).toEqual([
      'exempt exempt',
      'off not-running',
      'other excluded',
      'undecided undecided',
      'windows unsupported',
    ]);
    expect(selected.unmatched).toEqual([]);
  });

  it('in an emergency also those that nobody has decided on, and no exempt one', () => {
    const selected = select({ fleet: true }, 'emergency');
    expect(names(selected)).toEqual(['db-1', 'undecided', 'web-1', 'web-2']);
    expect(leftOut(selected)).not.toContain('undecided undecided');
  });

  it('without those that are excepted, who are told with the word that took them out', () => {
    const selected = select({ fleet: true, except: ['web-*', '4'] });
    expect(names(selected)).toEqual([]);
    expect(
      selected.leftOut.flatMap(({ host, why }) => (why.kind === 'excepted' ? [[host.name, why.by]] : [])),
    ).toEqual([
      ['db-1', '4'],
      ['web-1', 'web-*'],
      ['web-2', 'web-*'],
    ]);
  });

  it('and nothing asked for is nobody', () => {
    expect(select({})).toMatchObject({ chosen: [], leftOut: [], unknown: [], unmatched: [] });
  });
});

describe('hosts by word', () => {
  it.each<[readonly string[], readonly string[]]>([
    [['web-1'], ['web-1']],
    [['2'], ['web-1']],
    [['web-*'], ['web-1', 'web-2']],
    [
      ['web-?', 'db-1'],
      ['db-1', 'web-1', 'web-2'],
    ],
    [['*'], ['db-1', 'web-1', 'web-2']],
    // A plain word is a whole name, and a glob is none over ids.
    [['web'], []],
    [['2*'], []],
    [['WEB-1'], []],
  ])('%j', (hosts, expected) => {
    expect(names(select({ hosts }))).toEqual(expected);
  });

  it('an exempt one that is named stays left out, in an emergency too', () => {
    const selected = select({ hosts: ['exempt', 'web-1'] }, 'emergency');
    expect([names(selected), leftOut(selected)]).toEqual([['web-1'], ['exempt exempt']]);
  });

  it('two VMs of one name are both meant', () => {
    const twins = [vm('7', 'web-9'), vm('6', 'web-9')];
    const selected = selectHosts({
      hosts: twins,
      selection: { ...ALL, fleet: false, hosts: ['web-9'] },
      polarity: 'calm',
    });
    expect(selected.chosen.map(({ id }) => id)).toEqual(['6', '7']);
  });

  it('words that name nobody are told once, with what was probably meant', () => {
    const selected = select({ hosts: ['wbe-1', 'web-1', 'wbe-1', 'zzz-*'], except: ['db-11', 'web-2'] });
    expect(selected.unmatched).toEqual(['wbe-1', 'zzz-*', 'db-11']);
    expect([...selected.suggestions]).toEqual([
      ['wbe-1', 'web-1'],
      ['db-11', 'db-1'],
    ]);
  });

  it('a word that only an exempt or an excepted host has is no typing error', () => {
    expect(select({ hosts: ['exempt', 'web-1'], except: ['web-*'] }).unmatched).toEqual([]);
  });
});

describe('a condition', () => {
  it('alone, and together with words, which then both count', () => {
    expect(names(select({ where: where('role == "web"') }))).toEqual(['web-1', 'web-2']);
    expect(names(select({ hosts: ['web-1', 'db-1'], where: where('role == "web"') }))).toEqual(['web-1']);
    expect(names(select({ fleet: true, where: where('role == "db"') }))).toEqual(['db-1']);
    expect(names(select({ where: where('role == "web"'), except: ['web-1'] }))).toEqual(['web-2']);
  });

  it('that asks the hosts: those that must be asked, and no other', () => {
    const first = select({ where: where('role == "web" and version == "5.10.2"') });
    expect(first.unknown.map(({ host }) => host.name)).toEqual(['web-1', 'web-2']);
    expect(names(first)).toEqual([]);
    expect(
      select({ where: where('state == "active"'), except: ['web-1', 'db-1'] }).unknown.map(
        ({ host }) => host.name,
      ),
    ).toEqual(['web-2']);
    expect(select({ where: where('has(hold)') }, 'emergency').unknown.map(({ host }) => host.name)).toContain(
      'undecided',
    );
  });

  it('is decided by what they told; who told nothing is told, neither chosen nor passed over', () => {
    const [web2, web1, db1] = FLEET as [ClassifiedHost, ClassifiedHost, ClassifiedHost];
    const statuses = new Map([
      told(web1, SOME_STATUS),
      told(web2, STOPPED_STATUS),
      told(db1, 'connect timed out'),
    ]);
    for (const polarity of ['calm', 'emergency'] as const) {
      const selected = select({ where: where('state == "active"') }, polarity, statuses);
      expect(names(selected)).toEqual(['web-1']);
      expect(selected.unknown.filter(({ host }) => host.name === 'db-1')).toEqual([
        { host: db1.host, why: 'it did not tell what --where compares: connect timed out' },
      ]);
    }
  });

  it('over a metadata value that is withheld is not known', () => {
    const hosts = [vm('1', 'a', undefined, { metadata: { 'created-by': '' } })];
    const selected = selectHosts({
      hosts,
      selection: { ...ALL, where: where('metadata.created-by =~ "*x*"') },
      polarity: 'emergency',
    });
    expect(selected.chosen).toEqual([]);
    expect(selected.unknown.map(({ why }) => why)).toEqual([
      'whether --where holds of it rests on a metadata value that is withheld here, or empty',
    ]);
  });
});

it('nobody is in two places, and nobody that is left out is chosen', () => {
  const eligibility = fc.constantFrom<Eligibility>({ kind: 'eligible' }, ...Object.values(BARS));
  const word = fc.constantFrom('h1', 'h*', '2', 'x', '*');
  const conditions = [
    null,
    where('role == "web"'),
    where('version == "5.10.2"'),
    where('name == "h1" or has(hold)'),
  ];
  fc.assert(
    fc.property(
      fc.array(eligibility, { maxLength: 6 }),
      fc.record({
        fleet: fc.boolean(),
        hosts: fc.array(word, { maxLength: 2 }),
        where: fc.constantFrom(...conditions),
        except: fc.array(word, { maxLength: 2 }),
      }),
      fc.constantFrom<Polarity>('calm', 'emergency'),
      (kinds, selection, polarity) => {
        const hosts = kinds.map((kind, index) => vm(String(index), `h${index}`, kind));
        const { chosen, leftOut: out, unknown } = selectHosts({ hosts, selection, polarity });
        const all = [...chosen, ...out.map(({ host }) => host), ...unknown.map(({ host }) => host)].map(
          ({ id }) => id,
        );
        expect(new Set(all).size).toBe(all.length);
        const bars = new Map(hosts.map((one) => [one.host.id, one.eligibility.kind]));
        const allowed = polarity === 'calm' ? ['eligible'] : ['eligible', 'undecided'];
        for (const { id } of [...chosen, ...unknown.map(({ host }) => host)])
          expect(allowed).toContain(bars.get(id));
      },
    ),
    { numRuns: 300 },
  );
});
