/** What an auditor is told, and that nothing unknown or undecided passes. */
import { describe, expect, it } from 'vitest';
import { type CoverageInput, coverageReport, percentOf } from '../../src/domain/coverage-report.ts';
import type { FleetRecord, RecordedHost } from '../../src/domain/fleet-changes.ts';
import type { AgentSeen } from '../../src/domain/fleet-record.ts';
import { fleetRows, type KnownBuilds, knownBuilds } from '../../src/domain/fleet-view.ts';
import type { Eligibility } from '../../src/domain/host.ts';
import type { HeldHost } from '../../src/domain/state.ts';

const NOW = Date.UTC(2026, 10, 21);
const DAY = 86_400_000;
const NO_BUILDS: KnownBuilds = { pin: null, versions: new Map(), pinned: new Set() };
const running: AgentSeen = {
  kind: 'installed',
  packageVersion: '5.10.2-1.linux',
  service: 'active',
  runningSha256: 'a'.repeat(64),
  hold: '',
};
const stopped: AgentSeen = { ...running, service: 'inactive', runningSha256: '' };
const exempt: Eligibility = {
  kind: 'exempt',
  rule: 'built-in:gke-node',
  reason: 'GKE',
  evidence: 'label goog-gke-node',
};

function vm(id: number, more: Partial<RecordedHost> = {}): RecordedHost {
  return {
    id: String(id),
    name: `vm-${id}`,
    zone: 'z1',
    role: 'web',
    machineType: 'n1',
    os: 'debian-12',
    status: 'RUNNING',
    spot: false,
    addresses: [`10.0.0.${id}`],
    eligibility: { kind: 'eligible' },
    agent: running,
    firstSeenAt: NOW,
    lastSeenAt: NOW,
    goneAt: null,
    agentSeenAt: NOW,
    silentSince: null,
    ...more,
  };
}

const rowsOf = (hosts: readonly RecordedHost[], builds = NO_BUILDS) => {
  const record: FleetRecord = {
    hosts: new Map(hosts.map((host) => [host.id, host])),
    unknownZones: [],
    at: NOW,
  };
  return fleetRows(record, builds);
};

const report = (hosts: readonly RecordedHost[], more: Partial<CoverageInput> = {}) =>
  coverageReport({
    environment: {
      name: 'gprd',
      coverageTarget: 100,
      targeting: { include: 'true', exempt: [], eligible: [] },
    },
    rows: rowsOf(hosts),
    unknownZones: [],
    pin: null,
    since: new Map(),
    at: NOW,
    isPast: false,
    ...more,
  });

describe('the verdict', () => {
  it('is met where every VM that must have the agent was seen to run it', () => {
    expect(report([vm(1), vm(2, { eligibility: exempt, agent: { kind: 'unseen', why: '' } })])).toMatchObject(
      {
        verdict: 'met',
        percent: 100,
        of: 1,
        covered: 1,
        uncovered: [],
      },
    );
  });

  it('is held for an inventory without any VM: nothing is no proof', () => {
    const empty = report([]);
    expect(empty).toMatchObject({ verdict: 'held', percent: null, of: 0 });
    expect(empty.held).toEqual(['the inventory lists no VM at all: there is nothing to tell of']);
  });

  it('is met where all are exempt, with no share instead of 100 percent', () => {
    expect(report([vm(1, { eligibility: exempt })])).toMatchObject({ verdict: 'met', percent: null, of: 0 });
  });

  it('is held where nobody must have the agent only because of targeting.include: a slip there looks the same', () => {
    const excluded = { kind: 'excluded', rule: 'include: role == "wbe"' } as const;
    expect(report([vm(1, { eligibility: excluded }), vm(2, { eligibility: exempt })])).toMatchObject({
      verdict: 'held',
      percent: null,
      held: [expect.stringContaining('1 VM(s) are outside targeting.include')],
    });
    expect(report([vm(1, { eligibility: exempt })])).toMatchObject({ verdict: 'met' });
  });

  it('is held by a zone that could not be listed, however good the rest is', () => {
    const held = report([vm(1)], { unknownZones: [{ zone: 'z2', why: 'timed out', lastKnown: 3 }] });
    expect(held).toMatchObject({ verdict: 'held', percent: 100 });
    expect(held.held[0]).toContain('1 zone(s) could not be listed');
  });

  it('is held by a VM that nobody has decided on, which counts as not covered though its agent runs', () => {
    const held = report([vm(1), vm(2, { eligibility: { kind: 'undecided', evidence: 'name gke-x' } })]);
    expect(held).toMatchObject({ verdict: 'held', percent: 50, of: 2, covered: 1 });
    expect(held.uncovered).toMatchObject([{ name: 'vm-2', state: 'undecided', why: 'name gke-x' }]);
  });

  it.each([
    ['stopped', { agent: stopped }, '5.10.2-1.linux is installed and does not run (inactive)'],
    ['absent', { agent: { kind: 'absent' } }, 'the agent is not installed'],
    [
      'unseen',
      { agent: { kind: 'unseen', why: 'nobody looked' }, agentSeenAt: 0 },
      'nobody has looked there',
    ],
    ['silent', { silentSince: NOW }, 'it does not answer'],
    [
      'silent',
      { agent: { kind: 'unseen', why: 'unreachable: timed out' }, silentSince: NOW },
      'it does not answer: unreachable: timed out',
    ],
  ] as [string, Partial<RecordedHost>, string][])(
    'is below the target with a VM that is %s',
    (state, more, why) => {
      expect(report([vm(1), vm(2, more)])).toMatchObject({
        verdict: 'below-target',
        percent: 50,
        uncovered: [{ id: '2', state, why, since: null }],
      });
    },
  );

  it('is about the exact share, not the rounded one', () => {
    const hosts = Array.from({ length: 1_000 }, (_, index) => vm(index + 1));
    hosts[0] = vm(1, { agent: stopped });
    const at = (coverageTarget: number) =>
      report(hosts, {
        environment: {
          name: 'gprd',
          coverageTarget,
          targeting: { include: 'true', exempt: [], eligible: [] },
        },
      }).verdict;
    expect([at(99.9), at(99.91)]).toEqual(['met', 'below-target']);
  });
});

it('a share is never rounded up', () => {
  expect(percentOf(9_996, 10_000)).toBe(99.96);
  expect(percentOf(99_999, 100_000)).toBe(99.99);
  expect(percentOf(2, 3)).toBe(66.66);
  expect(percentOf(29, 100)).toBe(29);
  expect(percentOf(0, 0)).toBeNull();
});

describe('the lists', () => {
  it('name the uncovered with since when, in one order whatever the inventory’s', () => {
    const hosts = [
      vm(10, { agent: stopped }),
      vm(9, { agent: { kind: 'absent' } }),
      vm(2, { agent: stopped }),
    ];
    const since = new Map([['10', NOW - DAY]]);
    const one = report(hosts, { since });
    expect(one.uncovered.map(({ name, since: when }) => [name, when])).toEqual([
      ['vm-9', null],
      ['vm-10', NOW - DAY],
      ['vm-2', null],
    ]);
    expect(report([...hosts].reverse(), { since, rows: rowsOf([...hosts].reverse()) })).toEqual(one);
  });

  it('put the exempt under their rules with what matched and how often', () => {
    const other = { ...exempt, evidence: 'metadata kube-env' };
    const hosts = [
      vm(1, { eligibility: other }),
      vm(2, { eligibility: exempt }),
      vm(3, { eligibility: exempt }),
      vm(4, { eligibility: { kind: 'not-running', status: 'TERMINATED' } }),
      vm(5, { eligibility: { kind: 'unsupported', evidence: 'os cos-117 has no dpkg' } }),
      vm(6, { eligibility: { kind: 'excluded', rule: 'include: role == "web"' } }),
    ];
    const { groups } = report(hosts);
    expect(groups.map(({ kind, rule, vms }) => [kind, rule, vms.length])).toEqual([
      ['exempt', 'built-in:gke-node', 3],
      ['unsupported', 'no dpkg', 1],
      ['not-running', 'VM status', 1],
      ['excluded', 'include: role == "web"', 1],
    ]);
    expect(groups[0]?.evidence).toEqual([
      { evidence: 'label goog-gke-node', vms: 2 },
      { evidence: 'metadata kube-env', vms: 1 },
    ]);
  });

  it('tell an operator’s exemptions: lapsed first, then those that end soon', () => {
    const rule = (reason: string, until: number) => ({ when: 'role == "web"', reason, until });
    const targeting = {
      include: 'true',
      eligible: [],
      exempt: [rule('later', NOW + 90 * DAY), rule('over', NOW - DAY), rule('soon', NOW + DAY)],
    };
    const lapsed = { rule: 'exempt[1]', reason: 'over', until: NOW - DAY };
    const hosts = [
      vm(1, { eligibility: { kind: 'eligible', lapsed } }),
      vm(2, { eligibility: { kind: 'exempt', rule: 'exempt[2]', reason: 'soon', evidence: 'role="web"' } }),
    ];
    const environment = { name: 'gprd', coverageTarget: 100, targeting };
    expect(
      report(hosts, { environment }).exemptions.map(({ rule: name, state, vms }) => [name, state, vms]),
    ).toEqual([
      ['exempt[1]', 'lapsed', 1],
      ['exempt[2]', 'ends-soon', 1],
      ['exempt[0]', 'in-force', 0],
    ]);
    expect(report(hosts, { environment, isPast: true }).exemptions).toEqual([]);
  });
});

describe('what runs', () => {
  const digest = (n: number) => String(n).repeat(64);
  const artifact = (n: number, version: string) => ({
    sha256: digest(n),
    executable: { sha256: digest(n + 1) },
    control: { version: `${version}-1.linux` },
  });
  const pin = { version: '5.10.2', digests: { amd64: digest(1) } };
  const entry = {
    body: {
      kind: 'rollout-planned',
      artifacts: { amd64: artifact(1, '5.10.2') },
      plan: { waves: [{ index: 0, hosts: [{ from: { artifact: artifact(3, '5.9.1') } }] }] },
    },
  };
  const builds = knownBuilds([entry as unknown as Parameters<typeof knownBuilds>[0][number]], pin);
  const agent = (runningSha256: string): AgentSeen => ({
    ...running,
    packageVersion: '5.10.2-1.linux',
    runningSha256,
  });

  it('is told by the digest of the process, though dpkg says otherwise', () => {
    const rows = rowsOf([vm(1, { agent: agent(digest(2)) }), vm(2, { agent: agent(digest(4)) })], builds);
    expect(rows.map(({ version, versionBy, isOffPin }) => [version, versionBy, isOffPin])).toEqual([
      ['5.10.2-1.linux', 'digest', false],
      // The package was upgraded, and the daemon not restarted.
      ['5.9.1-1.linux', 'digest', true],
    ]);
    expect(report([], { rows }).counts.offPin).toBe(1);
  });

  it('is dpkg’s word where no rollout made the digest known, and off the pin where another digest is pinned', () => {
    const [row] = rowsOf([vm(1, { agent: agent(digest(9)) })], builds);
    expect(row).toMatchObject({ versionBy: 'dpkg', isOffPin: true });
    const [unpinned] = rowsOf([vm(1, { agent: agent(digest(9)) })]);
    expect(unpinned).toMatchObject({ versionBy: 'dpkg', isOffPin: null });
  });
});

describe('holds', () => {
  const held = (id: number, until: number, state: HeldHost['state'] = 'confirmed'): [string, HeldHost] => [
    String(id),
    {
      id: String(id),
      name: `vm-${id}`,
      terms: {
        actionId: 'stop-1',
        environment: 'gprd',
        by: 'ada@ops-1',
        reason: 'CPU',
        since: NOW - DAY,
        until,
      },
      by: { user: 'ada', hostname: 'ops-1', command: 'osqueryd stop' },
      state,
    },
  ];
  const withHolds = (hosts: readonly RecordedHost[], ...holds: readonly [string, HeldHost][]) => {
    const record: FleetRecord = {
      hosts: new Map(hosts.map((host) => [host.id, host])),
      unknownZones: [],
      at: NOW,
    };
    return report([], { rows: fleetRows(record, NO_BUILDS, undefined, { holds: new Map(holds), now: NOW }) });
  };

  it('say who, why and until when, of those that are not covered as of the others', () => {
    const { uncovered, coveredVms, holds } = withHolds(
      [vm(1, { agent: stopped }), vm(2), vm(3)],
      held(1, NOW + DAY),
      held(2, NOW + DAY, 'wished'),
    );
    const shown = {
      actionId: 'stop-1',
      by: 'ada@ops-1',
      reason: 'CPU',
      since: NOW - DAY,
      until: NOW + DAY,
      due: false,
    };
    expect(uncovered).toMatchObject([
      {
        name: 'vm-1',
        why: '5.10.2-1.linux is installed and does not run (inactive); held by ada@ops-1 since 2026-11-20T00:00Z (CPU), due 2026-11-22T00:00Z',
        held: { ...shown, state: 'confirmed' },
      },
    ]);
    expect(coveredVms.map((one) => one.held)).toEqual([{ ...shown, state: 'wished' }, undefined]);
    expect(holds.map(({ name }) => name)).toEqual(['vm-1', 'vm-2']);
  });

  it('of whom ran before somebody wished to stop it, and was not seen since, nothing is claimed', () => {
    const told = withHolds([vm(1, { agentSeenAt: NOW - 2 * DAY }), vm(2)], held(1, NOW + DAY, 'wished'));
    expect(told).toMatchObject({ covered: 1, of: 2, verdict: 'below-target' });
    expect(told.uncovered).toMatchObject([
      {
        name: 'vm-1',
        state: 'unseen',
        why: 'nobody has looked there since; held by ada@ops-1 since 2026-11-20T00:00Z (CPU), due 2026-11-22T00:00Z, which the host has not confirmed',
      },
    ]);
  });

  it('that are due are a finding, the longest due first, and change no verdict', () => {
    const hosts = [1, 2, 3].map((id) => vm(id, { agent: stopped }));
    const told = withHolds(hosts, held(1, NOW), held(2, NOW - DAY), held(3, NOW + 1));
    expect(told.findings).toEqual([
      '2 hold(s) are past their end and still in force: ' +
        'vm-2 (held by ada@ops-1 since 2026-11-20T00:00Z (CPU), was due 2026-11-20T00:00Z), ' +
        'vm-1 (held by ada@ops-1 since 2026-11-20T00:00Z (CPU), was due 2026-11-21T00:00Z); osqueryd start lifts them',
    ]);
    expect(told.holds.map(({ name, held: { due } }) => [name, due])).toEqual([
      ['vm-2', true],
      ['vm-1', true],
      ['vm-3', false],
    ]);
    expect([told.verdict, report(hosts).verdict]).toEqual(['below-target', 'below-target']);
  });

  it('on a VM that was seen to run since are a finding; seen before the stop is none', () => {
    const since = withHolds([vm(1)], held(1, NOW + DAY));
    expect(since.findings).toEqual(['1 VM(s) run the agent although they are held: vm-1']);
    expect(withHolds([vm(1, { agentSeenAt: NOW - 2 * DAY })], held(1, NOW + DAY)).findings).toEqual([]);
    expect(report([vm(1)])).toMatchObject({ holds: [], findings: [] });
  });
});
