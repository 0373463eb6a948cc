/**
 * `status` and `stop` on 1,000 loopback addresses, 64 at once, by rollout's real host programs and by what one would type with
 * the tools that do the same; where the floor is; and what hosts that say nothing cost the others.
 *
 * One sshd on this machine answers for all, so that the wall clock is mostly its own and the host programs', and the CPU time the
 * client's alone. The peers run one `systemctl show` or `systemctl stop` through the same stand-ins; rollout's programs also read the
 * processes and the hold, write one, and prove that nothing is left.
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
  /** On how many the best peer is found. Default 150. */
  readonly part?: number;
  /** Default 64. */
  readonly atOnce?: number;
}

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
  /** What one would type. */
  readonly typed: string;
}

const VERBS: readonly Verb[] = [
  {
    name: 'status',
    order: STATUS,
    typed: `sudo -n systemctl show ${AGENT.service} -p ActiveState,SubState,UnitFileState,MainPID,NRestarts`,
  },
  { name: 'stop', order: STOP, typed: `sudo -n systemctl stop ${AGENT.service}` },
];

export async function benchLifecycle(options: LifecycleBenchOptions = {}): Promise<BenchRow[]> {
  const { hosts = 1_000, part = 150, atOnce = 64 } = options;
  const impossible = whyNoSshd();
  if (impossible !== null)
    return [{ name: 'rollout', what: 'lifecycle', wallMs: Number.NaN, note: `not measured: ${impossible}` }];
  const bed = await openSshBed(hosts);
  try {
    installStandIns(bed);
    const fleet = { bed, atOnce, programs: createHostPrograms() };
    const rows: BenchRow[] = [];
    for (const verb of VERBS) rows.push(...(await benchVerb(fleet, verb, part)));
    rows.push(...(await benchFloor(fleet)), ...(await benchSick(fleet)));
    return rows;
  } finally {
    await bed.stop();
  }
}

interface Fleet {
  readonly bed: SshBed;
  readonly atOnce: number;
  readonly programs: HostPrograms;
}

/** Finds the best peer on a part of the hosts, and has it do all of them. */
async function benchVerb(fleet: Fleet, verb: Verb, part: number): Promise<BenchRow[]> {
  const rows = [await rolloutRow(fleet, verb, part)];
  const peers: { peer: Peer; wallMs: number }[] = [];
  for (const peer of [PDSH, CLUSH, PARALLEL_SSH]) {
    const row = peerRow(fleet, verb, { peer, count: part });
    rows.push(row);
    if (Number.isFinite(row.wallMs)) peers.push({ peer, wallMs: row.wallMs });
  }
  const all = fleet.bed.addresses.length;
  const own = await rolloutRow(fleet, verb, all);
  const best = peers.toSorted((a, b) => a.wallMs - b.wallMs)[0]?.peer;
  if (best === undefined) rows.push(own);
  else {
    const theirs = peerRow(fleet, verb, { peer: best, count: all });
    rows.push({ ...judged(own, theirs) }, theirs);
  }
  if (verb.name === 'status' && installed(ANSIBLE))
    rows.push(
      await rolloutRow(fleet, verb, ANSIBLE_HOSTS),
      peerRow(fleet, verb, { peer: ANSIBLE, count: ANSIBLE_HOSTS }),
    );
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

async function rolloutRow({ bed, atOnce, programs }: Fleet, verb: Verb, count: number): Promise<BenchRow> {
  startAgents(bed);
  const remote = bed.remote({ atOnce, programs });
  const hosts = bed.addresses.slice(0, count).map(hostAt);
  const { wallMs, cpuMs, note } = await runOnFleet({ remote, hosts, order: verb.order });
  await remote.close();
  return { name: 'rollout', what: workOf(verb.name, count, atOnce), wallMs, cpuMs, note };
}

function peerRow(
  { bed, atOnce }: Fleet,
  verb: Verb,
  { peer, count }: { peer: Peer; count: number },
): BenchRow {
  startAgents(bed);
  return measurePeer(peer, {
    ...bed,
    atOnce,
    addresses: bed.addresses.slice(0, count),
    command: verb.typed,
    what: workOf(verb.name, count, atOnce),
  });
}

/** The same text on the same stdin by ssh2 alone, then the cryptography of so many handshakes. Their CPU time is what counts. */
async function benchFloor({ bed, atOnce, programs }: Fleet): Promise<BenchRow[]> {
  startAgents(bed);
  const hosts = bed.addresses.slice(0, 500);
  const what = workOf('status and its floor', hosts.length, atOnce);
  const own = await rolloutRow(
    { bed, atOnce, programs },
    { name: 'status', order: STATUS, typed: '' },
    hosts.length,
  );
  const bare = await bareSsh2(bed, {
    addresses: hosts,
    atOnce,
    command: hostCommandLine(STATUS),
    text: await programs.text('status'),
    what,
  });
  return [{ ...own, what }, bare, await keyExchangeAlone(hosts.length, what)];
}

const SAY = wholeOrNothing(`printf '{"step":"begin","ok":true}\\n'`);

/** Nine tenths answer, one twentieth takes the connection and says nothing, one twentieth refuses. */
async function benchSick({ bed, atOnce }: Fleet): Promise<BenchRow[]> {
  const programs = { text: async () => SAY };
  const mute = await listening();
  const closed = await listening();
  await closed.close();
  const sick: RemoteHost[] = bed.addresses.map((address, index) => {
    if (index % 20 === 5) return { ...hostAt(address), port: mute.port };
    return index % 20 === 15 ? { ...hostAt(address), port: closed.port } : hostAt(address);
  });
  const well = sick.filter(({ port }) => port === undefined);
  const what = `${well.length} hosts that answer, ${atOnce} at once`;
  const silentFirst = sick.toSorted((a, b) => Number(b.port === mute.port) - Number(a.port === mute.port));
  const rows: BenchRow[] = [];
  for (const [name, hosts] of [
    ['alone', well],
    ['among 50 silent and 50 that refuse', sick],
    ['after 50 silent, among 50 that refuse', silentFirst],
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
