/** Keys that are published for a host, keys that known_hosts holds for it, and what counts when they disagree. */
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fingerprint } from '../../../src/adapters/ssh/known-hosts.ts';
import type { HostKeySource, HostKeysAnswer, PublishedKey } from '../../../src/ports/host-keys.ts';
import type { RemoteAnswer } from '../../../src/ports/remote.ts';
import {
  type FakeSshServer,
  knownHostsLine,
  newHostKey,
  startFakeSshServer,
} from '../../fakes/ssh-server.ts';
import { at, createRig, job, type Rig } from './ssh-rig.ts';

const HOST = newHostKey();
const OTHER = newHostKey();
const ID = '4711';

let rig: Rig;
let server: FakeSshServer;

beforeEach(async () => {
  rig = createRig();
  server = await startFakeSshServer({ hostKeys: [HOST] });
});

afterEach(async () => {
  await rig.remove();
  await server.close();
});

function keyOf(privateKey: string): PublishedKey {
  const key = ssh2.utils.parseKey(privateKey);
  if (key instanceof Error) throw key;
  return { type: key.type, blob: key.getPublicSSH() };
}

const published = (...keys: readonly string[]): HostKeysAnswer => ({
  kind: 'published',
  keys: keys.map(keyOf),
  source: 'guest attributes',
});
const NONE: HostKeysAnswer = { kind: 'none', mend: 'set enable-guest-attributes=TRUE and restart it' };
const AWAY: HostKeysAnswer = { kind: 'unavailable', message: 'compute.googleapis.com answers 503' };

/** A source that answers one thing from its memory, and another when it is asked afresh. */
class Source implements HostKeySource {
  readonly asked: string[] = [];
  #remembered: HostKeysAnswer;
  readonly #fresh: HostKeysAnswer;

  constructor(remembered: HostKeysAnswer, fresh: HostKeysAnswer = remembered) {
    this.#remembered = remembered;
    this.#fresh = fresh;
  }

  keysOf: HostKeySource['keysOf'] = async (host, options) => {
    this.asked.push(`${host.id}${options?.fresh === true ? ' fresh' : ''}`);
    if (options?.fresh === true && this.#fresh.kind !== 'unavailable') this.#remembered = this.#fresh;
    return options?.fresh === true ? this.#fresh : this.#remembered;
  };
}

const byId = (key: string) => `compute.${ID} ${knownHostsLine('x', 22, key).slice(2)}`;
const byAddress = (key: string) => knownHostsLine('127.0.0.1', server.port, key);

async function connect(source: HostKeySource, changes = {}): Promise<RemoteAnswer> {
  return rig.remote(changes, { hostKeys: source }).run(at(server.port, '127.0.0.1', ID), job());
}

function told(answer: RemoteAnswer): string {
  return answer.kind === 'answered' ? 'answered' : `${answer.why}: ${answer.message}`;
}

describe('a host whose keys are published', () => {
  it('is taken by them, with no known_hosts at all', async () => {
    const source = new Source(published(OTHER, HOST));
    expect(told(await connect(source, { knownHosts: ['/no/such/file'] }))).toBe('answered');
    expect(source.asked).toEqual([ID]);
  });

  it('is asked for the type that is published, and not for the one it would rather show', async () => {
    const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 }).private;
    await server.close();
    server = await startFakeSshServer({ hostKeys: [HOST, rsa] });
    expect(told(await connect(new Source(published(rsa))))).toBe('answered');
  });

  it('is refused with another key, also when known_hosts holds that one for its address', async () => {
    rig.trust(byAddress(HOST));
    const answer = told(await connect(new Source(published(OTHER))));
    expect(answer).toMatch(/^host-key-mismatch: web-4711/);
    expect(answer).toContain(fingerprint(keyOf(HOST).blob));
    expect(answer).toContain(
      `published for it (guest attributes) is ssh-ed25519 ${fingerprint(keyOf(OTHER).blob)}`,
    );
    expect(answer).toContain('Nothing was run');
    expect(server.commands).toEqual([]);
  });

  it('is refused with a key that known_hosts marks @revoked', async () => {
    rig.trust(`@revoked * ${knownHostsLine('x', 22, HOST).slice(2)}`);
    expect(told(await connect(new Source(published(HOST))))).toMatch(/^host-key-mismatch: .* marks @revoked/);
    expect(server.commands).toEqual([]);
  });

  it('is taken although its address was another host’s before', async () => {
    rig.trust(byAddress(OTHER));
    const source = new Source(published(HOST));
    expect(told(await connect(source))).toBe('answered');
    expect(source.asked).toEqual([ID]);
  });
});

describe('a host whose keys were made anew', () => {
  it('is taken once it has published them: they are asked for again when the remembered ones do not fit', async () => {
    const source = new Source(published(OTHER), published(HOST));
    expect(told(await connect(source))).toBe('answered');
    expect(source.asked).toEqual([ID, `${ID} fresh`]);
    expect(server.accepted).toBe(2);
  });

  it('stays refused when what is published is still the same: one more question, no second connection', async () => {
    const source = new Source(published(OTHER));
    expect(told(await connect(source))).toMatch(/^host-key-mismatch/);
    expect(source.asked).toEqual([ID, `${ID} fresh`]);
    expect(server.accepted).toBe(1);
  });

  it('stays refused when nobody can be asked, whatever known_hosts holds', async () => {
    rig.trust(byAddress(HOST));
    expect(told(await connect(new Source(published(OTHER), AWAY)))).toMatch(/^host-key-mismatch/);
    expect(server.commands).toEqual([]);
  });

  it('stays refused when something third is published by now', async () => {
    const source = new Source(published(OTHER), published(newHostKey()));
    expect(told(await connect(source))).toMatch(/^host-key-mismatch/);
    expect(source.asked).toHaveLength(2);
    expect(server.commands).toEqual([]);
  });

  it('falls to known_hosts when nothing is published any more', async () => {
    const source = new Source(published(OTHER), NONE);
    expect(told(await connect(source))).toMatch(/^host-key-unknown/);
    rig.trust(byId(HOST));
    expect(told(await connect(new Source(published(OTHER), NONE)))).toBe('answered');
  });

  it('and published since it was refused for want of any is taken', async () => {
    expect(told(await connect(new Source(NONE, published(HOST))))).toBe('answered');
  });
});

describe('a host that publishes none', () => {
  it('is taken by known_hosts', async () => {
    rig.trust(byAddress(HOST));
    const source = new Source(NONE);
    expect(told(await connect(source))).toBe('answered');
    expect(source.asked).toEqual([ID]);
  });

  it('is unknown without an entry there, with both ways to mend it', async () => {
    const answer = told(await connect(new Source(NONE)));
    expect(answer).toMatch(/^host-key-unknown: no host key of web-4711/);
    expect(answer).toContain('none is published for it: set enable-guest-attributes=TRUE and restart it');
    expect(answer).toContain(`ssh-keyscan -p ${server.port} 127.0.0.1 >> ${rig.knownHosts}`);
    expect(server.commands).toEqual([]);
  });

  it('is refused when known_hosts holds another', async () => {
    rig.trust(byId(OTHER));
    expect(told(await connect(new Source(NONE)))).toMatch(
      /^host-key-mismatch: .* known for compute\.4711 is .*none is published for it/,
    );
  });
});

describe('a source that cannot be asked', () => {
  it('leaves known_hosts, as strict as ever', async () => {
    rig.trust(byAddress(HOST));
    expect(told(await connect(new Source(AWAY)))).toBe('answered');
    rig.trust(byAddress(OTHER));
    expect(told(await connect(new Source(AWAY)))).toMatch(/^host-key-mismatch/);
  });

  it('and no entry there: unknown, with why they could not be fetched', async () => {
    const source = new Source(AWAY);
    const answer = told(await connect(source));
    expect(answer).toMatch(/^host-key-unknown/);
    expect(answer).toContain('published ones could not be fetched: compute.googleapis.com answers 503');
    expect(source.asked).toEqual([ID]);
  });

  it('that never answers takes half of the time to connect, and no more', async () => {
    rig.trust(byAddress(HOST));
    const silent: HostKeySource = { keysOf: () => new Promise(() => {}) };
    expect(told(await connect(silent, { connectTimeoutMs: 600 }))).toBe('answered');
    rig.trust();
    expect(told(await connect(silent, { connectTimeoutMs: 600 }))).toMatch(
      /^host-key-unknown: .*could not be fetched: there was no answer within \d+/,
    );
  });

  it('is called off with the call, and nothing is connected to', async () => {
    const stop = new AbortController();
    const silent: HostKeySource = {
      keysOf: () => {
        setImmediate(() => stop.abort());
        return new Promise(() => {});
      },
    };
    const remote = rig.remote({}, { hostKeys: silent });
    expect(told(await remote.run(at(server.port), job(), stop.signal))).toMatch(/^cancelled/);
    expect(server.commands).toEqual([]);
  });
});

describe('known_hosts that contradicts what is published, under the host’s own id', () => {
  it('a fresh look decides, once for as long as the program runs', async () => {
    rig.trust(byId(OTHER));
    const source = new Source(published(HOST));
    const remote = rig.remote({}, { hostKeys: source });
    for (let round = 0; round < 2; round += 1)
      expect(told(await remote.run(at(server.port, '127.0.0.1', ID), job()))).toBe('answered');
    expect(source.asked).toEqual([ID, `${ID} fresh`, ID]);
  });

  it('what was remembered was the older one: known_hosts was right', async () => {
    rig.trust(byId(HOST));
    expect(told(await connect(new Source(published(OTHER), published(HOST))))).toBe('answered');
  });

  it.each([
    ['the published', HOST, OTHER],
    ['the one in the file', OTHER, HOST],
  ])('without a fresh look neither counts: %s key is refused', async (_which, remembered, inFile) => {
    rig.trust(byId(inFile));
    const answer = told(await connect(new Source(published(remembered), AWAY)));
    expect(answer).toMatch(/^host-key-mismatch/);
    expect(answer).toContain(`${rig.knownHosts}:1 holds another key, and who is right could not be asked`);
    expect(answer).toContain('503');
    expect(server.commands).toEqual([]);
  });

  it('a type that only one of them has contradicts nothing', async () => {
    const rsa = ssh2.utils.generateKeyPairSync('rsa', { bits: 2048 }).private;
    rig.trust(byId(rsa));
    const source = new Source(published(HOST), AWAY);
    expect(told(await connect(source))).toBe('answered');
    expect(source.asked).toEqual([ID]);
  });
});

describe('jump hosts', () => {
  it('are checked by known_hosts alone, whatever is published', async () => {
    const source = new Source(published(HOST));
    const jump = [{ user: 'deploy', host: '127.0.0.1', port: server.port }];
    const answer = told(await connect(source, { jump }));
    expect(answer).toMatch(/^host-key-unknown: .*jump host/);
    expect(answer).not.toContain('published');
  });
});

it('asking is bounded by the connections at once', async () => {
  let asking = 0;
  let most = 0;
  const source: HostKeySource = {
    async keysOf() {
      asking += 1;
      most = Math.max(most, asking);
      await new Promise(setImmediate);
      asking -= 1;
      return published(HOST);
    },
  };
  const remote = rig.remote({ concurrency: 4 }, { hostKeys: source });
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => remote.run(at(server.port, '127.0.0.1', `${index}`), job())),
  );
  expect(answers.map(told)).toEqual(Array.from({ length: 20 }, () => 'answered'));
  expect(most).toBeLessThanOrEqual(4);
});
