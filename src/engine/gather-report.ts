/**
 * Gathers what is known of one rollout: the journal's part of it, the metrics asked again over the spans that were judged, and what the
 * hosts in trouble tell now. Changes nothing, needs no lease, and goes on without whatever does not answer.
 */
import { renderQuery } from '../domain/gate-query.ts';
import type { Host, HostId } from '../domain/host.ts';
import { identityTroubleOf, plainText } from '../domain/host-answer.ts';
import { hostValueFor } from '../domain/host-value.ts';
import { type ChainBreak, type Entry, verifyChain } from '../domain/journal.ts';
import type { PlannedHost } from '../domain/plan.ts';
import { type Collected, collectedOf } from '../domain/report/collected.ts';
import {
  type Excerpt,
  excerptOf,
  rolloutsOf,
  tellingJudgements,
  troubledHosts,
} from '../domain/report/excerpt.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { MetricSeries } from '../ports/metrics.ts';
import { type EngineContext, type Refusal, refuse } from './context.ts';
import { journalTrouble } from './ledger.ts';
import { meantInstance } from './meant-instance.ts';

/** The metrics' answer to one query of one evaluation, asked again for the report. */
export interface RawAnswer {
  /** Number of the journal entry of the evaluation. */
  readonly seq: number;
  readonly gate: string;
  readonly query: string;
  readonly from: number;
  readonly to: number;
  readonly stepMs: number;
  readonly answer:
    | {
        readonly kind: 'series';
        readonly series: readonly MetricSeries[];
        readonly warnings: readonly string[];
      }
    | { readonly kind: 'error'; readonly message: string };
}

export interface HostLooked {
  readonly host: PlannedHost;
  readonly looked:
    | { readonly kind: 'told'; readonly parts: Collected }
    | { readonly kind: 'silent'; readonly why: string };
}

export interface Report {
  readonly environment: string;
  /** When it was made, ms since the epoch. */
  readonly at: number;
  readonly excerpt: Excerpt;
  /** Every entry of the journal before it too: names of hosts are learned there. */
  readonly all: readonly Entry[];
  readonly broken: ChainBreak | null;
  readonly answers: readonly RawAnswer[];
  readonly hosts: readonly HostLooked[];
  /** Hosts in trouble beyond those that were looked at. */
  readonly notLookedAt: readonly HostId[];
}

export interface ReportQuestion {
  /** Absent: the newest. */
  readonly rolloutId?: string;
  /** Whether hosts and metrics are asked; else the journal alone. */
  readonly look: boolean;
}

/** Hosts looked at, evaluations asked again, and log lines of a host. */
const MOST_HOSTS = 20;
const MOST_EVALUATIONS = 6;
const LOG_LINES = 200;

export async function gatherReport(
  context: EngineContext,
  { rolloutId, look }: ReportQuestion,
  signal: AbortSignal,
): Promise<Result<Report, Refusal>> {
  const { environment, journal, digest, clock } = context;
  const read = await journal.read(0);
  if (!read.ok) return err(refuse('failed', `journal-${read.error.kind}`, journalTrouble(read.error)));
  const all = read.value;
  const excerpt = excerptOf(all, rolloutId);
  if (excerpt === null) {
    const known = rolloutsOf(all).slice(-10);
    const message =
      rolloutId === undefined
        ? `there has been no rollout in ${environment.name}: nothing to report`
        : `no rollout of ${environment.name} is called ${JSON.stringify(rolloutId)}`;
    return err(
      refuse(
        'usage',
        'no-rollout',
        message,
        known.length === 0 ? {} : { details: [`there are ${known.join(', ')}`] },
      ),
    );
  }
  const troubled = troubledHosts(excerpt);
  const chosen = look ? troubled.slice(0, MOST_HOSTS) : [];
  const [answers, hosts] = await Promise.all([
    look ? askAgain(context, excerpt, signal) : [],
    Promise.all(
      chosen.flatMap((id) => {
        const host = excerpt.rollout.hosts.get(id)?.host;
        return host === undefined ? [] : [lookAt(context, host, excerpt.rollout.plannedAt, signal)];
      }),
    ),
  ]);
  return ok({
    environment: environment.name,
    at: clock.now(),
    excerpt,
    all,
    broken: verifyChain(all, digest),
    answers,
    hosts,
    notLookedAt: troubled.slice(chosen.length),
  });
}

async function askAgain(context: EngineContext, excerpt: Excerpt, signal: AbortSignal): Promise<RawAnswer[]> {
  const { metrics, environment } = context;
  const { policy, hosts } = excerpt.rollout;
  const changed: Pick<Host, 'id' | 'name' | 'address' | 'zone' | 'role'>[] = [...hosts.values()]
    .filter(({ provenAt }) => provenAt > 0)
    .map(({ host }) => host);
  const answers: RawAnswer[] = [];
  for (const { seq, judgement } of tellingJudgements(excerpt, MOST_EVALUATIONS)) {
    for (const verdict of judgement.gates) {
      const gate = policy.gates.find(({ name }) => name === verdict.gate);
      if (gate === undefined || gate.source !== undefined || verdict.kind === 'pass' || signal.aborted)
        continue;
      const queries = renderQuery(gate, {
        label: environment.prometheus.hostLabel,
        hostValues: changed.map((host) => hostValueFor(environment.prometheus.hostValue, host)),
        process: policy.agent.process,
        matchers: environment.prometheus.matchers,
      });
      const stepMs = policy.sampleEveryMs;
      // With what was before it, since a limit is exceeded for a while.
      const from = judgement.from - gate.forMs;
      for (const query of queries) {
        const answer = await metrics.range({ query, from, to: judgement.to, stepMs });
        answers.push({
          seq,
          gate: gate.name,
          query,
          from,
          to: judgement.to,
          stepMs,
          answer: answer.ok
            ? { kind: 'series', ...answer.value }
            : { kind: 'error', message: answer.error.message },
        });
      }
    }
  }
  return answers;
}

async function lookAt(
  { environment, remote }: EngineContext,
  host: PlannedHost,
  since: number,
  signal: AbortSignal,
): Promise<HostLooked> {
  const { package: name, service, executable } = environment.policy.agent;
  const { port, ...where } = host;
  const answer = await remote.run(
    { ...where, ...(port === undefined ? {} : { port }) },
    {
      order: {
        program: 'collect',
        agent: { package: name, service, executable },
        ...meantInstance(environment, host.id),
        sinceS: Math.floor(since / 1000),
        lines: LOG_LINES,
      },
      packages: [],
      timeoutMs: environment.policy.stepTimeouts.lookMs,
    },
    signal,
  );
  const trouble =
    answer.kind === 'no-answer' ? `${answer.why}: ${answer.message}` : identityTroubleOf(answer);
  if (answer.kind === 'no-answer' || trouble !== null)
    return { host, looked: { kind: 'silent', why: plainText(trouble ?? '') } };
  const parts = collectedOf(answer.steps);
  if (parts.size > 0) return { host, looked: { kind: 'told', parts } };
  const why = `the host program ended with exit status ${answer.exitCode} and told nothing`;
  return { host, looked: { kind: 'silent', why } };
}
