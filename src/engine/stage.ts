/**
 * Stage: checks packages and publishes them, each in its environment's store.
 *
 * S1  Every check of every package comes before the first publication: a refused call changes nothing.
 * S2  Publishing is create-only, so that the same call again is a success that changes nothing; after a failure in between, the
 *     same call again finishes the work.
 */
import type { Architecture, Artifact, DebFacts } from '../domain/artifact.ts';
import type { Actor } from '../domain/journal.ts';
import { parseVersion } from '../domain/version.ts';
import type { ArtifactStore, StoreError } from '../ports/artifact-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { PackageReader } from '../ports/package-reader.ts';
import { checkAgainstOthers, checkPackage, checkRequest, sameFileNotes } from './stage-checks.ts';
import { findGaps, type StageGap } from './stage-gaps.ts';

/** What staging needs to know of one environment. */
export interface StageEnvironment {
  readonly name: string;
  readonly agent: {
    /** Debian package, such as `osquery`. */
    readonly package: string;
    /** Absolute path of the daemon on a host. */
    readonly executable: string;
  };
  /** Architectures of its hosts, where that is known; absent: any one, but not `all`. */
  readonly architectures?: readonly Architecture[];
  readonly store: ArtifactStore;
}

export interface StageContext {
  /** All environments of the promotion line, in its order. */
  readonly line: readonly StageEnvironment[];
  readonly reader: PackageReader;
  readonly clock: Clock;
  readonly actor: Actor;
}

/** One `--package ENV=FILE`. */
export interface PackageToStage {
  readonly environment: string;
  readonly file: string;
}

export interface StageRequest {
  /** As the engineer says it, such as `5.10.2`. */
  readonly version: string;
  /** Several of one environment: one for each architecture. */
  readonly packages: readonly PackageToStage[];
  /** `--sha256 ENV=HEX`: with any of an environment, each of its packages must match one, and each one a package. */
  readonly expected: readonly { readonly environment: string; readonly sha256: string }[];
}

export interface StageProblem {
  /** Stable, for machines, such as `wrong-version`. */
  readonly code: string;
  /** What is wrong, with file and environment, what was expected, what to do. */
  readonly message: string;
}

export type PackageResult =
  | { readonly kind: 'published'; readonly artifact: Artifact }
  | { readonly kind: 'already-there'; readonly artifact: Artifact }
  | { readonly kind: 'refused'; readonly problems: readonly StageProblem[] }
  /** It is in order, but others of the call are not: nothing was published (S1). */
  | { readonly kind: 'held-back' }
  /** The store failed, or somebody else published another package meanwhile. */
  | { readonly kind: 'failed'; readonly error: StoreError };

export interface StagedPackage extends PackageToStage {
  /** What was read of it; null when it could not be read. */
  readonly facts: DebFacts | null;
  readonly result: PackageResult;
}

export interface StageOutcome {
  /**
   * `staged`: all are in their stores. `refused`: nothing was changed; `problems` and the packages' own say why.
   * `incomplete`: at least one could not be stored; the same call again goes on from there.
   */
  readonly kind: 'staged' | 'refused' | 'incomplete';
  readonly version: string;
  /** In the order of the request. */
  readonly packages: readonly StagedPackage[];
  /** Problems of the request itself, which no single package has. */
  readonly problems: readonly StageProblem[];
  /** Environments of the line that lack the version, or an architecture of it; empty when refused. */
  readonly gaps: readonly StageGap[];
  /** Worth a look, but no reason to refuse. */
  readonly notes: readonly StageProblem[];
}

/** A package that was read, with the environment that it is for. */
export interface ReadPackage extends PackageToStage {
  readonly target: StageEnvironment;
  readonly facts: DebFacts;
}

export async function stage(context: StageContext, request: StageRequest): Promise<StageOutcome> {
  const { version } = request;
  const problems = checkRequest(context.line, request);
  if (problems.length > 0 || !parseVersion(version).ok) {
    const packages = request.packages.map((each) => ({
      ...each,
      facts: null,
      result: { kind: 'held-back' } as const,
    }));
    return { kind: 'refused', version, packages, problems, gaps: [], notes: [] };
  }
  const checked = await checkAll(context, request);
  const good = checked.flatMap(({ read, problems: found }) =>
    read !== null && found.length === 0 ? [read] : [],
  );
  const notes = sameFileNotes(good);
  if (good.length < checked.length) {
    const packages = checked.map(({ given, read, problems: found }): StagedPackage => {
      const result: PackageResult =
        found.length > 0 ? { kind: 'refused', problems: found } : { kind: 'held-back' };
      return { ...given, facts: read?.facts ?? null, result };
    });
    return { kind: 'refused', version, packages, problems: [], gaps: [], notes };
  }
  const packages: StagedPackage[] = [];
  for (const read of good) {
    const { environment, file, facts } = read;
    packages.push({ environment, file, facts, result: await publish(context, version, read) });
  }
  const kind = packages.some(({ result }) => result.kind === 'failed') ? 'incomplete' : 'staged';
  return { kind, version, packages, problems: [], gaps: await findGaps(context.line, version), notes };
}

interface CheckedPackage {
  readonly given: PackageToStage;
  readonly read: ReadPackage | null;
  readonly problems: readonly StageProblem[];
}

/** Reads and checks everything; one file's problem does not hide another's. */
async function checkAll(context: StageContext, request: StageRequest): Promise<readonly CheckedPackage[]> {
  const alone: CheckedPackage[] = [];
  for (const given of request.packages) {
    const target = context.line.find(({ name }) => name === given.environment);
    if (target === undefined) throw new Error(`bug: ${given.environment} passed the check of the request`);
    const facts = await context.reader.read(given.file, target.agent.executable);
    if (facts.ok) {
      const read = { ...given, target, facts: facts.value };
      const published = await target.store.list();
      const problems = published.ok
        ? checkPackage(read, request, published.value)
        : [{ code: 'store-unavailable', message: `${target.name}: ${published.error.message}` }];
      alone.push({ given, read, problems });
    } else {
      const { kind, message } = facts.error;
      alone.push({
        given,
        read: null,
        problems: [{ code: kind, message: `${given.environment}: ${message}` }],
      });
    }
  }
  const reads = alone.flatMap(({ read }) => (read === null ? [] : [read]));
  return alone.map((each) => {
    const others = each.read === null ? [] : checkAgainstOthers(each.read, reads, request);
    return { ...each, problems: [...each.problems, ...others] };
  });
}

async function publish(context: StageContext, version: string, read: ReadPackage): Promise<PackageResult> {
  const { facts, target, file } = read;
  const { clock, actor, reader } = context;
  const answer = await target.store.publish(
    {
      environment: target.name,
      version,
      architecture: facts.control.architecture,
      ...facts,
      originalFileName: file.slice(file.lastIndexOf('/') + 1),
      stagedAt: clock.now(),
      stagedBy: `${actor.user}@${actor.hostname}`,
    },
    () => reader.open(file),
  );
  return answer.ok ? answer.value : { kind: 'failed', error: answer.error };
}
