/** A host that is meant by its instance id is asked who it is; another machine at its address is left alone. */
import { existsSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookOf, outcomeOf } from '../../src/domain/host-answer.ts';
import { HOST_EXIT, type HostOrder } from '../../src/domain/host-order.ts';
import { lifecycleOutcomeOf } from '../../src/domain/lifecycle-answer.ts';
import {
  type FakeMetadataServer,
  type MetadataMood,
  startFakeMetadataServer,
} from '../fakes/google/metadata-server.ts';
import { installOrder, purgeOrder, removeOrder } from './package-orders.ts';
import { makePackage, type RunOptions, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');
/** Beyond what a shell can count to. */
const MEANT = '18446744073709551615';

/** What the programs need of the machine besides a client for HTTP. */
const WITHOUT_CLIENT = [
  'sh',
  'sleep',
  'awk',
  'cat',
  'date',
  'df',
  'dirname',
  'head',
  'mkdir',
  'mv',
  'rm',
  'sed',
  'sha256sum',
  'tr',
];

let host: ShimHost;
let metadata: FakeMetadataServer;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(old);
  metadata = await startFakeMetadataServer({ instances: { '*': { id: MEANT } } });
});
afterEach(async () => {
  await metadata.close();
  host.remove();
});

const asked = (order: HostOrder, options: RunOptions = {}) =>
  host.run(
    { ...order, instanceId: MEANT },
    { environment: { GCE_METADATA_HOST: metadata.host }, ...options },
  );

const everyOrder = (): HostOrder[] => [
  host.look(),
  host.prove(old),
  host.order('upgrade', fresh, old),
  host.order('revert', fresh, old),
  installOrder(fresh),
  removeOrder(),
  purgeOrder('/var/osquery'),
];

/** Nothing was changed, locked or even looked at. */
function untouched(): void {
  expect(host.files('var/lib/rollout')).toEqual([]);
  expect(host.files('run/rollout')).toEqual([]);
}

describe('the host that is meant', () => {
  it('says so and goes on', async () => {
    const answer = await asked(host.look());
    expect(answer.steps.map(({ step }) => step)).toEqual(['begin', 'identity', 'look', 'end']);
    expect(answer.exitCode).toBe(HOST_EXIT.done);
    host.deliver(fresh, old);
    const upgrade = host.order('upgrade', fresh, old);
    expect(outcomeOf(upgrade, await asked(upgrade)).kind).toBe('verified');
  });

  it('asks with wget where there is no curl', async () => {
    const answer = await asked(host.look(), { only: [...WITHOUT_CLIENT, 'wget'] });
    expect(answer).toMatchObject({ exitCode: HOST_EXIT.done });
    expect(metadata.requests).toEqual(['127.0.0.1 /computeMetadata/v1/instance/id']);
  });

  it('asks without the proxy that it is told to use for everything', async () => {
    const proxy = 'http://127.0.0.1:1';
    for (const only of [undefined, [...WITHOUT_CLIENT, 'wget']]) {
      const answer = await asked(host.look(), {
        environment: {
          GCE_METADATA_HOST: metadata.host,
          http_proxy: proxy,
          HTTP_PROXY: proxy,
          all_proxy: proxy,
        },
        ...(only === undefined ? {} : { only }),
      });
      expect(answer.exitCode).toBe(HOST_EXIT.done);
    }
  });

  it('is asked again after one bad answer', async () => {
    metadata.next.push('failing');
    const environment = { GCE_METADATA_HOST: `${metadata.host} ${metadata.host}` };
    expect(await asked(host.look(), { environment })).toMatchObject({ exitCode: HOST_EXIT.done });
  });

  it('is not asked where nobody wants to know', async () => {
    await host.run(host.look());
    expect(metadata.requests).toEqual([]);
  });
});

describe('another machine at the address', () => {
  it('is left alone by every program, and tells who it is', async () => {
    metadata.instances.set('*', { id: '7' });
    host.deliver(fresh, old);
    for (const order of everyOrder()) {
      const answer = await asked(order);
      expect(answer.exitCode).toBe(HOST_EXIT.wrongHost);
      const read = order.program === 'install' || order.program === 'remove' ? lifecycleOutcomeOf : outcomeOf;
      expect(read(order, answer)).toEqual({
        kind: 'blocked',
        why: 'wrong-host',
        message: `this host is instance 7, meant was ${MEANT}: its address was used again; look at the inventory again`,
      });
      expect(lookOf(answer.steps).ok).toBe(false);
    }
    untouched();
    // What was meant for another machine does not stay on this one.
    expect(host.files('home/ops/.cache/rollout')).toEqual([]);
  });

  it.each(['1', `${MEANT}0`, `0${MEANT}`, MEANT.slice(1)])('is told by every digit: %s', async (id) => {
    metadata.instances.set('*', { id });
    const { exitCode } = await asked(host.look());
    expect([HOST_EXIT.wrongHost, HOST_EXIT.identityUnknown]).toContain(exitCode);
  });
});

describe('a machine that cannot tell who it is', () => {
  it.each(['failing', 'empty', 'garbage', 'endless', 'silent', 'away'] satisfies MetadataMood[])(
    'since its metadata server is %s, is left alone',
    async (mood) => {
      metadata.mood = mood;
      const upgrade = host.order('upgrade', fresh, old);
      const answer = await asked(upgrade);
      expect(outcomeOf(upgrade, answer)).toMatchObject({
        kind: 'blocked',
        why: 'identity-unknown',
        message: expect.stringContaining('inventory.instanceCheck: false'),
      });
      expect(JSON.stringify(answer)).not.toContain('Please log in');
      untouched();
    },
  );

  it('since it has nothing to ask with, says what to install', async () => {
    const answer = await asked(host.look(), { only: WITHOUT_CLIENT });
    expect(answer.exitCode).toBe(HOST_EXIT.identityUnknown);
    expect(answer.steps.find(({ step }) => step === 'identity')?.['message']).toMatch(
      /neither curl nor wget; install curl/,
    );
  });

  it('is not taken for an answer of text that a shell would run', async () => {
    const mark = host.path('mark');
    metadata.instances.set('*', { id: `$(touch '${mark}')\`touch '${mark}'\`` });
    expect(await asked(host.look())).toMatchObject({ exitCode: HOST_EXIT.identityUnknown });
    expect(existsSync(mark)).toBe(false);
  });
});

describe('an instance id that is none', () => {
  it.each(['', '12a', '-1', '1'.repeat(21)])('is refused before anything is asked: %j', async (id) => {
    const answer = await host.run(host.look(), { parameters: [`instance_id=${id}`] });
    expect(answer.exitCode).toBe(HOST_EXIT.usage);
  });
});

describe('a look', () => {
  it('tells with what the host can fetch: curl before wget, and nothing where there is neither', async () => {
    for (const [more, fetcher] of [
      [[], ''],
      [['wget'], 'wget'],
      [['curl', 'wget'], 'curl'],
    ] as const) {
      const read = lookOf((await host.run(host.look(), { only: [...WITHOUT_CLIENT, ...more] })).steps);
      expect(read).toMatchObject({ ok: true, value: { fetcher } });
    }
  });

  const holdOf = async (): Promise<string> => {
    const read = lookOf((await host.run(host.look())).steps);
    return read.ok ? read.value.hold : read.error;
  };

  it('tells what keeps hands off the agent', async () => {
    expect(await holdOf()).toBe('');
    await host.command('systemctl mask osqueryd');
    expect(await holdOf()).toBe('unit masked');
    writeFileSync(host.path('var/lib/dpkg/shim/osquery'), `hold installed ${old.ref.packageVersion}\n`);
    expect(await holdOf()).toBe('dpkg hold and unit masked');
  });
});
