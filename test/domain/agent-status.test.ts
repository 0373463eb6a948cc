import { anything, array, assert, constantFrom, property } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agentStatusOf } from '../../src/domain/agent-status.ts';
import type { HostStep } from '../../src/domain/host-order.ts';
import { SOME_HOLD, SOME_STATUS } from '../fakes/agent-statuses.ts';

const step = (fields: object = {}, ok = true): HostStep => ({
  step: 'status',
  ok,
  ...SOME_STATUS,
  ...fields,
});

describe('agentStatusOf', () => {
  it('takes a whole status as it is, with and without a hold', () => {
    expect(agentStatusOf([step()])).toEqual({ ok: true, value: SOME_STATUS });
    expect(agentStatusOf([step({ hold: SOME_HOLD })])).toEqual({
      ok: true,
      value: { ...SOME_STATUS, hold: SOME_HOLD },
    });
  });

  it('takes what a host cannot tell', () => {
    const untold = {
      activeState: '',
      runningVersion: '',
      runsInstalled: null,
      uptimeMs: null,
      cpuPercent: null,
      memoryBytes: null,
      bootId: '',
    };
    expect(agentStatusOf([step(untold)])).toEqual({ ok: true, value: { ...SOME_STATUS, ...untold } });
  });

  it('takes the later of two, and nothing that is no field', () => {
    expect(agentStatusOf([step(), step({ restarts: 7, evil: 1 })])).toEqual({
      ok: true,
      value: { ...SOME_STATUS, restarts: 7 },
    });
  });

  it('says that there is none, or why it failed', () => {
    expect(agentStatusOf([])).toEqual({ ok: false, error: 'the answer has no status step' });
    expect(agentStatusOf([step({ message: 'no\u0007proc' }, false)])).toEqual({
      ok: false,
      error: 'the status step failed: no proc',
    });
  });

  it.each(Object.keys(SOME_STATUS))('refuses a status without %s, and names it', (key) => {
    const { [key]: _gone, ...rest } = step() as Record<string, unknown>;
    expect(agentStatusOf([rest as HostStep])).toEqual({
      ok: false,
      error: `the status step's ${key} is missing or odd: nothing`,
    });
  });

  it.each<[string, unknown]>([
    ['init', 'openrc'],
    ['activeState', 'active; rm'],
    ['activeState', 'x'.repeat(41)],
    ['packageState', 'perhaps'],
    ['packageVersion', '5 1'],
    ['runningVersion', '5.1\u001b[31m'],
    ['mainPid', -1],
    ['mainPid', 1.5],
    ['mainPid', 5_000_000],
    ['strays', ['7']],
    ['strays', 7],
    ['uptimeMs', -1],
    ['cpuPercent', Number.NaN],
    ['cpuPercent', Number.POSITIVE_INFINITY],
    ['cpuPercent', -0.1],
    ['memoryBytes', 2 ** 60],
    ['restarts', '3'],
    ['busy', 'true'],
    ['hold', true],
    ['hold', { ...SOME_HOLD, until: 'tomorrow' }],
    ['hold', { ...SOME_HOLD, brake: 'glue' }],
    ['runsInstalled', 0],
  ])('refuses an odd %s: %j', (key, value) => {
    const read = agentStatusOf([step({ [key]: value })]);
    expect(read).toMatchObject({ ok: false });
    expect(read.ok ? '' : read.error).toContain(`${key} is missing or odd`);
  });

  it('a hold is not hidden by a long reason, nor by what would turn a line round', () => {
    const read = agentStatusOf([step({ hold: { ...SOME_HOLD, reason: `a\n\u202e${'b'.repeat(5_000)}` } })]);
    const reason = read.ok ? (read.value.hold?.reason ?? '') : '';
    expect(reason.startsWith('a  bbb')).toBe(true);
    expect(reason.length).toBeLessThan(1_010);
  });

  it('never throws, whatever a host prints', () => {
    const keys = Object.keys(SOME_STATUS);
    assert(
      property(array(anything()), constantFrom(...keys), anything(), (steps, key, value) => {
        const raw = [...steps, step({ [key]: value })] as HostStep[];
        expect(typeof agentStatusOf(raw).ok).toBe('boolean');
        expect(typeof agentStatusOf(steps as HostStep[]).ok).toBe('boolean');
      }),
      { numRuns: 300 },
    );
  });
});
