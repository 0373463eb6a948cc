/**
 * Puts new configuration files in place: checked first, all of it or nothing of it.
 *
 * WF1  No file that exists is ever changed, also not one that came while we worked. WF2  What is put in place was read by the very
 * loader that every command uses, beside what is there already. WF3  Whatever goes wrong, nothing of ours stays behind.
 */
import { chmod, cp, link, mkdir, mkdtemp, rm, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { type ConfigPlaces, type LoadedConfig, loadConfig } from '../../config/load.ts';
import type { Problem } from '../../config/problem.ts';
import { err, ok, type Result } from '../../domain/result.ts';

export interface NewFile {
  /** Below the configuration's folder, such as `environments/gstg.yaml`. */
  readonly path: string;
  readonly text: string;
}

export type WriteError =
  /** These are there already. */
  | { readonly kind: 'exists'; readonly files: readonly string[] }
  | { readonly kind: 'wrong'; readonly problems: readonly Problem[] }
  | { readonly kind: 'unwritable'; readonly message: string }
  | { readonly kind: 'interrupted' };

export interface WriteOptions {
  readonly dir: string;
  readonly files: readonly NewFile[];
  /** `dir` and the own playbooks are taken from `dir`. */
  readonly places: Pick<ConfigPlaces, 'stateDir' | 'homeDir'> & { readonly shippedPlaybooks: string };
  readonly signal: AbortSignal;
  /** Asked with what was loaded, before anything is put in place; a sentence each of what speaks against it. */
  readonly object?: (loaded: LoadedConfig) => readonly string[];
}

/** Absolute paths of what was written. */
export async function writeFiles(options: WriteOptions): Promise<Result<readonly string[], WriteError>> {
  const { dir, files, signal } = options;
  const there = await existing(files.map(({ path }) => join(dir, path)));
  if (there.length > 0) return err({ kind: 'exists', files: there });
  const made = await missingFolders(join(dir, 'environments'));
  let draft: string | null = null;
  let done = false;
  try {
    await mkdir(dir, { recursive: true });
    draft = await mkdtemp(join(dir, '.rollout-init-'));
    await writeDraft(draft, options);
    const wrong = await checkDraft(draft, options);
    if (wrong !== null) return err(wrong);
    if (signal.aborted) return err({ kind: 'interrupted' });
    const placed = await placeAll(draft, options);
    done = placed.ok;
    return placed;
  } catch (cause) {
    return err({ kind: 'unwritable', message: cause instanceof Error ? cause.message : String(cause) });
  } finally {
    if (draft !== null) await rm(draft, { recursive: true, force: true });
    // WF3. A folder that somebody else put something into is not empty, and stays.
    if (!done) for (const folder of made) await rmdir(folder).catch(() => undefined);
  }
}

/** Folders on the way to `folder` that are not there, the deepest first. */
async function missingFolders(folder: string): Promise<string[]> {
  const missing: string[] = [];
  for (let at = folder; at !== dirname(at) && (await stat(at).catch(() => null)) === null; at = dirname(at))
    missing.push(at);
  return missing;
}

async function existing(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    paths.map(async (path) => ((await stat(path).catch(() => null)) === null ? [] : [path])),
  );
  return found.flat();
}

/** With what is there already beside it: promotions and hosts are judged over all files. */
async function writeDraft(draft: string, { dir, files }: WriteOptions): Promise<void> {
  for (const folder of ['environments', 'playbooks']) {
    const from = join(dir, folder);
    if ((await stat(from).catch(() => null)) !== null)
      await cp(from, join(draft, folder), { recursive: true });
    else await mkdir(join(draft, folder));
  }
  for (const { path, text } of files) {
    await writeFile(join(draft, path), text, { flag: 'wx' });
    await chmod(join(draft, path), 0o644);
  }
}

/** WF2. */
async function checkDraft(draft: string, options: WriteOptions): Promise<WriteError | null> {
  const { dir, files, places } = options;
  const { stateDir, homeDir, shippedPlaybooks } = places;
  const load = (folder: string): Promise<LoadedConfig> =>
    loadConfig({
      dir: folder,
      playbookDirs: [shippedPlaybooks, join(folder, 'playbooks')],
      stateDir,
      homeDir,
    });
  const [before, after] = await Promise.all([load(dir), load(draft)]);
  const own = new Set(files.map(({ path }) => join(draft, path)));
  const problems = [...after.environments.values()].flatMap((one) => {
    if (own.has(one.file)) return one.kind === 'ready' ? [] : one.problems;
    return one.kind === 'invalid' && before.environments.get(one.name)?.kind === 'ready' ? one.problems : [];
  });
  if (problems.length > 0) {
    const shown = problems.map((one) => ({ ...one, file: join(dir, relative(draft, one.file)) }));
    return { kind: 'wrong', problems: shown };
  }
  const against = options.object?.(after) ?? [];
  return against.length === 0 ? null : { kind: 'unwritable', message: against.join('; ') };
}

/** WF1: a link is made only where nothing is. */
async function placeAll(
  draft: string,
  { dir, files }: WriteOptions,
): Promise<Result<readonly string[], WriteError>> {
  const placed: string[] = [];
  for (const { path } of files) {
    const target = join(dir, path);
    try {
      await mkdir(dirname(target), { recursive: true });
      await link(join(draft, path), target);
      placed.push(target);
    } catch (cause) {
      for (const file of placed) await unlink(file).catch(() => undefined);
      const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
      return err(
        exists
          ? { kind: 'exists', files: [target] }
          : { kind: 'unwritable', message: (cause as Error).message },
      );
    }
  }
  return ok(placed);
}
