/** Who logs in where OS Login says it: asked for once, and a failure is every host's answer. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createUserName } from '../../../src/adapters/ssh/user-name.ts';
import { err, ok, type Result } from '../../../src/domain/result.ts';
import type { RemoteAnswer } from '../../../src/ports/remote.ts';
import { manualClock } from '../../fakes/manual-clock.ts';
import { type FakeSshServer, startFakeSshServer } from '../../fakes/ssh-server.ts';
import { at, createRig, job, type Rig } from './ssh-rig.ts';

const WAIT = { withinMs: 60_000, signal: new AbortController().signal };

let rig: Rig;
let server: FakeSshServer;

beforeEach(async () => {
  rig = createRig();
  server = await startFakeSshServer();
  rig.trust(server.knownHostsLine('127.0.0.1'));
});

afterEach(async () => {
  await rig.remove();
  await server.close();
});

function told(answer: RemoteAnswer): string {
  return answer.kind === 'answered' ? 'answered' : `${answer.why}: ${answer.message}`;
}

async function ten(userName: () => Promise<Result<string, string>>, changes = {}): Promise<string[]> {
  const remote = rig.remote({ user: '', osLogin: true, ...changes }, { userName });
  const hosts = Array.from({ length: 10 }, (_, index) => at(server.port, '127.0.0.1', String(index)));
  return (await Promise.all(hosts.map((host) => remote.run(host, job())))).map(told);
}

describe('a fleet with OS Login', () => {
  it('asks once who logs in, and logs in as that everywhere', async () => {
    let asked = 0;
    const answers = await ten(async () => {
      asked += 1;
      return ok('sa_100');
    });
    expect(answers).toEqual(Array.from({ length: 10 }, () => 'answered'));
    expect([asked, [...new Set(server.users)]]).toEqual([1, ['sa_100']]);
  });

  it('that tells nobody: each host is answered once, nothing is connected to, and it was asked once', async () => {
    let asked = 0;
    const answers = await ten(async () => {
      asked += 1;
      return err('there is no account; run: gcloud compute os-login describe-profile');
    });
    expect(answers).toHaveLength(10);
    for (const [index, answer] of answers.entries())
      expect(answer).toBe(
        `denied: web-${index} (127.0.0.1:${server.port}): there is no account; run: gcloud compute os-login describe-profile`,
      );
    expect([asked, server.accepted]).toEqual([1, 0]);
  });

  it('that takes too long, or is called off: who waits is answered, and nothing is connected to', async () => {
    const remote = rig.remote({ user: '', osLogin: true }, { userName: () => new Promise(() => {}) });
    expect(told(await remote.run(at(server.port), job({ timeoutMs: 50 })))).toMatch(
      /^denied: .*who logs in was not told within 50 ms/,
    );
    const stop = new AbortController();
    const waiting = remote.run(at(server.port), job(), stop.signal);
    setImmediate(() => stop.abort());
    expect(told(await waiting)).toMatch(/^cancelled/);
    expect(server.accepted).toBe(0);
  });

  it('that throws is a failure like any other', async () => {
    const answers = await ten(() => Promise.reject(new Error('broken')));
    expect(answers.every((answer) => /^denied: .*could not be asked for: broken/.test(answer))).toBe(true);
  });

  it('goes through jump hosts as the same user, unless they name another', async () => {
    rig.trust(server.knownHostsLine('127.0.0.1'), server.knownHostsLine('127.0.0.2'));
    const via = (user: string) => ({ jump: [{ user, host: '127.0.0.1', port: server.port }] });
    const remote = rig.remote(
      { user: '', osLogin: true, ...via('') },
      { userName: async () => ok('sa_100') },
    );
    // The fake forwards nothing: who logged in at the jump host is what is looked at.
    await remote.run(at(server.port), job());
    expect(server.users).toEqual(['sa_100']);
    const other = rig.remote(
      { user: '', osLogin: true, ...via('ann') },
      { userName: async () => ok('sa_100') },
    );
    await other.run(at(server.port), job());
    expect(server.users).toEqual(['sa_100', 'ann']);
  });
});

describe('asking for the user', () => {
  const settings = () => rig.settings({ user: '', osLogin: true });

  it('is not needed where the settings name one', async () => {
    const ask = createUserName(rig.settings(), () => Promise.reject(new Error('asked')), manualClock());
    expect(await ask(WAIT)).toEqual(ok('deploy'));
  });

  it('is not repeated after a failure for half a minute, and then is', async () => {
    const clock = manualClock();
    const answers = [err('away'), err('away'), ok('sa_100')];
    let asked = 0;
    const ask = createUserName(settings(), async () => answers[asked++] ?? ok('too often'), clock);
    expect(await ask(WAIT)).toEqual(err('away'));
    await clock.advance(29_999);
    expect(await ask(WAIT)).toEqual(err('away'));
    expect(asked).toBe(1);
    await clock.advance(1);
    expect(await ask(WAIT)).toEqual(err('away'));
    expect(asked).toBe(2);
    await clock.advance(30_000);
    expect(await ask(WAIT)).toEqual(ok('sa_100'));
    await clock.advance(86_400_000);
    expect(await ask(WAIT)).toEqual(ok('sa_100'));
    expect(asked).toBe(3);
  });

  it('of nobody: a setting that cannot be', async () => {
    expect(await createUserName(settings(), undefined, manualClock())(WAIT)).toMatchObject({
      ok: false,
      error: expect.stringContaining('inventory.kind: gce'),
    });
  });
});
