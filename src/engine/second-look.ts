/**
 * Looks again some time after a stop: who stayed down, who was started again.
 *
 * SL1  Down is only who says so; who does not answer is neither.
 * SL2  In an emergency whoever was started again is stopped and looked at once more before it is told of.
 * SL3  Nobody's second look waits for a host that does not answer: those that are down are looked at while others are still tried.
 */
import type { Host } from '../domain/host.ts';
import type { AgentStatus, LifecycleOutcome } from '../domain/lifecycle.ts';
import { named } from './action-entries.ts';
import { askStatus } from './ask-status.ts';
import type { EngineContext } from './context.ts';
import type { HostReport, LifecycleReport, LifecycleRequest } from './lifecycle-types.ts';

export interface SecondLook {
  readonly settled: NonNullable<LifecycleReport['settled']>;
  /** Those that were started again, with what replaces their outcome. */
  readonly startedAgain: readonly { readonly host: Host; readonly outcome: LifecycleOutcome }[];
}

export interface LookOptions {
  readonly request: LifecycleRequest;
  /** Before the first look, ms. Default: as the request says. */
  readonly firstMs?: number;
  /** Stops those hosts once more (SL2); its reports take the place of those before. */
  readonly stopAgain: (hosts: readonly Host[]) => Promise<readonly HostReport[]>;
}

/** Null: called off before anybody was looked at. */
export async function lookAgain(
  context: EngineContext,
  stopped: readonly Host[],
  { request, firstMs = request.settleMs, stopAgain }: LookOptions,
  signal: AbortSignal,
): Promise<SecondLook | null> {
  const first = await look(context, stopped, firstMs, signal);
  if (first === null) return null;
  const down = new Set(first.down);
  let { again } = first;
  for (let round = 0; again.length > 0 && round < roundsOf(request) && !signal.aborted; round += 1) {
    const reports = await stopAgain(again.map(({ host }) => host));
    const proven = new Set(reports.flatMap(({ host, outcome }) => (outcome.kind === 'proven' ? [host] : [])));
    const next = proven.size === 0 ? null : await look(context, [...proven], request.settleMs, signal);
    for (const host of next?.down ?? []) down.add(host);
    // Who was started again and is not known to be down since then counts as started again.
    const newest = new Map(next?.again.map((one) => [one.host, one]));
    again = again.filter(({ host }) => !down.has(host)).map((one) => newest.get(one.host) ?? one);
  }
  return told({ down: [...down], again, unseen: first.unseen });
}

export interface SecondLooksOptions {
  readonly request: LifecycleRequest;
  readonly stopAgain: LookOptions['stopAgain'];
  /** Told of each group, as soon as it has been looked at. */
  readonly onLooked: (look: SecondLook) => void;
  readonly signal: AbortSignal;
}

/** SL3: looks at hosts in groups, at each once its time has come. A stop at which all answer within that time makes one group. */
export class SecondLooks {
  readonly #context: EngineContext;
  readonly #options: SecondLooksOptions;
  #waiting: { readonly host: Host; readonly at: number }[] = [];
  #unseen: Host[] = [];
  #gathering: Promise<void> | null = null;
  readonly #looks: Promise<void>[] = [];

  constructor(context: EngineContext, options: SecondLooksOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** This one is down now. */
  add(host: Host): void {
    this.#waiting.push({ host, at: this.#context.clock.now() });
    this.#gathering ??= this.#gather();
  }

  /** Nobody comes any more: looks at the rest. Answers with those that nobody looked at, since it was called off. */
  async end(): Promise<readonly Host[]> {
    await this.#gathering;
    await Promise.all(this.#looks);
    return this.#unseen;
  }

  /** A group is due this long after its last host, and is not kept back for more than twice as long. */
  async #gather(): Promise<void> {
    const { clock } = this.#context;
    const { request, signal } = this.#options;
    const { settleMs } = request;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const now = clock.now();
      // The clock was set back: counted from now.
      this.#waiting = this.#waiting.map((one) => (one.at > now ? { ...one, at: now } : one));
      const [first, last] = [this.#waiting[0]?.at ?? now, this.#waiting.at(-1)?.at ?? now];
      const left = Math.min(last + settleMs, first + 2 * settleMs) - now;
      if (left > 0) await clock.sleep(left, signal);
      else this.#look(now - settleMs);
    }
    for (const { host } of this.#waiting) this.#unseen.push(host);
    this.#waiting = [];
    this.#gathering = null;
  }

  #look(since: number): void {
    const { request, stopAgain, onLooked, signal } = this.#options;
    const isDue = ({ at }: { readonly at: number }): boolean => at <= since;
    const hosts = this.#waiting.filter(isDue).map(({ host }) => host);
    this.#waiting = this.#waiting.filter((one) => !isDue(one));
    const looking = lookAgain(this.#context, hosts, { request, firstMs: 0, stopAgain }, signal);
    this.#looks.push(
      looking.then((looked) => {
        if (looked === null) this.#unseen.push(...hosts);
        else onLooked(looked);
      }),
    );
  }
}

/** SL2. */
function roundsOf({ polarity, deadlineMs }: LifecycleRequest): number {
  if (polarity === 'calm') return 0;
  return deadlineMs === null ? Number.POSITIVE_INFINITY : 1;
}

interface Looked {
  readonly down: readonly Host[];
  readonly again: readonly { readonly host: Host; readonly status: AgentStatus }[];
  readonly unseen: readonly Host[];
}

async function look(
  context: EngineContext,
  hosts: readonly Host[],
  settleMs: number,
  signal: AbortSignal,
): Promise<Looked | null> {
  await context.clock.sleep(settleMs, signal);
  if (signal.aborted) return null;
  const answers = await askStatus(context, hosts, { sampleMs: 0 }, signal);
  const down: Host[] = [];
  const again: { host: Host; status: AgentStatus }[] = [];
  const unseen: Host[] = [];
  for (const host of hosts) {
    const answer = answers.get(host.id)?.answer;
    if (answer?.kind !== 'status') unseen.push(host);
    else if (runs(answer.status)) again.push({ host, status: answer.status });
    else down.push(host);
  }
  return { down, again, unseen };
}

/** A process of the agent, or systemd about to make one. */
export function runs({ mainPid, strays, activeState }: AgentStatus): boolean {
  return (
    mainPid !== 0 ||
    strays.length > 0 ||
    activeState === 'active' ||
    activeState === 'activating' ||
    activeState === 'reloading'
  );
}

function told({ down, again, unseen }: Looked): SecondLook {
  return {
    settled: {
      stayedDown: down.length,
      startedAgain: again.map(({ host }) => named(host)),
      unseen: unseen.map(named),
    },
    startedAgain: again.map(({ host, status }) => ({
      host,
      outcome: {
        kind: 'failed',
        failure: 'still-runs',
        step: 'second-look',
        message: `it was stopped, and was started again since: ${whatRuns(status)}`,
        held: status.hold !== null,
      },
    })),
  };
}

function whatRuns({ mainPid, strays, activeState, starters }: AgentStatus): string {
  const processes = [...(mainPid === 0 ? [] : [mainPid]), ...strays].slice(0, 5);
  const what = processes.length === 0 ? activeState : `process ${processes.join(', ')}`;
  return starters.length === 0 ? what : `${what}; would start it: ${starters.join(', ')}`;
}
