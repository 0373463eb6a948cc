/** Random damage to real packages: whatever comes in, an answer comes out, and a good package is still read afterwards. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseControl } from '../../../src/adapters/deb/control.ts';
import { DebFailure } from '../../../src/adapters/deb/failure.ts';
import { readDeb } from '../../../src/adapters/deb/read.ts';
import { TarReader } from '../../../src/adapters/deb/tar.ts';
import { writeDeb } from '../../../src/adapters/deb/write.ts';
import { tarArchive } from '../../../src/adapters/deb/write-archive.ts';
import {
  CONTROL_TEXT,
  controlTar,
  DATA_TAR,
  dpkgDebBuild,
  EXECUTABLE,
  hasDpkgDeb,
  OSQUERY,
  opener,
  rawDeb,
  sha256,
} from './samples.ts';

const ANSWERS = [
  'good',
  'unreadable',
  'not-a-deb',
  'truncated',
  'malformed',
  'unsupported',
  'too-large',
  'unsafe-path',
  'bad-control',
  'missing-executable',
];

const builds: readonly (readonly [string, Buffer])[] = [
  ['our own writer', writeDeb(OSQUERY)],
  ...(hasDpkgDeb
    ? (['gzip', 'xz', 'zstd', 'none'] as const).map(
        (name) => [`dpkg-deb -Z${name}`, dpkgDebBuild(name)] as const,
      )
    : []),
];

function controlAnswer(text: string): string {
  try {
    const control = parseControl(text);
    return `${control.package} ${control.version} ${control.architecture}`;
  } catch (cause) {
    if (cause instanceof DebFailure) return cause.kind;
    throw cause;
  }
}

interface Damage {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly how: 'overwrite' | 'insert' | 'remove';
}

const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
  how: fc.constantFrom('overwrite', 'insert', 'remove'),
});

function damaged(good: Buffer, { at, bytes, how }: Damage): Buffer {
  const position = Math.floor(at * good.length);
  const before = good.subarray(0, position);
  const after = good.subarray(position + (how === 'insert' ? 0 : bytes.length));
  return Buffer.concat(how === 'remove' ? [before, after] : [before, bytes, after]);
}

/** `good` or a DebError's kind; anything that is neither fails the test by what it says. */
async function answerTo(bytes: Buffer): Promise<string> {
  const facts = await readDeb(opener(bytes, 1000), { executable: EXECUTABLE });
  if (!facts.ok)
    return facts.error.message.startsWith('package: ') ? facts.error.kind : `unnamed: ${facts.error.message}`;
  return facts.value.sha256 === sha256(bytes) ? 'good' : `wrong digest ${facts.value.sha256}`;
}

describe('damaged packages', () => {
  it.each(builds)('%s: an answer for every damage, and a good one is read after it', async (_, good) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(damage, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (damages, cut) => {
          const bytes = damages.reduce(damaged, good);
          const left = cut ? Math.floor((damages[0]?.at ?? 1) * bytes.length) : bytes.length;
          expect(ANSWERS).toContain(await answerTo(bytes.subarray(0, left)));
        },
      ),
      { numRuns: 150 },
    );
    expect((await readDeb(opener(good), { executable: EXECUTABLE })).ok).toBe(true);
  });

  it('an answer for damage inside the packed tars', async () => {
    const tars = { control: controlTar(CONTROL_TEXT), data: DATA_TAR.subarray(0, 2048) };
    await fc.assert(
      fc.asyncProperty(damage, fc.constantFrom('control', 'data'), async (how, which) => {
        // Within the first blocks, where the headers are.
        const tar = damaged(tars[which], { ...how, at: how.at * (1500 / tars[which].length) });
        expect(ANSWERS).toContain(await answerTo(rawDeb({ [which]: tar })));
      }),
      { numRuns: 300 },
    );
  });

  it('an answer for anything at all behind the magic', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(ANSWERS).toContain(await answerTo(Buffer.concat([Buffer.from('!<arch>\n'), bytes])));
      }),
      { numRuns: 200 },
    );
  });
});

describe('the parsers inside', () => {
  it('a tar is read the same however it is cut into parts', () => {
    const name = fc.stringMatching(/^[a-z]{1,130}$/);
    const file = fc.record({ name, content: fc.uint8Array({ maxLength: 1200 }), mode: fc.nat(0o7777) });
    fc.assert(
      fc.property(fc.array(file, { maxLength: 5 }), fc.integer({ min: 1, max: 700 }), (files, step) => {
        const bytes = tarArchive(
          files.map((f) => ({ name: f.name, type: '0', mode: f.mode, content: f.content })),
        );
        const found: { name: string; mode: number; content: Buffer }[] = [];
        const reader = new TarReader('t', { entries: 100, nameBytes: 10_000 }, (entry) => {
          const parts: Uint8Array[] = [];
          return {
            write: (part) => parts.push(part),
            end: () => found.push({ name: entry.name, mode: entry.mode, content: Buffer.concat(parts) }),
          };
        });
        for (let at = 0; at < bytes.length; at += step) reader.feed(bytes.subarray(at, at + step));
        reader.end();
        expect(found).toEqual(
          files.map((f) => ({ name: f.name, mode: f.mode, content: Buffer.from(f.content) })),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('a control file gives fields or a refusal, never anything else', () => {
    const line = fc.oneof(
      fc.constantFrom(
        'Package: osquery',
        'Version: 5.10.2',
        'Architecture: amd64',
        '',
        ' x',
        'Installed-Size: 5',
        '#',
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        expect(controlAnswer(lines.join('\n'))).toMatch(/^(bad-control|[a-z0-9+.-]+ \S+ [a-z0-9-]+)$/);
      }),
    );
  });
});
