/** Package files in memory: what reading them yields, and their bytes. */
import type { DebFacts } from '../../src/domain/artifact.ts';
import { err, ok } from '../../src/domain/result.ts';
import type { DebError, PackageReader } from '../../src/ports/package-reader.ts';
import { artifactOf, bytesOf } from './some-artifacts.ts';

export interface MemoryFile {
  /** The file's bytes. */
  readonly text: string;
  readonly version?: string;
  readonly architecture?: string;
  readonly package?: string;
  /** Reading it fails so. */
  readonly error?: DebError;
}

export interface MemoryPackages extends PackageReader {
  /** Replaces a file's bytes, after it was read or before. */
  change(file: string, text: string): void;
}

export function memoryPackages(files: Readonly<Record<string, MemoryFile>>): MemoryPackages {
  const stored = new Map(Object.entries(files));
  return {
    async read(file, executable) {
      const found = stored.get(file);
      if (found === undefined) return err({ kind: 'unreadable', message: `${file}: there is no such file` });
      return found.error === undefined ? ok(factsOf(found, executable)) : err(found.error);
    },
    async *open(file) {
      const found = stored.get(file);
      if (found === undefined) throw new Error(`${file}: there is no such file`);
      yield bytesOf(found.text);
    },
    change: (file, text) => stored.set(file, { ...stored.get(file), text }),
  };
}

function factsOf(file: MemoryFile, path: string): DebFacts {
  const { sha256, size, control, executable } = artifactOf(file.text, {
    architecture: file.architecture ?? 'amd64',
  });
  return {
    sha256,
    size,
    control: { ...control, package: file.package ?? 'osquery', version: file.version ?? '5.10.2-1.linux' },
    executable: { ...executable, path },
  };
}
