/**
 * The artifact store in a folder of this machine, or of a file share that has hard links.
 *
 *   ROOT/VERSION/ARCHITECTURE/SHA256.deb   the bytes, read-only
 *   ROOT/VERSION/ARCHITECTURE.json         the manifest
 *   ROOT/.incoming/                        files that are being written
 *
 * L1  A name appears by link(2) from a finished, synced file, never by writing in place: nobody sees half a file, and of two that
 *     publish at once exactly one creates the manifest.
 * L2  Bytes before manifest: a manifest's file is always there. Bytes without manifest were never published.
 * L3  Nothing published is changed or removed. Only leftovers in `.incoming` are.
 */

import { createReadStream } from 'node:fs';
import { link, readdir, readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Artifact } from '../../domain/artifact.ts';
import { decodeManifest, encodeManifest, isPlainName } from '../../domain/artifact-manifest.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { parseVersion } from '../../domain/version.ts';
import type { ArtifactStore, StoreError } from '../../ports/artifact-store.ts';
import { codeOf, storeFailure } from './failure.ts';
import { digestFile, makeFolder, syncFolder, withIncoming } from './files.ts';

type Published = { readonly kind: 'published' | 'already-there'; readonly artifact: Artifact };

export interface LocalStoreOptions {
  /** Absolute; need not exist yet. */
  readonly folder: string;
  /** The environment whose packages these are; the packages of another one are refused. */
  readonly environment: string;
}

/** The store of one environment. Nothing is touched until it is used. */
export function createLocalStore(options: LocalStoreOptions): ArtifactStore {
  const root = options.folder;
  return {
    publish: (artifact, open) =>
      guarded(root, 'publish to', () => publish(options, { ...artifact, generation: 'local' }, open)),
    list: () => guarded(root, 'list', () => list(options)),
    verify: (artifact) => guarded(root, 'read', () => verify(options, artifact)),
    sourceOf: (artifact) => ({
      kind: 'bytes',
      sha256: artifact.sha256,
      size: artifact.size,
      open: () => createReadStream(blobPath(root, artifact)),
    }),
  };
}

function blobPath(root: string, { version, architecture, sha256 }: Artifact): string {
  return join(root, version, architecture, `${sha256}.deb`);
}

function manifestPath(root: string, { version, architecture }: Artifact): string {
  return join(root, version, `${architecture}.json`);
}

/** Turns what the file system throws into a StoreError; anything else is a bug and goes on. */
async function guarded<T>(
  root: string,
  verb: string,
  work: () => Promise<Result<T, StoreError>>,
): Promise<Result<T, StoreError>> {
  try {
    return await work();
  } catch (cause) {
    if (codeOf(cause) === undefined) throw cause;
    return err(storeFailure(root, verb, cause));
  }
}

async function publish(
  options: LocalStoreOptions,
  artifact: Artifact,
  open: () => AsyncIterable<Uint8Array>,
): Promise<Result<Published, StoreError>> {
  const root = options.folder;
  const unfit = unfitName(artifact);
  if (unfit !== null) return err({ kind: 'unavailable', retryable: false, message: `${root}: ${unfit}` });
  if (artifact.environment !== options.environment) return err(foreign(options, artifact.environment));
  const before = await readManifest(options, manifestPath(root, artifact));
  if (!before.ok) return before;
  if (before.value !== null) {
    const settled = settle(before.value, artifact);
    if (!settled.ok) return settled;
    const found = await digestFile(blobPath(root, artifact));
    // A file that somebody removed is put back below: its name says what it must hold.
    if (found !== null) return same(found, artifact) ? settled : err(altered(root, artifact, found));
  }
  return withIncoming(root, async (incoming) => {
    const written = await incoming.write(open());
    if (!written.ok) return written;
    if (!same(written.value, artifact)) {
      return err({
        kind: 'altered',
        message:
          `${artifact.originalFileName} changed while it was being stored: it was read as ${artifact.sha256} ` +
          `(${artifact.size} bytes), now it is ${written.value.sha256} (${written.value.size} bytes); stage it again`,
      });
    }
    await makeFolder(join(root, artifact.version, artifact.architecture));
    await placeBytes(incoming.path, blobPath(root, artifact), artifact);
    if (before.value !== null) return ok({ kind: 'already-there', artifact: before.value });
    return createManifest(options, artifact);
  });
}

/** Only texts that cannot lead out of the folder become parts of a path. */
function unfitName(artifact: Artifact): string | null {
  const version = parseVersion(artifact.version);
  if (!version.ok) return version.error.message;
  if (!isPlainName(artifact.architecture))
    return `${JSON.stringify(artifact.architecture)} is no architecture`;
  return /^[0-9a-f]{64}$/.test(artifact.sha256) ? null : `${JSON.stringify(artifact.sha256)} is no sha256`;
}

function foreign({ folder, environment }: LocalStoreOptions, found: string): StoreError {
  return {
    kind: 'unavailable',
    retryable: false,
    message:
      `the artifact store ${folder} is that of ${environment}, but this is a package of ${found}; ` +
      `give each environment its own artifacts path`,
  };
}

/** What a manifest that is there means for an artifact that is to be published. */
function settle(existing: Artifact, artifact: Artifact): Result<Published, StoreError> {
  const what = `${artifact.version} for ${artifact.architecture}`;
  if (existing.sha256 === artifact.sha256) return ok({ kind: 'already-there', artifact: existing });
  return err({
    kind: 'conflict',
    existing,
    message:
      `${artifact.environment} already has ${what} with sha256 ${existing.sha256} (staged by ${existing.stagedBy}); ` +
      `${artifact.originalFileName} has ${artifact.sha256}; a published version never changes: give the new package another version`,
  });
}

function same(found: { readonly sha256: string; readonly size: number }, artifact: Artifact): boolean {
  return found.sha256 === artifact.sha256 && found.size === artifact.size;
}

function altered(
  root: string,
  artifact: Artifact,
  found: { readonly sha256: string; readonly size: number },
): StoreError {
  return {
    kind: 'altered',
    message:
      `${blobPath(root, artifact)} is not what was published: expected sha256 ${artifact.sha256} (${artifact.size} bytes), ` +
      `found ${found.sha256} (${found.size} bytes); find out who changed it, then move it away and stage ${artifact.version} again`,
  };
}

/** Gives the bytes their name (L1). What lies there without a manifest is a leftover, and worthless unless it is the same. */
async function placeBytes(from: string, to: string, artifact: Artifact): Promise<void> {
  try {
    await link(from, to);
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause;
    const found = await digestFile(to);
    if (found === null || !same(found, artifact)) await rename(from, to);
  }
  await syncFolder(join(to, '..'));
}

/** The moment of publishing (L1): who creates the manifest has published, who finds one has not. */
async function createManifest(
  options: LocalStoreOptions,
  artifact: Artifact,
): Promise<Result<Published, StoreError>> {
  const path = manifestPath(options.folder, artifact);
  return withIncoming(options.folder, async (incoming) => {
    const text = Buffer.from(encodeManifest(artifact));
    const written = await incoming.write([text]);
    if (!written.ok) return written;
    try {
      await link(incoming.path, path);
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
      const winner = await readManifest(options, path);
      if (!winner.ok) return winner;
      if (winner.value !== null) return settle(winner.value, artifact);
      throw cause;
    }
    await syncFolder(join(path, '..'));
    return ok({ kind: 'published', artifact });
  });
}

/** null when there is none. */
async function readManifest(
  options: LocalStoreOptions,
  path: string,
): Promise<Result<Artifact | null, StoreError>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return ok(null);
    throw cause;
  }
  const unreadable = (why: string): Result<never, StoreError> =>
    err({
      kind: 'altered',
      message: `${path} is no manifest that this program wrote: ${why}; restore it from a backup`,
    });
  const decoded = decodeManifest(text);
  if (!decoded.ok) return unreadable(decoded.error);
  const { version, architecture, environment } = decoded.value;
  if (environment !== options.environment) return err(foreign(options, environment));
  const place = join(version, `${architecture}.json`);
  if (!path.endsWith(`/${place}`)) return unreadable(`it belongs to ${place}`);
  return ok(decoded.value);
}

async function list(options: LocalStoreOptions): Promise<Result<readonly Artifact[], StoreError>> {
  const root = options.folder;
  const artifacts: Artifact[] = [];
  for (const version of await namesIn(root)) {
    if (!parseVersion(version).ok) continue;
    for (const name of await namesIn(join(root, version))) {
      if (!name.endsWith('.json') || !isPlainName(basename(name, '.json'))) continue;
      const manifest = await readManifest(options, join(root, version, name));
      if (!manifest.ok) return manifest;
      if (manifest.value !== null) artifacts.push(manifest.value);
    }
  }
  return ok(artifacts);
}

/** Sorted; a folder that is not there has none, and a stray file beside the versions is passed over. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return [];
    throw cause;
  }
}

async function verify(options: LocalStoreOptions, artifact: Artifact): Promise<Result<void, StoreError>> {
  const root = options.folder;
  const unfit = unfitName(artifact);
  if (unfit !== null) return err({ kind: 'not-found', message: `${root}: ${unfit}` });
  const manifest = await readManifest(options, manifestPath(root, artifact));
  if (!manifest.ok) return manifest;
  const what = `${artifact.version} for ${artifact.architecture}`;
  if (manifest.value === null) {
    return err({
      kind: 'not-found',
      message: `${root} has no ${what}; stage it, or check the artifacts path`,
    });
  }
  if (manifest.value.sha256 !== artifact.sha256) {
    return err({
      kind: 'altered',
      message: `${root}: ${what} is published as ${manifest.value.sha256}, expected ${artifact.sha256}`,
    });
  }
  const found = await digestFile(blobPath(root, artifact));
  if (found === null) {
    return err({
      kind: 'not-found',
      message: `${blobPath(root, artifact)} is gone, though its manifest is there; stage the same file again to put it back`,
    });
  }
  return same(found, artifact) ? ok(undefined) : err(altered(root, artifact, found));
}
