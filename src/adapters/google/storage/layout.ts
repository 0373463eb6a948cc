/**
 * Where packages lie below the folder of a bucket that others may use too:
 *
 *   packages/VERSION/ARCHITECTURE/SHA256.deb   the bytes
 *   packages/VERSION/ARCHITECTURE.json         the manifest
 *
 * Everything else is somebody else's, and is passed over.
 */
import type { Artifact } from '../../../domain/artifact.ts';
import { isPlainName } from '../../../domain/artifact-manifest.ts';
import { parseVersion } from '../../../domain/version.ts';

export const PACKAGES = 'packages/';

type Named = Pick<Artifact, 'version' | 'architecture' | 'sha256'>;

export function bytesName({ version, architecture, sha256 }: Named): string {
  return `${PACKAGES}${version}/${architecture}/${sha256}.deb`;
}

export function manifestName({ version, architecture }: Named): string {
  return `${PACKAGES}${version}/${architecture}.json`;
}

export function isManifestName(name: string): boolean {
  const [, version, architecture] = /^packages\/([^/]+)\/([^/]+)\.json$/.exec(name) ?? [];
  return (
    version !== undefined &&
    architecture !== undefined &&
    parseVersion(version).ok &&
    isPlainName(architecture)
  );
}

/** Only texts that cannot lead out of the folder become parts of a name; null when all is well. */
export function unfitName({ version, architecture, sha256 }: Named): string | null {
  const parsed = parseVersion(version);
  if (!parsed.ok) return parsed.error.message;
  if (version.includes('/')) return `${JSON.stringify(version)} cannot be part of a name`;
  if (!isPlainName(architecture)) return `${JSON.stringify(architecture)} is no architecture`;
  return /^[0-9a-f]{64}$/.test(sha256) ? null : `${JSON.stringify(sha256)} is no sha256`;
}
