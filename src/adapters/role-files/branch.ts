/**
 * A file as a branch of its repository has it, and a commit there, by git's plumbing: neither the working tree nor the index nor HEAD of
 * any checkout is touched.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { err, ok, type Result } from '../../domain/result.ts';
import { type GitCall, type GitEnv, git, gitEnvironment } from './git.ts';

/** What a branch has under a file's name, and where that is in the repository. */
export interface BranchFile {
  readonly folder: string;
  /** From the top of the repository. */
  readonly path: string;
  /** `100644` or `100755`. */
  readonly mode: string;
  readonly content: Buffer;
  readonly ref: string;
  /** Commit to build on: the branch's, or HEAD's where the branch is not there or wholly in HEAD. */
  readonly parent: string;
  /** Commit that the branch has now; null: it is not there yet. */
  readonly tip: string | null;
}

/** The file of `branch`, which is made from HEAD where it is not there or merged already. Changes nothing. */
export async function readBranchFile(
  file: string,
  branch: string,
  callersEnv: GitEnv,
): Promise<Result<BranchFile, string>> {
  const folder = dirname(file);
  const env = gitEnvironment(callersEnv);
  const ask = async (...args: string[]): Promise<Result<string, string>> => {
    const answer = await git({ cwd: folder, args, env });
    return answer.ok ? ok(answer.value.toString('utf8').replace(/\n$/, '')) : err(answer.error.message);
  };
  const inside = await ask('rev-parse', '--show-prefix');
  if (!inside.ok)
    return err(
      `it is in no git checkout that could be committed to (${inside.error}); without \`branch\` the file alone is changed`,
    );
  const ref = `refs/heads/${branch}`;
  const isName = branch !== 'HEAD' && !branch.startsWith('-') && (await ask('check-ref-format', ref)).ok;
  if (!isName) return err(`${JSON.stringify(branch)} is no name that git takes for a branch`);
  const leads = await ask('symbolic-ref', '--quiet', ref);
  if (leads.ok)
    return err(`the branch ${branch} is only another name of ${leads.value}; name a branch of its own`);
  const held = await checkedOutAt(ref, ask);
  if (!held.ok) return held;
  if (held.value !== null)
    return err(
      `the branch ${branch} is checked out in ${held.value}, where it would change under somebody's hands; name another branch, or leave \`branch\` out`,
    );
  const tip = await ask('rev-parse', '--verify', '--quiet', `${ref}^{commit}`);
  const now = await ask('rev-parse', '--verify', '--quiet', 'HEAD^{commit}');
  const isMerged = tip.ok && now.ok && (await ask('merge-base', '--is-ancestor', tip.value, now.value)).ok;
  // A branch that HEAD has already, of a stop long ago, goes on from HEAD: its own file is of that time.
  const head = tip.ok && !isMerged ? tip : now;
  if (!head.ok) return err('its repository has no commit yet that a branch could begin with');
  const path = `${inside.value}${basename(file)}`;
  const from = tip.ok && !isMerged ? `the branch ${branch}` : 'HEAD';
  const entry = await ask('ls-tree', '-z', '--full-tree', head.value, '--', path);
  if (!entry.ok) return err(`git cannot list ${from}: ${entry.error}`);
  const [, mode = '', oid = ''] = /^(\d{6}) blob ([0-9a-f]+)\t/.exec(entry.value) ?? [];
  if (entry.value === '') return err(`${from} has no ${path}: it was never committed there`);
  if (mode !== '100644' && mode !== '100755') return err(`in ${from} ${path} is no regular file`);
  const content = await git({ cwd: folder, args: ['cat-file', 'blob', oid], env });
  if (!content.ok) return err(`git cannot read ${path} of ${from}: ${content.error.message}`);
  return ok({
    folder,
    path,
    mode,
    content: content.value,
    ref,
    parent: head.value,
    tip: tip.ok ? tip.value : null,
  });
}

async function checkedOutAt(
  ref: string,
  ask: (...args: string[]) => Promise<Result<string, string>>,
): Promise<Result<string | null, string>> {
  const list = await ask('worktree', 'list', '--porcelain');
  if (!list.ok) return err(`git cannot list its checkouts: ${list.error}`);
  const holder = list.value.split('\n\n').find((one) => one.split('\n').includes(`branch ${ref}`));
  return ok(holder === undefined ? null : (/^worktree (.*)$/m.exec(holder)?.[1] ?? 'another place'));
}

export type CommitFailure =
  /** Somebody else has moved the branch meanwhile. */
  { readonly kind: 'moved' } | { readonly kind: 'failed'; readonly message: string };

/** Puts `content` under the file's name as one commit more on the branch, and answers with the commit's id. */
export async function commitToBranch(
  base: BranchFile,
  content: string,
  message: string,
  callersEnv: GitEnv,
): Promise<Result<string, CommitFailure>> {
  const scratch = await mkdtemp(join(tmpdir(), 'rollout-index-'));
  try {
    const env = gitEnvironment(callersEnv, {
      ...(await identity(base.folder, callersEnv)),
      GIT_INDEX_FILE: join(scratch, 'index'),
    });
    const run = async (args: readonly string[], input?: string): Promise<string> => {
      const call: GitCall = { cwd: base.folder, args, env, ...(input === undefined ? {} : { input }) };
      const answer = await git(call);
      if (answer.ok) return answer.value.toString('utf8').trim();
      throw new GitRefused(`git ${args[0] ?? ''} failed: ${answer.error.message}`);
    };
    // No filters: what is edited is what the repository has, not what a checkout makes of it.
    const blob = await run(['hash-object', '-w', '--stdin'], content);
    await run(['read-tree', base.parent]);
    await run(['update-index', '--cacheinfo', `${base.mode},${blob},${base.path}`]);
    // The parent has the rest, whether its objects are here or, in a partial clone, elsewhere.
    const tree = await run(['write-tree', '--missing-ok']);
    const commit = await run(['commit-tree', tree, '-p', base.parent, '-F', '-'], message);
    const none = '0'.repeat(commit.length);
    const subject = message.split('\n', 1)[0] ?? '';
    const update = ['update-ref', '-m', `rollout: ${subject}`, base.ref, commit, base.tip ?? none];
    const moved = await git({ cwd: base.folder, args: update, env });
    if (moved.ok) return ok(commit);
    if (/cannot lock ref .*(is at|already exists|expected|\.lock': File exists)/.test(moved.error.message))
      return err({ kind: 'moved' });
    return err({ kind: 'failed', message: `git update-ref failed: ${moved.error.message}` });
  } catch (cause) {
    if (cause instanceof GitRefused) return err({ kind: 'failed', message: cause.message });
    throw cause;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

class GitRefused extends Error {}

/** Who commits: as git itself would say, else the program in its own name. */
async function identity(folder: string, callersEnv: GitEnv): Promise<GitEnv> {
  const env = gitEnvironment(callersEnv);
  const configured = async (key: string): Promise<string> => {
    const answer = await git({ cwd: folder, args: ['config', '--get', key], env });
    return answer.ok ? answer.value.toString('utf8').trim() : '';
  };
  const name = (await configured('user.name')) || 'rollout';
  const email = (await configured('user.email')) || 'rollout@localhost';
  const all = {
    GIT_AUTHOR_NAME: name,
    GIT_AUTHOR_EMAIL: email,
    GIT_COMMITTER_NAME: name,
    GIT_COMMITTER_EMAIL: email,
  };
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [key, callersEnv[key] || value]));
}
