/** The words of staging: what it is asked, what it answers. */
import type { Architecture, Artifact, DebFacts } from '../domain/artifact.ts';
import type { Actor } from '../domain/journal.ts';
import type { ArtifactStore, StoreError } from '../ports/artifact-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { PackageReader } from '../ports/package-reader.ts';

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
  /** Told as a package goes to its store: first that it begins, then of what is stored so far, by stores that tell. */
  readonly onProgress?: (progress: StageProgress) => void;
}

export interface StageProgress extends PackageToStage {
  /** Bytes, of `size`. */
  readonly stored: number;
  readonly size: number;
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

export interface StageGap {
  readonly environment: string;
  readonly why: /** No package of the version. */
    | { readonly kind: 'nothing' }
    /** Others of the line have packages for these architectures, this one has not. */
    | { readonly kind: 'architectures'; readonly missing: readonly Architecture[] }
    /** Its store does not answer: it may or may not have the version. */
    | { readonly kind: 'unknown' };
  /** One sentence, with what to type. */
  readonly message: string;
}
