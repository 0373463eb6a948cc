/** What the tests of every witness share: its question, and a bad day of whoever answers it. */
import { expect, it } from 'vitest';
import type { HttpAuth } from '../../src/domain/connection.ts';
import type { MetricsError } from '../../src/ports/metrics.ts';
import type { Witness, WitnessAnswer, WitnessHost, WitnessQuestion } from '../../src/ports/witness.ts';
import type { BackendMood, HttpBackend } from '../fakes/http-backend.ts';

/** Of the manual clock, and of the servers. */
export const NOW = Date.UTC(2026, 0, 1);
export const STEP = 60_000;
export const TOKEN = 'tok-3n-s3cret';

export const bearer: HttpAuth = { kind: 'bearer', token: { kind: 'env', name: 'WITNESS_TOKEN' } };
export const secrets = { read: async () => ({ ok: true, value: `${TOKEN}\n` }) as const };

export function host(name: string, changedAt = NOW - 600_000, more: Partial<WitnessHost> = {}): WitnessHost {
  return { id: `id-${name}`, name, address: '10.0.0.1', zone: 'z', role: 'web', changedAt, ...more };
}

/** Three steps up to now. */
export function question(
  hosts: readonly WitnessHost[],
  more: Partial<WitnessQuestion> = {},
): WitnessQuestion {
  const span = { from: NOW - 3 * STEP, to: NOW, stepMs: STEP };
  return { environment: 'gprd', version: '5.10.2', hosts, ...span, ...more };
}

export async function numbers(
  witness: Witness,
  asked: WitnessQuestion,
): Promise<Extract<WitnessAnswer, { kind: 'by-host' }>> {
  const answer = await witness.ask(asked);
  if (!answer.ok) throw new Error(answer.error.message);
  if (answer.value.kind !== 'by-host') throw new Error('it told one word');
  return answer.value;
}

export async function failureOf(witness: Witness, asked: WitnessQuestion): Promise<MetricsError> {
  const answer = await witness.ask(asked);
  if (answer.ok) throw new Error(`answered ${JSON.stringify(answer.value)}`);
  return answer.error;
}

/** The newest number of each host, by name. */
export function newest(answer: Extract<WitnessAnswer, { kind: 'by-host' }>): Record<string, number> {
  return Object.fromEntries(
    [...answer.byHost].flatMap(([id, samples]) => {
      const last = samples.at(-1);
      return last === undefined ? [] : [[id.replace(/^id-/, ''), last.value]];
    }),
  );
}

export interface BadDay {
  readonly backend: HttpBackend;
  /** With a bearer token. */
  readonly witness: Witness;
  readonly question: WitnessQuestion;
}

/** Whatever speaks HTTP: no bad day of it is a verdict, none shows the token, none lasts. */
export function behavesOnBadDays(start: (timeoutMs: number) => Promise<BadDay>): void {
  const cases: readonly [string, BackendMood, MetricsError['kind'], RegExp][] = [
    ['says nothing', { kind: 'silent' }, 'unavailable', /no answer within 150 ms \(witnesses\.w\.timeout\)/],
    ['hangs up', { kind: 'resets' }, 'unavailable', /./],
    [
      'wants another token',
      { kind: 'says', status: 401, body: 'no' },
      'rejected',
      /environment variable WITNESS_TOKEN/,
    ],
    ['fails', { kind: 'says', status: 500, body: 'oops' }, 'unavailable', /HTTP 500/],
    [
      'is behind a page',
      { kind: 'says', body: '<html><title>Sign in</title></html>' },
      'invalid-answer',
      /"Sign in"/,
    ],
    ['breaks off', { kind: 'truncates' }, 'invalid-answer', /broke off/],
    ['is not JSON', { kind: 'says', body: '{"a": ' }, 'invalid-answer', /./],
    ['says null', { kind: 'says', body: 'null' }, 'invalid-answer', /./],
    ['answers without end', { kind: 'endless' }, 'invalid-answer', /larger than|no answer within/],
    [
      'sends us elsewhere',
      { kind: 'says', status: 302, body: '', headers: { location: 'http://127.0.0.1:1/x' } },
      'rejected',
      /not followed/,
    ],
    [
      'is asked too often',
      { kind: 'says', status: 429, body: 'slow down', headers: { 'retry-after': '60' } },
      'unavailable',
      /HTTP 429/,
    ],
    [
      'repeats the token',
      { kind: 'says', status: 400, body: `you said Bearer ${TOKEN}` },
      'rejected',
      /HTTP 400/,
    ],
  ];
  it.each(cases)('that %s is an error and no verdict', async (_, mood, kind, words) => {
    const waits = mood.kind === 'silent' || mood.kind === 'endless';
    const { backend, witness, question: asked } = await start(waits ? 150 : 20_000);
    backend.moods = [mood];
    const error = await failureOf(witness, asked);
    expect(error.message).toMatch(words);
    if (mood.kind !== 'endless') expect(error.kind).toBe(kind);
    expect(error.message).not.toContain(TOKEN.slice(0, 6));
  });

  it('that is down is an error that names the address', async () => {
    const { backend, witness, question: asked } = await start(20_000);
    await backend.close();
    expect(await failureOf(witness, asked)).toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/.*ECONNREFUSED/),
    });
  });

  it('that is called off in the middle ends at once', async () => {
    const { backend, witness, question: asked } = await start(20_000);
    backend.moods = [{ kind: 'silent' }];
    const off = new AbortController();
    const answer = witness.ask(asked, off.signal);
    off.abort();
    expect(await answer).toMatchObject({
      ok: false,
      error: { message: expect.stringContaining('called off') },
    });
  });

  it('shows its address and never the token', async () => {
    const { backend, witness } = await start(20_000);
    expect(witness.shown).toContain(backend.url);
    expect(witness.shown).not.toContain(TOKEN);
  });
}
