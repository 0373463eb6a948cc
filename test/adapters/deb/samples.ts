/** Packages for the tests: good ones, made by our writer and by the real dpkg-deb, and the pieces of bad ones. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { DebSpec } from '../../../src/adapters/deb/write.ts';
import { arArchive, tarArchive, tarHeader } from '../../../src/adapters/deb/write-archive.ts';

export const EXECUTABLE = '/opt/osquery/bin/osqueryd';

export const hasDpkgDeb = spawnSync('dpkg-deb', ['--version']).status === 0;

export function sha256(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Something of the daemon's shape that does not pack away to nothing, and gives the same bytes every time. */
export const DAEMON = Buffer.from(
  Array.from({ length: 2000 }, (_, i) => sha256(String(i)).slice(0, 10)).join('\n'),
);

export const OSQUERY: DebSpec = {
  package: 'osquery',
  version: '5.10.2-1.linux',
  architecture: 'amd64',
  contents: [
    { kind: 'file', path: EXECUTABLE, content: DAEMON, mode: 0o755 },
    { kind: 'symlink', path: '/usr/bin/osqueryd', target: '../../opt/osquery/bin/osqueryd' },
    { kind: 'file', path: '/etc/default/osqueryd', content: '# nothing\n' },
    { kind: 'directory', path: '/var/log/osquery', mode: 0o750 },
    { kind: 'file', path: `/usr/share/${'long/'.repeat(30)}name`, content: 'deep\n' },
  ],
  conffiles: ['/etc/default/osqueryd'],
  scripts: { postinst: '#!/bin/sh\nexit 0\n' },
};

/** A package of the same kind, built by dpkg-deb itself. */
export function dpkgDebBuild(compression: 'gzip' | 'xz' | 'zstd' | 'none'): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'rollout-deb-'));
  try {
    const root = join(folder, 'root');
    for (const path of ['DEBIAN', 'opt/osquery/bin', 'usr/bin', 'etc/default']) {
      mkdirSync(join(root, path), { recursive: true, mode: 0o755 });
    }
    writeFileSync(join(root, 'opt/osquery/bin/osqueryd'), DAEMON, { mode: 0o755 });
    symlinkSync('/opt/osquery/bin/osqueryd', join(root, 'usr/bin/osqueryd'));
    writeFileSync(join(root, 'etc/default/osqueryd'), '');
    writeFileSync(join(root, 'DEBIAN/conffiles'), '/etc/default/osqueryd\n');
    writeFileSync(
      join(root, 'DEBIAN/control'),
      'Package: osquery\nVersion: 5.10.2-1.linux\nArchitecture: arm64\nMaintainer: lab <lab@localhost>\n' +
        'Installed-Size: 77\nDescription: stand-in\n of several\n .\n lines\n',
    );
    const file = join(folder, 'x.deb');
    execFileSync('dpkg-deb', ['--root-owner-group', `-Z${compression}`, '-b', root, file], { stdio: 'pipe' });
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An opener that gives the bytes in parts of `size`, so that no boundary falls where a parser would like it. */
export function opener(bytes: Uint8Array, size = 4093): () => AsyncIterable<Uint8Array> {
  return async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
}

export interface RawDeb {
  readonly format?: string;
  readonly control?: Uint8Array;
  readonly data?: Uint8Array;
}

export const CONTROL_TEXT = 'Package: osquery\nVersion: 5.10.2\nArchitecture: amd64\n';

export function controlTar(text: string): Buffer {
  return tarArchive([
    { name: './', type: '5', mode: 0o755 },
    { name: './control', type: '0', mode: 0o644, content: Buffer.from(text) },
  ]);
}

export const DATA_TAR = tarArchive([
  { name: `.${EXECUTABLE}`, type: '0', mode: 0o755, content: Buffer.from('daemon') },
]);

/** A package out of raw tars, packed with gzip. */
export function rawDeb(parts: RawDeb): Buffer {
  return arArchive([
    { name: 'debian-binary', content: Buffer.from(parts.format ?? '2.0\n') },
    { name: 'control.tar.gz', content: gzipSync(parts.control ?? controlTar(CONTROL_TEXT)) },
    { name: 'data.tar.gz', content: gzipSync(parts.data ?? DATA_TAR) },
  ]);
}

/** A tar out of headers and contents that no honest writer makes; ended properly. */
export function rawTar(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...parts, new Uint8Array(1024)]);
}

export function entry(
  name: string,
  more: { type?: string; mode?: number; link?: string; content?: string } = {},
): Buffer {
  const content = Buffer.from(more.content ?? '');
  const header = tarHeader({
    name,
    type: more.type ?? '0',
    mode: more.mode ?? 0o755,
    size: content.length,
    ...(more.link === undefined ? {} : { link: more.link }),
  });
  return Buffer.concat([header, content, new Uint8Array((512 - (content.length % 512)) % 512)]);
}
