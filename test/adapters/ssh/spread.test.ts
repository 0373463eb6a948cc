/** The Remote that deals jobs out to threads: over real SSH to servers on loopback, with real threads, from a few hosts on. */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { type SpreadOptions, spreadRemote } from '../../../src/adapters/ssh/spread.ts';
import type { SshSettings } from '../../../src/domain/connection.ts';
import type { HostKeySource } from '../../../src/ports/host-keys.ts';
import type { Remote, RemoteAnswer } from '../../../src/ports/remote.ts';
import { startRealSshd, whyNoSshd } from '../../fakes/real-sshd.ts';
import {
  answering,
  BEGIN,
  type FakeSshOptions,
  type FakeSshServer,
  newHostKey,
  startFakeSshServer,
} from '../../fakes/ssh-server.ts';
import { at, bytesSource, createRig, job, type Rig } from './ssh-rig.ts';

const THREAD = new URL('../../../src/cli/ssh-thread.ts', import.meta.url);
const FAILING = new URL('./thread-that-fails.ts', import.meta.url);

let rig: Rig;
let servers: FakeSshServer[];
let remotes: Remote[];

beforeEach(() => {
  rig = createRig();
  servers = [];
  remotes = [];
});
afterEach(async () => {
  await Promise.all(remotes.map((remote) => remote.close()));
  await Promise.all(servers.map((server) => server.close()));
  await rig.remove();
});

async function trusted(options: FakeSshOptions = {}): Promise<FakeSshServer> {
  const server = await startFakeSshServer(options);
  servers.push(server);
  rig.trust(...servers.map((one) => one.knownHostsLine('127.0.0.1')));
  return server;
}

interface Spread {
  readonly remote: Remote;
  /** Names of the hosts that were done in this thread. */
  readonly here: string[];
}

/** Two threads from the second job on; `here` is a real Remote that is listened to. */
function spread(options: Partial<SpreadOptions> = {}, changes: Partial<SshSettings> = {}): Spread {
  const { hostKeys, userName } = options;
  const local = rig.remote(changes, {
    ...(hostKeys === undefined ? {} : { hostKeys }),
    ...(userName === undefined ? {} : { userName }),
  });
  const here: string[] = [];
  const remote = spreadRemote({
    settings: rig.settings(changes),
    clock: systemClock,
    module: THREAD,
    cores: 8,
    from: 2,
    threads: 2,
    here: {
      run(host, ...rest) {
        here.push(host.name);
        return local.run(host, ...rest);
      },
      close: () => local.close(),
    },
    ...options,
  });
  remotes.push(remote);
  return { remote, here };
}

const called = (answers: readonly RemoteAnswer[]): string[] =>
  answers.map((answer) => (answer.kind === 'answered' ? `exit ${answer.exitCode}` : answer.why));
const hosts = (port: number, ...ids: readonly string[]) => ids.map((id) => at(port, '127.0.0.1', id));
const numbered = (count: number) => Array.from({ length: count }, (_, index) => String(index));

describe('what leaves this thread', () => {
  it('300 hosts through two threads are answered once each, with their own answer', async () => {
    const server = await trusted({
      command: async (command) => {
        const id = /instance_id=(\d+)/.exec(command.line)?.[1];
        await answering([`{"step":"done","ok":true,"id":"${id}"}`], 3)(command);
      },
    });
    const { remote, here } = spread();
    let times = 0;
    const answers = await Promise.all(
      hosts(server.port, ...numbered(300)).map(async (host) => {
        const order = { ...job().order, instanceId: host.id };
        const answer = await remote.run(host, job({ order }));
        times += 1;
        return answer;
      }),
    );
    expect(times).toBe(300);
    expect(here).toEqual([]);
    expect(
      answers.map((answer) => answer.kind === 'answered' && [answer.exitCode, answer.steps.at(-1)?.id]),
    ).toEqual(numbered(300).map((id) => [3, id]));
    expect(server.commands).toHaveLength(300);
  });

  it('few jobs stay, and so do those that come one after the other', async () => {
    const server = await trusted();
    const { remote, here } = spread({ from: 3, module: new URL('file:///nothing/is/started.js') });
    const [a = at(0), b = at(0), c = at(0)] = hosts(server.port, 'a', 'b', 'c');
    expect(called(await Promise.all([remote.run(a, job()), remote.run(b, job())]))).toEqual([
      'exit 0',
      'exit 0',
    ]);
    expect(called([await remote.run(c, job())])).toEqual(['exit 0']);
    expect(here).toEqual(['web-a', 'web-b', 'web-c']);
  });

  it('jobs with packages stay, among others that leave', async () => {
    const server = await trusted();
    const { remote, here } = spread();
    const packages = [bytesSource(Buffer.from('x'), '0'.repeat(64))];
    await Promise.all(
      hosts(server.port, ...numbered(6)).map((host, index) =>
        remote.run(host, index % 2 === 0 ? job() : job({ packages })),
      ),
    );
    expect(here).toEqual(['web-1', 'web-3', 'web-5']);
  });

  it.each([
    ['few cores', { cores: 3 }, {}],
    ['a jump host', { threads: 4 }, { jump: [{ user: 'a', host: '127.0.0.1', port: 1 }] }],
    ['a proxy program', { threads: 4 }, { proxyCommand: ['nc', '{address}', '{port}'] }],
    ['one connection at a time', { threads: 4 }, { concurrency: 1 }],
  ])('%s: the Remote is the one of this thread itself', (_, options, changes) => {
    const here = rig.remote();
    const settings = rig.settings(changes);
    expect(spreadRemote({ settings, clock: systemClock, module: THREAD, cores: 8, here, ...options })).toBe(
      here,
    );
  });

  it('the two threads together have no more connections than the settings allow', async () => {
    let now = 0;
    let most = 0;
    const server = await trusted({
      command: async (command) => {
        now += 1;
        most = Math.max(most, now);
        await new Promise((resolve) => setTimeout(resolve, 30));
        now -= 1;
        await answering([])(command);
      },
    });
    const { remote } = spread({}, { concurrency: 6 });
    await Promise.all(hosts(server.port, ...numbered(40)).map((host) => remote.run(host, job())));
    expect(most).toBeGreaterThan(3);
    expect(most).toBeLessThanOrEqual(6);
  });
});

describe('what a thread is told and asks', () => {
  it('steps are told in their order, before the answer', async () => {
    const server = await trusted({
      command: answering(['{"step":"one","ok":true}', '{"step":"two","ok":true}']),
    });
    const { remote } = spread();
    const told: string[] = [];
    await Promise.all(
      hosts(server.port, 'a', 'b').map(async (host) => {
        await remote.run(host, job({ onStep: ({ step }) => told.push(`${host.id} ${step}`) }));
        told.push(`${host.id} answered`);
      }),
    );
    for (const id of ['a', 'b'])
      expect(told.filter((word) => word.startsWith(id))).toEqual(
        ['begin', 'one', 'two', 'answered'].map((word) => `${id} ${word}`),
      );
  });

  it('a host with another key is a mismatch there as well, and runs nothing', async () => {
    const server = await trusted();
    const other = await startFakeSshServer();
    servers.push(other);
    rig.trust(
      server.knownHostsLine('127.0.0.1'),
      server.knownHostsLine('127.0.0.1').replace(`:${server.port}`, `:${other.port}`),
    );
    const { remote, here } = spread();
    const answers = await Promise.all([
      ...hosts(server.port, 'a').map((host) => remote.run(host, job())),
      ...hosts(other.port, 'b').map((host) => remote.run(host, job())),
    ]);
    expect(called(answers)).toEqual(['exit 0', 'host-key-mismatch']);
    expect(other.commands).toEqual([]);
    expect(here).toEqual([]);
  });

  it('keys that the cloud publishes, and whose account it is, are asked of this thread', async () => {
    const key = newHostKey();
    const server = await startFakeSshServer({ hostKeys: [key] });
    servers.push(server);
    const [, type = '', base64 = ''] = server.knownHostsLine('127.0.0.1').trim().split(' ');
    const asked: string[] = [];
    const hostKeys: HostKeySource = {
      async keysOf(host) {
        asked.push(host.id);
        return host.id === '3'
          ? { kind: 'none', mend: 'publish them' }
          : { kind: 'published', keys: [{ type, blob: Buffer.from(base64, 'base64') }], source: 'the cloud' };
      },
    };
    let names = 0;
    const userName = async () => {
      names += 1;
      return { ok: true, value: 'sa_7' } as const;
    };
    const { remote, here } = spread({ hostKeys, userName }, { osLogin: true, user: '' });
    const answers = await Promise.all(
      hosts(server.port, ...numbered(4)).map((host) => remote.run(host, job())),
    );
    expect(called(answers)).toEqual(['exit 0', 'exit 0', 'exit 0', 'host-key-unknown']);
    expect(JSON.stringify(answers[3])).toContain('publish them');
    // The one without keys is asked for once more, in case they were made meanwhile.
    expect(new Set(asked)).toEqual(new Set(['0', '1', '2', '3']));
    expect(server.users).toEqual(['sa_7', 'sa_7', 'sa_7']);
    expect(names).toBe(1);
    expect(here).toEqual([]);
  });

  it('a thread reads a passphrase itself, where its name says', async () => {
    const server = await trusted();
    const locked = join(rig.folder, 'locked');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'open sesame', '-f', locked]);
    process.env.SPREAD_TEST_PASS = 'open sesame';
    try {
      const { remote, here } = spread(
        {},
        { identityFiles: [locked], passphrase: { kind: 'env', name: 'SPREAD_TEST_PASS' } },
      );
      const answers = await Promise.all(hosts(server.port, 'a', 'b').map((host) => remote.run(host, job())));
      expect(called(answers)).toEqual(['exit 0', 'exit 0']);
      expect(here).toEqual([]);
    } finally {
      delete process.env.SPREAD_TEST_PASS;
    }
  });
});

describe('called off and closed', () => {
  it('what began is waited for, what did not runs nothing, and later calls are not sent', async () => {
    const began = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    let begun = 0;
    const server = await trusted({
      command: async ({ channel, stdin }) => {
        await stdin;
        channel.write(BEGIN);
        begun += 1;
        if (begun === 2) began.resolve();
        await go.promise;
        channel.exit(0);
        channel.end();
      },
    });
    const { remote, here } = spread({}, { concurrency: 2 });
    const stop = new AbortController();
    const answers = Promise.all(
      hosts(server.port, ...numbered(20)).map((host) => remote.run(host, job(), stop.signal)),
    );
    await began.promise;
    stop.abort();
    const late = await remote.run(at(server.port, '127.0.0.1', 'late'), job(), stop.signal);
    go.resolve();
    const all = called(await answers).toSorted();
    expect(all).toEqual([...Array(18).fill('cancelled'), 'exit 0', 'exit 0']);
    expect(called([late])).toEqual(['cancelled']);
    expect(server.commands).toHaveLength(2);
    expect(here).toEqual(['web-late']);
  });

  it('called off while threads start, nothing runs', async () => {
    const server = await trusted();
    const { remote } = spread();
    const stop = new AbortController();
    const answers = Promise.all(
      hosts(server.port, ...numbered(10)).map((host) => remote.run(host, job(), stop.signal)),
    );
    await Promise.resolve();
    stop.abort();
    expect(new Set(called(await answers))).toEqual(new Set(['cancelled']));
    expect(server.commands).toEqual([]);
  });

  it('another caller\u2019s jobs go on', async () => {
    const server = await trusted();
    const { remote } = spread();
    const stop = new AbortController();
    const off = hosts(server.port, 'a', 'b').map((host) => remote.run(host, job(), stop.signal));
    const on = hosts(server.port, 'c', 'd').map((host) =>
      remote.run(host, job(), new AbortController().signal),
    );
    stop.abort();
    expect(called(await Promise.all(off))).toEqual(['cancelled', 'cancelled']);
    expect(called(await Promise.all(on))).toEqual(['exit 0', 'exit 0']);
  });

  it('close while busy answers all, soon, and a call after it runs nothing', async () => {
    const began = Promise.withResolvers<void>();
    const server = await trusted({
      command: async ({ channel, stdin }) => {
        await stdin;
        channel.write(BEGIN);
        began.resolve();
      },
    });
    const { remote } = spread({}, { concurrency: 4 });
    const answers = Promise.all(hosts(server.port, ...numbered(12)).map((host) => remote.run(host, job())));
    await began.promise;
    const from = performance.now();
    await remote.close();
    expect(performance.now() - from).toBeLessThan(5_000);
    const ends = called(await answers);
    expect(new Set(ends)).toEqual(new Set(['unknown', 'cancelled']));
    expect(ends.filter((end) => end === 'unknown').length).toBeLessThanOrEqual(4);
    expect(called([await remote.run(at(server.port), job())])).toEqual(['cancelled']);
    await remote.close();
  });

  it('close while threads start leaves nobody without an answer', async () => {
    const server = await trusted();
    const { remote } = spread();
    const answers = Promise.all(hosts(server.port, 'a', 'b', 'c').map((host) => remote.run(host, job())));
    await Promise.resolve();
    await remote.close();
    expect(called(await answers)).toEqual(['cancelled', 'cancelled', 'cancelled']);
    expect(server.commands).toEqual([]);
  });

  it('threads that rest keep no process alive, though nobody closed them', async () => {
    const server = await trusted();
    const source = (path: string) =>
      JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../../src', path)).href);
    const text = `
      const { spreadRemote } = await import(${source('adapters/ssh/spread.ts')});
      const { systemClock } = await import(${source('adapters/clock/system-clock.ts')});
      const here = { run: async () => ({ kind: 'no-answer', why: 'denied', message: 'not here' }), close: async () => {} };
      const remote = spreadRemote({ settings: ${JSON.stringify(rig.settings())}, clock: systemClock, here,
        module: new URL(${source('cli/ssh-thread.ts')}), cores: 8, threads: 2, from: 2 });
      const host = (id) => ({ id, name: id, address: '127.0.0.1', port: ${server.port} });
      const job = ${JSON.stringify(job())};
      const answers = await Promise.all(['a', 'b'].map((id) => remote.run(host(id), job)));
      console.log(answers.map(({ kind }) => kind).join(' '));`;
    const script = join(rig.folder, 'program.mjs');
    writeFileSync(script, text);
    const child = spawn(process.execPath, [script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect([code, said.trim()]).toEqual([0, 'answered answered']);
  });
});

describe('a thread that fails', () => {
  it.each([
    ['dies', 'it ended with 7'],
    ['throws', 'thrown in a thread'],
  ])('one that %s has its hosts looked at again, here; the rest goes on', async (how, why) => {
    const go = Promise.withResolvers<void>();
    let asked = 0;
    const server = await trusted({
      command: async (command) => {
        if (command.line.includes('instance_id=slow')) {
          await go.promise;
        } else {
          asked += 1;
          if (asked === 1) {
            command.channel.write(BEGIN);
            return;
          }
        }
        await answering([])(command);
      },
    });
    const { remote, here } = spread({ module: FAILING });
    const [lost = at(0), slow = at(0)] = hosts(server.port, how, 'slow');
    const slowly = remote.run(slow, job({ order: { ...job().order, instanceId: 'slow' } }));
    const first = await remote.run(lost, job());
    expect(called([first])).toEqual(['unknown']);
    expect(JSON.stringify(first)).toMatch(new RegExp(`web-${how} .*${why}.*look again`));
    expect(called([await remote.run(lost, job())])).toEqual(['exit 0']);
    go.resolve();
    expect(called([await slowly])).toEqual(['exit 0']);
    // The other thread is idle now, and all the same nothing leaves.
    const again = hosts(server.port, how, 'other').map((host) => remote.run(host, job()));
    expect(called(await Promise.all(again))).toEqual(['exit 0', 'exit 0']);
    expect(here).toEqual([`web-${how}`, `web-${how}`, 'web-other']);
  });

  it('one that hangs is given up, and its hosts are looked at again', async () => {
    const server = await trusted();
    const { remote, here } = spread({ module: FAILING, pingMs: 500 });
    const answers = await Promise.all(
      hosts(server.port, 'hangs', 'b', 'c').map((host) => remote.run(host, job())),
    );
    const ends = called(answers);
    expect(ends[0]).toBe('unknown');
    expect(ends[1]).toBe('exit 0');
    expect(JSON.stringify(answers[0])).toContain('it said nothing any more');
    expect(called([await remote.run(at(server.port, '127.0.0.1', 'hangs'), job())])).toEqual(['exit 0']);
    expect(here).toEqual(['web-hangs']);
  });

  it.each([
    ['is not there', new URL('file:///nowhere/ssh-thread.js')],
    ['throws as it starts', new URL('data:text/javascript,throw new Error("no")')],
    ['ends at once', new URL('data:text/javascript,process.exit(0)')],
    ['never comes up', new URL('data:text/javascript,for(;;);')],
  ])('one whose program %s is not missed', async (_, module) => {
    const server = await trusted();
    const { remote, here } = spread({ module, pingMs: 50 });
    const answers = await Promise.all(
      hosts(server.port, 'a', 'b', 'c').map((host) => remote.run(host, job())),
    );
    expect(called(answers)).toEqual(['exit 0', 'exit 0', 'exit 0']);
    expect(here.toSorted()).toEqual(['web-a', 'web-b', 'web-c']);
    expect(server.commands).toHaveLength(3);
  });
});

const impossible = whyNoSshd();
if (impossible !== null) console.warn(`real sshd: left out, ${impossible}`);

it.runIf(impossible === null)('the real program runs on a real sshd, through a thread', async () => {
  const sshd = await startRealSshd({ authorized: [rig.publicKey] });
  try {
    rig.trust(sshd.hostKeyLine('127.0.0.1'));
    const { remote, here } = spread({}, { user: sshd.user });
    const order = { ...job().order, program: 'status', sampleMs: 0, starters: [] } as const;
    const answers = await Promise.all(
      hosts(sshd.port, 'a', 'b', 'c').map((host) => remote.run(host, job({ order }))),
    );
    expect(answers.map((answer) => answer.kind === 'answered' && answer.steps[0]?.step)).toEqual([
      'begin',
      'begin',
      'begin',
    ]);
    expect(here).toEqual([]);
    expect(readFileSync(rig.knownHosts, 'utf8')).toBe(sshd.hostKeyLine('127.0.0.1'));
  } finally {
    await sshd.stop();
  }
});
