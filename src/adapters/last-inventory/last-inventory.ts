/**
 * The last whole listing, as one file on this machine, readable by its owner only.
 *
 * I1  A listing with unknown zones is not kept, and no empty one over one that is not: it would end as "there is nobody to stop".
 * I2  Whoever reads sees one listing whole, or none: written aside and renamed. It is not flushed, which a listing would wait for; what
 *     a power cut leaves of it counts as absent (I3).
 * I3  A file that is damaged in any place counts as absent: half a fleet would look like the whole of it. So does one that another user
 *     has laid there: it names the addresses that a stop connects to.
 */
import { randomUUID } from 'node:crypto';
import { constants, mkdir, open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { InventoryView } from '../../ports/inventory.ts';
import type { LastInventory } from '../../ports/last-inventory.ts';
import { listingText, parseListing } from './listing-text.ts';

/** Some 100,000 hosts with labels. What is larger is not kept: it would cost every listing more than the fallback is worth. */
const MAX_BYTES = 64 << 20;

/** `file` is absolute; its folder is made with mode 0700. */
export function lastInventory(file: string): LastInventory {
  let queue: Promise<void> = Promise.resolve();

  async function keep(view: InventoryView): Promise<void> {
    if (view.unknownZones.length > 0) return;
    if (view.hosts.length === 0 && ((await readListing(file))?.hosts.length ?? 0) > 0) return;
    const text = listingText(view);
    if (Buffer.byteLength(text) <= MAX_BYTES) await replaceFile(file, text);
  }

  return {
    keep(view) {
      // One after the other, so that the listing that came last is the one that stays.
      queue = queue.then(() => keep(view)).catch(() => undefined);
      return queue;
    },
    last: () => readListing(file),
  };
}

async function readListing(file: string): Promise<InventoryView | null> {
  try {
    // Neither a link that leads elsewhere nor a pipe that nobody writes to.
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = await handle.stat();
      const isOwn = isBelieved(found.uid, process.getuid?.() ?? 0);
      return found.isFile() && isOwn && found.size <= MAX_BYTES
        ? parseListing(await handle.readFile('utf8'))
        : null;
    } finally {
      await handle.close();
    }
  } catch {
    return null;
  }
}

/** Root believes every owner: under `sudo` it reads what the user wrote, and in containers owners mean little. */
function isBelieved(owner: number, user: number): boolean {
  return user === 0 || owner === 0 || owner === user;
}

async function replaceFile(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomUUID()}.tmp`;
  try {
    await writeFile(temporary, text, { mode: 0o600, flag: 'wx' });
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}
