/**
 * What the embedded fleet's `dpkg` cannot do in sh: unpacks a `.deb` (control and data in plain tar or gz) into a host's folder.
 *
 * `node unpack-deb.js FILE ROOT` marks the package half-installed, runs its preinst, writes its files (each appears whole, by
 * renaming; edited conffiles stay), marks it unpacked, and prints `NAME VERSION OLDVERSION`. Ends with 1 and dpkg's words on
 * stderr when the file cannot be read or preinst fails; the old package then stays as it was. Only for packages that the demo
 * made or that a person staged: the strict reader is adapters/deb.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';

interface TarFile {
  readonly path: string;
  readonly type: string;
  readonly mode: number;
  readonly link: string;
  readonly bytes: Buffer;
}

const SCRIPTS = ['preinst', 'postinst', 'prerm', 'postrm', 'conffiles'] as const;

/** Members of the outer ar archive by name: 60-byte headers, bodies padded to even length. */
function readAr(bytes: Buffer): Map<string, Buffer> {
  if (bytes.subarray(0, 8).toString('latin1') !== '!<arch>\n') throw new Error('not a Debian package');
  const members = new Map<string, Buffer>();
  for (let at = 8; at + 60 <= bytes.length; ) {
    const name = bytes
      .subarray(at, at + 16)
      .toString('latin1')
      .trim()
      .replace(/\/$/, '');
    const size = Number(
      bytes
        .subarray(at + 48, at + 58)
        .toString('latin1')
        .trim(),
    );
    if (!Number.isSafeInteger(size) || at + 60 + size > bytes.length) throw new Error('truncated package');
    members.set(name, bytes.subarray(at + 60, at + 60 + size));
    at += 60 + size + (size % 2);
  }
  return members;
}

/** Entries of the archive's `control` or `data` part; paths are relative to the root and never lead out of it. */
async function readTar(members: Map<string, Buffer>, part: 'control' | 'data'): Promise<TarFile[]> {
  const gz = members.get(`${part}.tar.gz`);
  const plain = gz === undefined ? members.get(`${part}.tar`) : gunzipSync(gz);
  if (plain === undefined) throw new Error(`the embedded fleet reads ${part}.tar.gz only`);
  const tar = extract();
  tar.end(plain);
  const files: TarFile[] = [];
  for await (const entry of tar) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const path = normalize(entry.header.name).replace(/^\/+/, '');
    if (path.startsWith('..')) throw new Error(`path leads out of the package: ${entry.header.name}`);
    const { type, mode, linkname } = entry.header;
    files.push({
      path,
      type: type ?? 'file',
      mode: mode ?? 0o644,
      link: linkname ?? '',
      bytes: Buffer.concat(chunks),
    });
  }
  return files;
}

function field(control: string, name: string): string {
  const found = new RegExp(`^${name}: *(.+)$`, 'm').exec(control);
  if (found?.[1] === undefined) throw new Error(`the package's control file lacks ${name}`);
  return found[1].trim();
}

function put(root: string, file: TarFile): void {
  const target = join(root, file.path);
  if (file.type === 'directory') {
    mkdirSync(target, { recursive: true });
    return;
  }
  mkdirSync(dirname(target), { recursive: true });
  const part = `${target}.dpkg-new`;
  rmSync(part, { force: true });
  if (file.type === 'symlink') {
    // An absolute link would lead out of the host's folder.
    const link = file.link.startsWith('/') ? relative(dirname(target), join(root, file.link)) : file.link;
    symlinkSync(link, part);
  } else {
    writeFileSync(part, file.bytes);
    chmodSync(part, file.mode & 0o777);
  }
  renameSync(part, target);
}

function readLines(path: string): string[] {
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
    : [];
}

/** dpkg's own state of a package: one line `WANT STATUS VERSION`, replaced whole. */
function mark(path: string, line: string): void {
  writeFileSync(`${path}.new`, `${line}\n`);
  renameSync(`${path}.new`, path);
}

function giveUp(message: string): never {
  process.stderr.write(`dpkg: error processing archive ${file} (--install): ${message}\n`);
  process.exit(1);
}

async function readPackage(path: string): Promise<{ control: TarFile[]; data: TarFile[] }> {
  try {
    const members = readAr(readFileSync(path));
    return { control: await readTar(members, 'control'), data: await readTar(members, 'data') };
  } catch (cause) {
    return giveUp((cause as Error).message);
  }
}

const [file, root] = process.argv.slice(2);
if (file === undefined || root === undefined) throw new Error('usage: unpack-deb FILE ROOT');
const { control, data } = await readPackage(file);
const text = control.find((entry) => entry.path === 'control')?.bytes.toString('utf8') ?? '';
const name = field(text, 'Package');
const version = field(text, 'Version');
const info = join(root, 'var/lib/dpkg/info');
const state = join(root, 'var/lib/dpkg/shim', name);
mkdirSync(info, { recursive: true });
mkdirSync(dirname(state), { recursive: true });
const before = readLines(state)[0];
const oldVersion = before?.split(' ')[2] ?? '';
mark(state, `install half-installed ${oldVersion === '' ? version : oldVersion}`);
const preinst = control.find((entry) => entry.path === 'preinst');
if (preinst !== undefined) {
  const script = join(info, `.${name}.preinst`);
  writeFileSync(script, preinst.bytes);
  const ran = spawnSync('sh', [script, 'upgrade', oldVersion], { stdio: ['ignore', 2, 2] });
  if (ran.status !== 0) {
    if (before === undefined) rmSync(state);
    else mark(state, before);
    giveUp(`new ${name} package pre-installation script subprocess returned error exit status ${ran.status}`);
  }
}
const scripts = new Map(control.map((entry) => [entry.path, entry.bytes]));
const conffiles = new Set(
  (scripts.get('conffiles')?.toString('utf8') ?? '').split('\n').map((path) => path.replace(/^\//, '')),
);
for (const entry of data) {
  if (conffiles.has(entry.path) && existsSync(join(root, entry.path))) continue;
  put(root, entry);
}
const now = new Set(data.filter((entry) => entry.type !== 'directory').map((entry) => entry.path));
for (const old of readLines(join(info, `${name}.list`))) {
  if (!now.has(old) && !conffiles.has(old)) rmSync(join(root, old), { force: true });
}
writeFileSync(join(info, `${name}.list`), `${[...now].join('\n')}\n`);
for (const script of SCRIPTS) {
  const bytes = scripts.get(script);
  if (bytes === undefined) rmSync(join(info, `${name}.${script}`), { force: true });
  else writeFileSync(join(info, `${name}.${script}`), bytes);
}
mark(state, `install unpacked ${version}`);
process.stdout.write(`${name} ${version} ${oldVersion}\n`);
