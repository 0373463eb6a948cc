/** An outbox in memory, one machine's: what is in it outlives the process that put it there. */
import { err, ok } from '../../src/domain/result.ts';
import type { Outbox, WaitingEntry } from '../../src/ports/outbox.ts';

export interface MemoryOutbox extends Outbox {
  readonly entries: readonly WaitingEntry[];
  /** `full`: nothing goes in. `hangs`: no call comes back. `mute`: what waits cannot be told. */
  trouble: 'none' | 'full' | 'hangs' | 'mute';
  readonly unreadable: string[];
}

export function memoryOutbox(): MemoryOutbox {
  const stored: { readonly text: string }[] = [];
  const hung = (): Promise<never> => new Promise<never>(() => undefined);
  const outbox: MemoryOutbox = {
    trouble: 'none',
    unreadable: [],
    get entries() {
      return stored.map(({ text }) => JSON.parse(text) as WaitingEntry);
    },
    async put(entry) {
      if (outbox.trouble === 'hangs') return hung();
      if (outbox.trouble === 'full') return err('the disk of this machine is full (ENOSPC)');
      stored.push({ text: JSON.stringify(entry) });
      return ok(undefined);
    },
    async waiting() {
      if (outbox.trouble === 'hangs') return hung();
      if (outbox.trouble === 'mute') return err('the folder cannot be read (EACCES)');
      const entries = stored.map((one) => ({
        entry: JSON.parse(one.text) as WaitingEntry,
        done: async () => {
          const at = stored.indexOf(one);
          if (at >= 0) stored.splice(at, 1);
        },
      }));
      return ok({ entries, unreadable: [...outbox.unreadable] });
    },
  };
  return outbox;
}
