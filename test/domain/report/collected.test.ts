import { describe, expect, it } from 'vitest';
import type { HostStep } from '../../../src/domain/host-order.ts';
import { collectedOf, masked } from '../../../src/domain/report/collected.ts';

const line = (part: unknown, text: unknown): HostStep => ({ step: 'line', ok: true, part, text });

describe('what a host tells for a report', () => {
  it('is sorted by its parts, in the order in which it was told', () => {
    const parts = collectedOf([line('unit', 'ActiveState=failed'), line('log', 'a'), line('log', 'b')]);
    expect([...parts]).toEqual([
      ['unit', ['ActiveState=failed']],
      ['log', ['a', 'b']],
    ]);
  });

  it('is no more than text: odd parts, odd values and other steps are left out, control characters too', () => {
    const parts = collectedOf([
      { step: 'begin', ok: true },
      line('../../etc/passwd', 'x'),
      line(7, 'x'),
      line('log', { toString: 'x' }),
      line('note:/var/lib/rollout/hold', 'kept'),
      line('log', 'red\u001b[31m'),
    ]);
    expect([...parts.keys()]).toEqual(['note:/var/lib/rollout/hold', 'log']);
    expect(parts.get('log')?.join('')).not.toContain('\u001b');
  });

  it('is bounded, however much a host prints', () => {
    const parts = collectedOf(Array.from({ length: 5_000 }, () => line('log', 'x'.repeat(5_000))));
    expect(parts.get('log')).toHaveLength(2_000);
    expect(parts.get('log')?.[0]).toHaveLength(500);
  });
});

describe('what looks like a secret is left out', () => {
  it.each([
    ['enroll_secret=hunter2', 'enroll_secret=***'],
    ['--enroll_secret: "hunter2", next', '--enroll_secret: "***", next'],
    ['Authorization: Bearer hunter2', 'Authorization: ***'],
    ['{"node_key":"hunter2"}', '{"node_key":"***"}'],
    ['API-Key = hunter2;', 'API-Key = ***;'],
  ])('%s', (text, without) => expect(masked(text)).toBe(without));

  it('and what does not stays', () => {
    const text = 'osqueryd started [1234]: the secretary has no password policy';
    expect(masked(text)).toBe(text);
  });
});
