import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { DEB_LIMITS, type DebLimits } from '../../../src/adapters/deb/limits.ts';
import { readDeb } from '../../../src/adapters/deb/read.ts';
import { writeDeb } from '../../../src/adapters/deb/write.ts';
import { arArchive, tarArchive, tarHeader } from '../../../src/adapters/deb/write-archive.ts';
import type { DebErrorKind } from '../../../src/ports/package-reader.ts';
import {
  CONTROL_TEXT,
  controlTar,
  DATA_TAR,
  dpkgDebBuild,
  EXECUTABLE,
  entry,
  hasDpkgDeb,
  OSQUERY,
  opener,
  rawDeb,
  rawTar,
} from './samples.ts';

/** Reads bytes that must be refused: `kind: message`. */
async function refusal(
  bytes: Uint8Array,
  limits: DebLimits = DEB_LIMITS,
  executable = EXECUTABLE,
): Promise<string> {
  const facts = await readDeb(opener(bytes), { executable, label: 'x.deb', limits });
  if (facts.ok) throw new Error(`taken as good: ${JSON.stringify(facts.value)}`);
  return `${facts.error.kind} ${facts.error.message}`;
}

function refused(kind: DebErrorKind, why: string): unknown {
  const escaped = why.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return expect.stringMatching(new RegExp(`^${kind} x\\.deb: .*${escaped}`));
}

const daemon = entry(`.${EXECUTABLE}`, { content: 'daemon' });

describe('a file that is no package', () => {
  it.each([
    ['', 'truncated', 'it is empty'],
    ['!<arc', 'truncated', 'ends after 5 bytes'],
    ['!<arch>\n', 'truncated', 'before debian-binary'],
    ['\xed\xab\xee\xdb\x03\x00\x00\x00', 'not-a-deb', 'RPM'],
    ['\x1f\x8b\x08\x00\x00\x00\x00\x00\x00', 'not-a-deb', 'gzip'],
    ['\xfd7zXZ\x00\x00\x04', 'not-a-deb', 'xz'],
    ['<!DOCTYPE html><title>Sign in</title>', 'not-a-deb', 'HTML'],
    ['version https://git-lfs', 'not-a-deb', 'Git LFS'],
    ['hello, world', 'not-a-deb', '"hello, w"'],
  ] as const)('%j is refused, and what it might be is said', async (text, kind, why) => {
    expect(await refusal(Buffer.from(text, 'latin1'))).toEqual(refused(kind, why));
  });

  it('another ar archive, such as a static library, is refused', async () => {
    expect(await refusal(arArchive([{ name: 'x.o', content: Buffer.from('ELF') }]))).toEqual(
      refused('not-a-deb', 'x.o'),
    );
  });

  it('another format version is refused', async () => {
    expect(await refusal(rawDeb({ format: '3.0\n' }))).toEqual(refused('unsupported', 'expected 2.0'));
  });
});

describe('a package that is not whole', () => {
  it('is refused when cut at any byte', async () => {
    const deb = rawDeb({});
    const taken: number[] = [];
    const kinds = new Set<string>();
    for (let size = 0; size < deb.length; size++) {
      const facts = await readDeb(opener(deb.subarray(0, size)), { executable: EXECUTABLE });
      if (facts.ok) taken.push(size);
      else kinds.add(facts.error.kind);
    }
    expect(taken).toEqual([]);
    expect([...kinds]).toEqual(['truncated']);
  });

  it.each(['xz', 'zstd', 'none'] as const)(
    'is refused when cut anywhere, packed by dpkg-deb with %s',
    async (compression) => {
      if (!hasDpkgDeb) {
        console.error('not run: this machine has no dpkg-deb');
        return;
      }
      const deb = dpkgDebBuild(compression);
      for (let size = 0; size < deb.length; size += 397)
        expect(await refusal(deb.subarray(0, size))).toEqual(refused('truncated', ''));
    },
  );

  it.each(['\n', 'garbage', '\0'.repeat(100), '!<arch>\n'])(
    'is refused with %j behind its end',
    async (garbage) => {
      expect(await refusal(Buffer.concat([rawDeb({}), Buffer.from(garbage)]))).toMatch(
        /^(malformed|truncated) x\.deb/,
      );
    },
  );

  it.each([
    ['gz', gzipSync(DATA_TAR), '.gz'],
    ['zst', zstdCompressSync(DATA_TAR), '.zst'],
  ])('is refused with garbage inside data.tar, behind its %s stream', async (_, packed, suffix) => {
    for (const garbage of [Buffer.alloc(5), Buffer.from('garbage'), Buffer.alloc(100_000, 1)]) {
      const deb = arArchive([
        { name: 'debian-binary', content: Buffer.from('2.0\n') },
        { name: 'control.tar.gz', content: gzipSync(controlTar(CONTROL_TEXT)) },
        { name: `data.tar${suffix}`, content: Buffer.concat([packed, garbage]) },
      ]);
      expect(await refusal(deb)).toEqual(refused('malformed', `data.tar${suffix}`));
    }
  });

  it('is refused when a packed member is cut, though the archive is whole', async () => {
    for (const [suffix, packed] of [
      ['.gz', gzipSync(DATA_TAR)],
      ['.zst', zstdCompressSync(DATA_TAR)],
      ['.gz', Buffer.alloc(0)],
      ['.xz', Buffer.alloc(0)],
      ['.xz', Buffer.from('\xfd7zXZ\x00', 'latin1')],
      ['', DATA_TAR],
    ] as const) {
      const deb = arArchive([
        { name: 'debian-binary', content: Buffer.from('2.0\n') },
        { name: 'control.tar.gz', content: gzipSync(controlTar(CONTROL_TEXT)) },
        {
          name: `data.tar${suffix}`,
          content: packed.subarray(0, Math.min(600, Math.max(0, packed.length - 9))),
        },
      ]);
      expect(await refusal(deb)).toMatch(/^(malformed|truncated) x\.deb: data\.tar/);
    }
  });
});

describe('members that are missing, doubled, or in another order', () => {
  const format = { name: 'debian-binary', content: Buffer.from('2.0\n') };
  const control = { name: 'control.tar.gz', content: gzipSync(controlTar(CONTROL_TEXT)) };
  const data = { name: 'data.tar.gz', content: gzipSync(DATA_TAR) };

  it.each([
    ['no members but the format', [format], 'truncated', 'before control.tar'],
    ['no data.tar', [format, control], 'truncated', 'before data.tar'],
    ['no control.tar', [format, data], 'malformed', 'where control.tar must stand, there is data.tar.gz'],
    ['no debian-binary', [control, data], 'not-a-deb', 'control.tar.gz'],
    ['two control.tar', [format, control, control, data], 'malformed', 'where data.tar must stand'],
    ['two data.tar', [format, control, data, data], 'malformed', 'data.tar.gz follows data.tar'],
    [
      'a stranger at the end',
      [format, control, data, { name: 'x', content: Buffer.from('y') }],
      'malformed',
      'x follows data.tar',
    ],
    [
      'bzip2',
      [format, control, { name: 'data.tar.bz2', content: Buffer.from('BZh9') }],
      'unsupported',
      'data.tar.bz2',
    ],
    [
      'an unknown packer',
      [format, control, { name: 'data.tar.rar', content: Buffer.from('x') }],
      'malformed',
      'data.tar.rar',
    ],
    [
      'a wrong name for the packing',
      [format, control, { ...data, name: 'data.tar.xz' }],
      'malformed',
      'does not unpack as xz',
    ],
  ] as const)('%s', async (_, members, kind, why) => {
    expect(await refusal(arArchive(members))).toEqual(refused(kind, why));
  });

  it('a member that claims to be huge', async () => {
    const deb = rawDeb({});
    deb.write('9999999999', deb.indexOf('data.tar.gz') + 48);
    expect(await refusal(deb)).toEqual(refused('truncated', 'before the end of data.tar.gz'));
  });

  it('a member size that is no number, a name with a slash', async () => {
    const size = rawDeb({});
    size.write('-1        ', size.indexOf('data.tar.gz') + 48);
    expect(await refusal(size)).toEqual(refused('malformed', 'its size is'));
    const name = rawDeb({});
    name.write('../data.tar.gz  ', name.indexOf('data.tar.gz'));
    expect(await refusal(name)).toEqual(refused('malformed', 'its name is'));
  });
});

describe('bombs', () => {
  const limits = (more: Partial<DebLimits>): DebLimits => ({ ...DEB_LIMITS, ...more });
  const zeros = tarArchive([
    { name: `.${EXECUTABLE}`, type: '0', mode: 0o755, content: Buffer.from('daemon') },
    { name: './zeros', type: '0', mode: 0o644, content: Buffer.alloc(3_000_000) },
  ]);

  it('a file that is too large is not read to its end', async () => {
    let given = 0;
    const endless = async function* () {
      yield rawDeb({});
      for (;;) {
        given += 1;
        yield Buffer.alloc(1000);
      }
    };
    const deb = arArchive([
      { name: 'debian-binary', content: Buffer.from('2.0\n') },
      { name: '_x', content: Buffer.alloc(1) },
    ]);
    deb.write('9999999999', deb.indexOf('_x') + 48);
    const huge = async function* () {
      yield deb;
      yield* endless();
    };
    const facts = await readDeb(huge, { executable: EXECUTABLE, limits: limits({ fileBytes: 50_000 }) });
    expect(facts).toMatchObject({ ok: false, error: { kind: 'too-large' } });
    expect(given).toBeLessThan(60);
  });

  it('data that unpacks to too much, in all or by its ratio', async () => {
    const deb = rawDeb({ data: zeros });
    expect(await refusal(deb, limits({ dataBytes: 2_000_000 }))).toEqual(
      refused('too-large', 'data.tar.gz unpacks to more than'),
    );
    expect(await refusal(deb, limits({ ratioFreeBytes: 1_000_000 }))).toEqual(
      refused('too-large', 'decompression bomb'),
    );
    expect((await readDeb(opener(deb), { executable: EXECUTABLE })).ok).toBe(true);
  });

  it('a tar header that claims 8 GiB, or more than can be counted', async () => {
    const big = tarHeader({ name: './big', type: '0', mode: 0o644, size: 0o77777777777 });
    expect(await refusal(rawDeb({ data: rawTar(big) }))).toEqual(refused('too-large', 'data.tar.gz'));
    expect(await refusal(rawDeb({ data: Buffer.concat([big]) }))).toEqual(
      refused('too-large', 'data.tar.gz'),
    );
    const absurd = tarHeader({ name: './big', type: '0', mode: 0o644, size: 0 });
    absurd.fill(0xff, 124, 136);
    absurd[124] = 0x80;
    expect(await refusal(rawDeb({ data: rawTar(checksummed(absurd)) }))).toEqual(
      refused('malformed', 'beyond all reason'),
    );
    absurd[124] = 0xff;
    expect(await refusal(rawDeb({ data: rawTar(checksummed(absurd)) }))).toEqual(
      refused('malformed', 'size is not a number'),
    );
  });

  it('a control file or control.tar that is too large', async () => {
    const long = `${CONTROL_TEXT}Description: ${'x'.repeat(2_000_000)}\n`;
    expect(await refusal(rawDeb({ control: controlTar(long) }))).toEqual(
      refused('too-large', 'its control file has'),
    );
    const fat = tarArchive([
      { name: './md5sums', type: '0', mode: 0o644, content: Buffer.alloc(17_000_000) },
    ]);
    expect(await refusal(rawDeb({ control: fat }))).toEqual(
      refused('too-large', 'control.tar.gz unpacks to more than'),
    );
  });

  it('too many entries, or too much in names', async () => {
    const many = rawTar(...Array.from({ length: 50 }, (_, i) => entry(`./f${i}`)));
    expect(await refusal(rawDeb({ data: many }), limits({ entries: 40 }))).toEqual(
      refused('too-large', 'more than 40 entries'),
    );
    expect(await refusal(rawDeb({ data: many }), limits({ nameBytes: 100 }))).toEqual(
      refused('too-large', 'names alone'),
    );
    const name = tarHeader({ name: '././@LongLink', type: 'L', mode: 0, size: 1_000_000 });
    expect(await refusal(rawDeb({ data: rawTar(name) }))).toEqual(
      refused('malformed', 'a name is 1000000 bytes long'),
    );
  });
});

describe('names and links that lead elsewhere', () => {
  it.each([
    ['../../etc/cron.d/x', 'leads out'],
    ['./usr/../../etc/passwd', 'leads out'],
    ['/etc/passwd', 'is absolute'],
    ['', 'is empty'],
    ['./a\nb', 'control characters'],
  ])('a file named %j', async (name, why) => {
    expect(await refusal(rawDeb({ data: rawTar(daemon, entry(name)) }))).toEqual(refused('unsafe-path', why));
  });

  it.each(['./../control', '/control', './sub/x'])('a control member named %j', async (name) => {
    const control = rawTar(entry('./control', { content: CONTROL_TEXT }), entry(name));
    expect(await refusal(rawDeb({ control }))).toMatch(/^(unsafe-path|malformed) x\.deb: control\.tar\.gz/);
  });

  it('a file below a link of the package, whichever comes first', async () => {
    const link = entry('./etc/osquery', { type: '2', link: '/etc' });
    const below = entry('./etc/osquery/passwd', { content: 'root' });
    for (const data of [rawTar(daemon, link, below), rawTar(below, daemon, link)]) {
      expect(await refusal(rawDeb({ data }))).toEqual(
        refused('unsafe-path', 'lies below the link "etc/osquery"'),
      );
    }
    const file = rawTar(daemon, entry('./x', { content: 'y' }), entry('./x/y/z'));
    expect(await refusal(rawDeb({ data: file }))).toEqual(refused('unsafe-path', 'lies below the file "x"'));
  });

  it('links of the executable that go in circles, or above the root', async () => {
    const circle = rawTar(entry('./a', { type: '2', link: 'b' }), entry('./b', { type: '2', link: '/a' }));
    expect(await refusal(rawDeb({ data: circle }), DEB_LIMITS, '/a')).toEqual(
      refused('malformed', 'in circles'),
    );
    const selfish = rawTar(entry('./a', { type: '2', link: 'a/a/a/a' }));
    expect(await refusal(rawDeb({ data: selfish }), DEB_LIMITS, '/a')).toEqual(
      refused('malformed', 'in circles'),
    );
    const out = rawTar(entry('./a', { type: '2', link: '../../x' }));
    expect(await refusal(rawDeb({ data: out }), DEB_LIMITS, '/a')).toEqual(
      refused('unsafe-path', 'above the root'),
    );
  });

  it('a hard link to what is not there, or leads out', async () => {
    for (const link of ['./missing', '../../etc/shadow', '/etc/shadow']) {
      const data = rawTar(daemon, entry('./x', { type: '1', link }));
      expect(await refusal(rawDeb({ data }))).toMatch(/^(malformed|unsafe-path) x\.deb: data/);
    }
  });

  it('the same path twice, spelt differently', async () => {
    const data = rawTar(daemon, entry('opt//osquery/./bin/osqueryd', { content: 'other' }));
    expect(await refusal(rawDeb({ data }))).toEqual(refused('malformed', 'is in it twice'));
  });

  it('something behind the end mark, which dpkg would not install', async () => {
    const data = Buffer.concat([
      rawTar(entry(`.${EXECUTABLE}`, { content: 'shown' })),
      rawTar(entry('./hidden')),
    ]);
    expect(await refusal(rawDeb({ data }))).toEqual(refused('malformed', 'follows its end mark'));
  });

  it.each([
    ['3', 'device'],
    ['4', 'device'],
    ['6', 'pipe'],
    ['V', 'unknown type'],
    ['7', 'unknown type'],
  ])('an entry of tar type %s', async (type, why) => {
    expect(await refusal(rawDeb({ data: rawTar(daemon, entry('./x', { type })) }))).toEqual(
      refused('malformed', why),
    );
  });

  it('pax headers, as dpkg refuses them', async () => {
    const pax = entry('./PaxHeaders/x', { type: 'x', content: '20 path=/etc/passwd\n' });
    expect(await refusal(rawDeb({ data: rawTar(pax, daemon) }))).toEqual(refused('unsupported', 'pax'));
  });

  it('content on what can have none, a broken checksum, a tar of neither form', async () => {
    const folder = entry('./x/', { type: '5', content: 'content' });
    expect(await refusal(rawDeb({ data: rawTar(daemon, folder) }))).toEqual(
      refused('malformed', 'is no file, yet has 7 bytes'),
    );
    const broken = Buffer.from(daemon);
    broken[0] = 0x2f;
    expect(await refusal(rawDeb({ data: rawTar(broken) }))).toEqual(refused('malformed', 'wrong checksum'));
    const old = Buffer.from(daemon.subarray(0, 512));
    old.fill(0, 257, 265);
    expect(await refusal(rawDeb({ data: rawTar(checksummed(old)) }))).toEqual(
      refused('malformed', 'neither in ustar nor in GNU form'),
    );
  });
});

describe('the executable', () => {
  it('is not in it: where it might be is said', async () => {
    const answer = await refusal(writeDeb(OSQUERY), DEB_LIMITS, '/usr/sbin/osqueryd');
    expect(answer).toEqual(
      refused('missing-executable', '/usr/sbin/osqueryd is not in it; it has /opt/osquery/bin/osqueryd'),
    );
  });

  it('is a folder, is empty, may not be executed, is a link to nothing', async () => {
    const data = rawTar(
      entry('./folder/', { type: '5' }),
      entry('./empty'),
      entry('./plain', { mode: 0o644, content: 'x' }),
      entry('./link', { type: '2', link: '/nowhere' }),
    );
    for (const [path, why] of [
      ['/folder', 'is a directory'],
      ['/empty', 'is empty'],
      ['/plain', 'may not be executed (mode 644)'],
      ['/link', 'leads to /nowhere'],
    ] as const) {
      expect(await refusal(rawDeb({ data }), DEB_LIMITS, path)).toEqual(refused('missing-executable', why));
    }
  });

  it('is found through a hard link', async () => {
    const data = rawTar(daemon, entry('./usr/bin/osqueryd', { type: '1', link: `.${EXECUTABLE}` }));
    const facts = await readDeb(opener(rawDeb({ data })), { executable: '/usr/bin/osqueryd' });
    expect(facts).toMatchObject({ ok: true, value: { executable: { path: '/usr/bin/osqueryd', size: 6 } } });
  });
});

describe('the control file', () => {
  it.each([
    ['Version: 1\nArchitecture: amd64\n', 'Package is missing'],
    ['Package: osquery\nArchitecture: amd64\n', 'Version is missing'],
    ['Package: osquery\nVersion: 1\n', 'Architecture is missing'],
    ['Package: os\n query\nVersion: 1\nArchitecture: amd64\n', 'Package goes over several lines'],
    [`${CONTROL_TEXT}version: 6.0\n`, 'version is there twice, on lines 2 and 4'],
    ['Package: osquery\nVersion: 5/../6\nArchitecture: amd64\n', 'not allowed'],
    ['Package: OSQuery\nVersion: 1\nArchitecture: amd64\n', 'Package is "OSQuery"'],
    ['Package: osquery\nVersion: 1\nArchitecture: ../x\n', 'Architecture is "../x"'],
    ['Package:\nVersion: 1\nArchitecture: amd64\n', 'Package is ""'],
    [`${CONTROL_TEXT}Installed-Size: many\n`, 'Installed-Size is "many"'],
    [`${CONTROL_TEXT}what is this\n`, 'line 4 is no "Field: value"'],
    [` x\n${CONTROL_TEXT}`, 'line 1 continues a field'],
    [`${CONTROL_TEXT}\nPackage: other\n`, 'second paragraph'],
    ['', 'Version is missing'],
  ])('%j is refused', async (text, why) => {
    expect(await refusal(rawDeb({ control: controlTar(text) }))).toEqual(refused('bad-control', why));
  });

  it('is not there, or is a link', async () => {
    const without = rawTar(entry('./md5sums', { content: 'x' }));
    expect(await refusal(rawDeb({ control: without }))).toEqual(refused('bad-control', 'no control file'));
    const link = rawTar(entry('./control', { type: '2', link: '/etc/passwd' }));
    expect(await refusal(rawDeb({ control: link }))).toEqual(refused('malformed', 'no plain file'));
    const twice = rawTar(
      entry('./control', { content: CONTROL_TEXT }),
      entry('control', { content: CONTROL_TEXT }),
    );
    expect(await refusal(rawDeb({ control: twice }))).toEqual(refused('malformed', 'control is in it twice'));
  });

  it('may have long descriptions, empty lines at its end, and CRLF', async () => {
    const text = `${CONTROL_TEXT.replaceAll('\n', '\r\n')}Description: x\n more\n .\n\n\n`;
    expect(
      await readDeb(opener(rawDeb({ control: controlTar(text) })), { executable: EXECUTABLE }),
    ).toMatchObject({
      ok: true,
      value: { control: { package: 'osquery', version: '5.10.2', architecture: 'amd64' } },
    });
  });
});

/** Puts the right checksum on a header that a test has altered. */
function checksummed(header: Buffer): Buffer {
  header.fill(0x20, 148, 156);
  const sum = header.subarray(0, 512).reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}
