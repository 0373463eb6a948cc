/** The folder of epochs: list, read, create only, rewrite. Throws Node's errors; the lease turns them into words. */
import { link, mkdir, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type EpochRecord, epochName, parseEpoch, parseEpochName } from './epoch-file.ts';

const SUFFIX = '.tmp';

/** No heartbeat takes longer to write; what is older belongs to a process that was killed. */
const ABANDONED_AFTER_MS = 3_600_000;

/** Past holders whose files are kept, for a person who asks who it was. */
const KEPT_EPOCHS = 4;

export type FoundEpoch =
  | { readonly kind: 'none' }
  | { readonly kind: 'record'; readonly record: EpochRecord }
  /** `changedAt`: ms since the epoch. */
  | { readonly kind: 'unreadable'; readonly epoch: number; readonly changedAt: number };

export function hasCode(cause: unknown, code: string): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === code;
}

export interface EpochFolder {
  prepare(now: number): Promise<void>;
  /** Numbers that are taken, rising. */
  epochs(): Promise<number[]>;
  read(epoch: number): Promise<FoundEpoch>;
  /** The newest epoch; `none` before the first. */
  newest(): Promise<FoundEpoch>;
  /** False where the epoch is taken. Durable. */
  create(record: EpochRecord): Promise<boolean>;
  /** Replaces the epoch's own file in one step: readers see the old or the new one. */
  rewrite(record: EpochRecord): Promise<void>;
  remove(epoch: number): Promise<void>;
  /** Removes the files of epochs long past. Never throws. */
  prune(epoch: number): Promise<void>;
}

export function epochFolder(folder: string): EpochFolder {
  const path = (epoch: number): string => join(folder, epochName(epoch));
  let written = 0;

  async function writeTemporary(record: EpochRecord): Promise<string> {
    for (;;) {
      const temporary = join(folder, `.${record.epoch}.${process.pid}.${written++}${SUFFIX}`);
      try {
        const handle = await open(temporary, 'wx', 0o600);
        try {
          await handle.writeFile(`${JSON.stringify(record)}\n`);
          await handle.sync();
        } catch (cause) {
          await unlink(temporary).catch(() => undefined);
          throw cause;
        } finally {
          await handle.close();
        }
        return temporary;
      } catch (cause) {
        // On a shared folder another machine's process may have our pid: the next number is free some time.
        if (!hasCode(cause, 'EEXIST') || written > 10_000) throw cause;
      }
    }
  }

  async function epochs(): Promise<number[]> {
    const names = await readdir(folder).catch((cause: unknown) => {
      if (hasCode(cause, 'ENOENT')) return [];
      throw cause;
    });
    const found = names.map(parseEpochName).filter((epoch) => epoch !== null);
    return found.sort((a, b) => a - b);
  }

  async function read(epoch: number): Promise<FoundEpoch> {
    try {
      const record = parseEpoch(await readFile(path(epoch), 'utf8'), epoch);
      if (record) return { kind: 'record', record };
      return { kind: 'unreadable', epoch, changedAt: (await stat(path(epoch))).mtimeMs };
    } catch (cause) {
      if (hasCode(cause, 'ENOENT')) return { kind: 'none' };
      throw cause;
    }
  }

  return {
    async prepare(now) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(folder)) {
        if (!name.startsWith('.') || !name.endsWith(SUFFIX)) continue;
        const found = await stat(join(folder, name)).catch(() => null);
        if (found && now - found.mtimeMs > ABANDONED_AFTER_MS)
          await unlink(join(folder, name)).catch(() => undefined);
      }
    },
    epochs,
    read,
    async newest() {
      const epoch = (await epochs()).at(-1);
      return epoch === undefined ? { kind: 'none' } : read(epoch);
    },
    async create(record) {
      const temporary = await writeTemporary(record);
      try {
        await link(temporary, path(record.epoch));
        const handle = await open(folder, 'r');
        try {
          await handle.sync();
        } finally {
          await handle.close();
        }
        return true;
      } catch (cause) {
        if (hasCode(cause, 'EEXIST')) return false;
        throw cause;
      } finally {
        await unlink(temporary).catch(() => undefined);
      }
    },
    async rewrite(record) {
      const temporary = await writeTemporary(record);
      try {
        await rename(temporary, path(record.epoch));
      } catch (cause) {
        await unlink(temporary).catch(() => undefined);
        throw cause;
      }
    },
    async remove(epoch) {
      await unlink(path(epoch)).catch((cause: unknown) => {
        if (!hasCode(cause, 'ENOENT')) throw cause;
      });
    },
    async prune(epoch) {
      const past = (await epochs().catch(() => [])).filter((one) => one <= epoch - KEPT_EPOCHS);
      for (const one of past) await unlink(path(one)).catch(() => undefined);
    },
  };
}
