/** Whatever is remembered, published and written down: no key is taken that nobody who counts has. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createExpectedKeys } from '../../../src/adapters/ssh/expected-keys.ts';
import { judgeHostKey } from '../../../src/adapters/ssh/host-key.ts';
import type { HostKeys, KnownHosts, KnownKey } from '../../../src/adapters/ssh/known-hosts.ts';
import type { HostKeysAnswer } from '../../../src/ports/host-keys.ts';
import { manualClock } from '../../fakes/manual-clock.ts';

/** Keys by number: an even one is ed25519, an odd one RSA. */
function keyOf(n: number): { type: string; blob: Buffer } {
  const type = n % 2 === 0 ? 'ssh-ed25519' : 'ssh-rsa';
  const length = Buffer.alloc(4);
  length.writeUInt32BE(type.length);
  return { type, blob: Buffer.concat([length, Buffer.from(type), Buffer.from([n])]) };
}
const known = (numbers: readonly number[]): KnownKey[] =>
  numbers.map((n) => ({ ...keyOf(n), file: '/known_hosts', line: n + 1 }));

const KEYS = [0, 1, 2, 3];
const some = fc.subarray(KEYS);
type Says =
  | { readonly kind: 'published'; readonly has: readonly number[] }
  | { readonly kind: 'none' | 'unavailable' };
const says: fc.Arbitrary<Says> = fc.oneof(
  fc.subarray(KEYS, { minLength: 1 }).map((has) => ({ kind: 'published' as const, has })),
  fc.constant({ kind: 'none' as const }),
  fc.constant({ kind: 'unavailable' as const }),
);

function answerOf(what: Says): HostKeysAnswer {
  if (what.kind === 'published') return { kind: 'published', keys: what.has.map(keyOf), source: 'test' };
  return what.kind === 'none' ? { kind: 'none', mend: 'x' } : { kind: 'unavailable', message: 'x' };
}

describe('a key that is shown', () => {
  it('is taken only by a source that counts', async () => {
    const world = fc.record({
      first: says,
      fresh: says,
      byId: some,
      byAddress: some,
      revoked: some,
      shown: fc.constantFrom(...KEYS),
    });
    await fc.assert(
      fc.asyncProperty(world, async ({ first, fresh, byId, byAddress, revoked, shown }) => {
        const inFiles = byId.length > 0 ? byId : byAddress;
        const files: KnownHosts = {
          files: ['/known_hosts'],
          unreadable: [],
          lookUp: (names): HostKeys => ({
            name: names[0] ?? '',
            keys: known(names.length === 1 ? byId : inFiles),
            revoked: known(revoked),
            authority: null,
          }),
        };
        const asked: boolean[] = [];
        const keys = createExpectedKeys(
          {
            keysOf: async (_host, options) => {
              asked.push(options?.fresh === true);
              return answerOf(options?.fresh === true ? fresh : first);
            },
          },
          manualClock(),
        );
        const host = { id: '1', name: 'web', address: 'h' };
        const question = { host, names: ['compute.1', 'h'], known: files, withinMs: 1_000 };
        const by = { label: 'web', address: 'h', port: 22 };
        const judge = (expected: Parameters<typeof judgeHostKey>[1]): boolean =>
          judgeHostKey(keyOf(shown).blob, expected, by).kind === 'known';

        const expected = await keys.expect(question);
        let taken = judge(expected);
        if (!taken) {
          const anew = await keys.expectAfresh(question, expected);
          taken = anew !== null && judge(anew);
        }

        const has = (what: Says): boolean => what.kind === 'published' && what.has.includes(shown);
        const byFile = (what: Says): boolean => what.kind !== 'published' && inFiles.includes(shown);
        const contradicted =
          first.kind === 'published' &&
          [0, 1].some((type) => {
            const mine = byId.filter((n) => n % 2 === type);
            const theirs = first.has.filter((n) => n % 2 === type);
            return mine.length > 0 && theirs.length > 0 && !theirs.some((n) => mine.includes(n));
          });
        if (taken) {
          expect(revoked).not.toContain(shown);
          const bySecondLook =
            asked.includes(true) && fresh.kind !== 'unavailable' && (has(fresh) || byFile(fresh));
          const byFirstLook = contradicted ? has(first) && byId.includes(shown) : has(first) || byFile(first);
          expect(byFirstLook || bySecondLook).toBe(true);
        } else if (!revoked.includes(shown) && !contradicted) {
          // Nothing that counts at first sight is refused.
          expect(has(first) || byFile(first)).toBe(false);
        }
        expect(asked.length).toBeLessThanOrEqual(contradicted ? 3 : 2);
      }),
      { numRuns: 2_000 },
    );
  });
});
