/**
 * Watches hosts that a lifecycle action has been at until they have been seen healthy for long enough, with a rollout's own measuring
 * and judging.
 *
 * WW1  Only observed time counts: no data is never a pass, and a gap lengthens the watch.
 * WW2  An error of the metrics backend is never a fail. It holds, as an inconclusive verdict does, and so long and no longer.
 * WW3  A gate's look-back must lie wholly behind the action, or it would judge what was before.
 * WW4  No version changes, so that there is nothing to compare: gates that do go by their limits.
 */
import { formatDuration } from '../domain/duration.ts';
import type { Judgement } from '../domain/gate.ts';
import type { Host } from '../domain/host.ts';
import { judge } from '../domain/judge.ts';
import { longestLookBack, whyDecided, whyNotCounting } from '../domain/judgement-words.ts';
import type { GatePolicy } from '../domain/policy.ts';
import type { EngineContext } from './context.ts';
import { measureGates } from './measure-gates.ts';

export interface WatchRequest {
  /** Each of them must be healthy; at least one. */
  readonly hosts: readonly Host[];
  readonly gates: readonly GatePolicy[];
  /** When the last of them was acted on, ms since the epoch. */
  readonly since: number;
  /** Observed time that is needed, ms. */
  readonly soakMs: number;
  readonly sampleEveryMs: number;
  readonly sampleDelayMs: number;
  /** For the words, such as `wave 2 of 4`. */
  readonly what: string;
}

export type WatchEnd =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly why: string }
  /** Nothing could be seen for `HOLD_LIMIT_MS` without a break. */
  | { readonly kind: 'blind'; readonly why: string }
  | { readonly kind: 'interrupted' };

/** How long a watch that sees nothing, or nothing clear, goes on before it is given up, ms. */
export const HOLD_LIMIT_MS = 600_000;

/** Steps asked of the metrics backend at once; Prometheus allows 11,000 points a series. */
const MOST_STEPS = 1_000;

export async function watchWave(
  context: EngineContext,
  request: WatchRequest,
  signal: AbortSignal,
): Promise<WatchEnd> {
  const { clock } = context;
  const { gates, since, soakMs, sampleEveryMs, sampleDelayMs } = request;
  const countsFrom = since + Math.max(0, ...gates.map(({ windowMs }) => windowMs));
  let judgedTo = countsFrom;
  let observedMs = 0;
  let last: Judgement | null = null;
  // The newest moment at which all was well, or from which on it could have been seen.
  let clearAt = Math.max(clock.now(), countsFrom);
  for (;;) {
    if (signal.aborted) return { kind: 'interrupted' };
    const now = clock.now();
    const newest = now - sampleDelayMs;
    const from = Math.max(judgedTo, newest - MOST_STEPS * sampleEveryMs);
    const steps = Math.floor((newest - from) / sampleEveryMs);
    if (steps >= 1) {
      last = await judgeSpan(context, request, { from, to: from + steps * sampleEveryMs, last }, signal);
      if (signal.aborted) return { kind: 'interrupted' };
      if (last.kind === 'fail') return { kind: 'failed', why: whyDecided(last) };
      // WW2: an error says nothing about the span, which is asked for again.
      if (last.kind !== 'error') judgedTo = last.to;
      observedMs += last.observedMs;
      if (last.kind === 'pass') {
        clearAt = clock.now();
        if (observedMs >= soakMs) return { kind: 'passed' };
      }
    }
    if (clock.now() - clearAt >= HOLD_LIMIT_MS) return { kind: 'blind', why: blindWhy(last) };
    const next = Math.max(judgedTo + sampleEveryMs + sampleDelayMs, now + sampleEveryMs);
    tellWaiting(context, request, { last, observedMs, countsFrom, next });
    await clock.sleep(next - clock.now(), signal);
  }
}

async function judgeSpan(
  context: EngineContext,
  request: WatchRequest,
  { from, to, last }: Span,
  signal: AbortSignal,
): Promise<Judgement> {
  const { sampleEveryMs: stepMs, since } = request;
  const hosts = request.hosts.map((host) => ({ ...host, changedAt: since }));
  const measurements = await measureGates(context, {
    gates: request.gates.filter((gate) => !isOfVersion(gate, context)).map(alone),
    hosts,
    from,
    to,
    stepMs,
    process: context.environment.policy.agent.process,
    version: '',
    last,
    signal,
  });
  return judge({ measurements, hosts, from, to, stepMs, last });
}

interface Span {
  readonly from: number;
  readonly to: number;
  readonly last: Judgement | null;
}

/** WW4. Which version should be reported is nobody's question here. */
function isOfVersion({ source }: GatePolicy, { environment: { witnesses = {} } }: EngineContext): boolean {
  if (source?.kind !== 'witness' || !Object.hasOwn(witnesses, source.witness)) return false;
  const asked = witnesses[source.witness];
  return asked !== undefined && 'measure' in asked && asked.measure === 'version';
}

/** WW4. */
function alone(gate: GatePolicy): GatePolicy {
  const { compare: _, ...limited } = gate;
  return limited;
}

function blindWhy(last: Judgement | null): string {
  const minutes = formatDuration(HOLD_LIMIT_MS);
  if (last === null) return `nothing was measured for ${minutes}`;
  return last.kind === 'error'
    ? `for ${minutes}, ${whyDecided(last)}`
    : `nothing clear could be seen for ${minutes}: ${whyDecided(last)}`;
}

function lookBackWords(gates: readonly GatePolicy[]): string {
  const longest = longestLookBack(gates);
  return longest === null
    ? ''
    : `: the look-back of the gate ${longest.name}, ${formatDuration(longest.windowMs)}, must lie behind the action`;
}

interface Seen {
  readonly last: Judgement | null;
  readonly observedMs: number;
  readonly countsFrom: number;
  readonly next: number;
}

function tellWaiting(
  { clock, environment, tell }: EngineContext,
  { soakMs, what, gates }: WatchRequest,
  { last, observedMs, countsFrom, next }: Seen,
): void {
  const seen = `${what}: ${formatDuration(observedMs)} of ${formatDuration(soakMs)} observed healthy`;
  const from = new Date(countsFrom).toISOString().slice(11, 19);
  const [code, message] =
    last === null
      ? ['soaking', `${seen}; counting begins at ${from} UTC${lookBackWords(gates)}`]
      : last.kind === 'error'
        ? ['metrics-error', `${seen}; not judged: ${whyDecided(last)}`]
        : last.kind === 'inconclusive'
          ? [whyNotCounting(last), `${seen}; not counting: ${whyDecided(last)}`]
          : ['soaking', seen];
  tell({
    kind: 'waiting',
    environment: environment.name,
    at: clock.now(),
    reason: { code, message },
    until: next,
  });
}
