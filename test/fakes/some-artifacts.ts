/** Artifacts for tests that do not care what is in them: bytes and digest fit each other. */
import { createHash } from 'node:crypto';
import type { Artifact } from '../../src/domain/artifact.ts';

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
}

/** The artifact whose file holds `text`. */
export function artifactOf(text: string, more: Partial<Artifact> = {}): Artifact {
  const version = more.version ?? '5.10.2';
  const architecture = more.architecture ?? 'amd64';
  const digest = (of: string): string => createHash('sha256').update(of).digest('hex');
  return {
    environment: 'gstg',
    version,
    architecture,
    sha256: digest(text),
    size: bytesOf(text).length,
    generation: 'local',
    control: { package: 'osquery', version: `${version}-1.linux`, architecture },
    executable: { path: '/opt/osquery/bin/osqueryd', sha256: digest(`daemon of ${text}`), size: 1000 },
    originalFileName: 'osquery.deb',
    stagedAt: 1_700_000_000_000,
    stagedBy: 'anna@laptop',
    ...more,
  };
}

/** Opens `text` in two parts. */
export function openerOf(text: string): () => AsyncIterable<Uint8Array> {
  return async function* () {
    const bytes = bytesOf(text);
    yield bytes.subarray(0, 3);
    yield bytes.subarray(3);
  };
}
