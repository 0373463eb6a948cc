import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { debReader, readDeb } from '../../../src/adapters/deb/read.ts';
import { writeDeb } from '../../../src/adapters/deb/write.ts';
import { arArchive } from '../../../src/adapters/deb/write-archive.ts';
import {
  DAEMON,
  DATA_TAR,
  dpkgDebBuild,
  EXECUTABLE,
  hasDpkgDeb,
  OSQUERY,
  opener,
  rawDeb,
  sha256,
} from './samples.ts';

const executable = { path: EXECUTABLE, sha256: sha256(DAEMON), size: DAEMON.length };

describe('reading a package', () => {
  it('tells name, version, architecture, digest and executable in one pass', async () => {
    const deb = writeDeb(OSQUERY);
    const facts = await readDeb(opener(deb), { executable: EXECUTABLE });
    expect(facts).toEqual({
      ok: true,
      value: {
        sha256: sha256(deb),
        size: deb.length,
        control: {
          package: 'osquery',
          version: '5.10.2-1.linux',
          architecture: 'amd64',
          installedSizeKib: 22,
        },
        executable,
      },
    });
  });

  it('opens its source once', async () => {
    let opened = 0;
    const open = opener(writeDeb(OSQUERY));
    await readDeb(
      () => {
        opened += 1;
        return open();
      },
      { executable: EXECUTABLE },
    );
    expect(opened).toBe(1);
  });

  it.each([1, 7, 60, 512, 1_000_000])('does not care where the chunks end (every %i bytes)', async (size) => {
    const facts = await readDeb(opener(writeDeb(OSQUERY), size), { executable: EXECUTABLE });
    expect(facts).toMatchObject({ ok: true, value: { executable } });
  });

  it.each(['gzip', 'xz', 'zstd', 'none'] as const)('reads what dpkg-deb -Z%s built', async (compression) => {
    if (!hasDpkgDeb) {
      console.error('not run: this machine has no dpkg-deb');
      return;
    }
    const deb = dpkgDebBuild(compression);
    const facts = await readDeb(opener(deb), { executable: EXECUTABLE });
    expect(facts).toEqual({
      ok: true,
      value: {
        sha256: sha256(deb),
        size: deb.length,
        control: {
          package: 'osquery',
          version: '5.10.2-1.linux',
          architecture: 'arm64',
          installedSizeKib: 77,
        },
        executable,
      },
    });
  });

  it('reads several packages at once, also through the one xz unpacker', async () => {
    const debs = hasDpkgDeb
      ? [dpkgDebBuild('xz'), dpkgDebBuild('xz'), writeDeb(OSQUERY)]
      : [writeDeb(OSQUERY), writeDeb(OSQUERY)];
    const all = await Promise.all(debs.map((deb) => readDeb(opener(deb, 100), { executable: EXECUTABLE })));
    expect(all.map((facts) => facts.ok && facts.value.executable)).toEqual(debs.map(() => executable));
  });

  it('follows the package’s own links to the executable, relative and absolute, files and folders', async () => {
    const contents = [
      { kind: 'file', path: '/opt/osquery-5/bin/osqueryd', content: DAEMON, mode: 0o755 },
      { kind: 'symlink', path: '/opt/osquery', target: 'osquery-5' },
      { kind: 'symlink', path: '/usr/bin/osqueryd', target: '/usr/lib/../bin/./daemon' },
      { kind: 'symlink', path: '/usr/bin/daemon', target: '../../opt/osquery/bin/osqueryd' },
    ] as const;
    const facts = await readDeb(opener(writeDeb({ ...OSQUERY, conffiles: [], contents })), {
      executable: '/usr/bin/osqueryd',
    });
    expect(facts).toMatchObject({
      ok: true,
      value: { executable: { ...executable, path: '/opt/osquery-5/bin/osqueryd' } },
    });
  });

  it('passes over members that deb(5) says may be passed over', async () => {
    const signature = { name: '_gpgorigin', content: Buffer.from('abc') };
    const deb = Buffer.concat([rawDeb({}), arArchive([signature]).subarray(8)]);
    const facts = await readDeb(opener(deb), { executable: EXECUTABLE });
    expect(facts).toMatchObject({ ok: true, value: { sha256: sha256(deb) } });
  });

  it('takes a plain data.tar and members named as GNU ar names them', async () => {
    const control = rawDeb({}).subarray(8 + 60 + 4); // from the second member's header on
    const size = Number(control.subarray(48, 58).toString());
    const deb = arArchive([
      { name: 'debian-binary/', content: Buffer.from('2.0\n') },
      { name: 'control.tar.gz/', content: control.subarray(60, 60 + size) },
      { name: 'data.tar/', content: DATA_TAR },
    ]);
    expect(await readDeb(opener(deb), { executable: EXECUTABLE })).toMatchObject({
      ok: true,
      value: { executable: { sha256: sha256('daemon') } },
    });
  });
});

describe('reading a file by its path', () => {
  it('reads it, and names it in an error', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollout-read-'));
    try {
      const good = join(folder, 'good.deb');
      writeFileSync(good, writeDeb(OSQUERY));
      expect(await debReader.read(good, EXECUTABLE)).toMatchObject({ ok: true, value: { executable } });
      const cut = join(folder, 'cut.deb');
      writeFileSync(cut, writeDeb(OSQUERY).subarray(0, 700));
      const facts = await debReader.read(cut, EXECUTABLE);
      expect(facts).toMatchObject({ ok: false, error: { kind: 'truncated' } });
      expect(facts.ok ? '' : facts.error.message).toContain(cut);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('works under plain Node too, whose modules are stricter than the test runner’s', () => {
    const module = new URL('../../../src/adapters/deb/read.ts', import.meta.url).href;
    const program = `const { readDeb } = await import(process.argv[1]);
      console.log((await readDeb('/nowhere/x.deb', { executable: '/x' })).error.kind);`;
    const answer = execFileSync(process.execPath, ['--input-type=module', '-e', program, module], {
      encoding: 'utf8',
    });
    expect(answer).toBe('unreadable\n');
  });

  it.each([
    ['/nowhere/x.deb', 'there is no such file'],
    [tmpdir(), 'a directory'],
    ['/dev/zero', 'no regular file'],
  ])('says that %s cannot be read', async (path, why) => {
    const facts = await debReader.read(path, EXECUTABLE);
    expect(facts).toMatchObject({ ok: false, error: { kind: 'unreadable' } });
    expect(facts.ok ? '' : facts.error.message.startsWith(`${path}: `)).toBe(true);
    expect(facts.ok ? '' : facts.error.message).toContain(why);
  });

  it('tells a disk that fails in mid-file from a file that ends there', async () => {
    const deb = writeDeb(OSQUERY);
    const failing = async function* () {
      yield deb.subarray(0, 900);
      throw new Error('EIO: i/o error');
    };
    expect(await readDeb(failing, { executable: EXECUTABLE, label: 'x.deb' })).toEqual({
      ok: false,
      error: { kind: 'unreadable', message: 'x.deb: it cannot be read beyond byte 900: EIO: i/o error' },
    });
  });
});
