/** The built-in gate over alerts: what fires everywhere is waited through, what fires on the changed hosts alone is the version's. */
import { describe, expect, it } from 'vitest';
import { BUILTIN_GATES } from '../../src/domain/builtin-gates.ts';
import type { Judgement, Sample } from '../../src/domain/gate.ts';
import { judge } from '../../src/domain/judge.ts';

const gate = BUILTIN_GATES.alerts;
const STEP = 60_000;
/** The change, and the first step of the soak. */
const T0 = Date.parse('2026-03-01T03:12:00Z');
const SOAK = T0 + 15 * STEP;
const ROLES = ['api', 'git', 'sql', 'web'];

/** Alerts of a host at a time. */
type Fires = (host: { readonly name: string; readonly isCanary: boolean }, at: number) => number;

interface Fleet {
  readonly roles?: readonly string[];
  /** Of each role. */
  readonly canaries: number;
  readonly controls: number;
}

/** Every minute of a soak of so many, each judgement knowing the one before. */
function soak(fires: Fires, { roles = ROLES, canaries, controls }: Fleet, minutes: number): Judgement[] {
  const named = (kind: string, count: number) =>
    roles.flatMap((stratum) =>
      Array.from({ length: count }, (_, index) => ({
        id: `${stratum}-${kind}-${index}`,
        name: `${stratum}-${kind}-${index}`,
        stratum,
        isCanary: kind === 'canary',
      })),
    );
  const [hosts, others] = [named('canary', canaries), named('control', controls)];
  const all = [...hosts, ...others];
  const judgements: Judgement[] = [];
  for (let minute = 0; minute < minutes; minute += 1) {
    const to = SOAK + (minute + 1) * STEP;
    const back = Array.from({ length: 22 }, (_, index) => to - (21 - index) * STEP).filter((at) => at > T0);
    const samples = (host: (typeof all)[number]): Sample[] =>
      back.map((at) => ({ at, value: fires(host, at) }));
    judgements.push(
      judge({
        measurements: [
          {
            gate,
            query: 'q',
            outcome: {
              kind: 'measured',
              byHost: new Map(all.map((host) => [host.id, samples(host)])),
              before: new Map(all.map(({ id }) => [id, 0])),
              ambiguous: [],
              warnings: [],
            },
          },
        ],
        hosts: hosts.map((host) => ({ ...host, changedAt: T0 })),
        controls: others,
        last: judgements.at(-1) ?? null,
        from: to - STEP,
        to,
        stepMs: STEP,
      }),
    );
  }
  return judgements;
}

const kinds = (judgements: readonly Judgement[]) => [...new Set(judgements.map(({ kind }) => kind))];
const begin = SOAK + 5 * STEP;

describe('an alert that fires', () => {
  it('on all hosts, control hosts too, is waited through, and its time does not count', () => {
    const end = begin + 60 * STEP;
    const judgements = soak((_, at) => (at >= begin && at < end ? 1 : 0), { canaries: 1, controls: 5 }, 90);
    expect(kinds(judgements)).toEqual(['pass', 'inconclusive']);
    expect(judgements.some(({ gates }) => gates[0]?.siteWide === true)).toBe(true);
    expect(judgements.find(({ gates }) => gates[0]?.siteWide)?.gates[0]?.why).toContain(
      'not blamed on the version',
    );
    expect(judgements.at(-1)).toMatchObject({ kind: 'pass', observedMs: STEP });
    const lasting = judgements.slice(30, 60);
    expect(lasting.every(({ observedMs }) => observedMs === 0)).toBe(true);
  });

  it('on all changed hosts alone fails', () => {
    const judgements = soak(
      ({ isCanary }, at) => (isCanary && at >= begin ? 1 : 0),
      { canaries: 1, controls: 5 },
      45,
    );
    expect(judgements.some(({ kind }) => kind === 'fail')).toBe(true);
  });

  it('on one canary of four beside quiet control hosts is neither a pass, as long as it lasts, nor a fail', () => {
    const judgements = soak(
      ({ name }, at) => (name === 'web-canary-0' && at >= begin ? 1 : 0),
      { canaries: 1, controls: 20 },
      120,
    );
    expect(kinds(judgements)).toEqual(['pass', 'inconclusive']);
    // From when it has lasted for as long as the gate asks.
    const lasted = judgements.slice(5 + gate.forMs / STEP);
    expect(kinds(lasted)).toEqual(['inconclusive']);
    expect(lasted[0]?.gates[0]?.why).toMatch(
      /^1 of 4 hosts is over it \(web-canary-0 1 alerts\): too few to/,
    );
  });

  it('on one host of forty is borne', () => {
    const judgements = soak(
      ({ name }, at) => (name === 'web-canary-0' && at >= begin ? 1 : 0),
      { canaries: 10, controls: 20 },
      60,
    );
    expect(kinds(judgements)).toEqual(['pass']);
  });

  it.each([[['api', 'web']], [['api', 'git', 'web']]])(
    'on one canary of a fleet of %j, one canary each, is not blamed on the version',
    (roles) => {
      const judgements = soak(
        ({ name }, at) => (name === 'web-canary-0' && at >= begin ? 1 : 0),
        { roles, canaries: 1, controls: 30 },
        60,
      );
      expect(kinds(judgements)).not.toContain('fail');
    },
  );
});
