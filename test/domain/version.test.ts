import { execFileSync, spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareVersions, parseVersion, releaseOf, revisedVersion } from '../../src/domain/version.ts';

const TABLE: readonly (readonly [string, '<' | '=' | '>', string])[] = [
  ['5.9.1', '<', '5.10.2'],
  ['5.10.2', '<', '5.10.2-1.linux'],
  ['5.12.1', '<', '5.12.1-1'],
  ['5.10.2-1.linux', '<', '5.10.2-2.linux'],
  ['5.10.2~rc1', '<', '5.10.2'],
  ['5.10.2~~', '<', '5.10.2~'],
  ['5.10.2', '<', '5.10.2+git1'],
  ['5.10.2a', '<', '5.10.2+'],
  ['5.10.2a', '<', '5.10.2b'],
  ['5.10.2A', '<', '5.10.2a'],
  ['1:5.9.1', '>', '5.10.2'],
  ['0:5.10.2', '=', '5.10.2'],
  ['5.10.2', '=', '5.10.02'],
  ['5.10.2-0', '=', '5.10.2'],
  ['5.10', '<', '5.10.0'],
  ['1.0-1-1', '>', '1.0-1'],
  ['99999999999999999999999', '<', '100000000000000000000000'],
  ['2.0', '>', '2.0~beta-1'],
  ['1.0.', '>', '1.0'],
  ['1a', '>', '1'],
];

const SIGN = { '<': -1, '=': 0, '>': 1 } as const;

const versionText = fc
  .tuple(
    fc.option(fc.nat(3), { nil: undefined }),
    fc.stringMatching(/^[0-9][0-9a-bA.+~-]{0,7}$/),
    fc.option(fc.stringMatching(/^[0-9a.+~]{1,4}$/), { nil: undefined }),
  )
  .map(([epoch, upstream, revision]) => {
    const tail = revision === undefined ? '' : `-${revision}`;
    return `${epoch === undefined ? '' : `${epoch}:`}${upstream}${tail}`;
  })
  .filter((text) => parseVersion(text).ok);

/** Asks dpkg about many pairs in one shell: one answer (-1, 0, 1) a pair. */
function askDpkg(pairs: readonly (readonly [string, string])[]): number[] {
  const script =
    'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; ' +
    'elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi; done';
  const input = pairs.map(([a, b]) => `${a} ${b}\n`).join('');
  const answer = execFileSync('sh', ['-c', script], { input, encoding: 'utf8' });
  return answer.trim().split('\n').map(Number);
}

const hasDpkg = spawnSync('dpkg', ['--version']).status === 0;

describe('Debian version order', () => {
  it.each(TABLE)('%s %s %s', (a, sign, b) => {
    expect(compareVersions(a, b)).toBe(SIGN[sign]);
    expect(compareVersions(b, a) + SIGN[sign]).toBe(0);
  });

  it('is a total order on anything, even on what is no version', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (a, b, c) => {
        expect(compareVersions(a, a)).toBe(0);
        expect(compareVersions(a, b) + compareVersions(b, a)).toBe(0);
        const [first = '', middle = '', last = ''] = [a, b, c].sort(compareVersions);
        expect(compareVersions(first, middle)).toBeLessThanOrEqual(0);
        expect(compareVersions(middle, last)).toBeLessThanOrEqual(0);
        expect(compareVersions(first, last)).toBeLessThanOrEqual(0);
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with dpkg --compare-versions on the table and on random pairs', () => {
    if (!hasDpkg) {
      console.error('not run: this machine has no dpkg to compare with; the fixed table above still ran');
      return;
    }
    const near = fc
      .tuple(versionText, fc.constantFrom('', '~', '0', '-1', '.0', '+', 'a'))
      .map(([v, tail]) => [v, v + tail] as const);
    const random = fc.sample(fc.oneof(fc.tuple(versionText, versionText), near), 600);
    const pairs = [...TABLE.map(([a, , b]) => [a, b] as const), ...random].filter(
      ([, b]) => parseVersion(b).ok,
    );
    const ours = pairs.map(([a, b]) => compareVersions(a, b));
    const answers = askDpkg(pairs);
    const differing = pairs.flatMap(([a, b], i) =>
      ours[i] === answers[i] ? [] : [`${a} ${b}: ours ${ours[i]}, dpkg ${answers[i]}`],
    );
    expect(differing).toEqual([]);
    expect(answers).toHaveLength(pairs.length);
  });
});

describe('what an engineer may type', () => {
  it.each([
    '5.10.2',
    '5.10',
    '5',
    '5.10.2-1.linux',
    '1:5.10.2-1',
    '5.10.2~rc1',
    '5.10.2+git.1',
    '5.10.2-rc1-1',
  ])('%s is a version', (text) => {
    expect(parseVersion(text)).toMatchObject({ ok: true, value: { text } });
  });

  it.each([
    ['', 'empty'],
    ['v5.10.2', 'type 5.10.2'],
    ['latest', 'begins with a digit'],
    ['5.10.2-', 'last hyphen'],
    ['5.10.2 ', 'not allowed'],
    ['5/../../etc', 'not allowed'],
    ['5.10.2\n', 'not allowed'],
    ['x:5.10.2', 'epoch'],
    ['99999999999:1', 'epoch'],
    ['5.10.2_1', '"_" is not allowed'],
    [`5${'.1'.repeat(100)}`, 'longer than'],
  ])('%j is refused, and why is said', (text, why) => {
    const parsed = parseVersion(text);
    expect(parsed.ok).toBe(false);
    expect(parsed.ok ? '' : parsed.error.message).toContain(why);
  });

  it('takes a full version apart', () => {
    expect(parseVersion('1:5.10.2-rc1-1.linux')).toMatchObject({
      ok: true,
      value: { epoch: 1, upstream: '5.10.2-rc1', revision: '1.linux' },
    });
  });

  it('never accepts a text that leaves its folder', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9][0-9./~+:-]*$/)), (text) => {
        const parsed = parseVersion(text);
        expect(parsed.ok && /[/\\\0\n]|^\./.test(text)).toBe(false);
      }),
    );
  });
});

describe('the release that a package belongs to', () => {
  it.each([
    ['5.10.2-1.linux', '5.10.2', true],
    ['5.10.2', '5.10.2', true],
    ['5.10.2-1.linux', '5.10.2-1.linux', true],
    ['1:5.10.2-1', '5.10.2', true],
    ['5.10.2-rc1-1', '5.10.2-rc1', true],
    ['5.10.2-rc1-1', '5.10.2', false],
    ['5.10.20-1.linux', '5.10.2', false],
    ['5.10.2-1.linux', '5.10', false],
    ['5.10.2~rc1-1', '5.10.2', false],
    ['5.10.02-1', '5.10.2', false],
    ['5.10.2-1', '5.10.2-2', false],
  ])('%s belongs to %s: %s', (packageVersion, release, expected) => {
    expect(releaseOf(packageVersion, release)).toBe(expected);
  });
});

describe('another build of the same', () => {
  it.each([
    ['5.10.2-1.linux', '5.10.2-2.linux'],
    ['5.10.2-9', '5.10.2-10'],
    ['5.10.2', '5.10.2-2'],
    ['1:5.10.2-rc1-1', '1:5.10.2-rc1-2'],
    ['5.10.2-linux', '5.10.2-2'],
  ])('of %s is %s, which may be staged by that name', (before, after) => {
    expect(revisedVersion(before)).toBe(after);
    expect(parseVersion(after).ok && releaseOf(after, after)).toBe(true);
  });
});
