/**
 * The files of a data.tar, as far as needed to say which file an absolute path on the host will be.
 *
 * F1  No name is absolute or climbs out of the root.
 * F2  No path is there twice (but for directories), and nothing lies below a file or below a link of the same package: what would
 *     be written there depends on the order of unpacking.
 * F3  Following links ends: after 40 of them, as in the kernel.
 */
import { createHash } from 'node:crypto';
import type { PackagedExecutable } from '../../domain/artifact.ts';
import { unreachable } from '../../domain/result.ts';
import { DebFailure } from './failure.ts';
import { show, type TarContent, type TarEntry } from './tar.ts';

const MAX_LINKS = 40;

interface PlainFile {
  readonly kind: 'file';
  readonly mode: number;
  readonly size: number;
  /** Filled in when the content has been read; empty for files that cannot be executed. */
  sha256: string;
}

type Node =
  | PlainFile
  | { readonly kind: 'directory' }
  | { readonly kind: 'symlink'; readonly target: string };

/** Path without leading `./` and trailing slash; empty for the root itself. Enforces F1. */
export function safePath(name: string, member: string): string {
  const unsafe = (why: string): DebFailure =>
    new DebFailure('unsafe-path', `${member}: the name ${show(name)} ${why}`);
  if (name === '') throw unsafe('is empty');
  if (name.startsWith('/')) throw unsafe('is absolute');
  // Control characters have no place in a path, and could forge lines of a log or a listing.
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(name)) throw unsafe('holds control characters');
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw unsafe('leads out of the package');
  return parts.join('/');
}

export class FileTree {
  readonly #nodes = new Map<string, Node>();
  readonly #member: string;

  constructor(member: string) {
    this.#member = member;
  }

  /** Takes an entry; gives back where its content goes where that matters. Only what can be executed is digested. */
  add(entry: TarEntry): TarContent | null {
    const path = safePath(entry.name, this.#member);
    if (path === '' && entry.kind !== 'directory') throw this.#malformed('its root is not a directory');
    const before = this.#nodes.get(path);
    if (before !== undefined && !(before.kind === 'directory' && entry.kind === 'directory')) {
      throw this.#malformed(`${show(entry.name)} is in it twice`); // F2
    }
    switch (entry.kind) {
      case 'directory':
        this.#nodes.set(path, { kind: 'directory' });
        return null;
      case 'symlink':
        if (entry.link === '') throw this.#malformed(`the link ${show(entry.name)} has no target`);
        this.#nodes.set(path, { kind: 'symlink', target: entry.link });
        return null;
      case 'hardlink': {
        const target = this.#nodes.get(safePath(entry.link, this.#member));
        if (target?.kind !== 'file') {
          throw this.#malformed(
            `${show(entry.name)} is a hard link to ${show(entry.link)}, which is no file before it`,
          );
        }
        this.#nodes.set(path, target);
        return null;
      }
      case 'file': {
        const file: PlainFile = { kind: 'file', mode: entry.mode, size: entry.size, sha256: '' };
        this.#nodes.set(path, file);
        if ((entry.mode & 0o111) === 0) return null;
        const hash = createHash('sha256');
        return {
          write: (part) => {
            hash.update(part);
          },
          end: () => {
            file.sha256 = hash.digest('hex');
          },
        };
      }
      default:
        return unreachable(entry.kind);
    }
  }

  /** Checks F2 over the whole tree, to be called when all entries are in. */
  check(): void {
    for (const path of this.#nodes.keys()) {
      for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
        const above = this.#nodes.get(path.slice(0, slash));
        if (above === undefined || above.kind === 'directory') continue;
        const what =
          above.kind === 'symlink'
            ? `the link ${show(path.slice(0, slash))}`
            : `the file ${show(path.slice(0, slash))}`;
        throw new DebFailure(
          'unsafe-path',
          `${this.#member}: ${show(path)} lies below ${what} of the same package`,
        );
      }
    }
  }

  /** The file that `path` (absolute on the host) will be, through the package's own links. */
  executable(path: string): PackagedExecutable {
    const resolved = this.#follow(path);
    const node = this.#nodes.get(resolved);
    if (node?.kind === 'file') {
      const hostPath = `/${resolved}`;
      if ((node.mode & 0o111) === 0) {
        throw new DebFailure(
          'missing-executable',
          `${hostPath} is in it, but may not be executed (mode ${node.mode.toString(8)})`,
        );
      }
      if (node.size === 0) throw new DebFailure('missing-executable', `${hostPath} is in it, but is empty`);
      return { path: hostPath, sha256: node.sha256, size: node.size };
    }
    const via = `/${resolved}` === path ? '' : `, which leads to /${resolved},`;
    if (node !== undefined) throw new DebFailure('missing-executable', `${path}${via} is a directory in it`);
    throw new DebFailure('missing-executable', `${path}${via} is not in it${this.#hint(path)}`);
  }

  #follow(path: string): string {
    const todo = path.split('/').reverse();
    const done: string[] = [];
    let links = 0;
    while (todo.length > 0) {
      const part = todo.pop();
      if (part === undefined || part === '' || part === '.') continue;
      if (part === '..') {
        if (done.pop() === undefined)
          throw new DebFailure('unsafe-path', `${this.#member}: links of ${path} lead above the root`);
        continue;
      }
      const node = this.#nodes.get([...done, part].join('/'));
      if (node?.kind !== 'symlink') {
        done.push(part);
        continue;
      }
      links += 1;
      if (links > MAX_LINKS)
        throw new DebFailure('malformed', `${this.#member}: the links of ${path} go round in circles`); // F3
      if (node.target.startsWith('/')) done.length = 0;
      todo.push(...node.target.split('/').reverse());
    }
    return done.join('/');
  }

  #hint(path: string): string {
    const base = path.slice(path.lastIndexOf('/') + 1);
    const alike = [...this.#nodes.keys()]
      .filter((known) => known === base || known.endsWith(`/${base}`))
      .slice(0, 3);
    if (alike.length === 0) return '';
    return `; it has ${alike.map((known) => `/${known}`).join(', ')}: is agent.executable right in the environment's file?`;
  }

  #malformed(why: string): DebFailure {
    return new DebFailure('malformed', `${this.#member}: ${why}`);
  }
}
