import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestWord } from '../../src/domain/nearest.ts';

const KEYS = ['soak', 'bake', 'gates', 'limits', 'promotesFrom', 'sampleEvery'];

describe('the word that was meant', () => {
  it.each([
    ['soka', 'soak'],
    ['Soak', 'soak'],
    ['gate', 'gates'],
    ['promoteFrom', 'promotesFrom'],
    ['promotes_from', 'promotesFrom'],
    ['sampelEvery', 'sampleEvery'],
    ['limitss', 'limits'],
  ])('by %s is %s', (typed, meant) => {
    expect(nearestWord(typed, KEYS)).toBe(meant);
  });

  it.each(['x', '', 'inventory', 'zzzz'])('by %j is none of these', (typed) => {
    expect(nearestWord(typed, KEYS)).toBeNull();
  });

  it('is the first of two equally near ones', () => {
    expect(nearestWord('bat', ['bar', 'baz'])).toBe('bar');
    expect(nearestWord('bat', ['baz', 'bar'])).toBe('baz');
  });

  it('is found at once for a text of any length', () => {
    expect(nearestWord('a'.repeat(1_000_000), KEYS)).toBeNull();
  });

  it('is the word itself when it is right, and one of the list in any case', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 1 }),
        fc.string(),
        (words, typed) => {
          const meant = nearestWord(typed, words);
          expect(meant === null || words.includes(meant)).toBe(true);
          const [first = ''] = words;
          expect(nearestWord(first, words)?.toLowerCase()).toBe(first.toLowerCase());
        },
      ),
    );
  });
});
