/**
 * The programs of the lifecycle on a host in memory: the lines that `src/host/{status,service,install,remove}.sh` answer, and what they
 * leave behind.
 */
import { HOST_EXIT, type HostOrder } from '../../src/domain/host-order.ts';
import type { FleetHost } from './fleet-host.ts';

type LifecycleProgram = Extract<HostOrder, { program: 'status' | 'service' | 'install' | 'remove' }>;
type ServiceProgram = Extract<HostOrder, { program: 'service' }>;

interface Tools {
  readonly emit: (step: string, isOk: boolean, fields?: Record<string, unknown>) => void;
  readonly refuse: (step: string, exitCode: number, message: string) => never;
  readonly pass: (ms: number) => Promise<void>;
  readonly delivered: ReadonlySet<string>;
}

const STOP_MS = 200;
/** How long a service program waits for another one, ms. */
const LOCK_MS = 20_000;

export function isLifecycle(order: HostOrder): order is LifecycleProgram {
  return ['status', 'service', 'install', 'remove'].includes(order.program);
}

/** Returns where it ended well; `refuse` ends it otherwise. */
export async function lifecycleSteps(host: FleetHost, order: LifecycleProgram, tools: Tools): Promise<void> {
  const { emit, refuse, pass } = tools;
  if (order.program === 'status') {
    emitStatus(host, emit);
    return;
  }
  for (let waited = 0; host.atService > 0; waited += 500) {
    if (waited >= LOCK_MS) refuse('lock', HOST_EXIT.busy, 'another service program is at work on this host');
    await pass(500);
  }
  // Who starts or changes the package does not work beneath an installation; who stops does.
  if (!stops(order) && host.locked)
    refuse('lock', HOST_EXIT.busy, 'another host program is at work on this host');
  host.atService += 1;
  try {
    if (order.program === 'service') await service(host, order, tools);
    else if (order.program === 'remove') {
      await bringDown(host, tools);
      host.packageState = 'absent';
      host.onDisk = '';
      emit('status', true, statusOf(host));
      emit('proof', true, { service: 'absent', packageVersion: '' });
    } else {
      await pass(1_000);
      host.packageState = 'installed';
      host.packageVersion = order.target.packageVersion;
      host.onDisk = order.target.executableSha256;
      const isUp = host.start();
      emit('proof', true, {
        service: isUp ? 'running' : 'left-held',
        packageVersion: host.packageVersion,
        runningSha256: host.running,
        installedSha256: host.onDisk,
      });
    }
  } finally {
    host.atService -= 1;
  }
}

function stops(order: LifecycleProgram): boolean {
  return order.program === 'service' && (order.verb === 'stop' || (order.verb === 'disable' && order.now));
}

async function service(host: FleetHost, order: ServiceProgram, tools: Tools): Promise<void> {
  const { emit, refuse, pass } = tools;
  const boot = (): void => {
    if (order.verb !== 'enable' && order.verb !== 'disable') return;
    host.enabled = order.verb === 'enable';
    emit('boot', true, { did: 'changed', unitFileState: `${order.verb}d` });
  };
  const sayHold = (): void =>
    emit('hold', true, host.hold === null ? { did: 'none' } : { did: 'kept', kept: 'disk' });
  if (stops(order)) {
    if (order.hold !== undefined) {
      host.hold = order.hold;
      emit('hold', true, { did: 'written', kept: 'disk' });
      emit('brake', true, { did: 'set', brake: order.brake });
    } else sayHold();
    boot();
    await bringDown(host, tools);
    return prove(host, tools, 'stopped');
  }
  if (order.verb === 'start' || order.now) {
    host.hold = null;
    host.meantToRun();
    emit('hold', true, { did: 'lifted', kept: 'none' });
    boot();
    if (host.running === '' && !host.start()) refuse('start', HOST_EXIT.startFailed, 'it did not start');
    await pass(order.proveMs);
    if (host.running === '') refuse('proof', HOST_EXIT.startFailed, 'it did not stay up');
    return prove(host, tools, 'running');
  }
  sayHold();
  if (order.verb === 'restart') {
    if (host.hold !== null) return prove(host, tools, 'left-held');
    await bringDown(host, tools);
    if (!host.start()) refuse('start', HOST_EXIT.startFailed, 'it did not start');
    await pass(order.proveMs);
    return prove(host, tools, 'running');
  }
  boot();
  prove(host, tools, host.running !== '' ? 'running' : host.hold === null ? 'stopped' : 'left-held');
}

async function bringDown(host: FleetHost, { emit, refuse, pass }: Tools): Promise<void> {
  await pass(host.trouble.stopTakesMs ?? STOP_MS);
  if (host.trouble.cannotStop === true)
    refuse('stop', HOST_EXIT.stillRuns, 'process 4001 is still there after SIGKILL');
  host.stop();
  emit('stop', true, { did: 'stopped' });
}

function prove(host: FleetHost, { emit }: Tools, service: string): void {
  emitStatus(host, emit);
  emit('proof', true, { service, packageVersion: host.packageVersion });
}

function emitStatus(host: FleetHost, emit: Tools['emit']): void {
  emit('status', true, statusOf(host));
}

function statusOf(host: FleetHost): Record<string, unknown> {
  const isUp = host.running !== '';
  return {
    init: 'systemd',
    activeState: host.activeState,
    subState: isUp ? 'running' : 'dead',
    unitFileState: host.enabled ? 'enabled' : 'disabled',
    packageState: host.packageState,
    packageVersion: host.packageState === 'absent' ? '' : host.packageVersion,
    runningVersion: host.version,
    runsInstalled: isUp ? host.running === host.onDisk : null,
    mainPid: isUp ? 4_000 + host.boots : 0,
    strays: [],
    uptimeMs: isUp ? 1_000 : null,
    restarts: 0,
    exitStatus: 0,
    cpuPercent: null,
    cpuOver: 'lifetime',
    memoryBytes: null,
    hold: host.hold === null ? null : { ...host.hold, brake: 'mask', kept: 'disk', told: [] },
    starters: [],
    busy: host.locked || host.atService > 0,
    bootId: String(host.boots),
  };
}
