/** What hosts tell of their agents, for tests. */
import type { AgentStatus, HostHold } from '../../src/domain/lifecycle.ts';

/** Runs what is installed. */
export const SOME_STATUS: AgentStatus = {
  init: 'systemd',
  activeState: 'active',
  subState: 'running',
  unitFileState: 'enabled',
  packageState: 'installed',
  packageVersion: '5.10.2-1.linux',
  runningVersion: '5.10.2',
  runsInstalled: true,
  mainPid: 412,
  strays: [],
  uptimeMs: 3_600_000,
  restarts: 0,
  exitStatus: 0,
  cpuPercent: 1.5,
  cpuOver: 'lifetime',
  memoryBytes: 50_000_000,
  hold: null,
  starters: ['chef-client'],
  busy: false,
  bootId: 'b1',
};

/** Nothing runs. */
export const STOPPED_STATUS: AgentStatus = {
  ...SOME_STATUS,
  activeState: 'inactive',
  subState: 'dead',
  runningVersion: '',
  runsInstalled: null,
  mainPid: 0,
  uptimeMs: null,
  cpuPercent: null,
  memoryBytes: null,
};

export const ABSENT_STATUS: AgentStatus = {
  ...STOPPED_STATUS,
  unitFileState: '',
  packageState: 'absent',
  packageVersion: '',
};

export const SOME_HOLD: HostHold = {
  actionId: 'stop-1',
  environment: 'gprd',
  by: 'ada@ops-1',
  reason: 'INC-42: it eats the CPU',
  since: Date.UTC(2026, 10, 21, 3),
  until: Date.UTC(2026, 10, 22, 3),
  brake: 'mask',
  kept: 'disk',
  told: ['chef'],
};
