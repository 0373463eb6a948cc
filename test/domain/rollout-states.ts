/** Rollout states made by hand, for tests of what is decided on them. */
import type { Observations } from '../../src/domain/decision.ts';
import type { Judgement, VerdictKind } from '../../src/domain/gate.ts';
import type { PlannedHost } from '../../src/domain/plan.ts';
import type { HostProgress, HostState, Phase, RolloutState, Stop, Watch } from '../../src/domain/state.ts';
import { somePolicy } from '../engine/world.ts';
import { someActor } from '../fakes/journal-entries.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';

export const NOW = Date.UTC(2026, 0, 2);

const old = artifactOf('old', { version: '5.10.1' });
const fresh = artifactOf('fresh', { version: '5.10.2' });

export function plannedHost(id: string, more: Partial<PlannedHost> = {}): PlannedHost {
  return {
    id,
    name: `h${id}`,
    address: `10.0.0.${id}`,
    zone: 'z1',
    role: 'web',
    stratum: 'web',
    architecture: 'amd64',
    from: { packageVersion: old.control.version, architecture: 'amd64', artifact: old },
    ...more,
  };
}

const TOUCHED = new Set<HostState>(['installing', 'verified', 'failed', 'reverting', 'revert-failed']);

export function progress(id: string, state: HostState, more: Partial<HostProgress> = {}): HostProgress {
  return {
    host: plannedHost(id),
    wave: 0,
    state,
    touched: TOUCHED.has(state),
    touchedBefore: false,
    attempts: state === 'pending' ? 0 : 1,
    lastAttemptAt: state === 'pending' ? 0 : NOW - 60_000,
    troubleSince: state === 'unreachable' || state === 'blocked' || state === 'failed' ? NOW - 60_000 : null,
    dueAtOnce: false,
    provenAt: state === 'verified' ? NOW - 60_000 : 0,
    changedAt: state === 'verified' ? NOW - 60_000 : 0,
    provenSeq: state === 'verified' ? 5 : 0,
    leftStopped: false,
    unheard: null,
    intendedSeq: 0,
    answeredSeq: 0,
    actedSeq: 0,
    outcome: null,
    armedUntil: null,
    wentBack: 0,
    ...more,
  };
}

export function rollout(hosts: readonly HostProgress[], more: Partial<RolloutState> = {}): RolloutState {
  return {
    id: 'gstg-1',
    kind: 'deploy',
    version: '5.10.2',
    artifacts: { amd64: fresh },
    policy: somePolicy,
    population: { environment: 10, byZone: { z1: 10 }, byRole: { web: 10 } },
    waveCount: 2,
    plannedWaves: 2,
    newcomers: new Set(),
    leftOut: [],
    hosts: new Map(hosts.map((host) => [host.host.id, host])),
    phase: { kind: 'acting', wave: 0, since: NOW - 120_000 },
    stop: null,
    keep: false,
    startedAt: 0,
    change: '',
    plannedAt: NOW - 300_000,
    plannedBy: someActor,
    reason: '',
    pinBefore: null,
    approvedAt: 0,
    rollbackRequested: false,
    disturbedAt: 0,
    ...more,
  };
}

export function judgement(kind: VerdictKind): Judgement {
  const gate = {
    gate: 'cpu',
    kind,
    unit: 'cores',
    direction: 'above',
    limit: 0.1,
    samples: 1,
    query: 'q',
  } as const;
  return {
    from: NOW - 10_000,
    to: NOW - 5_000,
    kind,
    observedMs: kind === 'pass' ? 5_000 : 0,
    gates: [{ ...gate, offenders: [], silent: [], why: `cpu is ${kind}` }],
  };
}

export function watch(more: Partial<Watch> = {}): Watch {
  return { judgedTo: NOW - 5_000, observedMs: 0, lastAt: NOW - 4_000, last: null, markSeq: 10, ...more };
}

export const soaking = (more: Partial<Watch> = {}): Phase => ({
  kind: 'soaking',
  wave: 0,
  since: NOW - 120_000,
  watch: watch(more),
});
export const baking = (more: Partial<Watch> = {}): Phase => ({
  kind: 'baking',
  since: NOW - 120_000,
  watch: watch(more),
});

export const paused: Stop = { kind: 'paused', since: NOW - 1_000, by: someActor, reason: 'lunch' };

export const calm: Observations = { gone: new Set(), present: new Set(), frozen: null };
