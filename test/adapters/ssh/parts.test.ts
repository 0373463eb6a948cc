/** The adapter's small parts: answer lines and the program's text. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createAnswerLines } from '../../../src/adapters/ssh/answer-lines.ts';
import { createHostPrograms, wholeOrNothing, withoutComments } from '../../../src/adapters/ssh/programs.ts';
import { HOST_PROGRAM_FILES } from '../../../src/domain/host-programs.ts';

describe('answer lines', () => {
  const text =
    'motd \u00fc\n{"step":"begin","ok":true}\nnoise\n{"step":"look","ok":true,"v":"\u00e9"}\n{"step":"done","ok":false}';

  it('are the same however the output was cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: Buffer.byteLength(text) }), { maxLength: 8 }), (cuts) => {
        const bytes = Buffer.from(text);
        const lines = createAnswerLines();
        const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        for (let i = 1; i < edges.length; i += 1) lines.push(bytes.subarray(edges[i - 1], edges[i]));
        lines.end();
        expect(lines.steps).toEqual([
          { step: 'begin', ok: true },
          { step: 'look', ok: true, v: '\u00e9' },
          { step: 'done', ok: false },
        ]);
      }),
    );
  });

  it('of any bytes never throw, and without begin there are none', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const lines = createAnswerLines();
        lines.push(bytes);
        lines.end();
        expect(lines.steps).toEqual([]);
      }),
    );
  });

  it('stop at the bound and say so', () => {
    const lines = createAnswerLines(undefined, 100);
    lines.push(Buffer.from('{"step":"begin","ok":true}\n'));
    lines.push(Buffer.alloc(100, 'x'));
    expect([lines.begun, lines.overflowed]).toEqual([true, true]);
  });
});

describe('the program\u2019s text', () => {
  it('is the library and the program, whole', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollout-programs-'));
    try {
      writeFileSync(join(folder, 'lib.sh'), 'say() { echo "lib $1"; } # no line feed at the end');
      writeFileSync(join(folder, 'lib-change.sh'), '# nothing of its own\n');
      writeFileSync(join(folder, 'lib-armed.sh'), '# nor this\n');
      writeFileSync(join(folder, 'look.sh'), 'say "$1"; read -r line || echo nothing left to read; exit 3');
      const text = await createHostPrograms(pathToFileURL(`${folder}/`)).text('look');
      const ran = spawnSync('sh', ['-s', '--', 'a=b'], { input: text, encoding: 'utf8' });
      expect([ran.stdout, ran.status]).toEqual(['lib a=b\nnothing left to read\n', 3]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it.each(Object.entries(HOST_PROGRAM_FILES))('of %s means the same without its comments', (_, files) => {
    const folder = new URL('../../../src/host/', import.meta.url);
    const text = files.map((file) => readFileSync(new URL(file, folder), 'utf8')).join('\n');
    const scratch = join(mkdtempSync(join(tmpdir(), 'rollout-parsed-')), 'program.sh');
    const parsed = (script: string): string => {
      writeFileSync(scratch, script);
      const { stdout } = spawnSync('bash', ['--posix', '--pretty-print', scratch], { encoding: 'utf8' });
      return stdout.replaceAll(/\n\n+/g, '\n').trim();
    };
    const short = withoutComments(text);
    expect(parsed(text).length).toBeGreaterThan(1_000);
    expect(parsed(short)).toBe(parsed(text));
    expect(short.length).toBeLessThan(text.length * 0.9);
    rmSync(scratch);
  });

  it('keeps what looks like a comment inside a function', () => {
    const text = "# a\nsay() {\ncat <<'END'\n# b\nEND\n  # c\n}\n# d\nsay";
    expect(withoutComments(text)).toBe("say() {\ncat <<'END'\n# b\nEND\n  # c\n}\nsay");
  });

  it('runs nothing when the connection dies while it is sent', () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollout-torn-'));
    try {
      const mark = join(folder, 'mark');
      const text = wholeOrNothing(`touch '${mark}'\ncat >/dev/null <<'END'\nx\nEND\nrm -f '${mark}.other'`);
      for (let length = 0; length < text.length - 2; length += 1) {
        spawnSync('sh', ['-s'], { input: text.slice(0, length), stdio: ['pipe', 'ignore', 'ignore'] });
        expect(existsSync(mark), `after ${length} of ${text.length} characters`).toBe(false);
      }
      spawnSync('sh', ['-s'], { input: text });
      expect(existsSync(mark)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
