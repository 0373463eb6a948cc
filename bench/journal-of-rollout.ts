/** The journal that a rollout over many hosts leaves: the plan, batches of intentions and outcomes, judgements. */
import { sha256Hex } from '../src/adapters/local-journal/chain.ts';
import type { Artifact } from '../src/domain/artifact.ts';
import type { Judgement } from '../src/domain/gate.ts';
import { type Entry, type EntryBody, type HostAction, sealEntry } from '../src/domain/journal.ts';
import type { PlannedHost, PlannedWave } from '../src/domain/plan.ts';

/** Hosts that one entry tells of. */
const BATCH = 50;
const WAVES = 10;
const JUDGEMENTS_A_WAVE = 30;

const actor = { user: 'bench', hostname: 'bench', command: 'rollout deploy bench 5.10.2' };

type PlannedBody = Extract<EntryBody, { kind: 'rollout-planned' }>;

export function journalOfRollout(hostCount: number): Entry[] {
  const entries: Entry[] = [];
  const add = (body: EntryBody): void => {
    const at = Date.UTC(2026, 0, 1) + entries.length * 1_000;
    entries.push(sealEntry(entries.at(-1) ?? null, { at, actor, epoch: 1, body }, sha256Hex));
  };
  const hosts = Array.from({ length: hostCount }, (_, i) => plannedHost(i));
  const waves: PlannedWave[] = Array.from({ length: WAVES }, (_, index) => ({
    index,
    hosts: hosts.slice((index * hostCount) / WAVES, ((index + 1) * hostCount) / WAVES),
  }));
  add({ kind: 'lease-taken', epoch: 1 });
  add(plannedBody(waves));
  for (const wave of waves) {
    add({ kind: 'wave-started', wave: wave.index });
    for (const action of ['upgrade', 'prove'] as const) {
      for (let from = 0; from < wave.hosts.length; from += BATCH)
        addBatch(add, action, wave.hosts.slice(from, from + BATCH));
    }
    add({ kind: 'wave-acted', wave: wave.index });
    for (let n = 0; n < JUDGEMENTS_A_WAVE; n++)
      add({ kind: 'judged', judgement: judgement(wave.index * 100 + n) });
    add({ kind: 'wave-passed', wave: wave.index });
  }
  return entries;
}

function addBatch(add: (body: EntryBody) => void, action: HostAction, hosts: readonly PlannedHost[]): void {
  add({ kind: 'hosts-intended', action, hosts: hosts.map((host) => host.id) });
  add({
    kind: 'hosts-answered',
    action,
    hosts: hosts.map((host) => ({
      id: host.id,
      outcome: {
        kind: 'verified',
        sha256: artifact('5.10.2').sha256,
        packageVersion: '5.10.2-1.linux',
        service: 'running',
      },
      tookMs: 4_321,
    })),
  });
}

function plannedHost(i: number): PlannedHost {
  return {
    id: String(4_000_000_000_000_000_000n + BigInt(i)),
    name: `web-${i}-sv-gprd`,
    address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    zone: `us-east1-${'bcd'[i % 3]}`,
    role: `role-${i % 20}`,
    stratum: `role-${i % 20}/n2-standard-8/debian-12`,
    architecture: 'amd64',
    from: { packageVersion: '5.9.1-1.linux', architecture: 'amd64', artifact: artifact('5.9.1') },
  };
}

function artifact(version: string): Artifact {
  return {
    environment: 'bench',
    version,
    architecture: 'amd64',
    sha256: sha256Hex(version),
    size: 20_000_000,
    generation: 'local',
    control: {
      package: 'osquery',
      version: `${version}-1.linux`,
      architecture: 'amd64',
      installedSizeKib: 80_000,
    },
    executable: { path: '/opt/osquery/bin/osqueryd', sha256: sha256Hex(`${version}/exe`), size: 60_000_000 },
    originalFileName: `osquery_${version}-1.linux_amd64.deb`,
    stagedAt: Date.UTC(2026, 0, 1),
    stagedBy: 'bench',
  };
}

function plannedBody(waves: readonly PlannedWave[]): PlannedBody {
  const body: Omit<PlannedBody, 'plan' | 'policy'> = {
    kind: 'rollout-planned',
    rolloutId: 'bench-1',
    rolloutKind: 'deploy',
    version: '5.10.2',
    artifacts: { amd64: artifact('5.10.2') },
  };
  const bulk = { plan: { waves, leftOut: [] }, policy: {} };
  // What is measured does not read the policy; its hundred values would only have to be kept up to date here.
  return { ...body, ...bulk } as unknown as PlannedBody;
}

function judgement(n: number): Judgement {
  const at = Date.UTC(2026, 0, 1) + n * 30_000;
  const gates = ['cpu', 'memory', 'restarts', 'alive'].map((gate) => ({
    gate,
    kind: 'pass' as const,
    unit: 'cores',
    direction: 'above' as const,
    limit: 0.1,
    worst: 0.02,
    samples: 3_000,
    query:
      'sum by (fqdn) (rate(namedprocess_namegroup_cpu_seconds_total{groupname="osqueryd",fqdn=~"web-.*"}[60s]))',
    offenders: [],
    silent: [],
    why: 'all 1,000 hosts are below 0.1 cores',
  }));
  return { from: at, to: at + 30_000, kind: 'pass', observedMs: 30_000, gates };
}
