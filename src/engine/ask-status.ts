/** Asks hosts what their agent does: the `status` program, all at once, one attempt each. Changes nothing. */
import { agentStatusOf } from '../domain/agent-status.ts';
import type { Host, HostId } from '../domain/host.ts';
import { identityTroubleOf, plainText } from '../domain/host-answer.ts';
import type { RemoteAnswer } from '../ports/remote.ts';
import type { EngineContext } from './context.ts';
import { startersOf } from './lifecycle-orders.ts';
import type { StatusAnswer, StatusAnswers } from './lifecycle-types.ts';
import { meantInstance } from './meant-instance.ts';
import { reachedAt } from './sweep.ts';

export interface StatusQuestion {
  /** Over how long CPU is measured, ms; 0: what it was since the start of the process. */
  readonly sampleMs: number;
  /** For one host, ms. Default: what a look may take, and the sample. */
  readonly timeoutMs?: number;
  readonly onAnswer?: (answer: StatusAnswer) => void;
}

/** One answer a host, also for those that told nothing. Called off, those not yet asked say so. */
export async function askStatus(
  context: EngineContext,
  hosts: readonly Host[],
  question: StatusQuestion,
  signal: AbortSignal,
): Promise<StatusAnswers> {
  const { policy, lifecycle } = context.environment;
  const { package: name, service, executable } = policy.agent;
  const { sampleMs } = question;
  const timeoutMs = question.timeoutMs ?? policy.stepTimeouts.lookMs + sampleMs;
  const starters = startersOf(lifecycle);
  const answers = await Promise.all(
    hosts.map(async (host) => {
      const started = context.clock.now();
      const answer = await context.remote.run(
        reachedAt(host),
        {
          order: {
            program: 'status',
            agent: { package: name, service, executable },
            ...meantInstance(context.environment, host.id),
            sampleMs,
            starters,
          },
          packages: [],
          timeoutMs,
        },
        signal,
      );
      const told: StatusAnswer = {
        host,
        answer: readStatus(answer),
        tookMs: context.clock.now() - started,
      };
      question.onAnswer?.(told);
      return told;
    }),
  );
  return new Map<HostId, StatusAnswer>(answers.map((answer) => [answer.host.id, answer]));
}

function readStatus(answer: RemoteAnswer): StatusAnswer['answer'] {
  if (answer.kind === 'no-answer') return { kind: 'none', why: oneLine(`${answer.why}: ${answer.message}`) };
  const other = identityTroubleOf(answer);
  if (other !== null) return { kind: 'none', why: oneLine(other) };
  const status = agentStatusOf(answer.steps);
  if (status.ok) return { kind: 'status', status: status.value };
  const said = answer.stderr.trim().slice(-200);
  return { kind: 'none', why: oneLine(said === '' ? status.error : `${status.error} (${said})`) };
}

function oneLine(text: string): string {
  return plainText(text).replaceAll(/\s*\n\s*/g, ' / ');
}
