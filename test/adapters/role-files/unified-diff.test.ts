/** A diff as `git apply` takes it. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { unifiedDiff } from '../../../src/adapters/role-files/unified-diff.ts';

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}\n`).join('');

describe('a unified diff', () => {
  it('of the same text is empty', () => {
    expect(unifiedDiff('x', 'a\n', 'a\n')).toBe('');
  });

  it('shows three lines around the change', () => {
    const before = lines(1, 12);
    expect(unifiedDiff('roles/a.json', before, before.replace('line 6\n', 'line six\nand more\n'))).toMatch(
      /^diff --git a\/roles\/a.json b\/roles\/a.json\nindex [0-9a-f]{16}\.\.[0-9a-f]{16} 100644\n--- a\/roles\/a.json\n\+\+\+ b\/roles\/a.json\n@@ -3,7 \+3,8 @@\n line 3\n line 4\n line 5\n-line 6\n\+line six\n\+and more\n line 7\n line 8\n line 9\n$/,
    );
  });

  it('tells two texts apart that differ where it shows nothing', () => {
    const change = (text: string): string => unifiedDiff('x', text, text.replace('line 9\n', 'nine\n'));
    expect(change(lines(1, 20))).not.toBe(change(lines(1, 20).replace('line 1\n', 'line one\n')));
  });

  it.each([
    ['in the middle', lines(1, 9), lines(1, 9).replace('line 5', 'five')],
    ['on the first line', lines(1, 9), lines(1, 9).replace('line 1\n', 'one\n')],
    ['on the last line', lines(1, 9), lines(1, 9).replace('line 9', 'nine')],
    ['without a last line end', 'a\nb', 'a\nc'],
    ['that gives a last line end', 'a\nb', 'a\nb\n'],
    ['that takes the last line end', 'a\nb\n', 'a\nb'],
    ['that adds lines', lines(1, 3), lines(1, 6)],
    ['that takes lines', lines(1, 6), lines(1, 3)],
    ['of lines that repeat', 'a\na\na\n', 'a\na\na\na\n'],
    ['with CRLF', 'a\r\nb\r\nc\r\n', 'a\r\nB\r\nc\r\n'],
    ['of one line', 'a', 'b'],
  ])('%s is what git takes', (_, before, after) => {
    const folder = mkdtempSync(join(tmpdir(), 'rollout-diff-'));
    try {
      writeFileSync(join(folder, 'x'), before);
      const env = {
        PATH: process.env.PATH,
        HOME: folder,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CEILING_DIRECTORIES: tmpdir(),
      };
      execFileSync('git', ['apply', '-'], { cwd: folder, env, input: unifiedDiff('x', before, after) });
      expect(readFileSync(join(folder, 'x'), 'utf8')).toBe(after);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
