import { afterEach, describe, expect, it } from 'vitest';
import { webhookWitness } from '../../../src/adapters/webhook-witness/webhook-witness.ts';
import { type HttpBackend, startBackend, type ToldAnswer } from '../../fakes/http-backend.ts';
import { manualClock } from '../../fakes/manual-clock.ts';
import { bearer, behavesOnBadDays, failureOf, host, NOW, question, secrets, TOKEN } from '../witness-rig.ts';

const open: HttpBackend[] = [];
afterEach(async () => {
  for (const fake of open.splice(0)) await fake.close();
});

async function setup(body: unknown = { verdict: 'pass', why: 'all is well' }, timeoutMs = 5_000) {
  const backend = await startBackend((): ToldAnswer => ({ body }));
  open.push(backend);
  const settings = { kind: 'webhook', url: `${backend.url}/gate/keeper/`, auth: bearer, timeoutMs } as const;
  const clock = manualClock({ start: NOW, autoAdvance: true });
  return { backend, witness: webhookWitness({ settings, name: 'w', secrets, clock }) };
}

describe('a webhook on a bad day', () => {
  behavesOnBadDays(async (timeoutMs) => {
    const { backend, witness } = await setup(undefined, timeoutMs);
    return { backend, witness, question: question([host('web-01')]) };
  });

  it.each([
    [{}, 'verdict is missing'],
    [{ verdict: 'ok' }, 'verdict is "ok"'],
    [{ verdict: true }, 'verdict is true'],
    [{ verdict: 'PASS' }, 'verdict is "PASS"'],
    [{ verdict: 'pass', why: 7 }, 'why is 7'],
    [['pass'], 'no JSON object'],
    ['pass', 'no JSON object'],
  ])('%j is no verdict', async (body, words) => {
    const { witness } = await setup(body);
    expect(await failureOf(witness, question([host('web-01')]))).toMatchObject({
      kind: 'invalid-answer',
      message: expect.stringContaining(words),
    });
  });

  it.each([201, 204, 404, 418])('HTTP %i is no verdict, whatever its body says', async (status) => {
    const { backend, witness } = await setup();
    backend.moods = [{ kind: 'says', status, body: status === 204 ? '' : { verdict: 'pass' } }];
    expect((await failureOf(witness, question([host('web-01')]))).message).toContain(`HTTP ${status}`);
  });
});

describe('a webhook', () => {
  it('is asked with the question as JSON, and the token', async () => {
    const { backend, witness } = await setup();
    const answer = await witness.ask(question([host('web-01'), host('control', 0)]));
    expect(answer).toEqual({ ok: true, value: { kind: 'told', verdict: 'pass', why: 'all is well' } });
    const [asked] = backend.asked;
    expect(`${asked?.method} ${asked?.url.pathname} ${asked?.headers['content-type']}`).toBe(
      'POST /gate/keeper/ application/json',
    );
    expect(asked?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(JSON.parse(asked?.body ?? '')).toEqual({
      v: 1,
      environment: 'gprd',
      version: '5.10.2',
      from: NOW - 180_000,
      to: NOW,
      hosts: [
        { name: 'web-01', id: 'id-web-01', changed: true },
        { name: 'control', id: 'id-control', changed: false },
      ],
    });
  });

  it.each(['pass', 'fail', 'inconclusive'] as const)('says %s, with or without a reason', async (verdict) => {
    const { witness } = await setup({ verdict });
    expect(await witness.ask(question([host('web-01')]))).toMatchObject({
      ok: true,
      value: { kind: 'told', verdict, why: `it says ${verdict} and gives no reason` },
    });
  });

  it('its reason is one line, short and harmless', async () => {
    const { witness } = await setup({ verdict: 'fail', why: `no\u001b[2J\n\u202eway ${'x'.repeat(900)}` });
    const answer = await witness.ask(question([host('web-01')]));
    const why = answer.ok && answer.value.kind === 'told' ? answer.value.why : '';
    expect(why).toMatch(/^no \[2J way x+\.\.\.$/);
    expect(why.length).toBe(300);
  });
});
