/**
 * Whether the very file that is staged for one environment is staged for another. Each has a build of its own where the vendor makes one
 * for each, and then it is the wrong file; others have one build for all. Only a person knows which: it is said, and hinders nothing.
 */
import type { Architecture, Artifact, Sha256 } from '../domain/artifact.ts';
import type { ArtifactStore } from '../ports/artifact-store.ts';

/** A package that is to run, or to be staged, in an environment. */
export interface OneFile {
  readonly environment: string;
  readonly version: string;
  readonly architecture: Architecture;
  readonly sha256: Sha256;
}

export interface Elsewhere {
  readonly name: string;
  readonly store: Pick<ArtifactStore, 'list'>;
}

/** A note for each file and other environment that has it; `others` may hold the file's own. A store that cannot be read tells of nothing. */
export async function sameFileElsewhere(
  files: readonly OneFile[],
  others: readonly Elsewhere[],
): Promise<{ readonly code: 'same-file'; readonly message: string }[]> {
  const asked = others.filter(({ name }) => files.some(({ environment }) => environment !== name));
  const lists = await Promise.all(
    asked.map(async ({ name, store }): Promise<readonly [string, readonly Artifact[]]> => {
      const listed = await store.list();
      return [name, listed.ok ? listed.value : []];
    }),
  );
  return files.flatMap((file) =>
    lists.flatMap(([name, staged]) => {
      const twin = staged.find(({ sha256 }) => sha256 === file.sha256);
      if (twin === undefined || name === file.environment) return [];
      const { environment, version, architecture, sha256 } = file;
      const as = twin.version === version ? '' : ` as ${twin.version}`;
      const message = `the package of ${version} (${architecture}) for ${environment} is the very file that is staged for ${name}${as} (sha256 ${sha256}): right only if the two are meant to share it`;
      return [{ code: 'same-file' as const, message }];
    }),
  );
}
