/** Hosts, answers and reports as the engine gives them, for tests of what is printed. */
import type { StatusAnswer } from '../../../src/domain/agent-status.ts';
import type { Host } from '../../../src/domain/host.ts';
import type { AgentStatus, HostHold, LifecycleOutcome } from '../../../src/domain/lifecycle.ts';
import type { HostReport, LifecycleReport } from '../../../src/engine/lifecycle-types.ts';

export const NOW = Date.parse('2026-11-21T03:12:00Z');

export function someHost(name: string, role = 'web'): Host {
  return {
    id: `id-${name}`,
    name,
    address: '127.0.0.1',
    zone: 'z',
    role,
    machineType: 'm',
    os: 'debian-12',
    status: 'RUNNING',
    labels: {},
    tags: [],
    metadata: {},
    spot: false,
  };
}

export const STOPPED: LifecycleOutcome = {
  kind: 'proven',
  service: 'stopped',
  version: '5.10.2-1.linux',
  held: true,
  notes: [],
};

export const UNREACHABLE: LifecycleOutcome = {
  kind: 'no-answer',
  why: 'unreachable',
  message: 'connect timed out',
};

export function hostReport(name: string, outcome: LifecycleOutcome = STOPPED): HostReport {
  return { host: someHost(name), outcome, attempts: 1, tookMs: 100 };
}

/** A stop of these hosts: those that are not proven are not covered. */
export function someReport(
  environment: string,
  hosts: readonly HostReport[],
  more: Partial<LifecycleReport> = {},
): LifecycleReport {
  const notCovered = hosts.flatMap(({ host, outcome }) =>
    outcome.kind === 'proven' ? [] : [{ host, why: outcome.kind === 'gone' ? 'gone' : outcome.message }],
  );
  return {
    environment,
    actionId: 'stop-abc-123456',
    verb: 'stop',
    hosts,
    end: notCovered.length === 0 ? 'done' : 'incomplete',
    why: '',
    notCovered,
    settled: null,
    rollout: null,
    record: { kind: 'journal' },
    roleFiles: [],
    tookMs: 1_000,
    ...more,
  };
}

export function someStatus(more: Partial<AgentStatus> = {}): AgentStatus {
  return {
    init: 'systemd',
    activeState: 'active',
    subState: 'running',
    unitFileState: 'enabled',
    packageState: 'installed',
    packageVersion: '5.10.2-1.linux',
    runningVersion: '5.10.2',
    runsInstalled: true,
    mainPid: 4_242,
    strays: [],
    uptimeMs: 90_000,
    restarts: 0,
    exitStatus: 0,
    cpuPercent: 3.14,
    cpuOver: 'lifetime',
    memoryBytes: 64_000_000,
    hold: null,
    starters: [],
    busy: false,
    bootId: 'boot',
    ...more,
  };
}

export const SOME_HOLD: HostHold = {
  actionId: 'stop-abc-123456',
  environment: 'gprd',
  by: 'ops@laptop',
  reason: 'INC-12',
  since: NOW - 3_600_000,
  until: NOW + 3_600_000,
  brake: 'mask',
  kept: 'disk',
  told: [],
};

export const STOPPED_STATUS: Partial<AgentStatus> = {
  activeState: 'inactive',
  subState: 'dead',
  mainPid: 0,
  runningVersion: '',
  runsInstalled: null,
  uptimeMs: null,
  cpuPercent: null,
  memoryBytes: null,
};

export function statusAnswer(
  name: string,
  status: AgentStatus | string,
): StatusAnswer & { environment: string } {
  return {
    environment: 'gprd',
    host: someHost(name),
    answer: typeof status === 'string' ? { kind: 'none', why: status } : { kind: 'status', status },
    tookMs: 10,
  };
}
