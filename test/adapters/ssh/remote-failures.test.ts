/** Every way in which a host disappoints, against a server that speaks the real protocol. */
import { createHash, randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import type { HostStep } from '../../../src/domain/host-order.ts';
import type { RemoteAnswer } from '../../../src/ports/remote.ts';
import {
  answering,
  BEGIN,
  type FakeSshOptions,
  type FakeSshServer,
  knownHostsLine,
  newHostKey,
  startFakeSshServer,
} from '../../fakes/ssh-server.ts';
import { at, bytesSource, createRig, job, type Rig } from './ssh-rig.ts';

let rig: Rig;
const servers: FakeSshServer[] = [];

beforeEach(() => {
  rig = createRig();
});

afterEach(async () => {
  await rig.remove();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function fake(options: FakeSshOptions = {}): Promise<FakeSshServer> {
  const server = await startFakeSshServer(options);
  servers.push(server);
  rig.trust(server.knownHostsLine('127.0.0.1'));
  return server;
}

function failure(answer: RemoteAnswer): { why: string; message: string } {
  if (answer.kind !== 'no-answer') throw new Error(`answered ${JSON.stringify(answer)}`);
  return answer;
}

describe('a program that runs', () => {
  it('is given its text on stdin and answers its steps as they come', async () => {
    let stdin = '';
    const server = await fake({
      command: async (command) => {
        stdin = await command.stdin;
        await answering(['{"step":"done","ok":true}'])(command);
      },
    });
    const told: HostStep[] = [];
    const answer = await rig.remote().run(at(server.port), job({ onStep: (step) => told.push(step) }));
    expect(answer).toEqual({
      kind: 'answered',
      exitCode: 0,
      steps: [
        { step: 'begin', ok: true, version: 1 },
        { step: 'done', ok: true },
      ],
      stderr: '',
    });
    expect(told.map((step) => step.step)).toEqual(['begin', 'done']);
    expect(stdin).toMatch(/^\{\nprintf [\s\S]*\n\}\n$/);
    expect(server.commands).toEqual([
      "sudo -n sh -s -- 'package=osquery' 'service=osqueryd' 'executable=/opt/osquery/bin/osqueryd'",
    ]);
  });

  it('keeps its reserved exit code and the last 2,000 characters of stderr', async () => {
    const server = await fake({
      command: async ({ channel, stdin }) => {
        await stdin;
        channel.stderr.write(`${'x'.repeat(5_000)}END`);
        channel.write(BEGIN);
        channel.exit(75);
        channel.end();
      },
    });
    const answer = await rig.remote().run(at(server.port), job());
    expect(answer).toMatchObject({ kind: 'answered', exitCode: 75 });
    const stderr = answer.kind === 'answered' ? answer.stderr : '';
    expect(stderr).toHaveLength(2_000);
    expect(stderr.endsWith('END')).toBe(true);
  });

  it('is heard through a noisy login shell, in slow pieces, with garbage in between', async () => {
    const pieces = [
      'Welcome to {"step":"x","ok":true}\n',
      'prompt$ ',
      BEGIN.slice(0, 9),
      BEGIN.slice(9),
      'oops\n{"st',
      'ep":"done","ok":true}',
    ];
    const server = await fake({
      command: async ({ channel, stdin }) => {
        await stdin;
        for (const piece of pieces) {
          channel.write(piece);
          await new Promise(setImmediate);
        }
        channel.exit(0);
        channel.end();
      },
    });
    const answer = await rig.remote().run(at(server.port), job());
    expect(answer).toMatchObject({ kind: 'answered', steps: [{ step: 'begin' }, { step: 'done' }] });
  });
});

describe('a host that cannot be reached', () => {
  it('nothing listens: unreachable, with the address', async () => {
    const probe = createServer();
    const port = await new Promise<number>((resolve) => {
      probe.listen(0, '127.0.0.1', () => resolve((probe.address() as { port: number }).port));
    });
    await new Promise((resolve) => probe.close(resolve));
    const result = failure(await rig.remote().run(at(port), job()));
    expect(result.why).toBe('unreachable');
    expect(result.message).toContain(`web-1 (127.0.0.1:${port}): connection refused`);
  });

  it('a name that does not resolve is unreachable', async () => {
    const result = failure(await rig.remote().run(at(22, 'no-such-host.invalid'), job()));
    expect(result).toMatchObject({ why: 'unreachable' });
  });

  it('one that takes the connection and says nothing is unreachable within the connect time', async () => {
    const server = await fake({ mute: true });
    const result = failure(await rig.remote({ connectTimeoutMs: 200 }).run(at(server.port), job()));
    expect(result.why).toBe('unreachable');
    expect(result.message).toContain('still exchanging keys after');
  });

  it('one that drops the first connections, as MaxStartups does, is tried again and answers', async () => {
    const server = await fake({ drop: 2 });
    expect(await rig.remote().run(at(server.port), job())).toMatchObject({ kind: 'answered' });
    expect(server.accepted).toBe(3);
  });

  it('one that drops every connection is unreachable after three tries, and says what to look at', async () => {
    const server = await fake({ drop: 99 });
    const result = failure(await rig.remote().run(at(server.port), job()));
    expect(result.why).toBe('unreachable');
    expect(result.message).toContain('MaxStartups');
    expect(server.accepted).toBe(3);
  });

  it('one that closes during authentication is unreachable, not denied', async () => {
    const server = await fake({ auth: 'disconnect' });
    expect(failure(await rig.remote().run(at(server.port), job())).why).toBe('unreachable');
  });
});

describe('a host that denies us', () => {
  it('names the user and the keys that were tried, by path and fingerprint', async () => {
    const server = await fake({ auth: 'deny' });
    const result = failure(await rig.remote().run(at(server.port), job()));
    expect(result.why).toBe('denied');
    expect(result.message).toContain('denies user deploy');
    expect(result.message).toMatch(new RegExp(`Tried: ${rig.identity} \\(ssh-ed25519 SHA256:[\\w+/]{43}\\)`));
    expect(result.message).not.toContain('PRIVATE KEY');
  });

  it('says that a further method is asked for', async () => {
    const server = await fake({ auth: 'ask-for-more' });
    const result = failure(await rig.remote().run(at(server.port), job()));
    expect(result).toMatchObject({ why: 'denied' });
    expect(result.message).toContain('asks for a further method');
    expect(result.message).toContain('keyboard-interactive');
  });

  it('without any usable key nothing is connected, and each source says why', async () => {
    const server = await fake();
    const remote = rig.remote({ identityFiles: [`${rig.folder}/absent`], agent: true });
    const result = failure(await remote.run(at(server.port), job()));
    expect(result.why).toBe('denied');
    expect(result.message).toContain(`${rig.folder}/absent: cannot be read (ENOENT)`);
    expect(result.message).toContain('SSH_AUTH_SOCK is not set');
    expect(server.accepted).toBe(0);
  });

  it('a host that allows no commands is denied', async () => {
    const server = await fake({ refuseExec: true });
    expect(failure(await rig.remote().run(at(server.port), job())).why).toBe('denied');
  });
});

describe('host keys', () => {
  it('an unknown host is refused with its fingerprint, the file, and how to mend it', async () => {
    const server = await fake();
    rig.trust('other.example ssh-ed25519 AAAA\n');
    const result = failure(await rig.remote().run(at(server.port), job()));
    expect(result.why).toBe('host-key-unknown');
    expect(result.message).toContain(rig.knownHosts);
    expect(result.message).toMatch(/it shows ssh-ed25519 SHA256:/);
    // What was fetched over the way that is in doubt proves nothing by itself.
    expect(result.message).toMatch(/console prints for: ssh-keygen -lf \S+_ed25519_key\.pub; only where/u);
    expect(result.message).toContain(`ssh-keyscan -p ${server.port} 127.0.0.1 >> ${rig.knownHosts}`);
    expect(server.commands).toEqual([]);
  });

  it('a changed key is a mismatch, with both fingerprints and the line', async () => {
    const server = await fake();
    rig.trust('# comment\n', knownHostsLine('127.0.0.1', server.port, newHostKey()));
    const result = failure(await rig.remote().run(at(server.port), job()));
    expect(result.why).toBe('host-key-mismatch');
    expect(result.message).toContain(`${rig.knownHosts}:2`);
    expect(result.message).toContain('ssh-keygen');
    expect(server.commands).toEqual([]);
  });

  it('a revoked key is refused although it is also listed', async () => {
    const server = await fake();
    const line = server.knownHostsLine('127.0.0.1');
    rig.trust(line, `@revoked ${line.replace(/^\S+/, '*')}`);
    const result = failure(await rig.remote().run(at(server.port), job()));
    expect(result.why).toBe('host-key-mismatch');
    expect(result.message).toContain('@revoked');
  });

  it('a key that is added while we run is seen by the next call', async () => {
    const server = await fake();
    const line = server.knownHostsLine('127.0.0.1');
    rig.trust('');
    const remote = rig.remote();
    expect(failure(await remote.run(at(server.port), job())).why).toBe('host-key-unknown');
    rig.trust(line);
    expect(await remote.run(at(server.port), job())).toMatchObject({ kind: 'answered' });
  });

  it('a host whose key was added a moment ago answers, although the file was just read for another', async () => {
    const [first, second] = [await fake(), await fake()];
    const [known, added] = [first.knownHostsLine('127.0.0.1'), second.knownHostsLine('127.0.0.1')];
    rig.trust(known);
    let now = systemClock.now();
    const remote = rig.remote({}, { clock: { ...systemClock, now: () => now } });
    expect(await remote.run(at(first.port), job())).toMatchObject({ kind: 'answered' });
    rig.trust(known, added);
    expect(await remote.run(at(second.port), job())).toMatchObject({ kind: 'answered' });
    expect(second.accepted).toBe(2);
    rig.trust(known, added, `@revoked ${known}`);
    now += 250;
    expect(failure(await remote.run(at(first.port), job())).message).toContain('@revoked');
  });

  it('an address that was another VM before is trusted by the instance id', async () => {
    const server = await fake();
    const own = server.knownHostsLine('127.0.0.1').replace(/^\S+/, 'compute.77');
    rig.trust(knownHostsLine('127.0.0.1', server.port, newHostKey()), own);
    expect(await rig.remote().run(at(server.port, '127.0.0.1', '77'), job())).toMatchObject({
      kind: 'answered',
    });
  });
});

describe('a program that ends badly', () => {
  const cases: readonly [string, FakeSshOptions['command'] & {}, string, RegExp][] = [
    [
      'sudo wants a password',
      ({ channel }) => {
        channel.stderr.write('sudo: a password is required\n');
        channel.exit(1);
        channel.end();
      },
      'sudo-refused',
      /a password is required/,
    ],
    [
      'sudo is not there',
      ({ channel }) => {
        channel.stderr.write('sh: 1: sudo: not found\n');
        channel.exit(127);
        channel.end();
      },
      'sudo-refused',
      /not found/,
    ],
    [
      'a restricted login shell',
      ({ channel }) => {
        channel.write('This account is currently not available.\n');
        channel.exit(1);
        channel.end();
      },
      'unknown',
      /never began/,
    ],
    [
      'death by signal',
      ({ channel }) => {
        channel.write(BEGIN);
        channel.exit('KILL', false, '');
        channel.end();
      },
      'unknown',
      /SIGKILL/,
    ],
    [
      'an end without an exit status',
      ({ channel }) => {
        channel.write(BEGIN);
        channel.end();
        channel.close();
      },
      'unknown',
      /look again/,
    ],
    [
      'a host that is gone in mid-program',
      ({ channel, vanish }) => {
        channel.write(BEGIN);
        setImmediate(vanish);
      },
      'unknown',
      /look again/,
    ],
    ['a host that is gone before the first line', ({ vanish }) => vanish(), 'unknown', /look again/],
    [
      'endless output',
      ({ channel }) => {
        channel.write(`${BEGIN}${'y'.repeat(1_100_000)}`);
        channel.exit(0);
        channel.end();
      },
      'unknown',
      /more than 1 MiB/,
    ],
  ];
  for (const [name, command, why, message] of cases) {
    it(`${name} is ${why}`, async () => {
      const server = await fake({ command });
      const result = failure(await rig.remote().run(at(server.port), job()));
      expect(result).toMatchObject({ why });
      expect(result.message).toMatch(message);
      expect(result.message).toContain('web-1');
    });
  }

  it('a host that freezes after the program began is found by keepalives', async () => {
    const server = await fake({
      command: ({ channel, freeze }) => {
        channel.write(BEGIN);
        setImmediate(freeze);
      },
    });
    const result = failure(await rig.remote({ keepaliveMs: 50 }).run(at(server.port), job()));
    expect(result.why).toBe('unknown');
    expect(result.message).toContain('Keepalive timeout');
  });

  it('a program that says nothing runs into the idle time', async () => {
    const server = await fake({ command: ({ channel }) => void channel.write(BEGIN) });
    const result = failure(await rig.remote({ idleTimeoutMs: 100 }).run(at(server.port), job()));
    expect(result).toMatchObject({ why: 'timed-out' });
    expect(result.message).toContain('said nothing for 100 ms');
  });

  it('a program that talks on and on runs into the command time, or the whole attempt\u2019s', async () => {
    const server = await fake({
      command: ({ channel }) => {
        channel.write(BEGIN);
        const timer = setInterval(() => channel.write('.\n'), 20);
        channel.on('close', () => clearInterval(timer));
      },
    });
    const remote = rig.remote({ idleTimeoutMs: 100, commandTimeoutMs: 300 });
    expect(failure(await remote.run(at(server.port), job())).message).toContain('within 300 ms');
    expect(failure(await remote.run(at(server.port), job({ timeoutMs: 150 }))).why).toBe('timed-out');
  });
});

describe('delivery', () => {
  const bytes = randomBytes(300_000);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const final = `/home/fake/.cache/rollout/${sha256}.deb`;

  it('a package arrives whole under its digest, and the program is told where', async () => {
    const files = new Map([[`${final}.part`, Buffer.alloc(400_000, 1)]]);
    const server = await fake({ sftp: { files } });
    const answer = await rig.remote().run(at(server.port), job({ packages: [bytesSource(bytes, sha256)] }));
    expect(answer).toMatchObject({ kind: 'answered', exitCode: 0 });
    expect(files.get(final)?.equals(bytes)).toBe(true);
    expect(files.has(`${final}.part`)).toBe(false);
    expect(server.commands[0]).toContain("'incoming=/home/fake/.cache/rollout'");
  });

  it('what the host keeps already is not sent', async () => {
    const files = new Map([[`/var/lib/rollout/packages/${sha256}.deb`, Buffer.alloc(bytes.length)]]);
    const server = await fake({ sftp: { files } });
    const answer = await rig.remote().run(at(server.port), job({ packages: [bytesSource(bytes, sha256)] }));
    expect(answer).toMatchObject({ kind: 'answered' });
    expect([...files.keys()]).toHaveLength(1);
    expect(server.commands[0]).not.toContain('incoming');
  });

  it('bytes that are not what was staged are taken away again, and nothing runs', async () => {
    const files = new Map<string, Buffer>();
    const server = await fake({ sftp: { files } });
    const altered = Buffer.from(bytes);
    altered[7] = (altered[7] ?? 0) ^ 1;
    const result = failure(
      await rig.remote().run(at(server.port), job({ packages: [bytesSource(altered, sha256)] })),
    );
    expect(result.why).toBe('delivery-failed');
    expect(result.message).toContain('altered after staging');
    expect([...files.keys()].filter((path) => path.includes(sha256))).toEqual([]);
    expect(server.commands).toEqual([]);
  });

  it('a store that gives too little or too much is a failed delivery', async () => {
    const server = await fake({ sftp: { files: new Map() } });
    for (const size of [bytes.length - 1, bytes.length + 1]) {
      const source = { ...bytesSource(bytes, sha256), size };
      const result = failure(await rig.remote().run(at(server.port), job({ packages: [source] })));
      expect(result.why).toBe('delivery-failed');
      expect(result.message).toContain('the store gave');
    }
  });

  it('a store that fails in the middle is a failed delivery with its reason', async () => {
    const server = await fake({ sftp: { files: new Map() } });
    const source = {
      kind: 'bytes' as const,
      sha256,
      size: bytes.length,
      open: async function* () {
        yield bytes.subarray(0, 1000);
        throw new Error('store: file is gone');
      },
    };
    const result = failure(await rig.remote().run(at(server.port), job({ packages: [source] })));
    expect(result).toMatchObject({ why: 'delivery-failed' });
    expect(result.message).toContain('store: file is gone');
  });

  it('a full disk leaves no part behind', async () => {
    const files = new Map<string, Buffer>();
    const server = await fake({ sftp: { files, spaceBytes: 100_000 } });
    const result = failure(
      await rig.remote().run(at(server.port), job({ packages: [bytesSource(bytes, sha256)] })),
    );
    expect(result.why).toBe('delivery-failed');
    expect([...files.keys()].filter((path) => path.includes(sha256))).toEqual([]);
  });

  it('a host without SFTP, or one that freezes in mid-delivery, has run nothing', async () => {
    const without = await fake({ sftp: 'reject' });
    const packages = [bytesSource(bytes, sha256)];
    expect(failure(await rig.remote().run(at(without.port), job({ packages }))).why).toBe('delivery-failed');
    const freezing = await fake({ sftp: { files: new Map(), freezeAfterBytes: 100_000 } });
    const remote = rig.remote({ keepaliveMs: 50 });
    expect(failure(await remote.run(at(freezing.port), job({ packages }))).why).toBe('delivery-failed');
    expect(freezing.commands).toEqual([]);
  });

  it('a package by URL is refused in words', async () => {
    const server = await fake({ sftp: { files: new Map() } });
    const request = async () =>
      ({ ok: true, value: { url: 'https://secret.example', authorization: 'in-url' } }) as const;
    const source = { kind: 'url' as const, sha256, size: 1, request };
    const result = failure(await rig.remote().run(at(server.port), job({ packages: [source] })));
    expect(result.why).toBe('delivery-failed');
    expect(result.message).not.toContain('secret.example');
  });
});

describe('a jump host that refuses us', () => {
  it('is asked once for all the hosts behind it, and again some seconds later', async () => {
    const server = await fake({ auth: 'deny' });
    const jump = [{ user: 'deploy', host: '127.0.0.1', port: server.port }];
    let later = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + later };
    const remote = rig.remote({ jump, concurrency: 1 }, { clock });
    for (let host = 1; host <= 5; host += 1)
      expect(failure(await remote.run(at(22, '10.0.0.9', `${host}`), job()))).toMatchObject({
        why: 'denied',
        message: expect.stringContaining('jump host 127.0.0.1'),
      });
    expect(server.accepted).toBe(1);
    later = 5_000;
    await remote.run(at(22, '10.0.0.9', '6'), job());
    expect(server.accepted).toBe(2);
  });
});

describe('cancelling and closing', () => {
  it('a call that was cancelled before it began runs nothing', async () => {
    const server = await fake();
    const result = failure(await rig.remote().run(at(server.port), job(), AbortSignal.abort()));
    expect(result).toMatchObject({ why: 'cancelled' });
    expect(result.message).toContain('cancelled before it began');
    expect(server.accepted).toBe(0);
  });

  it('a call that is cancelled while it connects ends at once', async () => {
    const server = await fake({ mute: true });
    const stop = new AbortController();
    const running = rig.remote().run(at(server.port), job(), stop.signal);
    setImmediate(() => stop.abort());
    expect(failure(await running).message).toContain('cancelled');
  });

  it.each(['the call', 'the whole of it'] as const)(
    'while a jump host says nothing, ends at once: %s is called off',
    async (what) => {
      const silent = createServer(() => {});
      await new Promise<void>((resolve) => {
        silent.listen(0, '127.0.0.1', resolve);
      });
      const { port } = silent.address() as AddressInfo;
      const stop = new AbortController();
      const jump = [{ user: 'deploy', host: '127.0.0.1', port }];
      const remote = rig.remote({ jump, connectTimeoutMs: 60_000 });
      const sockets: Socket[] = [];
      const came = new Promise<void>((resolve) => {
        silent.on('connection', (socket) => {
          sockets.push(socket);
          resolve();
        });
      });
      const running = remote.run(at(22), job({ timeoutMs: 60_000 }), stop.signal);
      await came;
      const ended = new Promise((resolve) => {
        sockets[0]?.on('close', resolve).on('error', () => {});
      });
      if (what === 'the call') stop.abort();
      else void remote.close();
      expect(failure(await running).why).toBe('cancelled');
      // Nobody waits for it any more: it does not keep the program alive.
      await remote.close();
      sockets[0]?.resume();
      await ended;
      silent.close();
    },
  );

  it('a program that began is waited for although the call was cancelled', async () => {
    const stop = new AbortController();
    const server = await fake({
      command: async ({ channel, stdin }) => {
        await stdin;
        channel.write(BEGIN);
        stop.abort();
        await new Promise(setImmediate);
        channel.write('{"step":"done","ok":true}\n');
        channel.exit(0);
        channel.end();
      },
    });
    expect(await rig.remote().run(at(server.port), job(), stop.signal)).toMatchObject({
      kind: 'answered',
      steps: [{ step: 'begin' }, { step: 'done' }],
    });
  });

  it('close ends what is open, and a call after it runs nothing', async () => {
    let began: () => void = () => {};
    const beginning = new Promise<void>((resolve) => {
      began = resolve;
    });
    const server = await fake({
      command: ({ channel }) => {
        channel.write(BEGIN);
        began();
      },
    });
    const remote = rig.remote();
    const running = remote.run(at(server.port), job());
    await beginning;
    await remote.close();
    expect(failure(await running).why).toBe('unknown');
    expect(failure(await remote.run(at(server.port), job())).message).toContain('cancelled');
  });

  it('forty calls at once answer forty times, and leave no connection', async () => {
    const server = await fake({ drop: 5 });
    const remote = rig.remote({ concurrency: 16 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => remote.run(at(server.port), job())));
    expect(answers.map((answer) => answer.kind)).toEqual(Array.from({ length: 40 }, () => 'answered'));
    await expect.poll(() => server.connections).toBe(0);
  });
});
