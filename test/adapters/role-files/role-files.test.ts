/** Role files on a disk and in real git repositories: what is written, what is left alone, and what is refused. */
import { execFileSync } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { roleFiles } from '../../../src/adapters/role-files/role-files.ts';
import type { RoleFileEdit } from '../../../src/ports/role-files.ts';

const ROLE = `{
  "name": "gprd-base",
  "default_attributes": {
    "uptycs": { "enable": true }
  }
}
`;
const STOPPED = ROLE.replace('true', 'false');

let root: string;
let file: string;
let env: Record<string, string | undefined>;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rollout-roles-'));
  file = join(root, 'chef-repo', 'roles', 'gprd base.json');
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, ROLE);
  env = { PATH: process.env.PATH, HOME: root, GIT_CONFIG_NOSYSTEM: '1' };
});
afterEach(() => rm(root, { recursive: true, force: true }));

const edit = (more: Partial<RoleFileEdit> = {}): RoleFileEdit => ({
  name: 'chef-role',
  file,
  path: ['default_attributes', 'uptycs', 'enable'],
  value: 'false',
  branch: null,
  message: 'Stop the agent on gprd\n\nCPU at 100 %',
  ...more,
});

async function planned(more: Partial<RoleFileEdit> = {}) {
  const plan = await roleFiles({ env }).plan(edit(more));
  if (!plan.ok) throw new Error(plan.error);
  return plan.value;
}

async function applied(more: Partial<RoleFileEdit> = {}) {
  const change = await roleFiles({ env }).apply(await planned(more));
  if (!change.ok) throw new Error(change.error);
  return change.value;
}

async function refused(more: Partial<RoleFileEdit> = {}): Promise<string> {
  const plan = await roleFiles({ env }).plan(edit(more));
  return plan.ok ? '' : plan.error;
}

describe('a role file', () => {
  it('is shown before it is changed, and changed in that one value', async () => {
    const plan = await planned();
    expect(plan).toMatchObject({ before: 'true' });
    expect(plan.diff).toContain('-    "uptycs": { "enable": true }\n+    "uptycs": { "enable": false }\n');
    expect(await readFile(file, 'utf8')).toBe(ROLE);
    expect(await roleFiles({ env }).apply(plan)).toEqual({
      ok: true,
      value: { name: 'chef-role', file, path: edit().path, before: 'true', after: 'false', commit: null },
    });
    expect(await readFile(file, 'utf8')).toBe(STOPPED);
    expect(await readdir(dirname(file))).toEqual(['gprd base.json']);
  });

  it('that is so already is not written', async () => {
    await writeFile(file, STOPPED);
    const before = await stat(file);
    expect((await planned()).diff).toBe('');
    expect(await applied()).toMatchObject({ before: 'false', after: 'false' });
    expect((await stat(file)).ino).toBe(before.ino);
  });

  it('gets back at a start what it had, and loses what it did not have', async () => {
    const { before } = await applied();
    await applied({ value: before });
    expect(await readFile(file, 'utf8')).toBe(ROLE);
    const path = ['default_attributes', 'uptycs', 'reason'];
    const added = await applied({ path, value: '"x"' });
    expect(added).toMatchObject({ before: null, after: '"x"' });
    expect(await applied({ path, value: added.before })).toMatchObject({ before: '"x"', after: null });
    expect(await readFile(file, 'utf8')).toBe(ROLE);
  });

  it('that was changed by somebody else since it was shown is not written, wherever the change is', async () => {
    const plan = await planned();
    const theirs = ROLE.replace('gprd-base', 'gprd-basis');
    await writeFile(file, theirs);
    const answer = await roleFiles({ env }).apply(plan);
    expect(answer).toMatchObject({ ok: false, error: expect.stringContaining('changed by somebody else') });
    expect(await readFile(file, 'utf8')).toBe(theirs);
  });

  it('that somebody else has brought to the wished value meanwhile is as wished', async () => {
    const plan = await planned();
    const theirs = STOPPED.replace('gprd-base', 'gprd-basis');
    await writeFile(file, theirs);
    expect(await roleFiles({ env }).apply(plan)).toMatchObject({
      ok: true,
      value: { before: 'false', after: 'false', commit: null },
    });
    expect(await readFile(file, 'utf8')).toBe(theirs);
  });

  it('keeps its mode, its mark at the beginning, and the link that leads to it', async () => {
    await writeFile(file, `\uFEFF${ROLE}`);
    await chmod(file, 0o640);
    const link = join(root, 'link.json');
    await symlink(file, link);
    await applied({ file: link });
    expect(await readFile(file, 'utf8')).toBe(`\uFEFF${STOPPED}`);
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
  });

  it('that cannot be used says why', async () => {
    expect(await refused({ file: `${file}x` })).toBe(`${file}x: it does not exist`);
    expect(await refused({ file: dirname(file) })).toBe(`${dirname(file)}: it is not a regular file`);
    await writeFile(file, new Uint8Array([0x7b, 0xff, 0x7d]));
    expect(await refused()).toBe(`${file}: it is not UTF-8 text`);
    await writeFile(file, '{"default_attributes": {');
    expect(await refused()).toContain(`${file}: it is not JSON`);
    await writeFile(file, Buffer.alloc((4 << 20) + 1, ' '));
    expect(await refused()).toContain('at most');
  });

  it('on a full disk stays as it was', async (context) => {
    const disk = join(root, 'disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'none', disk], { stdio: 'pipe' });
    } catch {
      return context.skip('a full disk is made with a small tmpfs, which this user may not mount');
    }
    try {
      const full = join(disk, 'role.json');
      await writeFile(full, ROLE);
      const plan = await planned({ file: full });
      await writeFile(join(disk, 'ballast'), Buffer.alloc(16_384)).catch(() => undefined);
      const answer = await roleFiles({ env }).apply(plan);
      expect(answer).toEqual({
        ok: false,
        error: `${full}: it cannot be written (ENOSPC); nothing is changed`,
      });
      expect(await readFile(full, 'utf8')).toBe(ROLE);
      expect((await readdir(disk)).sort()).toEqual(['ballast', 'role.json']);
    } finally {
      execFileSync('umount', [disk]);
    }
    return undefined;
  });
});

describe('a branch', () => {
  const BRANCH = 'rollout/gprd-stop';
  const inRepo = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: dirname(file),
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trimEnd();
  const roleAt = (commit: string): string => `${inRepo('show', `${commit}:roles/gprd base.json`)}\n`;
  const init = (): void => {
    execFileSync('git', ['init', '-q', '-b', 'main', join(root, 'chef-repo')], { env });
    inRepo('config', 'user.name', 'Ops');
    inRepo('config', 'user.email', 'ops@example.com');
    inRepo('add', '-A');
    inRepo('commit', '-q', '-m', 'roles');
  };
  beforeEach(init);

  /** Everything of a checkout that a commit beside it must leave alone. */
  const checkout = async (): Promise<unknown> => ({
    role: await readFile(file, 'utf8'),
    status: inRepo('status', '--porcelain'),
    head: inRepo('symbolic-ref', '--quiet', 'HEAD'),
    commit: inRepo('rev-parse', 'HEAD'),
    index: inRepo('ls-files', '--stage'),
  });

  it('is made from HEAD with one commit, and the checkout is left alone, dirty as it is', async () => {
    await writeFile(file, ROLE.replace('gprd-base', 'being worked on'));
    await writeFile(join(dirname(file), 'staged.json'), '{}');
    inRepo('add', 'staged.json');
    const before = await checkout();
    const change = await applied({ branch: BRANCH });
    expect(await checkout()).toEqual(before);
    expect(change).toMatchObject({ before: 'true', after: 'false', commit: { branch: BRANCH } });
    expect(change.commit?.id).toBe(inRepo('rev-parse', BRANCH));
    expect(roleAt(BRANCH)).toBe(STOPPED);
    expect(inRepo('rev-parse', `${BRANCH}^`)).toBe(inRepo('rev-parse', 'main'));
    expect(inRepo('diff', '--name-only', 'main', BRANCH)).toBe('roles/gprd base.json');
    expect(inRepo('log', '-1', '--format=%an <%ae>|%cn|%B', BRANCH)).toBe(
      'Ops <ops@example.com>|Ops|Stop the agent on gprd\n\nCPU at 100 %',
    );
    expect((await planned({ branch: BRANCH })).diff).toBe('');
    inRepo('fsck', '--strict');
  });

  it('shows a diff that git applies', async () => {
    const { diff } = await planned({ branch: BRANCH });
    execFileSync('git', ['apply', '-'], { cwd: join(root, 'chef-repo'), env, input: diff });
    expect(await readFile(file, 'utf8')).toBe(STOPPED);
  });

  it('that is there grows by one commit, with what it had', async () => {
    await applied({ branch: BRANCH, path: ['name'], value: '"other"' });
    inRepo('commit', '-q', '--allow-empty', '-m', 'main goes on');
    await applied({ branch: BRANCH });
    const stop = inRepo('rev-parse', BRANCH);
    const back = await applied({ branch: BRANCH, value: 'true' });
    expect(inRepo('rev-list', '--count', BRANCH)).toBe('4');
    expect(inRepo('rev-parse', `${back.commit?.id ?? ''}^`)).toBe(stop);
    expect(roleAt(BRANCH)).toBe(ROLE.replace('gprd-base', 'other'));
  });

  it('of a stop long ago that was merged and taken back goes on from HEAD: it has the value, and HEAD has not', async () => {
    await applied({ branch: BRANCH });
    inRepo('merge', '-q', '--no-ff', '-m', 'stop', BRANCH);
    await writeFile(file, ROLE);
    inRepo('commit', '-q', '-a', '-m', 'start');
    const again = await applied({ branch: BRANCH });
    expect(again).toMatchObject({ before: 'true', after: 'false', commit: { branch: BRANCH } });
    expect(inRepo('rev-parse', `${BRANCH}^`)).toBe(inRepo('rev-parse', 'main'));
    expect(roleAt(BRANCH)).toBe(STOPPED);
  });

  it('that has it so already gets no commit', async () => {
    await applied({ branch: BRANCH });
    const tip = inRepo('rev-parse', BRANCH);
    expect(await applied({ branch: BRANCH })).toMatchObject({ commit: null, before: 'false' });
    expect(inRepo('rev-parse', BRANCH)).toBe(tip);
  });

  it('on which the file was changed since it was shown gets no commit', async () => {
    const plan = await planned({ branch: BRANCH });
    inRepo('branch', BRANCH);
    await applied({ branch: BRANCH, path: ['name'], value: '"other"' });
    const tip = inRepo('rev-parse', BRANCH);
    expect(await roleFiles({ env }).apply(plan)).toMatchObject({
      error: expect.stringContaining('somebody else'),
    });
    expect(inRepo('rev-parse', BRANCH)).toBe(tip);
  });

  it('takes the commits of two that stop at once, one behind the other', async () => {
    await writeFile(join(dirname(file), 'other.json'), ROLE);
    inRepo('add', '-A');
    inRepo('commit', '-q', '-m', 'two roles');
    const files = [file, join(dirname(file), 'other.json')];
    const plans = await Promise.all(files.map((one) => planned({ file: one, branch: BRANCH })));
    const answers = await Promise.all(plans.map((plan) => roleFiles({ env }).apply(plan)));
    expect(answers.map((answer) => answer.ok)).toEqual([true, true]);
    expect(inRepo('rev-list', '--count', `main..${BRANCH}`)).toBe('2');
    expect(inRepo('diff', '--name-only', 'main', BRANCH).split('\n')).toHaveLength(2);
  });

  it('of the same file, by two at once, is committed once, and both are told that it is so', async () => {
    const plan = await planned({ branch: BRANCH });
    const answers = await Promise.all([1, 2].map(() => roleFiles({ env }).apply(plan)));
    expect(answers).toMatchObject([{ ok: true }, { ok: true }]);
    const ids = answers.map((answer) => (answer.ok ? (answer.value.commit?.id ?? 'none') : ''));
    expect(ids.sort()).toEqual([inRepo('rev-parse', BRANCH), 'none'].sort());
    expect(inRepo('rev-list', '--count', `main..${BRANCH}`)).toBe('1');
  });

  it('runs no hook, and asks for no signature', async () => {
    const hooks = join(root, 'chef-repo', '.git', 'hooks');
    await mkdir(hooks, { recursive: true });
    for (const hook of [
      'pre-commit',
      'commit-msg',
      'post-commit',
      'reference-transaction',
      'prepare-commit-msg',
    ]) {
      await writeFile(
        join(hooks, hook),
        `#!/bin/sh\necho ran >> ${JSON.stringify(join(root, 'hooked'))}\nexit 1\n`,
      );
      await chmod(join(hooks, hook), 0o755);
    }
    inRepo('config', 'commit.gpgSign', 'true');
    inRepo('config', 'gpg.program', '/bin/false');
    expect((await applied({ branch: BRANCH })).commit).not.toBeNull();
    expect(await readdir(root)).not.toContain('hooked');
  });

  it('runs nothing that a hostile checkout names, and asks nobody over the network', async () => {
    const ran = join(root, 'ran');
    const evil = join(root, 'evil');
    await writeFile(evil, `#!/bin/sh\necho "$0 $*" >> ${JSON.stringify(ran)}\nexit 1\n`);
    await chmod(evil, 0o755);
    const settings = {
      'core.fsmonitor': evil,
      'core.hooksPath': root,
      'core.sshCommand': evil,
      'core.gitProxy': evil,
      'core.pager': evil,
      'core.editor': evil,
      'core.alternateRefsCommand': evil,
      'core.askPass': evil,
      'credential.helper': `!${evil}`,
      'filter.evil.clean': evil,
      'filter.evil.smudge': evil,
      'filter.evil.process': evil,
      'filter.evil.required': 'true',
      'diff.evil.textconv': evil,
      'diff.external': evil,
      'merge.evil.driver': evil,
      'gpg.program': evil,
      'commit.gpgSign': 'true',
      'i18n.commitEncoding': 'ISO-8859-1',
      'alias.cat-file': `!${evil}`,
      'trace2.normalTarget': ran,
      'protocol.ext.allow': 'always',
      'remote.origin.url': `ext::${evil} %S`,
      'remote.origin.promisor': 'true',
      'extensions.partialClone': 'origin',
      'core.repositoryFormatVersion': '1',
    };
    await writeFile(
      join(root, 'chef-repo', '.gitattributes'),
      '* filter=evil diff=evil merge=evil text eol=crlf\n',
    );
    for (const [key, value] of Object.entries(settings)) inRepo('config', key, value);
    await symlink(evil, join(root, 'post-index-change'));
    await symlink(evil, join(root, 'reference-transaction'));
    // Found before the real one by whoever takes a relative word of PATH.
    await symlink(evil, join(dirname(file), 'git'));
    const clean = env;
    env = { ...env, PATH: `:.:${env['PATH'] ?? ''}` };
    await applied({ branch: BRANCH });
    env = clean;
    // An object that is not there is not fetched: at 03:00 nobody types the password that would be asked for.
    const blob = inRepo('rev-parse', `${BRANCH}:roles/gprd base.json`);
    await rm(join(root, 'chef-repo', '.git', 'objects', blob.slice(0, 2), blob.slice(2)));
    expect(await refused({ branch: BRANCH, value: 'true' })).toContain(
      'git cannot read roles/gprd base.json',
    );
    expect(await readFile(ran, 'utf8').catch(() => 'nothing ran')).toBe('nothing ran');
  });

  it('leads through no link of branches to one that somebody works on', async () => {
    const main = inRepo('rev-parse', 'main');
    inRepo('symbolic-ref', `refs/heads/${BRANCH}`, 'refs/heads/main');
    expect(await refused({ branch: BRANCH })).toContain(`${BRANCH} is only another name of refs/heads/main`);
    expect(inRepo('rev-parse', 'main')).toBe(main);
  });

  it('is committed to in the program’s own name where git knows nobody, and in CI’s where CI says so', async () => {
    for (const key of ['user.name', 'user.email']) inRepo('config', '--unset', key);
    inRepo('config', 'user.useConfigOnly', 'true');
    await applied({ branch: BRANCH });
    expect(inRepo('log', '-1', '--format=%an <%ae> %cn <%ce>', BRANCH)).toBe(
      'rollout <rollout@localhost> rollout <rollout@localhost>',
    );
    env = { ...env, GIT_AUTHOR_NAME: 'CI', GIT_AUTHOR_EMAIL: 'ci@example.com' };
    await applied({ branch: BRANCH, value: 'true' });
    expect(inRepo('log', '-1', '--format=%an <%ae> %cn', BRANCH)).toBe('CI <ci@example.com> rollout');
  });

  it('is of the file’s own repository, whatever the environment says of another', async () => {
    const other = join(root, 'other');
    execFileSync('git', ['init', '-q', other], { env });
    const clean = env;
    env = {
      ...env,
      GIT_DIR: join(other, '.git'),
      GIT_WORK_TREE: other,
      GIT_INDEX_FILE: join(other, 'index'),
      GIT_PREFIX: 'x/',
    };
    await applied({ branch: BRANCH });
    env = clean;
    expect(roleAt(BRANCH)).toBe(STOPPED);
    expect(await readdir(other)).toEqual(['.git']);
  });

  it('grows from a HEAD that is on no branch', async () => {
    inRepo('checkout', '-q', '--detach');
    await applied({ branch: BRANCH });
    expect(roleAt(BRANCH)).toBe(STOPPED);
  });

  it('keeps what a repository has where checkouts have other line ends', async () => {
    inRepo('config', 'core.autocrlf', 'true');
    await writeFile(file, ROLE.replaceAll('\n', '\r\n'));
    await applied({ branch: BRANCH });
    expect(inRepo('cat-file', 'blob', `${BRANCH}:roles/gprd base.json`)).toBe(STOPPED.trimEnd());
  });

  it('that somebody has checked out is refused, here and in a worktree beside', async () => {
    expect(await refused({ branch: 'main' })).toContain(
      `${file}: the branch main is checked out in ${join(root, 'chef-repo')}`,
    );
    inRepo('worktree', 'add', '-q', '-b', BRANCH, join(root, 'beside'));
    expect(await refused({ branch: BRANCH })).toContain(`is checked out in ${join(root, 'beside')}`);
  });

  it.each(['a b', 'a..b', '-D', '--upload-pack=x', '@{-1}', 'HEAD', 'x.lock', 'x\ny', ''])(
    'called %j is refused',
    async (branch) => {
      expect(await refused({ branch })).toContain('is no name that git takes for a branch');
    },
  );

  it('cannot be had for what is not in a repository, or was never committed', async () => {
    const loose = join(root, 'loose.json');
    await writeFile(loose, ROLE);
    expect(await refused({ file: loose, branch: BRANCH })).toContain('it is in no git checkout');
    const young = join(dirname(file), 'young.json');
    await writeFile(young, ROLE);
    expect(await refused({ file: young, branch: BRANCH })).toContain(
      'HEAD has no roles/young.json: it was never committed',
    );
    await symlink(file, join(dirname(file), 'link.json'));
    inRepo('add', '-A');
    inRepo('commit', '-q', '-m', 'link');
    expect(await refused({ file: join(dirname(file), 'link.json'), branch: BRANCH })).toContain(
      'is no regular file',
    );
    execFileSync('git', ['init', '-q', join(root, 'empty')], { env });
    await writeFile(join(root, 'empty', 'x.json'), ROLE);
    expect(await refused({ file: join(root, 'empty', 'x.json'), branch: BRANCH })).toContain(
      'has no commit yet',
    );
    expect(await refused({ file: join(root, 'nowhere', 'x.json'), branch: BRANCH })).toContain(
      'no such folder',
    );
  });

  it('without git on this machine says so', async () => {
    env = { ...env, PATH: '/nonexistent' };
    expect(await refused({ branch: BRANCH })).toContain('there is no `git` here');
  });

  it('that cannot be written says what git said, and leaves nothing half-done', async () => {
    const plan = await planned({ branch: BRANCH });
    // What stands under `rollout` cannot be a folder of branches too.
    inRepo('branch', 'rollout');
    const answer = await roleFiles({ env }).apply(plan);
    expect(answer).toMatchObject({ ok: false, error: expect.stringContaining('git update-ref failed') });
    expect(inRepo('for-each-ref', '--format=%(refname)', 'refs/heads/rollout/')).toBe('');
  });
});
