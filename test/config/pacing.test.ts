import { describe, expect, it } from 'vitest';
import { environmentSchema } from '../../src/config/schema/environment.ts';

function read(key: string, value: unknown) {
  const shape = environmentSchema.shape as unknown as Record<
    string,
    { safeParse(v: unknown): { success: boolean; data?: unknown; error?: { issues: { message: string }[] } } }
  >;
  const parsed = shape[key]?.safeParse(value);
  return parsed?.success === true ? parsed.data : (parsed?.error?.issues ?? []).map(({ message }) => message);
}

describe('maintenance windows', () => {
  it('are days, times and a place', () => {
    const window = { days: ['mon', 'fri'], from: '09:00', until: '24:00', timeZone: 'Europe/Berlin' };
    expect(read('maintenance', [window])).toEqual([
      { days: ['mon', 'fri'], from: 540, until: 1440, timeZone: 'Europe/Berlin' },
    ]);
  });

  it.each([
    [{ from: '9:00', until: '10:00', timeZone: 'UTC' }, 'not a time of day'],
    [{ from: '24:00', until: '10:00', timeZone: 'UTC' }, 'not a time of day'],
    [{ from: '09:00', until: '10:00', timeZone: 'Europe/Berln' }, 'no time zone is called so'],
    [{ from: '09:00', until: '10:00', timeZone: '+02:00' }, 'no time zone is called so'],
    [{ days: [], from: '09:00', until: '10:00', timeZone: 'UTC' }, 'Too small'],
  ])('%j is refused', (window, message) => {
    expect(String(read('maintenance', [window]))).toContain(message);
  });
});

describe('the pace of starts', () => {
  it('is intervals and a budget', () => {
    expect(read('pacing', { config: '10m', distributed: '60s', budget: 50 })).toEqual({
      config: 600_000,
      distributed: 60_000,
      enrolsAtStart: false,
      budget: 50,
      waveWithin: 600_000,
    });
  });

  it.each([[{ config: '10m' }], [{ budget: 0 }], [{ budget: -1 }], [{ budget: 5, config: '10ms' }]])(
    '%j is refused',
    (value) => expect(Array.isArray(read('pacing', value))).toBe(true),
  );
});

describe('a change reference', () => {
  it('may have a form', () => {
    expect(read('change', { required: true, pattern: '^C[0-9]+$' })).toEqual({
      required: true,
      pattern: '^C[0-9]+$',
    });
    expect(String(read('change', { pattern: '[' }))).toContain('not a regular expression');
  });
});
