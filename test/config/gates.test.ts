/** The language of gates: every slip is found where it stands, and what was meant comes out as the policy that the judge reads. */
import { describe, expect, it } from 'vitest';
import { gateFaults } from '../../src/config/gate-rules.ts';
import { renderReference } from '../../src/config/reference-text.ts';
import { resolveGate, resolveGates } from '../../src/config/resolve-gate.ts';
import { gateSchema } from '../../src/config/schema/gates.ts';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import type { GatePolicy } from '../../src/domain/policy.ts';
import { changed, environmentText, loadFiles, placeOf, problemsOf } from './some-files.ts';

const OWN = 'name: mine, query: "x{$label=~\\"$hosts\\"}", unit: u, direction: above, limit: 1, window: 1m';
const WITNESS = 'witnesses: { logs: { kind: command, run: [heard] } }\n';
const withGate = (more: string, gate = OWN): string =>
  environmentText('lab', `${WITNESS}gates:\n  - { ${gate}${more === '' ? '' : `, ${more}`} }\n`);
const meant = (gate: unknown) => resolveGate(gateSchema.parse(gate));

describe('a slip in a gate', () => {
  it.each<[string, string, string, string, string | undefined]>([
    ['a word of compare', 'compare: nnoe', 'nnoe', 'gates[0].compare', undefined],
    ['a key of compare', 'compare: { efect: 0.1 }', 'efect', 'gates[0].compare.efect', 'effect'],
    ['the other side', 'compare: { with: contrl, effect: 1 }', 'contrl', 'gates[0].compare.with', 'control'],
    ['a negative effect', 'compare: { effect: -1 }', '-1', 'gates[0].compare.effect', undefined],
    [
      'a level that finds everything',
      'compare: { effect: 1, alpha: 0.5 }',
      '0.5',
      'gates[0].compare.alpha',
      undefined,
    ],
    [
      'a length without a unit',
      'compare: { effect: 1, over: "20" }',
      '"20"',
      'gates[0].compare.over',
      undefined,
    ],
    ['no floor', 'compare: { with: control }', 'compare', 'gates[0].compare', undefined],
    ['a floor of nothing', 'compare: { effect: 0 }', 'compare', 'gates[0].compare', undefined],
    ['a share without its sign', 'weight: { share: "5" }', '"5"', 'gates[0].weight.share', '"5%"'],
    ['a share beyond all', 'minCoverage: "101%"', '"101%"', 'gates[0].minCoverage', undefined],
    ['two weights', 'weight: { share: "5%", quantile: 0.9 }', 'weight', 'gates[0].weight', undefined],
    ['no weight', 'weight: {}', 'weight', 'gates[0].weight', undefined],
    ['a quantile in percent', 'weight: { quantile: 90 }', '90 }', 'gates[0].weight.quantile', undefined],
    ['a policy that would pass without data', 'noData: pass', 'pass', 'gates[0].noData', undefined],
    [
      'a policy that would fail on errors',
      'backendErrors: fail',
      'fail',
      'gates[0].backendErrors',
      undefined,
    ],
    ['no failure at all', 'failures: 0', '0 }', 'gates[0].failures', undefined],
    ['a mistyped key', 'minSample: 3', 'minSample', 'gates[0].minSample', 'minSamples'],
  ])('%s is found where it stands', (_, more, piece, path, suggestion) => {
    const text = withGate(more);
    const [problem] = problemsOf(text);
    expect(problem).toMatchObject({ path, ...placeOf(text, piece) });
    expect(problem?.suggestion).toBe(suggestion);
    expect(problem?.allowed ?? ['said in words']).not.toEqual([]);
  });

  it('in a source says what a source is', () => {
    expect(problemsOf(withGate('source: probe'))[0]).toMatchObject({
      path: 'gates[0].source',
      allowed: ['prometheus', '{ probe: READING }', '{ witness: NAME }'],
    });
    expect(
      problemsOf(
        withGate('source: { probe: cpu, witness: logs }', 'name: a, unit: u, direction: above, limit: 1'),
      ),
    ).toMatchObject([{ path: 'gates[0].source', message: 'either probe or witness, not both' }]);
    expect(problemsOf(withGate('source: { witness: logs }'))).toMatchObject([
      { path: 'gates[0].query', message: 'a gate with a `source` of its own asks no query' },
    ]);
    expect(
      problemsOf(withGate('source: { probe: cpu }, compare: { with: before, effect: 1 }', 'use: agent-cpu')),
    ).toMatchObject([{ path: 'gates[0].compare.with', allowed: ['control'] }]);
  });

  it('in a query names the nearest place, the environment among them', () => {
    const text = environmentText('lab', `gates:\n  - { ${OWN.replace('$hosts', '$hots')} }\n`);
    expect(problemsOf(text)[0]).toMatchObject({ found: '$hots', suggestion: '$hosts' });
    expect(problemsOf(withGate('', OWN.replace('x{', 'x{env=\\"$environment\\",')))).toEqual([]);
  });

  it('in the name of a reading or of a witness names the nearest', () => {
    const probed = problemsOf(withGate('source: { probe: cpus }', 'use: agent-cpu'));
    expect(probed).toMatchObject([{ path: 'gates[0].source.probe', suggestion: 'cpu' }]);
    const faults = gateFaults([{ use: 'agent-cpu', source: { witness: 'lgos' } }], {
      hasPrometheus: true,
      witnesses: { logs: { kind: 'loki' } },
    });
    expect(faults).toMatchObject([{ path: ['gates', 0, 'source', 'witness'], suggestion: 'logs' }]);
  });

  it('that asks a query where nobody answers one says so', () => {
    const without = { hasPrometheus: false, witnesses: {} };
    const own = { name: 'a', query: 'x', unit: 'u', direction: 'above', limit: 1, window: '1m' };
    const faults = gateFaults([own, { use: 'agent-cpu' }, { use: 'alerts' }], without);
    expect(faults.map(({ path }) => path)).toEqual([
      ['gates', 0],
      ['gates', 2],
    ]);
    expect(faults[0]?.message).toContain('no `prometheus` to answer it');
  });

  it('never is that a command’s verdict has no limit', () => {
    const gate = { name: 'a', source: { witness: 'ours' } };
    const beside = (kind: string) => ({ hasPrometheus: true, witnesses: { ours: { kind } } });
    expect(gateFaults([gate], beside('command'))).toEqual([]);
    expect(gateFaults([gate], beside('osctrl'))).toHaveLength(1);
  });

  it('never hides another: all of a gate are told at once', () => {
    const text = withGate('compare: { effect: -1, alpha: 2 }, weight: { share: "5" }, noData: maybe');
    expect(problemsOf(text).map(({ path }) => path)).toEqual([
      'gates[0].compare.effect',
      'gates[0].compare.alpha',
      'gates[0].weight.share',
      'gates[0].noData',
    ]);
  });

  it('of one’s own without what it needs says what is missing, by its source', () => {
    const missing = (gate: string) => problemsOf(withGate('', gate))[0]?.message;
    expect(missing('name: a')).toContain('needs query, unit, direction, limit, window');
    expect(missing('name: a, source: { probe: cpu }')).toContain('needs unit, direction, limit;');
    expect(problemsOf(withGate('', 'name: a, source: { witness: logs }'))).toEqual([]);
  });
});

describe('a gate as it is meant', () => {
  it('has nothing that nobody wrote, as gates have always been', () => {
    const own = { name: 'mine', query: 'x', unit: 'u', direction: 'above', limit: 1, window: '1m' };
    expect(meant(own)).toEqual({
      name: 'mine',
      query: 'x',
      unit: 'u',
      direction: 'above',
      limit: 1,
      windowMs: 60_000,
      forMs: 0,
    });
  });

  it('has every key that was written, in the policy’s own units', () => {
    const own = {
      name: 'mine',
      query: 'x',
      unit: 'u',
      direction: 'below',
      limit: 1,
      window: '1m',
      for: '2m',
      minSamples: 3,
      minCoverage: '80%',
      compare: {
        with: 'before',
        effect: 0.5,
        relativeEffect: 0.25,
        alpha: 0.01,
        over: '10m',
        before: '2h',
        tooFew: 'hold',
      },
      weight: { quantile: 0.9 },
      failures: 3,
      noData: 'fail',
      backendErrors: 'abstain',
    };
    expect(meant(own)).toMatchObject({
      forMs: 120_000,
      minSamples: 3,
      minCoverage: 0.8,
      compare: {
        with: 'before',
        effect: 0.5,
        relativeEffect: 0.25,
        alpha: 0.01,
        overMs: 600_000,
        beforeMs: 7_200_000,
        tooFew: 'hold',
      },
      weight: { kind: 'quantile', quantile: 0.9 },
      failures: 3,
      noData: 'fail',
      backendErrors: 'abstain',
    });
    expect(meant({ ...own, weight: { share: '2.5%' } }).weight).toEqual({ kind: 'share', share: 0.025 });
    expect(meant({ ...own, weight: 'any' }).weight).toEqual({ kind: 'any' });
  });

  it('fills a comparison of one’s own with the defaults that the reference says', () => {
    const reference = renderReference({ width: 10_000, part: 'gates' });
    const text = reference.ok ? reference.value : '';
    expect(meant({ name: 'a', compare: { effect: 1 } }).compare).toEqual({
      with: 'control',
      effect: 1,
      relativeEffect: 0,
      alpha: 0.005,
      overMs: 1_200_000,
      beforeMs: 3_600_000,
      settleMs: 600_000,
      tooFew: 'abstain',
    });
    for (const said of [
      // One of the built-in ones, with what it compares.
      ...(Object.values(BUILTIN_GATES).some(({ compare }: GatePolicy) => compare !== undefined)
        ? ['compared with control: effect']
        : []),
      'Default: control.',
      'Default: 0.005.',
      'Default: 20m.',
      'Default: 1h.',
      'Default: abstain.',
    ])
      expect(text).toContain(said);
  });

  it.each(Object.keys(BUILTIN_GATES))('%s stays what it is when it is only named', (use) => {
    expect(meant({ use })).toEqual(BUILTIN_GATES[use as keyof typeof BUILTIN_GATES]);
  });

  it.each(Object.keys(BUILTIN_GATES))(
    '%s can be made a fixed limit again, and changed in one number alone',
    (use) => {
      const builtin = BUILTIN_GATES[use as keyof typeof BUILTIN_GATES];
      const plain = meant({ use, compare: 'none', weight: 'any', failures: 1 });
      expect(plain.compare).toBeUndefined();
      expect(plain).toMatchObject({ weight: { kind: 'any' }, failures: 1, limit: builtin.limit });
      expect(meant({ use, compare: { effect: 0.07 } }).compare).toMatchObject({
        ...builtin.compare,
        effect: 0.07,
      });
      expect(meant({ use, limit: 7 })).toEqual({ ...builtin, limit: 7 });
    },
  );

  it('takes its numbers from where it says, and then asks no query', () => {
    expect(meant({ use: 'agent-cpu', source: { probe: 'cpu' } })).toMatchObject({
      query: '',
      source: { kind: 'probe', reading: 'cpu' },
    });
    const witnessed = meant({ name: 'heard', source: { witness: 'logs' } });
    expect(witnessed).toEqual({
      name: 'heard',
      query: '',
      unit: 'signs of life',
      direction: 'below',
      limit: 1,
      windowMs: 300_000,
      forMs: 0,
      source: { kind: 'witness', witness: 'logs' },
    });
    expect(meant({ use: 'agent-cpu', source: 'prometheus' }).source).toBeUndefined();
  });

  it.each(['command', 'webhook'])('of a %s waits for no look-back that it does not have', (kind) => {
    const asked = { hasPrometheus: true, areWritten: true, witnesses: { ours: { kind } } };
    const source = { witness: 'ours' };
    const resolved = (gate: object) => resolveGates([gateSchema.parse({ source, ...gate })], asked);
    expect(resolved({ name: 'heard' })).toMatchObject([{ windowMs: 0, forMs: 0 }]);
    expect(resolved({ use: 'agent-cpu' })).toMatchObject([{ windowMs: 0, forMs: 0 }]);
    expect(resolved({ name: 'heard', window: '2m' })).toMatchObject([{ windowMs: 120_000 }]);
    const loki = { ...asked, witnesses: { ours: { kind: 'loki' } } };
    expect(resolveGates([gateSchema.parse({ source, name: 'heard' })], loki)).toMatchObject([
      { windowMs: 300_000 },
    ]);
  });

  it('without Prometheus is asked of the hosts themselves, and left out where nothing there knows it', () => {
    expect(resolveGate({ use: 'agent-cpu' }, false)).toMatchObject({
      query: '',
      source: { kind: 'probe', reading: 'cpu' },
      limit: BUILTIN_GATES['agent-cpu'].limit,
    });
    const all = Object.keys(BUILTIN_GATES).map((use) => ({ use }));
    const names = (hasPrometheus: boolean, areWritten: boolean) =>
      resolveGates(all, { hasPrometheus, areWritten }).map(({ name }) => name);
    expect(names(false, false)).not.toContain('alerts');
    expect(names(false, false)).toContain('agent-cpu');
    expect(names(true, false)).toEqual(Object.keys(BUILTIN_GATES));
    expect(names(false, true)).toContain('alerts');
  });

  it('comes with how often the backend may fail in a row', async () => {
    const bear = await loadFiles({
      'environments/lab.yaml': environmentText('lab', 'consecutiveErrors: 3\n'),
    });
    const plain = await loadFiles({ 'environments/lab.yaml': environmentText() });
    const borne = (loaded: typeof bear) => {
      const lab = loaded.environment('lab');
      return lab.kind === 'ready' ? lab.environment.policy.consecutiveErrors : null;
    };
    expect([borne(bear), borne(plain)]).toEqual([3, 0]);
  });
});

describe('a tenant', () => {
  const written = (tenant: string) =>
    changed('url: http://127.0.0.1:9090', `url: http://127.0.0.1:9090\n  tenant: ${tenant}`);

  it.each(['gprd', '"gprd|shared"', "team-1_a.b!*'()"])('may be %s', (tenant) => {
    expect(problemsOf(written(tenant))).toEqual([]);
  });

  it.each(['"a b"', '"a\\r\\nAuthorization: x"', 'a/b', 'ünter', '""', 'x'.repeat(151)])(
    'that a header or Mimir would not take is refused: %s',
    (tenant) => {
      expect(problemsOf(written(tenant))).toMatchObject([{ path: 'prometheus.tenant' }]);
    },
  );

  it('reaches the settings', async () => {
    const loaded = await loadFiles({ 'environments/lab.yaml': written('gprd') });
    const lab = loaded.environment('lab');
    expect(lab.kind === 'ready' ? lab.environment.prometheus.tenant : null).toBe('gprd');
  });
});
