/** Hosts behind a program: what it is given, what becomes of it, and how it disappoints. Real programs and, where it is there, a real sshd. */
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { proxyWords } from '../../../src/adapters/ssh/proxy-words.ts';
import type { Remote, RemoteAnswer } from '../../../src/ports/remote.ts';
import { startRealSshd, whyNoSshd } from '../../fakes/real-sshd.ts';
import { answering, BEGIN, type FakeSshServer, startFakeSshServer } from '../../fakes/ssh-server.ts';
import { at, bytesSource, createRig, job, type Rig } from './ssh-rig.ts';

const NETCAT = join(import.meta.dirname, '..', '..', 'fakes', 'netcat.ts');

let rig: Rig;
const servers: FakeSshServer[] = [];

beforeEach(() => {
  rig = createRig();
});

afterEach(async () => {
  await rig.remove();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function fake(options: Parameters<typeof startFakeSshServer>[0] = {}): Promise<FakeSshServer> {
  const server = await startFakeSshServer(options);
  servers.push(server);
  rig.trust(server.knownHostsLine('127.0.0.1'));
  return server;
}

const netcat = (mood: string, ...more: string[]): string[] => [
  process.execPath,
  NETCAT,
  mood,
  '{address}',
  '{port}',
  ...more,
];

function through(proxyCommand: readonly string[], changes = {}): Remote {
  return rig.remote({ proxyCommand, connectTimeoutMs: 5_000, ...changes });
}

function told(answer: RemoteAnswer): string {
  return answer.kind === 'answered' ? 'answered' : `${answer.why}: ${answer.message}`;
}

/** Children of this process that have ended and were never waited for, or that run the given program. */
function left(program: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [, state = '', parent = ''] =
          /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        const zombie = state === 'Z' && Number(parent) === process.pid;
        return zombie || words.includes(program) ? [`${pid} ${state} ${words.join(' ')}`] : [];
      } catch {
        return [];
      }
    });
}

describe('a host behind a program', () => {
  it('is reached by its stdin and stdout, and its key is checked', async () => {
    const server = await fake();
    expect(told(await through(netcat('well')).run(at(server.port), job()))).toBe('answered');
    rig.trust();
    expect(told(await through(netcat('well')).run(at(server.port), job()))).toMatch(/^host-key-unknown/);
  });

  it('is reached past a greeting', async () => {
    const server = await fake();
    expect(told(await through(netcat('greets')).run(at(server.port), job()))).toBe('answered');
  });

  it('by a program in a script: what it starts is ended with it', async () => {
    const server = await fake();
    const script = join(rig.folder, 'tunnel');
    writeFileSync(script, `#!/bin/sh\n"${process.execPath}" "${NETCAT}" stubborn "$@"\nexit $?\n`);
    chmodSync(script, 0o755);
    const pidFile = join(rig.folder, 'pid');
    const remote = through([script, '{address}', '{port}', pidFile]);
    expect(told(await remote.run(at(server.port), job()))).toBe('answered');
    expect(existsSync(pidFile)).toBe(true);
    await remote.close();
    await expect.poll(() => left(pidFile), { timeout: 6_000 }).toEqual([]);
  }, 15_000);

  it('is given every word by itself, with what is known of the host, and no shell reads them', async () => {
    const file = join(rig.folder, 'words');
    const script = join(rig.folder, 'print');
    writeFileSync(
      script,
      `#!/bin/sh\nfor word in "$@"; do printf '%s\\n' "$word"; done > '${file}'\nexit 1\n`,
    );
    chmodSync(script, 0o755);
    const words = [
      '{name}',
      '{id}',
      '{address}:{port}',
      '--zone={zone}',
      '--project={project}',
      '{user}',
      '$(id); *',
    ];
    const host = {
      id: '4711',
      name: 'web 1',
      address: '10.0.0.1',
      zone: 'us-east1-b',
      project: 'my-project',
    };
    await through([script, ...words], { port: 2222 }).run(host, job());
    expect(readFileSync(file, 'utf8').split('\n')).toEqual([
      'web 1',
      '4711',
      '10.0.0.1:2222',
      '--zone=us-east1-b',
      '--project=my-project',
      'deploy',
      '$(id); *',
      '',
    ]);
  });

  it('sixty-four at once answer sixty-four times, and leave no program behind', async () => {
    const server = await fake();
    const mark = join(rig.folder, 'mark');
    const remote = through(netcat('well', mark), { concurrency: 64, connectTimeoutMs: 30_000 });
    const answers = await Promise.all(
      Array.from({ length: 64 }, () => remote.run(at(server.port), job({ timeoutMs: 60_000 }))),
    );
    expect(answers.map(told)).toEqual(Array.from({ length: 64 }, () => 'answered'));
    await remote.close();
    expect(left(mark)).toEqual([]);
  }, 60_000);
});

describe('a program that disappoints', () => {
  it('is not there: it is named, with what to install', async () => {
    const missing = told(await through(['gcloud-that-is-not-there', '{name}']).run(at(22), job()));
    expect(missing).toMatch(
      /^unreachable: web-1 .*`gcloud-that-is-not-there` is not on the PATH; install it/,
    );
    const gcloud = told(await through([join(rig.folder, 'gcloud'), '{name}']).run(at(22), job()));
    expect(gcloud).toMatch(/is not there; install the Google Cloud CLI \(https:\S+\)/);
    expect(left('gcloud-that-is-not-there')).toEqual([]);
  });

  it('may not be executed', async () => {
    const file = join(rig.folder, 'plain');
    writeFileSync(file, 'x', { mode: 0o644 });
    expect(told(await through([file]).run(at(22), job()))).toMatch(
      /^unreachable: .*may not be executed \(EACCES\)/,
    );
  });

  it('ends in failure: its exit status and its last words are told, without colours, and it is not tried again', async () => {
    const answer = told(await through(netcat('fails')).run(at(22), job()));
    expect(answer).toMatch(
      /^unreachable: web-1 .*ended with exit status 3.*The proxy said: .*4003: failed to connect to backend/,
    );
    // biome-ignore lint: a control character is what must not be there
    expect(answer).not.toMatch(/\u001b|\n|tries/);
  });

  it('ends well before the host has said anything: tried again, as a host that drops connections', async () => {
    const answer = told(await through(netcat('ends')).run(at(22), job()));
    expect(answer).toMatch(/^unreachable: .*ended with exit status 0 .*\(3 tries\)/);
  });

  it('cannot connect itself', async () => {
    const server = await fake();
    const { port } = server;
    await servers.splice(0)[0]?.close();
    expect(told(await through(netcat('well')).run(at(port), job()))).toMatch(
      /^unreachable: .*exit status 1.*netcat: connect ECONNREFUSED/,
    );
  });

  it('is silent: unreachable within the connect time, with what it said so far, and ended', async () => {
    const mark = join(rig.folder, 'mark');
    const remote = through(netcat('silent', mark), { connectTimeoutMs: 1_000 });
    expect(told(await remote.run(at(22), job()))).toMatch(
      /^unreachable: .*still exchanging keys after \d+ ms. The proxy said: waiting for a browser to sign in/,
    );
    await expect.poll(() => left(mark), { timeout: 4_000 }).toEqual([]);
  });

  it('prints junk: unreachable, and ended', async () => {
    const mark = join(rig.folder, 'mark');
    const remote = through(netcat('junk', mark), { connectTimeoutMs: 2_000 });
    expect(told(await remote.run(at(22), job()))).toMatch(/^unreachable: /);
    await expect.poll(() => left(mark), { timeout: 4_000 }).toEqual([]);
  });

  it('dies while the host’s program runs: unknown, never a guess', async () => {
    const pidFile = join(rig.folder, 'pid');
    const server = await fake({
      command: async ({ channel, stdin }) => {
        await stdin;
        channel.write(BEGIN);
        process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGKILL');
      },
    });
    expect(told(await through(netcat('well', pidFile)).run(at(server.port), job()))).toMatch(
      /^unknown: .*the proxy .* was ended by SIGKILL.*look again/,
    );
  });

  it('does not end by itself: it is killed', async () => {
    const mark = join(rig.folder, 'mark');
    const server = await fake({ command: answering([]) });
    const remote = through(netcat('stubborn', mark));
    expect(told(await remote.run(at(server.port), job()))).toBe('answered');
    await remote.close();
    expect(left(mark)).toEqual([]);
  }, 15_000);

  it('is ended when the call is called off', async () => {
    const mark = join(rig.folder, 'mark');
    const stop = new AbortController();
    const running = through(netcat('silent', mark)).run(at(22), job(), stop.signal);
    await expect.poll(() => existsSync(mark), { timeout: 4_000 }).toBe(true);
    stop.abort();
    expect(told(await running)).toMatch(/^cancelled/);
    await expect.poll(() => left(mark), { timeout: 4_000 }).toEqual([]);
  });
});

describe('the words of a proxy', () => {
  it.each([
    [['nc', '{name}'], { name: '-oProxy' }, 'reads as an option'],
    [['nc', '{zone}{name}'], { zone: '--x', name: 'y' }, 'reads as an option'],
    [['nc', '{zone}'], { name: 'x' }, '{zone} of ssh.proxyCommand is not known'],
    [['nc', '{project}'], { project: '' }, '{project} of ssh.proxyCommand is not known'],
    [['nc', '{name}'], { name: 'a\nb' }, 'control character'],
    [['nc', '{name}'], { name: 'a\0b' }, 'control character'],
    [['nc', '{toString}'], {}, 'is not known'],
    [[], {}, 'empty'],
  ])('%j with %j are refused', (template, values, message) => {
    expect(proxyWords(template, values)).toMatchObject({
      ok: false,
      error: expect.stringContaining(message),
    });
  });

  it('may be options that a person wrote, whatever is filled in', () => {
    expect(proxyWords(['nc', '-x', '--zone={zone}'], { zone: '-z' })).toEqual({
      ok: true,
      value: ['nc', '-x', '--zone=-z'],
    });
  });

  it('are filled in once: braces of a value stay', () => {
    expect(proxyWords(['nc', '{name}'], { name: '{user}', user: 'root' })).toMatchObject({
      value: ['nc', '{user}'],
    });
  });

  it('are as many as were written, and none becomes an option', () => {
    const value = fc.string();
    fc.assert(
      fc.property(value, value, (name, zone) => {
        const words = proxyWords(['nc', '{name}', 'z{zone}', '{name}{zone}'], { name, zone });
        if (words.ok) {
          expect(words.value).toHaveLength(4);
          expect(words.value.some((word) => word.startsWith('-'))).toBe(false);
        }
      }),
    );
  });
});

const impossible = whyNoSshd();
if (impossible !== null) console.warn(`real sshd behind a proxy: left out, ${impossible}`);

it.runIf(impossible === null)('a real sshd is reached through a program, as through a tunnel', async () => {
  const sshd = await startRealSshd({ authorized: [rig.publicKey] });
  try {
    rig.trust(sshd.hostKeyLine('127.0.0.1'));
    const remote = through(netcat('well'), { user: sshd.user });
    const answers = await Promise.all(Array.from({ length: 5 }, () => remote.run(at(sshd.port), job())));
    expect(answers.map(told)).toEqual(Array.from({ length: 5 }, () => 'answered'));
    // More than every pipe on the way holds.
    const bytes = randomBytes(5_000_000);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const packages = [bytesSource(bytes, sha256)];
    expect(told(await remote.run(at(sshd.port), job({ packages })))).toBe('answered');
  } finally {
    await rig.remote().close();
    await sshd.stop();
  }
});
