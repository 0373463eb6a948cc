/**
 * Looks at an environment's fleet without changing it: who is there, who is eligible, what each runs.
 * Every eligible host is asked; one that does not answer is listed as such, never left out silently.
 */
import { artifactFor, type Release } from '../domain/artifact.ts';
import type { ClassifiedHost, HostId } from '../domain/host.ts';
import { identityTroubleOf, lookOf, plainText } from '../domain/host-answer.ts';
import { HOST_EXIT, type HostLook } from '../domain/host-order.ts';
import type { SurveyResult } from '../domain/planning.ts';
import { err, ok, type Result } from '../domain/result.ts';
import { classify } from '../domain/targeting.ts';
import type { RemoteAnswer } from '../ports/remote.ts';
import { type EngineContext, type Refusal, refuse } from './context.ts';
import { meantInstance } from './meant-instance.ts';

export interface Fleet {
  readonly hosts: readonly ClassifiedHost[];
  readonly unknownZones: readonly { readonly zone: string; readonly why: string }[];
}

export interface LookedAt {
  readonly id: HostId;
  readonly answer:
    | { readonly kind: 'look'; readonly look: HostLook }
    | { readonly kind: 'none'; readonly why: string };
  /** What the host says of itself when it cannot carry the package; null when it can, or when nobody knows. */
  readonly incapable: string | null;
}

/** Lists and classifies; touches no host. Called off by `signal`, it refuses as interrupted. */
export async function listFleet(
  context: EngineContext,
  signal?: AbortSignal,
): Promise<Result<Fleet, Refusal>> {
  const listed = await context.inventory.list(signal === undefined ? {} : { signal });
  if (signal?.aborted) return err(calledOff(context, 'listing'));
  if (!listed.ok) {
    return err(
      refuse(
        'failed',
        'inventory-failed',
        `cannot list the VMs of ${context.environment.name}: ${listed.error.message}`,
      ),
    );
  }
  const hosts = classify(listed.value.hosts, context.environment.targeting, context.clock.now());
  return ok({ hosts, unknownZones: listed.value.unknownZones });
}

/** Nobody waits for it any more; what it brought by then is no answer. */
export function calledOff({ environment }: EngineContext, doing: 'listing' | 'looking at'): Refusal {
  return refuse('interrupted', 'called-off', `${doing} the VMs of ${environment.name} was called off`);
}

/** Runs `look` on every eligible host. */
export async function lookAtHosts(
  context: EngineContext,
  hosts: readonly ClassifiedHost[],
  signal?: AbortSignal,
): Promise<LookedAt[]> {
  const eligible = hosts.filter(({ eligibility }) => eligibility.kind === 'eligible');
  return Promise.all(
    eligible.map(async ({ host }) => {
      const answer = await context.remote.run(
        host,
        {
          order: {
            program: 'look',
            agent: context.environment.policy.agent,
            ...meantInstance(context.environment, host.id),
          },
          packages: [],
          timeoutMs: context.environment.policy.stepTimeouts.lookMs,
          onStep: (step) =>
            context.tell({
              kind: 'host-step',
              environment: context.environment.name,
              at: context.clock.now(),
              action: 'look',
              host: { id: host.id, name: host.name },
              step,
            }),
        },
        signal,
      );
      return { id: host.id, ...readLook(answer) };
    }),
  );
}

function readLook(answer: RemoteAnswer): Omit<LookedAt, 'id'> {
  if (answer.kind === 'no-answer') {
    return {
      answer: { kind: 'none', why: `${answer.why}: ${oneLine(answer.message)}` },
      incapable: null,
    };
  }
  const other = identityTroubleOf(answer);
  if (other !== null) return { answer: { kind: 'none', why: oneLine(other) }, incapable: null };
  const said = answer.steps.findLast((step) => !step.ok && typeof step.message === 'string')?.message;
  const incapable =
    answer.exitCode === HOST_EXIT.unsupported
      ? oneLine(typeof said === 'string' ? said : 'it says so')
      : null;
  const look = lookOf(answer.steps);
  if (look.ok) return { answer: { kind: 'look', look: look.value }, incapable };
  const why =
    answer.stderr.trim() === '' ? look.error : `${look.error} (${oneLine(answer.stderr.trim().slice(-200))})`;
  return { answer: { kind: 'none', why }, incapable };
}

/** These stand in lists of one line a host. */
function oneLine(text: string): string {
  return plainText(text).replaceAll(/\s*\n\s*/g, ' / ');
}

/** What planning needs to know of each host looked at. */
export function surveyOf(looked: readonly LookedAt[], target: Release): Map<HostId, SurveyResult> {
  const survey = new Map<HostId, SurveyResult>();
  for (const { id, answer, incapable } of looked) survey.set(id, resultOf(answer, incapable, target));
  return survey;
}

function resultOf(answer: LookedAt['answer'], incapable: string | null, target: Release): SurveyResult {
  if (incapable !== null) return { kind: 'incapable', evidence: incapable };
  if (answer.kind === 'none') return { kind: 'unreachable', why: answer.why };
  const { look } = answer;
  if (look.packageState === 'absent') return { kind: 'agent-absent' };
  const artifact = artifactFor(target.artifacts, look.architecture);
  const runsTarget =
    artifact !== undefined &&
    look.packageState === 'installed' &&
    look.packageVersion === artifact.control.version &&
    // The running process is the proof; a stopped service has only its file.
    (look.runningSha256 === '' ? look.installedSha256 : look.runningSha256) === artifact.executable.sha256;
  return {
    kind: 'surveyed',
    agent: { packageVersion: look.packageVersion, architecture: look.architecture },
    runsTarget,
  };
}
