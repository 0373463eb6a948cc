/**
 * One host of the fleet in memory: what is installed, what runs, and the host programs as `src/host/*.sh` have them.
 *
 * FH1  A changing program holds the host's lock from its beginning to its end, also when nobody listens any more.
 * FH2  What the service was is remembered under the order's id before the first touch, and never overwritten.
 * FH3  A reboot ends what runs: programs stop where they are, the lock is free, an enabled service starts again.
 * FH5  What an upgrade has armed goes off at its time, whoever is dead by then (armed-host.ts).
 * FH4  While a hold with its brake is there, nothing starts the service but a hand that goes round the brake.
 */
import type { Host } from '../../src/domain/host.ts';
import { HOST_EXIT, type HostOrder, type HostStep, type PackageRef } from '../../src/domain/host-order.ts';
import type { HoldTerms } from '../../src/domain/lifecycle.ts';
import type { Clock } from '../../src/ports/clock.ts';
import { ArmedRevert, type ChangeOrder, PATIENCE_MS } from './armed-host.ts';
import { isLifecycle, lifecycleSteps } from './lifecycle-host.ts';

/** What a version does on a host, by the sha256 of its executable. */
export interface VersionBehaviour {
  readonly version: string;
  /** Cores. Default 0.02. */
  readonly cpu?: number;
  /** Bytes. Default 60e6. */
  readonly memory?: number;
  /** The package's maintainer script fails. */
  readonly installFails?: boolean;
  /** The daemon exits at once. */
  readonly startFails?: boolean;
  /** The daemon runs that long, then stays down, ms. */
  readonly diesAfterMs?: number;
  /** systemd brings it up again and again. */
  readonly crashLoops?: boolean;
  /** Behaves so only on these hosts, by name; elsewhere well. */
  readonly only?: (host: string) => boolean;
}

export type Behaviours = ReadonlyMap<string, VersionBehaviour>;

/** Set by a test or a simulation; each stays until it is cleared. */
export interface HostTrouble {
  dpkgLocked?: boolean;
  diskFull?: boolean;
  /** Packages reach it altered. */
  alteredDelivery?: boolean;
  /** Answers `done` without having done anything, and without a proof. */
  lies?: boolean;
  /** Its clock minus the right one, ms. */
  clockAheadMs?: number;
  /** What it fetches packages with instead of curl; empty: nothing. */
  fetcher?: 'wget' | '';
  /** How long its agent takes to end, ms. */
  stopTakesMs?: number;
  /** Its agent survives whatever is sent to it. */
  cannotStop?: boolean;
}

/** What ran from then on; `until` is when it died by itself. */
interface Span {
  readonly at: number;
  readonly running: string;
  readonly until: number;
}

export interface Answer {
  readonly exitCode: number;
  readonly steps: HostStep[];
}

class Ended extends Error {
  readonly answer: Answer;
  constructor(answer: Answer) {
    super('program ended');
    this.answer = answer;
  }
}

type ConfirmOrder = Extract<HostOrder, { program: 'confirm' }>;

interface Remembered {
  readonly was: 'running' | 'stopped';
  readonly enabled: boolean;
}

const INSTALL_MS = 1_500;
const RESTART_MS = 300;

export class FleetHost {
  readonly host: Host;
  readonly trouble: HostTrouble = {};
  packageState: 'installed' | 'absent' | 'broken' = 'installed';
  packageVersion: string;
  /** sha256 of the executable on disk. */
  onDisk: string;
  enabled = true;
  architecture = 'amd64';
  boots = 1;
  /** As the hold's file on the host has it; a reboot leaves it. */
  hold: HoldTerms | null = null;
  /** Service programs at work now: they exclude one another, not installations. */
  atService = 0;
  /** What it does by itself unless it is told otherwise. */
  readonly armed: ArmedRevert;
  /** When it has gone back by itself. */
  readonly returns: number[] = [];
  readonly kept = new Set<string>();
  readonly fences = new Map<string, number>();
  /** Changing programs past the lock now: never more than one. */
  atWork = 0;
  readonly #clock: Clock;
  readonly #behaviours: Behaviours;
  readonly #spans: Span[] = [];
  readonly #memory = new Map<string, Remembered>();
  readonly #pending = new Set<string>();
  #restarts = 0;
  #locked = false;

  constructor(
    host: Host,
    from: { readonly version: string; readonly executable: string },
    clock: Clock,
    behaviours: Behaviours,
  ) {
    this.host = host;
    this.#clock = clock;
    this.#behaviours = behaviours;
    this.packageVersion = from.version;
    this.onDisk = from.executable;
    const goBack = (order: ChangeOrder): Promise<boolean> => this.#goBack(order);
    const isLocked = (): boolean => this.#locked;
    this.armed = new ArmedRevert(clock, {
      goBack,
      get locked() {
        return isLocked();
      },
    });
    this.start();
  }

  /** sha256 of what runs at a time; empty when nothing does. */
  runningAt(at: number): string {
    const span = this.#spans.findLast((one) => one.at <= at);
    return span === undefined || at >= span.until ? '' : span.running;
  }

  get running(): string {
    return this.runningAt(this.#clock.now());
  }

  /** How often it was started in (from, to]. */
  startsIn(from: number, to: number): number {
    return this.#spans.filter(({ at, running }) => running !== '' && from < at && at <= to).length;
  }

  get locked(): boolean {
    return this.#locked;
  }

  /** systemd's word. */
  get activeState(): 'active' | 'inactive' | 'failed' {
    if (this.running !== '') return 'active';
    return this.#spans.at(-1)?.running === '' ? 'inactive' : 'failed';
  }

  /** An operator's hand, or systemd at boot (FH4). */
  start(): boolean {
    return this.hold === null && this.startAnyway();
  }

  /** A hand that starts the daemon itself, or something that takes the brake off. */
  startAnyway(): boolean {
    const at = this.#clock.now();
    const behaviour = this.#behaviourOf(this.onDisk);
    const until =
      behaviour?.startFails === true ? at : at + (behaviour?.diesAfterMs ?? Number.POSITIVE_INFINITY);
    this.#spans.push({ at, running: this.onDisk, until });
    return until > at;
  }

  /** Somebody meant it to run from now on, whatever an order remembers of before. */
  meantToRun(): void {
    for (const [order, { enabled }] of this.#memory) this.#memory.set(order, { was: 'running', enabled });
  }

  stop(): void {
    this.#spans.push({ at: this.#clock.now(), running: '', until: Number.POSITIVE_INFINITY });
  }

  reboot(): void {
    this.boots += 1;
    this.#locked = false;
    this.atWork = 0;
    this.atService = 0;
    this.stop();
    if (this.enabled && this.packageState !== 'absent') this.start();
  }

  /** Somebody else installs another version by hand. */
  drift(version: string, executable: string): void {
    this.packageVersion = version;
    this.packageState = 'installed';
    this.onDisk = executable;
    if (this.activeState === 'active') this.start();
  }

  behaviourAt(at: number): VersionBehaviour | undefined {
    return this.#behaviourOf(this.runningAt(at));
  }

  /** Runs a program to its end, whoever listens. Null: a reboot ended it. */
  async run(
    order: HostOrder,
    delivered: ReadonlySet<string>,
    tell: (step: HostStep) => void,
  ): Promise<Answer | null> {
    const steps: HostStep[] = [];
    const emit = (step: string, isOk: boolean, fields: Record<string, unknown> = {}): void => {
      const line = { step, ok: isOk, ...fields };
      steps.push(line);
      tell(line);
    };
    const boot = this.boots;
    const changes = order.program === 'upgrade' || order.program === 'revert';
    emit('begin', true, { program: order.program, protocol: 1, bootId: String(boot) });
    const end = (exitCode: number): Answer => {
      emit('end', exitCode === 0, { code: exitCode });
      return { exitCode, steps };
    };
    const refuse: Tools['refuse'] = (step, exitCode, message, fields = {}) => {
      emit(step, false, { message, ...fields });
      throw new Ended(end(exitCode));
    };
    if (order.instanceId !== undefined && order.instanceId !== this.host.id) {
      const message = `this host is instance ${this.host.id}, meant was ${order.instanceId}`;
      emit('identity', false, { message });
      return end(HOST_EXIT.wrongHost);
    }
    if (this.trouble.lies === true && changes) return end(0);
    let holds = false;
    try {
      if (isLifecycle(order)) {
        const pass = (ms: number): Promise<void> => this.#pass(ms, boot);
        await lifecycleSteps(this, order, { emit, refuse, pass, delivered });
        return end(0);
      }
      if (order.program === 'look') {
        this.#look(emit, this.#locked);
        return end(0);
      }
      if (order.program === 'confirm') {
        await this.#confirm(order, { emit, refuse, boot });
        return end(0);
      }
      if (this.#locked) refuse('lock', HOST_EXIT.busy, 'another host program is at work on this host');
      if (changes) {
        this.#locked = true;
        holds = true;
        this.atWork += 1;
        await this.#change(order, { delivered, emit, refuse, boot });
      } else if (order.program === 'prove') {
        this.#look(emit, false);
        this.#sayArmed(emit);
        if (this.armed.isReverting(order.orderId))
          refuse('armed', HOST_EXIT.busy, 'this host is going back by itself; ask again');
        const remembered = this.#memory.get(order.orderId) ?? this.#present();
        const was = this.activeState === 'active' ? 'running' : remembered.was;
        await this.#prove(order.target, order.proveMs, { was, emit, refuse, boot, program: order.program });
        this.#sayArmed(emit);
      }
      return end(0);
    } catch (cause) {
      if (cause instanceof Ended) return cause.answer;
      if (cause instanceof Rebooted) return null;
      throw cause;
    } finally {
      if (holds && this.boots === boot) {
        this.#locked = false;
        this.atWork -= 1;
      }
    }
  }

  async #change(order: ChangeOrder, tools: Tools): Promise<void> {
    const { emit, refuse } = tools;
    const { target, previous, orderId } = order;
    const seen = this.fences.get(order.environment) ?? 0;
    if (order.fence < seen) refuse('fence', HOST_EXIT.fenced, `order ${order.fence} is older than ${seen}`);
    this.fences.set(order.environment, order.fence);
    this.#look(emit, false);
    const known =
      this.packageVersion === target.packageVersion || this.packageVersion === previous.packageVersion;
    if (this.packageState === 'absent' || (this.packageState === 'installed' && !known))
      refuse('drift', HOST_EXIT.drifted, `${this.packageVersion} is installed`);
    if (!this.#memory.has(orderId)) this.#memory.set(orderId, this.#present());
    const remembered = this.#memory.get(orderId) ?? this.#present();
    emit('remember', true, { service: remembered.was });
    const wanted = order.program === 'upgrade' ? target : previous;
    if (!this.#inPlace(wanted)) {
      if (this.trouble.diskFull === true && order.program === 'upgrade')
        refuse('space', HOST_EXIT.noSpace, 'too little disk space');
      for (const one of order.program === 'upgrade' ? [target, previous] : [previous])
        this.#stage(one, tools);
      this.#arm(order, emit);
      await this.#install(wanted, order, tools);
    } else this.#arm(order, emit);
    await this.#settle(wanted, remembered, orderId, tools);
    await this.#prove(wanted, order.proveMs, { ...tools, was: remembered.was, program: order.program });
    for (const sha of this.kept) if (sha !== target.sha256 && sha !== previous.sha256) this.kept.delete(sha);
    emit('prune', true);
    if (order.program === 'revert') this.armed.end('reverted');
    if (order.program === 'upgrade' && order.arm?.disarm === 'after-proof') this.armed.end('confirmed');
    if (order.program === 'upgrade' && order.arm !== undefined) this.#sayArmed(emit);
  }

  #arm(order: ChangeOrder, emit: Tools['emit']): void {
    if (order.program !== 'upgrade' || order.arm === undefined) return;
    this.armed.arm(order);
    this.#sayArmed(emit);
  }

  #sayArmed(emit: Tools['emit']): void {
    const step = this.armed.step();
    if (step !== null) emit(step.name, true, step.fields);
  }

  async #confirm(order: ConfirmOrder, { emit, refuse, boot }: Omit<Tools, 'delivered'>): Promise<void> {
    const { target, orderId, verb } = order;
    for (let waited = 0; this.#locked || this.armed.isReverting(orderId); waited += 1_000) {
      if (waited >= PATIENCE_MS)
        refuse('lock', HOST_EXIT.busy, 'this host is going back by itself; ask again');
      await this.#pass(1_000, boot);
    }
    const seen = this.fences.get(order.environment) ?? 0;
    if (order.fence < seen) refuse('fence', HOST_EXIT.fenced, `order ${order.fence} is older than ${seen}`);
    this.fences.set(order.environment, order.fence);
    this.#look(emit, false);
    const { state } = this.armed;
    const isOurs = state?.order.orderId === orderId;
    if (isOurs && state?.kind === 'went-back') return this.#sayArmed(emit);
    if (this.armed.isPending && !isOurs)
      refuse('armed', HOST_EXIT.drifted, `this host is armed by order ${state?.order.orderId}`);
    if (!this.armed.isPending) {
      if (!this.#inPlace(target)) refuse('armed', HOST_EXIT.drifted, `${this.packageVersion} is installed`);
      return emit('confirm', true, { order: orderId, did: 'nothing' });
    }
    if (verb === 'renew') {
      this.armed.renew((order.revertAfterS ?? 0) * 1_000);
      return emit('renew', true, { order: orderId, msLeft: (order.revertAfterS ?? 0) * 1_000 });
    }
    if (!this.#inPlace(target))
      refuse('confirm', HOST_EXIT.proofFailed, `${this.packageVersion} is installed`);
    if (this.activeState === 'active' && this.running !== target.executableSha256)
      refuse('confirm', HOST_EXIT.proofFailed, `runs ${this.running}; it stays armed`);
    if (this.activeState === 'failed' && this.hold === null)
      refuse('confirm', HOST_EXIT.startFailed, 'it is down; it stays armed');
    this.armed.end('confirmed');
    emit('confirm', true, { order: orderId, did: 'confirmed' });
  }

  /** The timer's attempt (FH5). */
  async #goBack(order: ChangeOrder): Promise<boolean> {
    const { boots: boot } = this;
    const { target, previous, orderId } = order;
    const emit = (): void => undefined;
    const refuse = (): never => {
      throw new Ended({ exitCode: 1, steps: [] });
    };
    this.#locked = true;
    this.atWork += 1;
    try {
      const isKnown = [target.packageVersion, previous.packageVersion].includes(this.packageVersion);
      if (this.packageState === 'absent' || (this.packageState === 'installed' && !isKnown)) {
        this.armed.end('overtaken');
        return true;
      }
      const was = this.#memory.get(orderId) ?? this.#present();
      const tools = { delivered: this.kept, emit, refuse, boot };
      if (!this.#inPlace(previous)) await this.#install(previous, { ...order, program: 'revert' }, tools);
      await this.#settle(previous, was, orderId, tools);
      await this.#prove(previous, order.proveMs, { ...tools, was: was.was, program: 'revert' });
      const { packageVersion, executableSha256: sha256 } = previous;
      const service = this.running === sha256 ? 'running' : 'left-stopped';
      const at = this.#clock.now();
      const note = 'nobody confirmed it or told it to wait on';
      this.armed.state = { kind: 'went-back', order, packageVersion, sha256, service, at, note };
      this.#memory.delete(orderId);
      this.returns.push(at);
      return true;
    } catch (cause) {
      if (cause instanceof Ended || cause instanceof Rebooted) return false;
      throw cause;
    } finally {
      if (this.boots === boot) {
        this.#locked = false;
        this.atWork -= 1;
      }
    }
  }

  #stage(wanted: PackageRef, { delivered, emit, refuse }: Tools): void {
    if (this.kept.has(wanted.sha256)) return emit('stage', true, { from: 'kept' });
    if (!delivered.has(wanted.sha256))
      refuse('stage', HOST_EXIT.missingPackage, `the package ${wanted.sha256} is neither kept nor delivered`);
    if (this.trouble.alteredDelivery === true)
      refuse('stage', HOST_EXIT.digestMismatch, 'the delivered package has another sha256; removed');
    this.kept.add(wanted.sha256);
    emit('stage', true, { from: 'delivered' });
  }

  async #install(wanted: PackageRef, order: ChangeOrder, { emit, refuse, boot }: Tools): Promise<void> {
    this.#pending.add(order.orderId);
    if (this.trouble.dpkgLocked === true) {
      await this.#pass(order.lockTimeoutS * 1_000, boot);
      this.#pending.delete(order.orderId);
      // Nothing was installed, so that there is nothing to go back from.
      if (order.program === 'upgrade' && this.#inPlace(order.previous)) this.armed.state = null;
      refuse('install', HOST_EXIT.dpkgLocked, "dpkg's lock was held by another");
    }
    const before = this.packageState;
    this.packageState = 'broken';
    await this.#pass(INSTALL_MS, boot);
    if (this.#behaviourOf(wanted.executableSha256)?.installFails === true)
      refuse('install', HOST_EXIT.installFailed, `installing ${wanted.packageVersion} failed (exit 100)`);
    this.packageState = 'installed';
    this.packageVersion = wanted.packageVersion;
    this.onDisk = wanted.executableSha256;
    emit('install', true, { packageVersion: wanted.packageVersion, was: before });
  }

  async #settle(
    wanted: PackageRef,
    was: Remembered,
    orderId: string,
    { emit, refuse, boot }: Tools,
  ): Promise<void> {
    this.enabled = was.enabled;
    if (was.was === 'running' && this.hold === null) {
      const isRight = this.running === wanted.executableSha256;
      if (this.#pending.has(orderId) || !isRight) {
        await this.#pass(RESTART_MS, boot);
        this.#restarts = 0;
        if (!this.start() && this.hold === null)
          refuse('restart', HOST_EXIT.startFailed, 'systemctl restart failed');
      }
    } else if (this.activeState !== 'inactive') this.stop();
    this.#pending.delete(orderId);
    emit('restart', true);
  }

  async #prove(
    wanted: PackageRef,
    proveMs: number,
    {
      was,
      emit,
      refuse,
      boot,
      program,
    }: Omit<Tools, 'delivered'> & {
      readonly was: 'running' | 'stopped';
      readonly program: HostOrder['program'];
    },
  ): Promise<void> {
    if (!this.#inPlace(wanted))
      refuse('proof', HOST_EXIT.proofFailed, `${this.packageState} ${this.packageVersion} is installed`);
    if (was === 'running' && this.hold === null) {
      for (let left = proveMs; ; left -= 1_000) {
        if (this.hold !== null) break;
        if (this.activeState === 'inactive')
          refuse('proof', HOST_EXIT.proofFailed, 'somebody has stopped it', { overridden: true });
        if (this.activeState !== 'active' || this.#behaviourOf(this.running)?.crashLoops === true)
          refuse('proof', HOST_EXIT.startFailed, 'did not stay up');
        if (left <= 0) break;
        await this.#pass(Math.min(left, 1_000), boot);
      }
      if (this.hold === null && this.running !== wanted.executableSha256)
        refuse('proof', HOST_EXIT.proofFailed, `runs ${this.running}, expected ${wanted.executableSha256}`);
    } else if (this.activeState === 'active') {
      // A stop is at work: it wrote the hold first. Whoever changes things stops the agent too; a proof takes what it finds.
      if (this.hold === null) refuse('proof', HOST_EXIT.proofFailed, 'was stopped before and is active now');
      if (program !== 'prove') this.stop();
    }
    const isRunning = this.running === wanted.executableSha256 && (this.hold === null || program === 'prove');
    emit('proof', true, {
      service: isRunning ? 'running' : 'left-stopped',
      runningSha256: isRunning ? this.running : '',
      installedSha256: this.onDisk,
      packageVersion: this.packageVersion,
    });
  }

  #look(emit: Tools['emit'], busy: boolean): void {
    emit('look', true, {
      architecture: this.architecture,
      packageState: this.packageState,
      packageVersion: this.packageState === 'absent' ? '' : this.packageVersion,
      activeState: this.activeState,
      subState: this.activeState === 'active' ? 'running' : 'dead',
      unitFileState: this.enabled ? 'enabled' : 'disabled',
      mainPid: this.running === '' ? 0 : 4_000 + this.boots,
      runningSha256: this.running,
      installedSha256: this.onDisk,
      restarts: this.#restarts,
      kept: [...this.kept],
      freeKib: this.trouble.diskFull === true ? 1_000 : 10_000_000,
      bootId: String(this.boots),
      clockMs: this.#clock.now() + (this.trouble.clockAheadMs ?? 0),
      fetcher: this.trouble.fetcher ?? 'curl',
      hold: this.hold === null ? '' : 'rollout hold',
      busy,
    });
  }

  get version(): string {
    return this.#behaviourOf(this.running)?.version ?? '';
  }

  #present(): Remembered {
    const stopped = this.activeState === 'inactive' || (this.activeState === 'failed' && !this.enabled);
    return { was: stopped ? 'stopped' : 'running', enabled: this.enabled };
  }

  #inPlace(wanted: PackageRef): boolean {
    return (
      this.packageState === 'installed' &&
      this.packageVersion === wanted.packageVersion &&
      this.onDisk === wanted.executableSha256
    );
  }

  #behaviourOf(executable: string): VersionBehaviour | undefined {
    const behaviour = this.#behaviours.get(executable);
    if (behaviour?.only === undefined || behaviour.only(this.host.name)) return behaviour;
    return { version: behaviour.version };
  }

  async #pass(ms: number, boot: number): Promise<void> {
    await this.#clock.sleep(ms);
    if (this.boots !== boot) throw new Rebooted();
  }
}

class Rebooted extends Error {}

interface Tools {
  readonly delivered: ReadonlySet<string>;
  readonly emit: (step: string, isOk: boolean, fields?: Record<string, unknown>) => void;
  readonly refuse: (
    step: string,
    exitCode: number,
    message: string,
    fields?: Record<string, unknown>,
  ) => never;
  readonly boot: number;
}
