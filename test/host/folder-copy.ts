/** A folder in memory, to write it again elsewhere: what many tests begin from is made once. */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

type Entry =
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      readonly bytes: Buffer;
      readonly mtime: Date;
    };

/** Everything below a folder, each folder before what is in it. */
export type FolderCopy = readonly Entry[];

export function readFolder(root: string, below = ''): FolderCopy {
  return readdirSync(join(root, below)).flatMap((name): FolderCopy => {
    const path = join(below, name);
    const full = join(root, path);
    const found = lstatSync(full);
    const mode = found.mode & 0o7777;
    if (found.isDirectory()) return [{ kind: 'folder', path, mode }, ...readFolder(root, path)];
    if (found.isSymbolicLink()) return [{ kind: 'link', path, target: readlinkSync(full) }];
    return [{ kind: 'file', path, mode, bytes: readFileSync(full), mtime: found.mtime }];
  });
}

/** Over what is there; the host programs compare the times of files, so they are as they were. */
export function writeFolder(root: string, copy: FolderCopy): void {
  for (const entry of copy) {
    const path = join(root, entry.path);
    switch (entry.kind) {
      case 'folder':
        mkdirSync(path, { recursive: true });
        chmodSync(path, entry.mode);
        break;
      case 'link':
        symlinkSync(entry.target, path);
        break;
      case 'file':
        writeFileSync(path, entry.bytes);
        chmodSync(path, entry.mode);
        utimesSync(path, entry.mtime, entry.mtime);
        break;
    }
  }
}
