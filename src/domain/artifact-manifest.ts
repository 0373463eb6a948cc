/**
 * The manifest of a stored artifact, as text: its creation is the moment of publishing, in every kind of store.
 *
 * M1  A text of an unknown schema, or with a field missing or of another type, is refused, never guessed at.
 */
import type { Artifact } from './artifact.ts';
import { err, ok, type Result } from './result.ts';
import { parseVersion } from './version.ts';

const MANIFEST_SCHEMA = 1;

/** JSON, indented for people, ended by a newline. */
export function encodeManifest(artifact: Artifact): string {
  return `${JSON.stringify({ schema: MANIFEST_SCHEMA, artifact }, null, 2)}\n`;
}

/** Whether a text may be used as part of a path in a store: an architecture, or an environment's name. */
export function isPlainName(text: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,63}$/.test(text);
}

/** Reads a manifest; the error says what is wrong with it, without naming the file. */
export function decodeManifest(text: string): Result<Artifact, string> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return err(text.trim() === '' ? 'it is empty' : 'it is not JSON');
  }
  const manifest = fieldsOf(json);
  if (manifest.schema !== MANIFEST_SCHEMA) {
    return err(
      `its schema is ${JSON.stringify(manifest.schema) ?? 'missing'}, this program knows ${MANIFEST_SCHEMA}`,
    );
  }
  const artifact = fieldsOf(manifest.artifact);
  const control = fieldsOf(artifact.control);
  const executable = fieldsOf(artifact.executable);
  const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
  const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
  const isDigest = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
  const isVersion = (value: unknown): boolean => typeof value === 'string' && parseVersion(value).ok;
  const isName = (value: unknown): boolean => typeof value === 'string' && isPlainName(value);
  const wrong = Object.entries({
    environment: isText(artifact.environment),
    version: isVersion(artifact.version),
    architecture: isName(artifact.architecture),
    sha256: isDigest(artifact.sha256),
    size: isCount(artifact.size),
    generation: isText(artifact.generation),
    originalFileName: isText(artifact.originalFileName),
    stagedAt: isCount(artifact.stagedAt),
    stagedBy: isText(artifact.stagedBy),
    'control.package': isText(control.package),
    'control.version': isVersion(control.version),
    'control.architecture': control.architecture === artifact.architecture,
    'control.installedSizeKib': control.installedSizeKib === undefined || isCount(control.installedSizeKib),
    'executable.path': isText(executable.path) && String(executable.path).startsWith('/'),
    'executable.sha256': isDigest(executable.sha256),
    'executable.size': isCount(executable.size),
  }).flatMap(([field, good]) => (good ? [] : [field]));
  if (wrong.length > 0) return err(`missing or wrong: ${wrong.join(', ')}`);
  // Every field that the type has was checked above.
  return ok(manifest.artifact as Artifact);
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
