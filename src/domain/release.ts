/** Releases out of the artifacts that a store lists. */
import type { Architecture, Artifact, Release } from './artifact.ts';
import { compareVersions } from './version.ts';

/** One environment's artifacts as releases, the newest version first; two spellings of one version stay two releases. */
export function listReleases(artifacts: readonly Artifact[]): readonly Release[] {
  const byVersion = new Map<string, Record<Architecture, Artifact>>();
  for (const artifact of artifacts) {
    const release = byVersion.get(artifact.version) ?? {};
    release[artifact.architecture] = artifact;
    byVersion.set(artifact.version, release);
  }
  return [...byVersion]
    .map(([version, found]) => ({ version, artifacts: found }))
    .sort((a, b) => compareVersions(b.version, a.version) || (a.version < b.version ? 1 : -1));
}
