/** What is printed to be typed, by where it is read. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { typedName } from '../../src/cli/typed-name.ts';

const folder = mkdtempSync(join(tmpdir(), 'rollout-typed-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const clone = join(folder, 'clone');
const named = (PATH: string | undefined, cwd = clone): string =>
  typedName({ env: { PATH }, cwd }, 'rollout', clone);
const folderWith = (name: string, mode: number): string => {
  const made = join(folder, name);
  mkdirSync(made, { recursive: true });
  writeFileSync(join(made, 'rollout'), '');
  chmodSync(join(made, 'rollout'), mode);
  return made;
};

it('inside the clone, where no shell would find it, npx does', () => {
  expect(named('/nowhere:')).toBe('npx rollout');
  expect(named(undefined, join(clone, 'environments'))).toBe('npx rollout');
  expect(typedName({ env: {}, cwd: clone }, 'osqueryd', clone)).toBe('npx osqueryd');
});

it('on the PATH it is typed as it is, also as a link', () => {
  const installed = folderWith('lib', 0o755);
  expect(named(`/nowhere:${installed}`)).toBe('rollout');
  const linked = join(folder, 'bin');
  mkdirSync(linked);
  symlinkSync(join(installed, 'rollout'), join(linked, 'rollout'));
  expect(named(linked)).toBe('rollout');
});

it('what npx puts on the PATH for one run is not on the PATH of who reads', () => {
  const npm = folderWith('clone/node_modules/.bin', 0o755);
  expect(named(`${npm}:${npm}/`)).toBe('npx rollout');
});

it('neither a file that nobody may run nor a folder of that name is it', () => {
  const closed = folderWith('closed', 0o644);
  mkdirSync(join(folder, 'odd/rollout'), { recursive: true });
  expect(named(`${closed}:${join(folder, 'odd')}`)).toBe('npx rollout');
});

it('outside the clone npx would be another package', () => {
  expect(named('/nowhere', folder)).toBe('rollout');
  expect(named('/nowhere', `${clone}-of-another`)).toBe('rollout');
});
