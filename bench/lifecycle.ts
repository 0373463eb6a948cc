/**
 * `status` and `stop` on 1,000 loopback addresses, 64 at once, by rollout and by what one would type with the tools that do the
 * same; where the floor is; and what hosts that say nothing cost the others.
 *
 * One sshd on this machine answers for all, so that the wall clock is mostly its own and that of what runs on the hosts; the CPU
 * time is the client's alone. `rollout` runs the same one `systemctl` as the peers, over the same stand-ins. `rollout, its own
 * program` is what is really sent: it also reads the processes and the hold, writes one, and proves that nothing is left, which on
 * a fleet is the hosts' own time and here this machine's.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createHostPrograms, type HostPrograms, wholeOrNothing } from '../src/adapters/ssh/programs.ts';
import { hostCommandLine } from '../src/domain/host-command.ts';
import type { HostOrder } from '../src/domain/host-order.ts';
import type { RemoteHost } from '../src/ports/remote.ts';
import { whyNoSshd } from '../test/fakes/real-sshd.ts';
import type { BenchRow } from './row.ts';
import { hostAt, openSshBed, runOnFleet, type SshBed } from './ssh-bed.ts';
import { bareSsh2, keyExchangeAlone } from './ssh-floor.ts';
import { ANSIBLE, CLUSH, installed, measurePeer, PARALLEL_SSH, PDSH, type Peer } from './ssh-peers.ts';
import { AGENT, installStandIns, startAgents } from './stand-in-hosts.ts';

export interface LifecycleBenchOptions {
  /** Default 1,000. */
  readonly hosts?: number;
  /** On how many the best peer is found. Default 60. */
  readonly part?: number;
  /** How many have rollout's own programs run, and the floor. Default 250. */
  readonly own?: number;
  /** Default 64. */
  readonly atOnce?: number;
}

const BEGIN = `printf '{"step":"begin","ok":true}\\n'`;
const SAY = wholeOrNothing(BEGIN);
/** ansible takes so long that a part has to do. */
const ANSIBLE_HOSTS = 50;
/** The goals: of the best peer's wall time, and of its client's CPU time. */
const GOAL = { wall: 1 / 3, cpu: 1 / 20 } as const;

const STATUS: HostOrder = { program: 'status', agent: AGENT, sampleMs: 0, starters: [] };
const STOP: HostOrder = {
  program: 'service',
  agent: AGENT,
  verb: 'stop',
  now: false,
  hold: {
    actionId: 'a-1',
    environment: 'bench',
    by: 'bench@loopback',
    reason: 'a bench',
    since: 1_780_000_000_000,
    until: 1_780_100_000_000,
  },
  brake: 'mask',
  commands: [],
  starters: [],
  proveMs: 0,
};

interface Verb {
  readonly name: 'status' | 'stop';
  readonly order: HostOrder;
  /** What one would type behind sudo. */
  readonly typed: string;
}

const VERBS: readonly Verb[] = [
  {
    name: 'status',
    order: STATUS,
    typed: `systemctl show ${AGENT.service} -p ActiveState,SubState,UnitFileState,MainPID,NRestarts`,
  },
  { name: 'stop', order: STOP, typed: `systemctl stop ${AGENT.service}` },
];

/** Under 4 minutes with every peer installed and nothing else to do for the machine. */
export async function benchLifecycle(options: LifecycleBenchOptions = {}): Promise<BenchRow[]> {
  const { hosts = 1_000, part = 60, own = 250, atOnce = 64 } = options;
  const impossible = whyNoSshd();
  if (impossible !== null)
    return [{ name: 'rollout', what: 'lifecycle', wallMs: Number.NaN, note: `not measured: ${impossible}` }];
  const bed = await openSshBed(hosts);
  try {
    installStandIns(bed);
    const fleet = { bed, atOnce };
    const rows: BenchRow[] = [];
    for (const verb of VERBS) {
      rows.push(...(await benchVerb(fleet, verb, part)));
      rows.push(await rolloutRow(fleet, verb, { count: own, programs: createHostPrograms() }));
    }
    rows.push(...(await benchFloor(fleet, own)), ...(await benchSick(fleet)));
    return rows;
  } finally {
    await bed.stop();
  }
}

interface Fleet {
  readonly bed: SshBed;
  readonly atOnce: number;
}

/** Finds the best peer on a part of the hosts, and has it do all of them. */
async function benchVerb(fleet: Fleet, verb: Verb, part: number): Promise<BenchRow[]> {
  const rows = [await rolloutRow(fleet, verb, { count: part })];
  const peers: { peer: Peer; wallMs: number }[] = [];
  for (const peer of [PDSH, CLUSH, PARALLEL_SSH]) {
    const row = peerRow(fleet, verb, { peer, count: part });
    rows.push(row);
    if (Number.isFinite(row.wallMs)) peers.push({ peer, wallMs: row.wallMs });
  }
  const all = fleet.bed.addresses.length;
  const own = await rolloutRow(fleet, verb, { count: all });
  const best = peers.toSorted((a, b) => a.wallMs - b.wallMs)[0]?.peer;
  if (best === undefined) rows.push(own);
  else {
    const theirs = peerRow(fleet, verb, { peer: best, count: all });
    rows.push(judged(own, theirs), theirs);
  }
  if (verb.name === 'status') {
    if (installed(ANSIBLE)) rows.push(await rolloutRow(fleet, verb, { count: ANSIBLE_HOSTS }));
    rows.push(peerRow(fleet, verb, { peer: ANSIBLE, count: ANSIBLE_HOSTS }));
  }
  return rows;
}

/** The goals, from the best peer's row of the same run. */
function judged(own: BenchRow, best: BenchRow): BenchRow {
  const cpu = (own.cpuMs ?? Number.NaN) / (best.cpuMs ?? Number.NaN);
  const share = `CPU 1/${(1 / cpu).toFixed(1)} of ${best.name}'s: goal 1/${1 / GOAL.cpu} ${cpu <= GOAL.cpu ? 'met' : 'MISSED'}`;
  return { ...own, goalMs: best.wallMs * GOAL.wall, note: `${own.note}; ${share}` };
}

function workOf(what: string, hosts: number, atOnce: number): string {
  return `${what}, ${hosts} hosts, ${atOnce} at once`;
}

/** Without programs of its own: the same command as the peers'. */
async function rolloutRow(
  { bed, atOnce }: Fleet,
  { name, order, typed }: Verb,
  { count, programs }: { count: number; programs?: HostPrograms },
): Promise<BenchRow> {
  startAgents(bed, count);
  const same = { text: async () => wholeOrNothing(`${BEGIN}\n${typed}`) };
  const remote = bed.remote({ atOnce, programs: programs ?? same });
  const hosts = bed.addresses.slice(0, count).map(hostAt);
  const { wallMs, cpuMs, note } = await runOnFleet({ remote, hosts, order });
  await remote.close();
  const what = workOf(name, count, atOnce);
  return { name: programs === undefined ? 'rollout' : 'rollout, its own program', what, wallMs, cpuMs, note };
}

function peerRow(
  { bed, atOnce }: Fleet,
  verb: Verb,
  { peer, count }: { peer: Peer; count: number },
): BenchRow {
  startAgents(bed, count);
  return measurePeer(peer, {
    ...bed,
    atOnce,
    addresses: bed.addresses.slice(0, count),
    command: `sudo -n ${verb.typed}`,
    what: workOf(verb.name, count, atOnce),
  });
}

/** The same text on the same stdin by ssh2 alone, then the cryptography of so many handshakes. Their CPU time is what counts. */
async function benchFloor({ bed, atOnce }: Fleet, count: number): Promise<BenchRow[]> {
  const addresses = bed.addresses.slice(0, count);
  const what = workOf('the floor of CPU', count, atOnce);
  const remote = bed.remote({ atOnce, programs: { text: async () => SAY } });
  const { wallMs, cpuMs, note } = await runOnFleet({ remote, hosts: addresses.map(hostAt), order: STATUS });
  await remote.close();
  const bare = await bareSsh2(bed, { addresses, atOnce, command: hostCommandLine(STATUS), text: SAY, what });
  return [{ name: 'rollout', what, wallMs, cpuMs, note }, bare, await keyExchangeAlone(count, what)];
}

/** Nine tenths answer, one twentieth takes the connection and says nothing, one twentieth refuses. */
async function benchSick({ bed, atOnce }: Fleet): Promise<BenchRow[]> {
  const programs = { text: async () => SAY };
  startAgents(bed, bed.addresses.length);
  const mute = await listening();
  const closed = await listening();
  await closed.close();
  const sick: RemoteHost[] = bed.addresses.map((address, index) => {
    if (index % 20 === 5) return { ...hostAt(address), port: mute.port };
    return index % 20 === 15 ? { ...hostAt(address), port: closed.port } : hostAt(address);
  });
  const well = sick.filter(({ port }) => port === undefined);
  const what = `${well.length} hosts that answer, ${atOnce} at once`;
  const rows: BenchRow[] = [];
  for (const [name, hosts] of [
    ['alone', well],
    [`among ${sick.length - well.length} of which half say nothing and half refuse`, sick],
  ] as const) {
    const remote = bed.remote({ atOnce, programs });
    const stop = new AbortController();
    const started = performance.now();
    let answered = 0;
    let lastMs = 0;
    const { cpuMs, note } = await runOnFleet({
      remote,
      hosts,
      order: STATUS,
      signal: stop.signal,
      onAnswer(answer) {
        if (answer.kind !== 'answered') return;
        answered += 1;
        lastMs = performance.now() - started;
        // The silent ones would be waited for, and are not what is measured.
        if (answered === well.length) stop.abort();
      },
    });
    await remote.close();
    const said =
      name === 'alone' ? note : `${answered} of ${hosts.length} answered; the time is the last of them`;
    rows.push({ name: `rollout, ${name}`, what, wallMs: lastMs, cpuMs, note: said });
  }
  await mute.close();
  return rows;
}

/** Takes connections and says nothing. */
async function listening(): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '0.0.0.0', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
