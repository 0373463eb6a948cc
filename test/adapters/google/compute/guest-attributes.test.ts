import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { guestAttributeKeys } from '../../../../src/adapters/google/compute/guest-attributes.ts';
import type { HostKeySource, HostKeysAnswer } from '../../../../src/ports/host-keys.ts';
import type { RemoteHost } from '../../../../src/ports/remote.ts';
import { fleetOf } from '../../../fakes/google/compute-fleet.ts';
import { type ComputeRig, startComputeRig, vm } from './compute-rig.ts';

const ASKED = /getGuestAttributes/;

/** A key's bytes as SSH has them, in base64. */
function blobOf(type: string, filling: string): string {
  const name = Buffer.from(type);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(name.length);
  return Buffer.concat([length, name, Buffer.alloc(36, filling)]).toString('base64');
}

const ED = blobOf('ssh-ed25519', 'a');
const EC = blobOf('ecdsa-sha2-nistp256', 'b');
const HOST: RemoteHost = {
  id: '4000000000000000001',
  name: 'web-01',
  address: '10.0.0.1',
  zone: 'us-east1-b',
  project: 'sandbox',
};

let rig: ComputeRig;
let cacheFolder: string;
beforeEach(async () => {
  rig = await startComputeRig({
    vms: [
      vm({ id: HOST.id, name: HOST.name, hostKeys: { 'ssh-ed25519': ED, 'ecdsa-sha2-nistp256': EC } }),
      vm({ id: '5', name: 'silent-01' }),
    ],
  });
  cacheFolder = join(rig.folder, 'state', 'host-keys');
});
afterEach(() => rig.close());

const keysOf = (): HostKeySource =>
  guestAttributeKeys({ access: rig.access, clock: rig.clock, cacheFolder, requestMs: 2_000 });
const asks = (): number => rig.compute.requests.filter((line) => ASKED.test(line)).length;
const fileOf = (id: string): string => join(cacheFolder, `${id}.json`);
const blobs = (answer: HostKeysAnswer): string[] => {
  if (answer.kind !== 'published') throw new Error(JSON.stringify(answer));
  return answer.keys.map(({ blob }) => Buffer.from(blob).toString('base64'));
};

describe('host keys from guest attributes', () => {
  it('are those that the VM of that id publishes, with where they come from', async () => {
    const answer = await keysOf().keysOf(HOST);
    expect(answer).toMatchObject({
      kind: 'published',
      keys: [{ type: 'ssh-ed25519' }, { type: 'ecdsa-sha2-nistp256' }],
      source: 'guest attributes of web-01 (sandbox/us-east1-b)',
    });
    expect(blobs(answer)).toEqual([ED, EC]);
    expect(rig.compute.requests).toEqual([
      `GET /compute/v1/projects/sandbox/zones/us-east1-b/instances/${HOST.id}/getGuestAttributes?queryPath=hostkeys/`,
    ]);
  });

  it('are not those of another VM that has the name now', async () => {
    rig.compute.vms[0] = vm({ id: '99', name: HOST.name, hostKeys: { 'ssh-ed25519': EC } });
    expect(await keysOf().keysOf(HOST)).toMatchObject({
      kind: 'none',
      mend: expect.stringContaining(`knows no instance ${HOST.id} (web-01) in sandbox/us-east1-b any more`),
    });
  });

  it('are remembered, also by the next process, readable by nobody else', async () => {
    const first = keysOf();
    await first.keysOf(HOST);
    await first.keysOf(HOST);
    await rig.compute.close();
    expect(blobs(await keysOf().keysOf(HOST))).toEqual([ED, EC]);
    expect(asks()).toBe(1);
    expect((await stat(fileOf(HOST.id))).mode & 0o777).toBe(0o600);
    expect((await stat(cacheFolder)).mode & 0o777).toBe(0o700);
    expect(await readdir(cacheFolder)).toEqual([`${HOST.id}.json`]);
  });

  it('that do not fit are asked for afresh, and the new ones remembered', async () => {
    const source = keysOf();
    await source.keysOf(HOST);
    rig.compute.vms[0] = vm({
      id: HOST.id,
      name: HOST.name,
      hostKeys: { 'ssh-ed25519': blobOf('ssh-ed25519', 'n') },
    });
    expect(blobs(await source.keysOf(HOST))).toEqual([ED, EC]);
    expect(blobs(await source.keysOf(HOST, { fresh: true }))).toEqual([blobOf('ssh-ed25519', 'n')]);
    expect(blobs(await source.keysOf(HOST))).toEqual([blobOf('ssh-ed25519', 'n')]);
    expect(blobs(await keysOf().keysOf(HOST))).toEqual([blobOf('ssh-ed25519', 'n')]);
  });

  it('asked for afresh while Compute Engine is away are not the old ones', async () => {
    const source = keysOf();
    await source.keysOf(HOST);
    rig.compute.fault(ASKED, { kind: 'error', status: 503 }, Number.POSITIVE_INFINITY);
    expect(await source.keysOf(HOST, { fresh: true })).toMatchObject({ kind: 'unavailable' });
  });

  it.each([
    ['empty', ''],
    ['torn', '{"schema":1,"keys":[{"type":"ssh-ed'],
    ['of another schema', `{"schema":2,"keys":[{"type":"ssh-ed25519","blob":"${ED}"}]}`],
    ['without keys', '{"schema":1,"keys":[]}'],
    ['with a key of another type', `{"schema":1,"keys":[{"type":"ssh-rsa","blob":"${ED}"}]}`],
    ['with one good key of two', `{"schema":1,"keys":[{"type":"ssh-ed25519","blob":"${ED}"},null]}`],
    ['null', 'null'],
  ])('from a remembered file that is %s are asked for again, and the file is mended', async (_what, text) => {
    await mkdir(cacheFolder, { recursive: true });
    await writeFile(fileOf(HOST.id), text);
    expect(blobs(await keysOf().keysOf(HOST))).toEqual([ED, EC]);
    expect(JSON.parse(await readFile(fileOf(HOST.id), 'utf8')).keys).toHaveLength(2);
  });

  it('are given although they cannot be written down', async () => {
    await mkdir(join(rig.folder, 'state'), { recursive: true });
    await writeFile(cacheFolder, 'a file where the folder should be');
    expect(blobs(await keysOf().keysOf(HOST))).toEqual([ED, EC]);
  });

  it('asked for by two at once are asked for once, and leave one whole file', async () => {
    const source = keysOf();
    const answers = await Promise.all([1, 2, 3].map(() => source.keysOf(HOST)));
    expect(answers.map(blobs)).toEqual([ED, ED, ED].map((ed) => [ed, EC]));
    expect(asks()).toBe(1);
    await Promise.all([keysOf(), keysOf(), keysOf()].map((each) => each.keysOf(HOST, { fresh: true })));
    expect(await readdir(cacheFolder)).toEqual([`${HOST.id}.json`]);
  });
});

describe('host keys that are not there', () => {
  it('are none, with the commands that publish them; and are found once they are', async () => {
    const source = keysOf();
    const silent = { ...HOST, id: '5', name: 'silent-01' };
    const answer = await source.keysOf(silent);
    expect(answer.kind).toBe('none');
    expect(answer.kind === 'none' && answer.mend).toContain(
      'gcloud compute instances add-metadata silent-01 --zone=us-east1-b --project=sandbox --metadata=enable-guest-attributes=TRUE',
    );
    expect(answer.kind === 'none' && answer.mend).toContain('google-guest-agent');
    expect(asks()).toBe(1);
    rig.compute.vms[1] = vm({ id: '5', name: 'silent-01', hostKeys: { 'ssh-ed25519': ED } });
    expect(blobs(await source.keysOf(silent))).toEqual([ED]);
  });

  it('of a host whose project or zone is not known are none, and nobody is asked', async () => {
    const { id, name, address } = HOST;
    expect(await keysOf().keysOf({ id, name, address })).toMatchObject({
      kind: 'none',
      mend: expect.stringContaining('known_hosts'),
    });
    expect(rig.compute.requests).toEqual([]);
  });

  it('that are not what they say are dropped; when none is left, it is said', async () => {
    rig.compute.vms[0] = vm({ id: HOST.id, hostKeys: { 'ssh-rsa': ED, 'ssh-ed25519': ED, 'ssh-dss': '!!' } });
    expect(blobs(await keysOf().keysOf(HOST, { fresh: true }))).toEqual([ED]);
    rig.compute.vms[0] = vm({ id: HOST.id, hostKeys: { 'ssh-rsa': ED } });
    expect(await keysOf().keysOf(HOST, { fresh: true })).toMatchObject({
      kind: 'none',
      mend: expect.stringContaining('publishes 1 host key(s), but none that is one'),
    });
  });

  it('for want of a permission names it and its role', async () => {
    rig.compute.denied.add('compute.instances.getGuestAttributes');
    const answer = await keysOf().keysOf(HOST);
    expect(answer.kind === 'unavailable' && answer.message).toContain('compute.instances.getGuestAttributes');
    expect(answer.kind === 'unavailable' && answer.message).toContain(
      '--member=serviceAccount:CLIENT_EMAIL_OF_THE_KEY_FILE --role=roles/compute.viewer',
    );
    expect(asks()).toBe(1);
  });

  it('since an organization policy forbids it, are to be written down by hand', async () => {
    rig.compute.fault(ASKED, {
      kind: 'error',
      status: 412,
      reason: 'conditionNotMet',
      message: 'Constraint constraints/compute.disableGuestAttributesAccess violated for project sandbox.',
    });
    expect(await keysOf().keysOf(HOST)).toMatchObject({
      kind: 'none',
      mend: expect.stringMatching(/organization policy.*known_hosts/),
    });
    expect(asks()).toBe(1);
  });

  it('for want of credentials says which', async () => {
    rig.identity.mood = 'refuses';
    const answer = await keysOf().keysOf(HOST);
    expect(answer.kind === 'unavailable' && answer.message).toContain('Google refuses the key');
  });
});

describe('Compute Engine on a bad day', () => {
  it.each([
    [{ kind: 'error', status: 429 } as const],
    [{ kind: 'error', status: 503 } as const],
    [{ kind: 'lost-reply' } as const],
    [{ kind: 'truncated' } as const],
    [{ kind: 'empty' } as const],
  ])('is asked again (%j)', async (fault) => {
    rig.compute.fault(ASKED, fault, 2);
    expect(blobs(await keysOf().keysOf(HOST))).toEqual([ED, EC]);
    expect(asks()).toBe(3);
  });

  it('that lasts is unavailable, and is not asked for each of a thousand hosts', async () => {
    rig.compute.fault(ASKED, { kind: 'error', status: 503 }, Number.POSITIVE_INFINITY);
    const source = keysOf();
    const began = rig.clock.now();
    expect(await source.keysOf(HOST)).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining('guest attributes of web-01 could not be read: HTTP 503'),
    });
    expect(rig.clock.now() - began).toBeLessThan(15_000);
    const before = asks();
    const hosts = Array.from({ length: 1_000 }, (_, n) => ({ ...HOST, id: String(n + 10) }));
    const kinds = await Promise.all(hosts.map((host) => source.keysOf(host)));
    expect(new Set(kinds.map(({ kind }) => kind))).toEqual(new Set(['unavailable']));
    expect(asks()).toBe(before);
    expect(await source.keysOf({ ...HOST, name: 'web-02' })).toMatchObject({
      message: expect.stringMatching(/^web-02 was not asked about, since a moment ago .*web-01.*HTTP 503/),
    });
    await rig.clock.sleep(15_000);
    await source.keysOf(HOST);
    expect(asks()).toBeGreaterThan(before);
  });

  it('that lasts on is asked about one VM alone, until it answers', async () => {
    rig.compute.fault(ASKED, { kind: 'error', status: 503 }, 100);
    const source = keysOf();
    await source.keysOf(HOST);
    await rig.clock.sleep(15_000);
    const before = rig.compute.requests.length;
    const hosts = Array.from({ length: 200 }, (_, n) => ({ ...HOST, id: String(n + 10) }));
    await Promise.all(hosts.map((host) => source.keysOf(host)));
    expect(new Set(rig.compute.requests.slice(before)).size).toBe(1);
    for (let tries = 0; tries < 20 && (await source.keysOf(HOST)).kind !== 'published'; tries++)
      await rig.clock.sleep(15_000);
    expect(blobs(await source.keysOf(HOST))).toEqual([ED, EC]);
  });

  it('that is silent does not hold up who has stopped waiting', async () => {
    rig.compute.fault(ASKED, { kind: 'silent' }, Number.POSITIVE_INFINITY);
    const source = keysOf();
    const stop = new AbortController();
    const waiting = source.keysOf(HOST, { signal: stop.signal });
    stop.abort();
    expect(await waiting).toEqual({
      kind: 'unavailable',
      message: 'asking for the host keys of web-01 was called off',
    });
  });

  it('a wave of hundreds is asked for some dozens at once', async () => {
    const wave = fleetOf({ count: 300 }).map((each) => ({ ...each, hostKeys: { 'ssh-ed25519': ED } }));
    rig.compute.vms.push(...wave);
    rig.compute.fault(ASKED, { kind: 'slow', ms: 20 }, 100);
    const source = keysOf();
    const answers = await Promise.all(
      wave.map(({ id, name, zone, project }) => source.keysOf({ id, name, zone, project, address: 'x' })),
    );
    expect(answers.filter(({ kind }) => kind === 'published')).toHaveLength(300);
    expect(rig.compute.mostAtOnce).toBeGreaterThan(8);
    expect(rig.compute.mostAtOnce).toBeLessThanOrEqual(32);
    expect(await readdir(cacheFolder)).toHaveLength(300);
  });

  it('a folder that cannot be read is no reason to fail', async () => {
    await mkdir(cacheFolder, { recursive: true });
    await writeFile(fileOf(HOST.id), 'x');
    await chmod(cacheFolder, 0o000);
    expect(blobs(await keysOf().keysOf(HOST))).toEqual([ED, EC]);
    await chmod(cacheFolder, 0o700);
  });
});
