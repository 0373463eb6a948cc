/** A hold that no host has confirmed is told as what it is, wherever holds are shown. */
import { describe, expect, it } from 'vitest';
import { heldWords } from '../../../src/cli/render/held-words.ts';
import { holdsLines, type PlacedHold } from '../../../src/cli/render/holds-view.ts';
import { createPaint } from '../../../src/cli/render/paint.ts';
import { someActor } from '../../fakes/journal-entries.ts';
import { NOW } from './some-reports.ts';

function held(name: string, state: PlacedHold['state'], due = false): PlacedHold {
  const until = due ? NOW - 1 : NOW + 3_600_000;
  return {
    environment: 'gprd',
    id: `id-${name}`,
    name,
    terms: { actionId: 'stop-1', environment: 'gprd', by: 'ada@ops-1', reason: 'INC-12', since: NOW, until },
    by: someActor,
    state,
    due,
    heldMs: 0,
    leftMs: until - NOW,
  };
}

describe('holds in words', () => {
  it.each<[string, readonly PlacedHold[]]>([
    ['1 host held stopped', [held('a', 'confirmed')]],
    ['1 wished, 0 confirmed: web-01 may still run', [held('web-01', 'wished')]],
    ['2 wished, 1 confirmed: b may still run', [held('a', 'confirmed'), held('b', 'wished')]],
  ])('%s', (words, holds) => {
    expect(heldWords(holds, 'host')).toBe(words);
  });

  it('of many that are only wished name the first', () => {
    const many = Array.from({ length: 9 }, (_, n) => held(`h${n}`, 'wished'));
    expect(heldWords(many, 'VM')).toBe('9 wished, 0 confirmed: h0, h1, h2, h3, h4 and 4 more may still run');
  });
});

describe('the list of holds', () => {
  const listed = (...holds: PlacedHold[]): string =>
    holdsLines(holds, { names: ['gprd'], onlyDue: false, typed: 'osqueryd' }, createPaint(false)).join('\n');

  it('counts no host as stopped that has not said so, and says how to go on', () => {
    const text = listed(held('web-01', 'wished'));
    expect(text).toMatch(/^gprd {2}1 wished, 0 confirmed: web-01 may still run$/mu);
    expect(text).toMatch(/web-01 .* not confirmed /u);
    expect(text).toContain('next  osqueryd stop --host web-01 goes on until it is stopped');
  });

  it('of confirmed holds says only what lifts them', () => {
    const text = listed(held('a', 'confirmed', true));
    expect(text).toMatch(/^gprd {2}1 host held stopped, 1 DUE$/mu);
    expect(text).toMatch(/HOST +ENV +SINCE +DUE +BY +WHY/u);
    expect(text).not.toContain('osqueryd stop');
    expect(text).toContain('next  osqueryd start --host a');
  });
});
