/**
 * Looks again some time after a stop: who stayed down, who was started again.
 *
 * SL1  Down is only who says so; who does not answer is neither.
 * SL2  In an emergency whoever was started again is stopped and looked at once more before it is told of.
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
  /** Stops those hosts once more (SL2); its reports take the place of those before. */
  readonly stopAgain: (hosts: readonly Host[]) => Promise<readonly HostReport[]>;
}

/** Null: called off before anybody was looked at. */
export async function lookAgain(
  context: EngineContext,
  stopped: readonly Host[],
  { request, stopAgain }: LookOptions,
  signal: AbortSignal,
): Promise<SecondLook | null> {
  const first = await look(context, stopped, request.settleMs, signal);
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
