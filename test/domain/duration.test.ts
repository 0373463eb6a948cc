import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DURATION_PATTERN,
  formatDuration,
  MAX_DURATION_MS,
  parseDuration,
} from '../../src/domain/duration.ts';

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['24h', 86_400_000],
    ['2d', 172_800_000],
    ['0s', 0],
    ['90m', 5_400_000],
    ['1m500ms', 60_500],
    ['366d', MAX_DURATION_MS],
  ])('reads %s as %i ms', (text, ms) => {
    expect(parseDuration(text)).toEqual({ ok: true, value: ms });
  });

  it.each([
    '',
    '10',
    '-5m',
    '24 h',
    '24h foo',
    '1.5h',
    '30m1h',
    '1h1h',
    '5x',
    'h',
    '1H',
    ' 1h',
    '1h ',
    '367d',
    '9'.repeat(400) + 'd',
  ])('refuses %j', (text) => {
    expect(parseDuration(text).ok).toBe(false);
  });

  it('says which unit could be meant when it is missing', () => {
    expect(parseDuration('15')).toEqual({ ok: false, error: expect.stringContaining('15m') });
  });

  it('keeps 24h as people say it, and turns two days into days', () => {
    expect([formatDuration(86_400_000), formatDuration(172_800_000), formatDuration(0)]).toEqual([
      '24h',
      '2d',
      '0s',
    ]);
  });

  it('writes a negative duration with its sign', () => {
    expect(formatDuration(-1500)).toBe('-1s500ms');
  });

  it('reads back every duration it writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toEqual({ ok: true, value: ms });
      }),
    );
  });

  it('never throws, and takes only what the pattern for editors takes', () => {
    const pattern = new RegExp(DURATION_PATTERN);
    const parts = fc.stringMatching(/^[0-9dhms .-]{0,12}$/);
    fc.assert(
      fc.property(fc.oneof(parts, fc.string()), (text) => {
        expect(parseDuration(text).ok && !pattern.test(text)).toBe(false);
      }),
    );
  });
});
