/**
 * Git as a program, word by word and never through a shell. It runs no hook, asks for nothing and nobody, and does not see what the
 * caller's own environment says of repositories: a commit from inside another repository's hook must not land there. What a checkout's
 * own settings name (filters, monitors, transports) is not run: only plumbing is used that does not ask for it.
 */
import { execFile } from 'node:child_process';
import { delimiter, isAbsolute } from 'node:path';
import { err, ok, type Result } from '../../domain/result.ts';

export type GitEnv = Readonly<Record<string, string | undefined>>;

export interface GitCall {
  readonly cwd: string;
  readonly args: readonly string[];
  readonly env: GitEnv;
  /** Standard input. */
  readonly input?: Buffer | string;
}

export interface GitFailure {
  /** `not-there`: no git, or no such folder. `refused`: git ended with an error. */
  readonly kind: 'not-there' | 'refused';
  /** What git said, its last line. */
  readonly message: string;
}

/** A repository on a network disk that hangs must not keep an emergency waiting. */
const TIMEOUT_MS = 30_000;

const SETTINGS = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.splitIndex=false',
  'core.quotePath=false',
  'gc.auto=0',
  'i18n.commitEncoding=UTF-8',
].flatMap((one) => ['-c', one]);

/** Of `GIT_*` only who commits, which CI systems say so. */
const KEPT = /^GIT_(AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)$/;

export function gitEnvironment(env: GitEnv, more: GitEnv = {}): GitEnv {
  const kept = Object.entries(env).filter(([key]) => !key.startsWith('GIT_') || KEPT.test(key));
  return {
    ...Object.fromEntries(kept),
    PATH: absoluteOnly(env['PATH'] ?? ''),
    LC_ALL: 'C',
    // An object that a partial clone lacks is not fetched: no transport is called `none`. Newer versions have a word for it.
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_NO_LAZY_FETCH: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_OPTIONAL_LOCKS: '0',
    ...more,
  };
}

/** Git is run inside the checkout, where a relative folder of PATH would be the checkout's own. */
function absoluteOnly(path: string): string {
  return path
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .join(delimiter);
}

/** What git wrote to standard output. */
export function git({ cwd, args, env, input }: GitCall): Promise<Result<Buffer, GitFailure>> {
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      [...SETTINGS, ...args],
      {
        cwd,
        env: { ...env },
        encoding: 'buffer',
        timeout: TIMEOUT_MS,
        maxBuffer: 16 << 20,
        windowsHide: true,
      },
      (error, stdout, stderr) => {
        if (error === null) return resolve(ok(stdout));
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
          return resolve(err({ kind: 'not-there', message: 'there is no `git` here, or no such folder' }));
        const said = stderr.toString('utf8').trim().split('\n');
        const message =
          error.killed === true
            ? `no answer in ${TIMEOUT_MS / 1000} s`
            : (said.find((line) => line !== '') ?? error.message);
        resolve(err({ kind: 'refused', message: message.replaceAll(/\p{Cc}/gu, ' ').trim() }));
      },
    );
    // A git that ended before it read everything says itself why.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input ?? '');
  });
}
