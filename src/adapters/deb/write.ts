/**
 * Writes small `.deb` files: the sandbox's demo packages, and the tests'. The same specification always gives the same bytes, so the
 * same sha256. It writes what dpkg takes; it does not check that a package makes sense.
 */
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { arArchive, type TarItem, tarArchive } from './write-archive.ts';

export type DebContent =
  | {
      readonly kind: 'file';
      /** Absolute path on the host. Folders above it are made with mode 755. */
      readonly path: string;
      readonly content: string | Uint8Array;
      /** Default 0o644. */
      readonly mode?: number;
    }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }
  | { readonly kind: 'directory'; readonly path: string; readonly mode?: number };

export interface DebSpec {
  readonly package: string;
  /** Full Debian version, such as `5.10.2-1.linux`. */
  readonly version: string;
  readonly architecture: string;
  /** Further control fields. `Maintainer`, `Description` and `Installed-Size` have defaults. */
  readonly fields?: Readonly<Record<string, string>>;
  readonly contents: readonly DebContent[];
  /** Absolute paths, which must be among the contents. */
  readonly conffiles?: readonly string[];
  /** Maintainer scripts, with their `#!` line. */
  readonly scripts?: Partial<Readonly<Record<'preinst' | 'postinst' | 'prerm' | 'postrm', string>>>;
}

/** The bytes of the package; control.tar and data.tar packed with gzip, which every dpkg reads. */
export function writeDeb(spec: DebSpec): Buffer {
  return arArchive([
    { name: 'debian-binary', content: Buffer.from('2.0\n') },
    { name: 'control.tar.gz', content: gzipSync(tarArchive(controlItems(spec))) },
    { name: 'data.tar.gz', content: gzipSync(tarArchive(dataItems(spec.contents))) },
  ]);
}

function controlItems(spec: DebSpec): TarItem[] {
  const items: TarItem[] = [{ name: './', type: '5', mode: 0o755 }];
  const add = (name: string, text: string, mode = 0o644): void => {
    if (text !== '') items.push({ name: `./${name}`, type: '0', mode, content: Buffer.from(text) });
  };
  add('control', controlText(spec));
  add('md5sums', md5sums(spec));
  add('conffiles', (spec.conffiles ?? []).map((path) => `${path}\n`).join(''));
  for (const [name, text] of Object.entries(spec.scripts ?? {})) add(name, text, 0o755);
  return items;
}

function controlText(spec: DebSpec): string {
  const bytes = spec.contents.reduce(
    (sum, item) => sum + (item.kind === 'file' ? bytesOf(item.content).length : 0),
    0,
  );
  const fields: Record<string, string> = {
    Package: spec.package,
    Version: spec.version,
    Architecture: spec.architecture,
    Maintainer: 'rollout <rollout@localhost>',
    'Installed-Size': String(Math.ceil(bytes / 1024)),
    Description: `${spec.package} ${spec.version}`,
    ...spec.fields,
  };
  return Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

/** What `dpkg --verify` compares with; conffiles are left out, as in every package. */
function md5sums(spec: DebSpec): string {
  return spec.contents
    .filter((item) => item.kind === 'file')
    .filter((item) => !spec.conffiles?.includes(item.path))
    .map(
      (item) => `${createHash('md5').update(bytesOf(item.content)).digest('hex')}  ${item.path.slice(1)}\n`,
    )
    .join('');
}

function dataItems(contents: readonly DebContent[]): TarItem[] {
  const items = new Map<string, TarItem>([['/', { name: './', type: '5', mode: 0o755 }]]);
  for (const item of contents) {
    for (let slash = item.path.indexOf('/', 1); slash > 0; slash = item.path.indexOf('/', slash + 1)) {
      const folder = `${item.path.slice(0, slash)}/`;
      if (!items.has(folder)) items.set(folder, { name: `.${folder}`, type: '5', mode: 0o755 });
    }
    const name = `.${item.path}`;
    switch (item.kind) {
      case 'file':
        items.set(item.path, { name, type: '0', mode: item.mode ?? 0o644, content: bytesOf(item.content) });
        break;
      case 'symlink':
        items.set(item.path, { name, type: '2', mode: 0o777, link: item.target });
        break;
      case 'directory':
        items.set(`${item.path}/`, { name: `${name}/`, type: '5', mode: item.mode ?? 0o755 });
        break;
    }
  }
  return [...items.values()];
}

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === 'string' ? Buffer.from(content) : content;
}
