/** The waves of one lifecycle action, once it has the lease: WA1-WA6 are in lifecycle-waves.ts. */
import type { Artifact } from '../domain/artifact.ts';
import type { Host, HostId } from '../domain/host.ts';
import type { LifecyclePlaybook } from '../domain/lifecycle-playbook.ts';
import { gatesFor, isMeantToRun, nextBatch } from '../domain/lifecycle-waves.ts';
import { ok, type Result } from '../domain/result.ts';
import type { EnvironmentState } from '../domain/state.ts';
import { actOnFleet, byHostName, notCoveredOf } from './act-on-fleet.ts';
import type { CalmAction } from './calm-action.ts';
import type { LifecycleContext } from './context.ts';
import { isStart, isStop, lifecycleOrder } from './lifecycle-orders.ts';
import { isUncovered, type NotInstalled } from './lifecycle-packages.ts';
import type { HostReport, LifecycleReport, LifecycleRequest, RoleFileReport } from './lifecycle-types.ts';
import { changeRoleFiles } from './role-files-step.ts';
import { reportOfLeftOut } from './run-lifecycle.ts';
import { lookAgain } from './second-look.ts';
import { isCovered, notBegun } from './sweep.ts';
import { watchWave } from './watch-wave.ts';

export interface PreparedWaves {
  readonly artifacts: ReadonlyMap<HostId, Artifact>;
  readonly leftOut: readonly NotInstalled[];
  /** Those that are meant. */
  readonly fleet: readonly Host[];
  readonly waves: readonly (readonly Host[])[];
}

/** An action that was cut off longer ago than this is nobody's present concern, ms. */
const RECENT_MS = 86_400_000;

/** Who of the candidates may be acted on now; without a strategy all of them. */
export function batchOf(
  { strategy }: LifecyclePlaybook,
  input: Omit<Parameters<typeof nextBatch>[0], 'maxUnavailable'>,
): readonly Host[] {
  if (strategy === null) return input.candidates;
  return nextBatch({ ...input, maxUnavailable: strategy.waves.maxUnavailable });
}

/** Why no further wave begins. */
type Stopped = { readonly kind: 'halted'; readonly why: string } | { readonly kind: 'interrupted' };

const INTERRUPTED: Stopped = { kind: 'interrupted' };

const NOT_SETTLED: { readonly settled: LifecycleReport['settled']; readonly cutShort: boolean } = {
  settled: null,
  cutShort: false,
};

export class WaveRun {
  readonly #context: LifecycleContext;
  readonly #request: LifecycleRequest;
  readonly #playbook: LifecyclePlaybook;
  readonly #action: CalmAction;
  readonly #prepared: PreparedWaves;
  readonly #reports = new Map<HostId, HostReport>();
  /** Of the first batch, which is intended already; null: used. */
  #fence: number | null;

  constructor(
    context: LifecycleContext,
    request: LifecycleRequest,
    playbook: LifecyclePlaybook,
    { action, ...prepared }: PreparedWaves & { readonly action: CalmAction },
  ) {
    this.#context = context;
    this.#request = request;
    this.#playbook = playbook;
    this.#action = action;
    this.#prepared = prepared;
    this.#fence = action.fence;
  }

  async run(): Promise<LifecycleReport> {
    const request = this.#request;
    const { entries, write } = this.#action;
    this.#sayCutOff(this.#action.state);
    const before = isStart(request) ? await this.#changeRoleFiles() : [];
    const over = await this.#waves();
    const behind = over === null && isStop(request) ? await this.#changeRoleFiles() : [];
    const { settled, cutShort } = over === null ? await this.#secondLook() : NOT_SETTLED;
    const stopped = cutShort ? INTERRUPTED : over;
    const { fleet, leftOut } = this.#prepared;
    const why = stopped?.kind === 'halted' ? stopped.why : 'it was called off';
    const done = fleet.map((host) => this.#reports.get(host.id) ?? notBegun(host, why));
    const missed = leftOut.filter(isUncovered).map(({ host, why: reason }) => ({ host, why: reason }));
    const notCovered = [...notCoveredOf(byHostName(done)), ...missed];
    const hosts = byHostName([...done, ...leftOut.map(reportOfLeftOut)]);
    write(entries.ended(hosts.length - notCovered.length, notCovered));
    return {
      environment: this.#context.environment.name,
      actionId: request.actionId,
      verb: request.verb,
      hosts,
      end: stopped?.kind ?? (notCovered.length > 0 ? 'incomplete' : 'done'),
      why: stopped?.kind === 'halted' ? stopped.why : '',
      notCovered,
      settled,
      rollout: null,
      record: { kind: 'journal' },
      roleFiles: [...before, ...behind],
      tookMs: 0,
    };
  }

  /** Null: all of them were gone over. */
  async #waves(): Promise<Stopped | null> {
    const { waves } = this.#prepared;
    const { strategy, name } = this.#playbook;
    const gates = this.#gates();
    if (waves.length > 0 && gates.length === 0) {
      const what =
        strategy === null || isMeantToRun(this.#request.verb)
          ? `the playbook ${name} has no gates`
          : `the playbook ${name} has no gates of its own, and the environment's are about the agent, which is meant to be gone`;
      this.#notice('not-watched', `nothing is watched between waves: ${what}`);
    }
    for (const [index, wave] of waves.entries()) {
      const what = `wave ${index + 1} of ${waves.length}`;
      if (waves.length > 1) this.#notice('wave', `${what}: ${wave.length} host(s)`);
      const stopped = (await this.#actOn(wave, what)) ?? (await this.#watch(wave, what));
      if (stopped !== null) return stopped;
    }
    return null;
  }

  /** WA3. Goes over one wave in as many batches as bounds demand. */
  async #actOn(wave: readonly Host[], what: string): Promise<Stopped | null> {
    let left = wave;
    while (left.length > 0) {
      if (this.#action.signal.aborted) return INTERRUPTED;
      const batch = batchOf(this.#playbook, {
        fleet: this.#prepared.fleet,
        candidates: left,
        ...this.#unavailable(),
      });
      if (batch.length === 0) {
        const troubled = describe(this.#troubled());
        return halted(`no more hosts may be out of service at once (maxUnavailable): ${troubled}`);
      }
      const fence = await this.#intended(batch);
      if (!fence.ok) return halted(`the intention of ${what} could not be written: ${fence.error}`);
      await this.#batch(batch, fence.value);
      const chosen = new Set(batch);
      left = left.filter((host) => !chosen.has(host));
      const troubled = this.#troubled();
      const allowed = this.#playbook.strategy?.failedHosts ?? Number.POSITIVE_INFINITY;
      if (this.#action.signal.aborted && troubled.length > 0) return INTERRUPTED;
      if (troubled.length > allowed)
        return halted(
          `${troubled.length} host(s) failed or were not reached, ${allowed} may: ${describe(troubled)}`,
        );
    }
    return null;
  }

  /** WA2. */
  async #intended(batch: readonly Host[]): Promise<Result<number, string>> {
    const first = this.#fence;
    this.#fence = null;
    if (first !== null) return ok(first);
    const intended = await this.#action.intend(batch);
    // Some of it may have been written: what was wished there is taken back.
    if (!intended.ok) {
      const reports = batch.map((host) => notBegun(host, intended.error));
      this.#action.write(this.#action.entries.answered(reports));
    }
    return intended;
  }

  async #batch(batch: readonly Host[], fence: number): Promise<void> {
    const { signal } = this.#action;
    const done = await actOnFleet(this.#doing(fence), batch, signal);
    for (const report of done.hosts) this.#reports.set(report.host.id, report);
  }

  #doing(fence: number): Parameters<typeof actOnFleet>[0] {
    const { artifacts } = this.#prepared;
    const { entries, write } = this.#action;
    // There is one second look, at the end of all.
    const request = { ...this.#request, settleMs: 0 };
    const context = this.#context;
    const orderFor = (host: Host) =>
      lifecycleOrder(context, request, fence, artifacts.get(host.id) ?? null, host);
    return { context, request, entries, write, orderFor };
  }

  /** WA4. Everybody who was acted on so far is watched, not the newest wave alone. */
  async #watch(wave: readonly Host[], what: string): Promise<Stopped | null> {
    const { strategy } = this.#playbook;
    const gates = this.#gates();
    if (strategy === null || gates.length === 0) return null;
    const { verb } = this.#request;
    const isWatched = ({ id }: Host): boolean => {
      const outcome = this.#reports.get(id)?.outcome;
      return outcome?.kind === 'proven' && (!isMeantToRun(verb) || outcome.service === 'running');
    };
    if (!wave.some(isWatched)) {
      this.#notice(
        'no-witness',
        `${what}: the agent runs on none of its hosts, so that there is nothing to watch`,
      );
      return null;
    }
    const { soakMs, sampleEveryMs, sampleDelayMs } = strategy;
    const end = await watchWave(
      this.#context,
      {
        hosts: this.#prepared.fleet.filter(isWatched),
        gates,
        since: this.#context.clock.now(),
        soakMs,
        sampleEveryMs,
        sampleDelayMs,
        what,
      },
      this.#action.signal,
    );
    switch (end.kind) {
      case 'passed':
        return null;
      case 'failed':
        return halted(`${what} does not pass: ${end.why}`);
      case 'blind':
        return halted(`${what} cannot be judged: ${end.why}`);
      case 'interrupted':
        return end;
      default:
        return end satisfies never;
    }
  }

  async #secondLook(): Promise<typeof NOT_SETTLED> {
    const request = this.#request;
    const down = [...this.#reports.values()].filter(({ outcome }) => outcome.kind === 'proven');
    if (!isStop(request) || request.settleMs === 0 || down.length === 0) return NOT_SETTLED;
    const { entries, write, signal } = this.#action;
    const hosts = down.map(({ host }) => host);
    const looked = await lookAgain(this.#context, hosts, { request, stopAgain: async () => [] }, signal);
    if (looked === null) return { settled: null, cutShort: true };
    write(entries.settled(looked.settled));
    for (const { host, outcome } of looked.startedAgain) {
      const before = this.#reports.get(host.id);
      if (before !== undefined) this.#reports.set(host.id, { ...before, outcome });
    }
    return { settled: looked.settled, cutShort: false };
  }

  #changeRoleFiles(): Promise<RoleFileReport[]> {
    const { entries, write, state } = this.#action;
    return changeRoleFiles(this.#context, this.#request, state, {
      part: () => entries.part(),
      record: write,
    });
  }

  #gates(): ReturnType<typeof gatesFor> {
    const { strategy } = this.#playbook;
    if (strategy === null) return [];
    return gatesFor(this.#request.verb, strategy.gates, this.#context.environment.policy.gates);
  }

  /** Failed, refused or not answering: nobody knows that they are as they were meant to be. */
  #troubled(): HostReport[] {
    return [...this.#reports.values()].filter(({ outcome }) => !isCovered(outcome));
  }

  #unavailable(): { readonly outOfService: ReadonlySet<HostId>; readonly gone: ReadonlySet<HostId> } {
    const outOfService = new Set<HostId>();
    const gone = new Set<HostId>();
    for (const [id, { outcome }] of this.#reports) {
      if (outcome.kind === 'gone') gone.add(id);
      // Who was blocked was not changed, and serves as before.
      else if (outcome.kind === 'failed' || outcome.kind === 'no-answer') outOfService.add(id);
    }
    return { outOfService, gone };
  }

  /** WA6. */
  #sayCutOff({ actions }: EnvironmentState): void {
    const { verb, actionId } = this.#request;
    const now = this.#context.clock.now();
    const before = actions.findLast((action) => action.verb === verb && action.actionId !== actionId);
    if (before === undefined || before.end !== null) return;
    if (now - before.at > RECENT_MS) return;
    const at = `${new Date(before.at).toISOString().slice(0, 19)}Z`;
    this.#notice(
      'cut-off-before',
      `${before.actionId} of ${before.by.user}@${before.by.hostname} (${at}) was cut off after ${before.hosts} host(s); this one begins anew with all of its own`,
    );
  }

  #notice(code: string, message: string): void {
    const { clock, environment, tell } = this.#context;
    tell({ kind: 'notice', environment: environment.name, at: clock.now(), reason: { code, message } });
  }
}

function halted(why: string): Stopped {
  return { kind: 'halted', why };
}

/** At most five of them, with what is wrong. */
function describe(reports: readonly HostReport[]): string {
  const told = notCoveredOf(byHostName(reports));
  const named = told.slice(0, 5).map(({ host, why }) => `${host.name} (${why})`);
  return told.length > 5 ? `${named.join(', ')} and ${told.length - 5} more` : named.join(', ');
}
