/**
 * SSH fan-out: one small program on 500 loopback addresses, 64 at once, by rollout and by the tools that do the same. One sshd
 * answers for all of 127.0.0.0/8; it is on the same machine, so the wall clock is mostly sshd's, the same for all.
 */
import { wholeOrNothing } from '../src/adapters/ssh/programs.ts';
import { whyNoSshd } from '../test/fakes/real-sshd.ts';
import type { BenchRow } from './row.ts';
import { hostAt, openSshBed, runOnFleet, type SshBed } from './ssh-bed.ts';
import { ANSIBLE, CLUSH, installed, measurePeer, PARALLEL_SSH, PDSH } from './ssh-peers.ts';

export interface FanoutOptions {
  /** Default 500. */
  readonly hosts?: number;
  /** Default 64. */
  readonly atOnce?: number;
}

const SAY = `printf '{"step":"begin","ok":true}\\n'`;
/** ansible takes so long that a part has to do. */
const ANSIBLE_HOSTS = 100;
const COMMAND = `sudo -n sh -c true`;

/** Some 100 s with every peer installed, 10 s without. */
export async function benchSshFanout({ hosts = 500, atOnce = 64 }: FanoutOptions = {}): Promise<BenchRow[]> {
  const impossible = whyNoSshd();
  if (impossible !== null)
    return [{ name: 'rollout', what: workOf(0, 0), wallMs: Number.NaN, note: `not measured: ${impossible}` }];
  const bed = await openSshBed(hosts);
  try {
    const rows = [await measureRollout(bed, hosts, atOnce)];
    for (const peer of [PDSH, CLUSH, PARALLEL_SSH, ANSIBLE]) {
      const part = peer === ANSIBLE ? Math.min(hosts, ANSIBLE_HOSTS) : hosts;
      if (peer === ANSIBLE && installed(peer)) rows.push(await measureRollout(bed, part, atOnce));
      const addresses = bed.addresses.slice(0, part);
      rows.push(
        measurePeer(peer, { ...bed, addresses, atOnce, command: COMMAND, what: workOf(part, atOnce) }),
      );
    }
    return rows;
  } finally {
    await bed.stop();
  }
}

/** Rows of the same work are compared with each other. */
function workOf(hosts: number, atOnce: number): string {
  return `ssh fan-out, ${hosts} hosts, ${atOnce} at once`;
}

async function measureRollout(bed: SshBed, count: number, atOnce: number): Promise<BenchRow> {
  const remote = bed.remote({ atOnce, programs: { text: async () => wholeOrNothing(SAY) } });
  const agent = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
  const hosts = bed.addresses.slice(0, count).map(hostAt);
  const { wallMs, cpuMs, note } = await runOnFleet({ remote, hosts, order: { program: 'look', agent } });
  await remote.close();
  return { name: 'rollout', what: workOf(count, atOnce), wallMs, cpuMs, note };
}
