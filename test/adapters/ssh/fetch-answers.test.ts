/** A host may answer anything while it is asked to fetch. It gets no further than a failed delivery, and shows no secret. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ok } from '../../../src/domain/result.ts';
import type { PackageSource } from '../../../src/ports/remote.ts';
import {
  type FakeCommand,
  type FakeSshOptions,
  type FakeSshServer,
  startFakeSshServer,
} from '../../fakes/ssh-server.ts';
import { at, createRig, job, type Rig } from './ssh-rig.ts';

const sha256 = 'a'.repeat(64);
const SECRET = 'X-Goog-Signature=5eC4e75eC4e75eC4e7';
const source: PackageSource = {
  kind: 'url',
  sha256,
  size: 10,
  request: async () => ok({ url: `https://storage.example/b/o.deb?${SECRET}`, authorization: 'in-url' }),
};
const BEGIN = '{"step":"begin","ok":true,"folder":"/home/x/.cache/rollout"}\n';
const FETCHED = `{"step":"fetch","ok":true,"package":"${sha256}","from":"curl"}\n`;

let rig: Rig;
let server: FakeSshServer | undefined;
beforeEach(() => {
  rig = createRig();
});
afterEach(async () => {
  await rig.remove();
  await server?.close();
});

async function askWith(options: FakeSshOptions, idleTimeoutMs = 5_000): Promise<string> {
  server = await startFakeSshServer(options);
  rig.trust(server.knownHostsLine('127.0.0.1'));
  const answer = await rig.remote({ idleTimeoutMs }).run(at(server.port), job({ packages: [source] }));
  return answer.kind === 'no-answer' ? `${answer.why}: ${answer.message}` : `answered: ${answer.exitCode}`;
}

/** The fetching program's part is the first command; what follows is the order's own. */
const saying =
  (text: string, code: number, stderr = '') =>
  async ({ channel, stdin, line }: FakeCommand): Promise<void> => {
    await stdin;
    if (line.startsWith('sh -s')) {
      channel.stderr.write(stderr);
      channel.write(text);
      channel.exit(code);
    } else {
      channel.write('{"step":"begin","ok":true}\n');
      channel.exit(0);
    }
    channel.end();
  };

describe('a host that is asked to fetch', () => {
  it('is given the secret over stdin, and the command line holds none of it', async () => {
    let text = '';
    const command = async (given: FakeCommand): Promise<void> => {
      text += await given.stdin;
      await saying(BEGIN + FETCHED, 0)(given);
    };
    expect(await askWith({ command })).toBe('answered: 0');
    expect(text).toContain(SECRET);
    expect(server?.commands[0]).toMatch(/^sh -s -- 'limit_s=\d+' 'stall_s=\d+'$/);
    expect(server?.commands.join(' ')).not.toContain('Signature');
    expect(server?.commands[1]).toContain("'incoming=/home/x/.cache/rollout'");
  });

  it.each([
    ['names no folder', '{"step":"begin","ok":true}\n' + FETCHED],
    ['names a folder that leads elsewhere', '{"step":"begin","ok":true,"folder":"/home/../etc"}\n' + FETCHED],
    ['names a folder with a line feed', '{"step":"begin","ok":true,"folder":"/a\\nb"}\n' + FETCHED],
    ['says that all is well, and not of the package', BEGIN],
    ['says nothing', ''],
    ['says too much', 'x'.repeat(2_000_000)],
    [
      'fails for a reason that nobody knows',
      BEGIN + '{"step":"fetch","ok":false,"why":{"a":1},"status":"<b>"}\n',
    ],
  ])('and %s has not got it', async (_, text) => {
    const told = await askWith({ command: saying(text, 0) });
    expect(told).toMatch(/^delivery-failed: web-1/);
    expect(told).not.toContain('<b>');
    expect(server?.commands).toHaveLength(1);
  });

  it('and shows what it was given, as a shell that is told to be verbose, does not get it into a message', async () => {
    const echoing = async (given: FakeCommand): Promise<void> =>
      saying('', 2, `sh: syntax error near: ${(await given.stdin).slice(-300)}`)(given);
    const told = await askWith({ command: echoing });
    expect(told).toMatch(/^delivery-failed: .*ended without saying how \(exit 2\): .*syntax error/);
    expect(told).not.toContain('5eC4e7');
  });

  it('and says in its own words what is secret is not quoted', async () => {
    const step = `{"step":"fetch","ok":false,"package":"${sha256}","why":"status","status":403,"reason":"${SECRET} x","account":"https://a/?${SECRET}"}\n`;
    const told = await askWith({ command: saying(BEGIN + step, 1) });
    expect(told).toContain('storage.example/b/o.deb answered 403: the signed URL has expired');
    expect(told).not.toContain('5eC4e7');
  });

  it('and falls silent is waited for no longer than the idle time', async () => {
    expect(await askWith({ command: ({ freeze }) => freeze() }, 400)).toMatch(
      /^delivery-failed: .*no answer for 400 ms/,
    );
  });

  it('and vanishes is told as lost', async () => {
    expect(await askWith({ command: ({ vanish }) => vanish() })).toMatch(/^delivery-failed: /);
  });

  it('and allows no command says so', async () => {
    expect(await askWith({ refuseExec: true })).toMatch(
      /^delivery-failed: .*allows no command for this user/,
    );
  });
});
