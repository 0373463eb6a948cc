import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { computeCalls } from '../../../../src/adapters/google/compute/calls.ts';
import { trimSchema } from '../../../../src/adapters/google/compute/schema.ts';
import { type ComputeRig, startComputeRig, vm } from './compute-rig.ts';

const AT = { project: 'sandbox', zone: 'us-east1-b', instance: '1' };
const OPTIONS = { timeoutMs: 2_000 };

let rig: ComputeRig;
beforeEach(async () => {
  rig = await startComputeRig({ vms: [vm({ id: '1' })] });
});
afterEach(() => rig.close());

describe('a call to Compute Engine', () => {
  it('asks which permissions one has, on an instance', async () => {
    const permissions = ['compute.instances.get', 'compute.instances.getGuestAttributes'];
    const calls = computeCalls(rig.access);
    expect(await calls.testPermissions({ ...AT, permissions }, OPTIONS)).toEqual({
      ok: true,
      value: permissions,
    });
    rig.compute.denied.add('compute.instances.getGuestAttributes');
    expect(await calls.testPermissions({ ...AT, permissions }, OPTIONS)).toEqual({
      ok: true,
      value: ['compute.instances.get'],
    });
    rig.compute.denied.add('compute.instances.get');
    expect(await calls.testPermissions({ ...AT, permissions }, OPTIONS)).toEqual({ ok: true, value: [] });
  });

  it('is made with the rights of the account that is acted as', async () => {
    const target = 'deployer@sandbox.iam.gserviceaccount.com';
    const access = {
      ...rig.access,
      credentials: { ...rig.access.credentials, impersonate: target },
      endpoints: { ...rig.access.endpoints, iamCredentials: rig.identity.url },
    };
    const answer = await computeCalls(access).aggregatedList(
      { project: 'sandbox', maxResults: 500 },
      OPTIONS,
    );
    expect(answer.ok).toBe(true);
    expect([...rig.compute.principals]).toEqual([target]);
  });

  it('is one attempt, also when the answer cannot be read', async () => {
    rig.compute.fault(/./, { kind: 'cut-short' }, Number.POSITIVE_INFINITY);
    const answer = await computeCalls(rig.access).aggregatedList(
      { project: 'sandbox', maxResults: 500 },
      OPTIONS,
    );
    expect(answer).toMatchObject({ ok: false, error: { kind: 'passing', retryable: true } });
    expect(rig.compute.requests).toHaveLength(1);
  });

  it('that is called off asks nothing more, and is no failure of Compute Engine', async () => {
    rig.compute.fault(/./, { kind: 'silent' });
    const stop = new AbortController();
    const asked = computeCalls(rig.access).guestAttributes(
      { ...AT, queryPath: 'hostkeys/' },
      { timeoutMs: 60_000, signal: stop.signal },
    );
    while (rig.compute.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    expect(await asked).toMatchObject({ ok: false, error: { message: 'called off', retryable: false } });
  });

  it('refused with a page that is not Google’s says nothing of the project', async () => {
    rig.compute.fault(/./, { kind: 'html', status: 404 });
    const answer = await computeCalls(rig.access).list(
      { project: 'sandbox', zone: 'us-east1-b', maxResults: 500 },
      OPTIONS,
    );
    expect(answer).toMatchObject({ ok: false, error: { kind: 'refused' } });
  });

  it('ends within its time although the sign-in is silent, and says that it is the sign-in', async () => {
    rig.identity.mood = 'silent';
    const began = performance.now();
    const answer = await computeCalls({ ...rig.access, signInMs: 60_000 }).aggregatedList(
      { project: 'sandbox', maxResults: 500 },
      { timeoutMs: 300 },
    );
    expect(answer).toMatchObject({
      ok: false,
      error: {
        kind: 'credentials',
        message: expect.stringContaining("Google's sign-in cannot be reached (no answer within 300 ms)"),
        retryable: true,
      },
    });
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(rig.compute.requests).toEqual([]);
  });

  it('ends within its time although Compute Engine is silent, and may be tried again', async () => {
    rig.compute.fault(/./, { kind: 'silent' });
    const calls = computeCalls(rig.access);
    const answer = await calls.aggregatedList({ project: 'sandbox', maxResults: 500 }, { timeoutMs: 1_000 });
    expect(answer).toMatchObject({ ok: false, error: { kind: 'passing', retryable: true } });
    expect((await calls.aggregatedList({ project: 'sandbox', maxResults: 500 }, OPTIONS)).ok).toBe(true);
  });

  it('whose token is not taken says what to do', async () => {
    rig.compute.fault(/./, { kind: 'error', status: 401, message: 'Request had invalid authentication' });
    const answer = await computeCalls(rig.access).aggregatedList(
      { project: 'sandbox', maxResults: 500 },
      OPTIONS,
    );
    expect(answer).toMatchObject({
      ok: false,
      error: {
        kind: 'credentials',
        message: expect.stringMatching(/invalid authentication.*gcloud auth application-default login/),
        retryable: false,
      },
    });
  });

  it.each([
    ["Quota exceeded for quota metric 'Read requests'", 'passing'],
    ['Rate Limit Exceeded', 'passing'],
    ['The compute.googleapis.com API requires a quota project, which is not set by default', 'denied'],
  ] as const)('refused with 403 and %j is %s', async (message, kind) => {
    rig.compute.fault(/./, { kind: 'error', status: 403, message });
    const answer = await computeCalls(rig.access).aggregatedList(
      { project: 'sandbox', maxResults: 500 },
      OPTIONS,
    );
    expect(answer).toMatchObject({ ok: false, error: { kind } });
  });
});

describe('another version of the library', () => {
  it('whose messages are described in another way is found at once, not by what is missing later', () => {
    expect(() => trimSchema({})).toThrow('describes its messages in another way');
    const nested = {
      Instances: { methods: { List: { requestType: 'Q', responseType: 'InstanceList' } } },
      InstanceList: { fields: { items: { type: 'Instance' } } },
      Instance: { fields: { id: { type: 'uint64' } } },
    };
    const schema = {
      nested: { google: { nested: { cloud: { nested: { compute: { nested: { v1: { nested } } } } } } } },
    };
    expect(() => trimSchema(schema)).toThrow('knows no Instance.name');
  });
});
