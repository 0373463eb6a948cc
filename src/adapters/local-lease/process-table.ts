/** Which process a pid means, so that a pid that was given to another process is not taken for the holder. */
import { readFile, readlink } from 'node:fs/promises';
import type { ProcessTable } from '../../ports/process-table.ts';

export const systemProcesses: ProcessTable = {
  async mark(hostname, pid) {
    const [bootId, pidNamespace, found] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => null),
      readlink('/proc/self/ns/pid').catch(() => null),
      readStat(pid),
    ]);
    return {
      hostname,
      pid,
      ...(bootId === null ? {} : { bootId: bootId.trim() }),
      ...(pidNamespace === null ? {} : { pidNamespace }),
      ...(found === null ? {} : { startTicks: found.startTicks }),
    };
  },

  async hasEnded(mark, here) {
    const samePlace =
      mark.hostname === here.hostname &&
      mark.bootId === here.bootId &&
      mark.pidNamespace === here.pidNamespace;
    if (!samePlace) return false;
    if (!pidExists(mark.pid)) return true;
    const found = await readStat(mark.pid);
    if (found === null) return false;
    if (found.state === 'Z' || found.state === 'X') return true;
    return mark.startTicks !== undefined && mark.startTicks !== found.startTicks;
  },
};

/** Signal 0 asks only; EPERM means that it exists and is another user's. */
function pidExists(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return !(cause instanceof Error && 'code' in cause && cause.code === 'ESRCH');
  }
}

/** proc(5): `pid (name) state ...`, the start time is field 22. The name may hold spaces and brackets. */
async function readStat(pid: number): Promise<{ state: string; startTicks: string } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  if (text === null) return null;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[22 - 3]];
  return state === undefined || startTicks === undefined ? null : { state, startTicks };
}
