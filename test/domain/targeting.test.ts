import { describe, expect, it } from 'vitest';
import type { Targeting } from '../../src/domain/environment.ts';
import type { Eligibility, Host } from '../../src/domain/host.ts';
import { classify, expiringSoon, lapsedExemptions } from '../../src/domain/targeting.ts';

const NOW = Date.UTC(2026, 10, 21);

const plain: Host = {
  id: '1',
  name: 'web-01',
  address: '10.0.0.1',
  zone: 'us-east1-b',
  role: 'web',
  machineType: 'n2-standard-4',
  os: 'debian-12',
  status: 'RUNNING',
  labels: {},
  tags: [],
  metadata: {},
  spot: false,
};
const everyone: Targeting = { include: 'true', exempt: [], eligible: [] };

function verdict(change: Partial<Host>, targeting: Partial<Targeting> = {}): Eligibility {
  const [classified] = classify([{ ...plain, ...change }], { ...everyone, ...targeting }, NOW);
  if (classified === undefined) throw new Error('the host is gone');
  return classified.eligibility;
}

describe('a host of the fleet', () => {
  it('that nothing speaks against must have the agent', () => {
    expect(verdict({})).toEqual({ kind: 'eligible' });
  });

  it('that include does not match is of another fleet', () => {
    expect(verdict({}, { include: 'role == "db"' })).toEqual({
      kind: 'excluded',
      rule: 'include: role == "db"',
    });
  });

  it.each([
    'PROVISIONING',
    'STAGING',
    'STOPPING',
    'SUSPENDING',
    'SUSPENDED',
    'REPAIRING',
    'TERMINATED',
  ] as const)('that is %s cannot be changed now', (status) => {
    expect(verdict({ status })).toEqual({ kind: 'not-running', status });
  });

  it.each(['cos-113', 'cos', 'windows-2022', 'Windows-2019'])('with %s has no dpkg', (os) => {
    expect(verdict({ os })).toMatchObject({ kind: 'unsupported', evidence: expect.stringContaining(os) });
  });

  it('keeps its place in the list', () => {
    const hosts = [plain, { ...plain, id: '2', os: 'cos-113' }, { ...plain, id: '3' }];
    expect(classify(hosts, everyone, NOW).map((one) => one.host.id)).toEqual(['1', '2', '3']);
  });
});

describe('strong signals of a managed machine exempt it', () => {
  it.each<[string, Partial<Host>, string, string]>([
    ['goog-gke-node', { labels: { 'goog-gke-node': '' } }, 'built-in:gke-node', 'label goog-gke-node'],
    [
      'cluster name',
      { labels: { 'goog-k8s-cluster-name': 'c' } },
      'built-in:gke-node',
      'label goog-k8s-cluster-name=c',
    ],
    [
      'node pool',
      { labels: { 'goog-k8s-node-pool-name': 'p' } },
      'built-in:gke-node',
      'label goog-k8s-node-pool-name=p',
    ],
    [
      'location',
      { labels: { 'goog-k8s-cluster-location': 'l' } },
      'built-in:gke-node',
      'label goog-k8s-cluster-location=l',
    ],
    [
      'cluster id',
      { labels: { 'goog-gke-cluster-id-base32': 'x' } },
      'built-in:gke-node',
      'label goog-gke-cluster-id-base32=x',
    ],
    ['kube-env', { metadata: { 'kube-env': '...' } }, 'built-in:gke-node', 'metadata kube-env'],
    ['kube-labels', { metadata: { 'kube-labels': '' } }, 'built-in:gke-node', 'metadata kube-labels'],
    [
      'created-by',
      {
        metadata: {
          'created-by': 'projects/1/zones/us-east1-b/instanceGroupManagers/gke-prod-default-1a2b-grp',
        },
      },
      'built-in:gke-node',
      'metadata created-by=projects/1/zones/us-east1-b/instanceGroupManagers/gke-prod-default-1a2b-grp',
    ],
    [
      'an Autopilot node by its label',
      { name: 'gk3-prod-pool-1-abcd', labels: { 'goog-gke-node': '' } },
      'built-in:gke-autopilot',
      'label goog-gke-node, name gk3-prod-pool-1-abcd',
    ],
    [
      'an Autopilot node by its group',
      { metadata: { 'created-by': 'projects/1/zones/us-east1-b/instanceGroupManagers/gk3-prod-pool-1-grp' } },
      'built-in:gke-autopilot',
      'metadata created-by=projects/1/zones/us-east1-b/instanceGroupManagers/gk3-prod-pool-1-grp',
    ],
    [
      'dataproc',
      { labels: { 'goog-dataproc-cluster-name': 'd' } },
      'built-in:dataproc',
      'label goog-dataproc-cluster-name=d',
    ],
    ['dataflow', { labels: { dataflow_job_id: 'j' } }, 'built-in:dataflow', 'label dataflow_job_id=j'],
    [
      'serverless label',
      { labels: { 'serverless-vpc-access': '' } },
      'built-in:serverless',
      'label serverless-vpc-access',
    ],
    [
      'serverless tag',
      { tags: ['serverless-vpc-access'] },
      'built-in:serverless',
      'tag serverless-vpc-access',
    ],
    [
      'serverless connector by name and tag',
      { name: 'aet-useast1-conn-ab12', tags: ['vpc-connector-us-east1-conn', 'vpc-connector'] },
      'built-in:serverless',
      'tag vpc-connector-us-east1-conn, name aet-useast1-conn-ab12',
    ],
  ])('%s', (_name, change, rule, evidence) => {
    expect(verdict(change)).toMatchObject({ kind: 'exempt', rule, evidence });
  });

  it('even when it has no dpkg or does not run: the reason that an auditor asks for wins', () => {
    const change: Partial<Host> = { labels: { 'goog-gke-node': '' }, os: 'cos-113', status: 'TERMINATED' };
    expect(verdict(change)).toMatchObject({ kind: 'exempt' });
  });

  it('but the label of a disk is no signal, nor is a group that only sounds like GKE', () => {
    expect(verdict({ labels: { 'goog-gke-volume': '' } })).toEqual({ kind: 'eligible' });
    expect(verdict({ metadata: { 'created-by': 'zones/z/instanceGroupManagers/web-gke-grp' } })).toEqual({
      kind: 'eligible',
    });
  });
});

describe('weak signals alone leave it to a person', () => {
  it.each<[string, Partial<Host>]>([
    ['metadata cluster-name', { metadata: { 'cluster-name': 'c' } }],
    ['metadata cluster-location', { metadata: { 'cluster-location': 'l' } }],
    ['metadata gci-update-strategy', { metadata: { 'gci-update-strategy': 'x' } }],
    ['name gke-a', { name: 'gke-a' }],
    ['name gk3-a', { name: 'gk3-a' }],
    ['metadata dataproc-role', { metadata: { 'dataproc-role': 'Worker' } }],
    ['tag vpc-connector', { tags: ['vpc-connector'] }],
    ['name aet-proxy', { name: 'aet-proxy' }],
    ['name gke-a; looks like a Dataproc node', { name: 'gke-a', metadata: { 'dataproc-cluster-name': 'd' } }],
  ])('%s', (evidence, change) => {
    expect(verdict(change)).toMatchObject({ kind: 'undecided', evidence: expect.stringContaining(evidence) });
  });

  it('until a rule says that it must have the agent', () => {
    const eligible = [{ when: 'name == "gke-proxy"', reason: 'only named so' }];
    expect(verdict({ name: 'gke-proxy' }, { eligible })).toEqual({ kind: 'eligible' });
  });

  it('also when a label of a disk and a weak signal come together', () => {
    const change: Partial<Host> = { name: 'gke-a', labels: { 'goog-gke-volume': '' } };
    expect(verdict(change)).toMatchObject({ kind: 'undecided' });
  });

  it('or a rule says that it need not', () => {
    const exempt = [{ when: 'name =~ "gke-*"', reason: 'nodes of the old cluster', until: NOW + 1 }];
    expect(verdict({ name: 'gke-1' }, { exempt })).toEqual({
      kind: 'exempt',
      rule: 'exempt[0]',
      reason: 'nodes of the old cluster',
      evidence: 'name="gke-1"',
    });
  });
});

describe('an exemption by an operator', () => {
  const until = (end: number) => ({
    exempt: [{ when: 'role == "web"', reason: 'being retired', until: end }],
  });

  it('counts until its end date', () => {
    expect(verdict({}, until(NOW + 1))).toMatchObject({
      kind: 'exempt',
      rule: 'exempt[0]',
      evidence: 'role="web"',
    });
  });

  it('lapses at its end date, and the host says that it was exempt', () => {
    expect(verdict({}, until(NOW))).toEqual({
      kind: 'eligible',
      lapsed: { rule: 'exempt[0]', reason: 'being retired', until: NOW },
    });
  });

  it('that has lapsed leaves a weak signal to a person again, who is told of it', () => {
    expect(verdict({ name: 'gke-a' }, until(Date.UTC(2026, 5, 1)))).toEqual({
      kind: 'undecided',
      evidence:
        'looks like a GKE node, but only by name gke-a; exempt[0] exempted it until 2026-06-01T00:00Z',
    });
  });

  it('that has lapsed says nothing of hosts that it never matched', () => {
    expect(verdict({ role: 'db' }, until(NOW))).toEqual({ kind: 'eligible' });
  });

  it('is listed once it has lapsed, and beforehand', () => {
    const at = (day: number) => ({ when: 'true', reason: `day ${day}`, until: Date.UTC(2026, 10, day) });
    const targeting: Targeting = { ...everyone, exempt: [at(28), at(20), at(23), at(21)] };
    expect(lapsedExemptions(targeting, NOW)).toEqual([
      { rule: 'exempt[1]', ...at(20) },
      { rule: 'exempt[3]', ...at(21) },
    ]);
    expect(expiringSoon(targeting, NOW, 7 * 86_400_000).map(({ rule }) => rule)).toEqual([
      'exempt[2]',
      'exempt[0]',
    ]);
    expect(expiringSoon(targeting, NOW, 86_400_000)).toEqual([]);
  });

  it('keeps the number of its rule when an earlier one has lapsed', () => {
    const exempt = [
      { when: 'true', reason: 'old', until: NOW - 1 },
      { when: 'true', reason: 'new', until: NOW + 1 },
    ];
    expect(verdict({}, { exempt })).toMatchObject({
      kind: 'exempt',
      rule: 'exempt[1]',
      evidence: 'matches every host',
    });
  });
});

describe('a system without dpkg', () => {
  it.each<[string, Partial<Host>, string]>([
    ['cos-cloud', { os: 'unknown', licenses: ['cos-cloud'] }, 'built-in:container-optimized-os'],
    ['cos-cloud', { os: '', licenses: ['x', 'cos-cloud'] }, 'built-in:container-optimized-os'],
    ['windows-server-2022-dc', { os: 'unknown', licenses: ['windows-server-2022-dc'] }, 'built-in:windows'],
    ['cos-113', { os: 'cos-113', licenses: ['cos-cloud'] }, 'built-in:container-optimized-os'],
  ])('is known by %s', (evidence, change, rule) => {
    expect(verdict(change)).toEqual({
      kind: 'unsupported',
      rule,
      evidence: expect.stringContaining(evidence),
    });
  });

  it('is left to a person where the licences of the disks say something else than the inventory', () => {
    const change: Partial<Host> = { os: 'debian-12', licenses: ['debian-12-bookworm', 'windows-cloud'] };
    expect(verdict(change)).toEqual({
      kind: 'undecided',
      evidence: 'contradiction: built-in:windows: licence windows-cloud has no dpkg, but os is debian-12',
    });
    const eligible = [{ when: '"windows-cloud" in licenses', reason: 'a disk to read from' }];
    expect(verdict(change, { eligible })).toEqual({ kind: 'eligible' });
  });

  it('is not every licence', () => {
    expect(verdict({ licenses: ['debian-12-bookworm', 'cosmos'] })).toEqual({ kind: 'eligible' });
  });
});

describe('rules that contradict each other leave it to a person', () => {
  it('exempt against eligible', () => {
    const rules = {
      exempt: [{ when: 'role == "web"', reason: 'a', until: NOW + 1 }],
      eligible: [{ when: 'true', reason: 'b' }],
    };
    expect(verdict({}, rules)).toMatchObject({
      kind: 'undecided',
      evidence: expect.stringContaining('contradiction'),
    });
  });

  it('eligible against a strong signal', () => {
    const eligible = [{ when: 'name == "web-01"', reason: 'b' }];
    expect(verdict({ labels: { 'goog-gke-node': '' } }, { eligible })).toEqual({
      kind: 'undecided',
      evidence: 'contradiction: eligible[0]: name="web-01", but built-in:gke-node: label goog-gke-node',
    });
  });
});
