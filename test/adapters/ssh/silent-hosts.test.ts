/** Hosts that say nothing, among others that answer: they cost the others next to nothing. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RemoteAnswer } from '../../../src/ports/remote.ts';
import {
  answering,
  BEGIN,
  type FakeSshOptions,
  type FakeSshServer,
  newHostKey,
  startFakeSshServer,
} from '../../fakes/ssh-server.ts';
import { at, createRig, job, type Rig } from './ssh-rig.ts';

let rig: Rig;
const servers: FakeSshServer[] = [];
const hostKeys = [newHostKey()];

beforeEach(() => {
  rig = createRig();
});

afterEach(async () => {
  await rig.remove();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function fake(options: FakeSshOptions = {}): Promise<FakeSshServer> {
  const server = await startFakeSshServer({ hostKeys, ...options });
  servers.push(server);
  rig.trust(...servers.map((one) => one.knownHostsLine('127.0.0.1')));
  return server;
}

const kinds = (answers: readonly RemoteAnswer[]) =>
  answers.map((answer) => (answer.kind === 'answered' ? 'answered' : answer.why));

describe('a fleet of which most say nothing', () => {
  it('answers as far as it can while the others are waited for, four at once', async () => {
    const [good, mute] = [await fake(), await fake({ mute: true })];
    const remote = rig.remote({ concurrency: 4, connectTimeoutMs: 8_000 });
    const stop = new AbortController();
    const silent = Array.from({ length: 16 }, () => remote.run(at(mute.port), job(), stop.signal));
    const answers = await Promise.all(Array.from({ length: 12 }, () => remote.run(at(good.port), job())));
    expect(kinds(answers)).toEqual(Array.from({ length: 12 }, () => 'answered'));
    // All of them still wait: none was given up for the others.
    expect([mute.accepted, mute.connections]).toEqual([16, 16]);
    stop.abort();
    expect(kinds(await Promise.all(silent))).toEqual(Array.from({ length: 16 }, () => 'cancelled'));
  });

  it('gives a host that answers late its answer', async () => {
    const [good, mute] = [await fake(), await fake({ mute: true })];
    const slow = await fake({
      command: async (command) => {
        await new Promise((resolve) => setTimeout(resolve, 900));
        await answering(['{"step":"done","ok":true}'])(command);
      },
    });
    const remote = rig.remote({ concurrency: 1, connectTimeoutMs: 2_500 });
    const order: string[] = [];
    const run = async (name: string, port: number): Promise<RemoteAnswer> => {
      const answer = await remote.run(at(port), job());
      order.push(name);
      return answer;
    };
    const all = await Promise.all([
      run('mute', mute.port),
      run('late', slow.port),
      run('good', good.port),
      run('good', good.port),
    ]);
    expect(kinds(all)).toEqual(['unreachable', 'answered', 'answered', 'answered']);
    expect(order).toEqual(['good', 'good', 'late', 'mute']);
  });

  it('has a program that works keep its place: no more work at once than was asked for', async () => {
    let working = 0;
    let most = 0;
    const server = await fake({
      command: async ({ channel, stdin }) => {
        await stdin;
        working += 1;
        most = Math.max(most, working);
        channel.write(BEGIN);
        await new Promise((resolve) => setTimeout(resolve, 700));
        working -= 1;
        channel.exit(0);
        channel.end();
      },
    });
    const remote = rig.remote({ concurrency: 2 });
    const answers = await Promise.all(Array.from({ length: 5 }, () => remote.run(at(server.port), job())));
    expect([...new Set(kinds(answers)), most]).toEqual(['answered', 2]);
  });
});
