import { describe, expect, it } from 'vitest';
import type { WitnessSettings } from '../../src/domain/witness.ts';
import { fleetChecks } from '../../src/engine/doctor-fleet.ts';
import { heardFinding, witnessChecks } from '../../src/engine/doctor-witnesses.ts';
import type { Finding } from '../../src/ports/self-check.ts';
import type { Witness, WitnessAnswer, WitnessQuestion } from '../../src/ports/witness.ts';

import { makeWorld, someHosts } from './world.ts';

const http = { url: 'https://x.example.com', auth: { kind: 'none' }, timeoutMs: 1_000 } as const;
const osctrl: WitnessSettings = {
  kind: 'osctrl',
  ...http,
  environment: 'prod',
  match: 'hostname',
  hostValue: '{name}.example.com',
  measure: 'last-seen',
};
const loki: WitnessSettings = {
  kind: 'loki',
  ...http,
  query: 'x',
  hostLabel: 'host',
  hostValue: '{name}',
  windowMs: 300_000,
};

type ByHost = Extract<WitnessAnswer, { kind: 'by-host' }>;
const answer = (known: readonly string[], more: Partial<ByHost> = {}): ByHost => ({
  kind: 'by-host',
  byHost: new Map(known.map((id) => [id, [{ at: 1, value: 1 }]])),
  ambiguous: [],
  warnings: [],
  ...more,
});

async function ask(
  settings: Readonly<Record<string, WitnessSettings>>,
  reply: Awaited<ReturnType<Witness['ask']>>,
): Promise<{ findings: readonly Finding[]; asked: WitnessQuestion[] }> {
  const asked: WitnessQuestion[] = [];
  const witness: Witness = {
    shown: 'somebody',
    ask: async (question) => {
      asked.push(question);
      return reply;
    },
  };
  const { context } = makeWorld().process();
  const witnesses = new Map(Object.keys(settings).map((name) => [name, witness]));
  const own = { ...context, witnesses, environment: { ...context.environment, witnesses: settings } };
  const findings: Finding[] = [];
  for (const check of witnessChecks(own, fleetChecks(own).source))
    findings.push(...(await check.run(new AbortController().signal)));
  return { findings, asked };
}

describe('doctor of witnesses', () => {
  it('none are asked where there are none', async () => {
    const { context } = makeWorld().process();
    expect(witnessChecks(context, fleetChecks(context).source)).toEqual([]);
  });

  it('a webhook and a command are not asked: nobody knows what that does', async () => {
    const command = { kind: 'command', run: ['x'], folder: '/', env: [], timeoutMs: 1 } as const;
    const { findings, asked } = await ask(
      { hook: { kind: 'webhook', ...http }, smoke: command },
      { ok: true, value: { kind: 'told', verdict: 'pass', why: '' } },
    );
    expect(findings).toMatchObject([{ kind: 'skipped', what: 'witness hook' }]);
    expect(asked).toEqual([]);
  });

  it('one that does not answer fails, with its own words', async () => {
    const error = { kind: 'unavailable', message: 'https://x.example.com/: ECONNREFUSED' } as const;
    const { findings } = await ask({ manager: osctrl }, { ok: false, error });
    expect(findings).toMatchObject([
      { kind: 'failed', found: error.message, mend: expect.stringContaining('witnesses.manager in ') },
    ]);
  });

  it('one that knows every host is right, and was asked about hosts as they are', async () => {
    const { findings, asked } = await ask(
      { manager: osctrl },
      { ok: true, value: answer(someHosts(6).map(({ id }) => id)) },
    );
    expect(findings).toMatchObject([{ kind: 'ok', found: 'knows 6 of 6 VMs that it was asked about' }]);
    expect(asked[0]?.hosts.map(({ changedAt }) => changedAt)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  const found = (settings: typeof osctrl | typeof loki, reply: ByHost): Finding =>
    heardFinding({
      what: 'witness w',
      part: 'witnesses.w in lab.yaml',
      settings,
      hosts: someHosts(3),
      answer: reply,
    });

  it('one that knows none is asked by a wrong name', () => {
    expect(found(osctrl, answer([]))).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('one is looked for as hostname "h1.example.com"'),
      mend: 'set match and hostValue of witnesses.w in lab.yaml to what it calls them',
    });
    expect(found(loki, answer([]))).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('host "h1"'),
    });
  });

  it('one that lacks some is a warning, and names them', () => {
    expect(found(osctrl, answer([someHosts(3)[0]?.id ?? '']))).toMatchObject({
      kind: 'warning',
      found: expect.stringMatching(/knows 1 of 3 .*without: h2, h3/),
    });
  });

  it('two of one name, and an answer that is not whole, are said', () => {
    const ids = someHosts(3).map(({ id }) => id);
    expect(found(osctrl, answer(ids.slice(1), { ambiguous: ids.slice(0, 1) }))).toMatchObject({
      kind: 'failed',
      found: expect.stringContaining('more than one goes by the name of h1'),
    });
    expect(found(loki, answer(ids, { warnings: ['a store is away'] }))).toMatchObject({
      kind: 'warning',
      found: 'the answer is not whole: a store is away',
    });
  });
});
