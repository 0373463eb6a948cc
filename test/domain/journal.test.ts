/** The chain: every change in the past shows. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalJson,
  type Entry,
  type EntryBody,
  GENESIS_HASH,
  sealEntry,
  verifyChain,
} from '../../src/domain/journal.ts';
import { chainOf, draft, sha256, someActor, someChain } from '../fakes/journal-entries.ts';

const digests = { amd64: 'a'.repeat(64) };
const bodies = fc.oneof<fc.Arbitrary<EntryBody>[]>(
  fc.record({ kind: fc.constant('lease-taken' as const), epoch: fc.nat() }),
  fc.record({ kind: fc.constant('wave-started' as const), wave: fc.nat(9) }),
  fc.record({
    kind: fc.constant('hosts-intended' as const),
    action: fc.constantFrom('upgrade' as const, 'revert' as const),
    hosts: fc.array(fc.string()),
  }),
  fc.record({
    kind: fc.constant('halted' as const),
    code: fc.string(),
    message: fc.string({ unit: 'binary' }),
  }),
  fc.record({ kind: fc.constant('bake-started' as const), pin: fc.constant({ version: '5.10.2', digests }) }),
);
const chains = (minLength: number): fc.Arbitrary<Entry[]> =>
  fc
    .array(fc.record({ body: bodies, at: fc.nat(), reason: fc.option(fc.string(), { nil: undefined }) }), {
      minLength,
      maxLength: 8,
    })
    .map((drafts) =>
      chainOf(
        drafts.map(({ body, at, reason }) => draft(body, reason === undefined ? { at } : { at, reason })),
      ),
    );

/** The same JSON value with the keys of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, field]) => [key, shuffled(field)]),
  );
}

type Path = readonly (string | number)[];

function leaves(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([key, field]) => leaves(field, [...path, key]));
}

/** A copy in which the leaf at `path` is another value. */
function altered<T>(value: T, path: Path): T {
  const copy = structuredClone(value);
  let at = copy as Record<string, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = String(path.at(-1));
  const leaf = at[last];
  at[last] = typeof leaf === 'number' ? leaf + 1 : `${String(leaf)}x`;
  return copy;
}

describe('canonical JSON', () => {
  it('is the same whatever the order of keys, at any depth', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('is JSON of the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('survives a journey through a file', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
    );
  });

  it('differs for values that differ', () => {
    expect(canonicalJson({ a: '1' })).not.toBe(canonicalJson({ a: 1 }));
    expect(canonicalJson(['a', 'b'])).not.toBe(canonicalJson(['b', 'a']));
    expect(canonicalJson(['a,b'])).not.toBe(canonicalJson(['a', 'b']));
  });

  it('leaves undefined fields out, as a file does', () => {
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
    expect(canonicalJson([undefined])).toBe('[null]');
  });
});

describe('a chain', () => {
  it('begins at 1, behind nothing', () => {
    expect(sealEntry(null, draft(), sha256)).toMatchObject({ schema: 1, seq: 1, prev: GENESIS_HASH });
  });

  it('is whole as it was sealed, and as it is read back', () => {
    fc.assert(
      fc.property(chains(0), (chain) => {
        expect(verifyChain(chain, sha256)).toBeNull();
        expect(verifyChain(JSON.parse(JSON.stringify(chain)), sha256)).toBeNull();
      }),
    );
  });

  it('can be checked in pieces, each behind the head of the one before', () => {
    fc.assert(
      fc.property(chains(2), fc.nat(), (chain, n) => {
        const cut = 1 + (n % (chain.length - 1));
        expect(verifyChain(chain.slice(cut), sha256, chain[cut - 1] ?? null)).toBeNull();
        expect(verifyChain(chain.slice(cut), sha256)).toEqual({ kind: 'gap', expected: 1, found: cut + 1 });
      }),
    );
  });

  it('shows the change of any single field of any entry', () => {
    const chain = chainOf([
      draft({ kind: 'lease-taken', epoch: 3, from: 'bob@ops-2' }),
      draft({ kind: 'hosts-intended', action: 'upgrade', hosts: ['1', '2'] }, { reason: 'because' }),
      draft(
        { kind: 'bake-started', pin: { version: '5.10.2', digests } },
        { actor: { ...someActor, ciJob: 'https://ci/1' } },
      ),
    ]);
    let tried = 0;
    for (const [index, entry] of chain.entries()) {
      for (const path of leaves(entry)) {
        const forged = chain.with(index, altered(entry, path));
        expect(verifyChain(forged, sha256), `entry ${index + 1}, ${path.join('.')}`).not.toBeNull();
        tried++;
      }
    }
    expect(tried).toBeGreaterThan(30);
  });

  it('shows a changed leaf of any chain', () => {
    fc.assert(
      fc.property(chains(1), fc.nat(), fc.nat(), (chain, which, where) => {
        const index = which % chain.length;
        const entry = chain[index] as Entry;
        const paths = leaves(entry);
        const forged = chain.with(index, altered(entry, paths[where % paths.length] as Path));
        expect(verifyChain(forged, sha256)).not.toBeNull();
      }),
    );
  });

  it('shows a field that was added or taken away', () => {
    const chain = someChain(2);
    const { reason: _reason, ...without } = chain[0] as Entry;
    expect(verifyChain(chain.with(0, without as Entry), sha256)).toEqual({ kind: 'altered', seq: 1 });
    expect(verifyChain(chain.with(0, { ...(chain[0] as Entry), extra: 1 } as Entry), sha256)).toEqual({
      kind: 'altered',
      seq: 1,
    });
  });

  it('shows an entry that was changed and sealed anew: the one behind it no longer follows', () => {
    const chain = someChain(3);
    const { hash: _hash, ...rest } = { ...(chain[1] as Entry), reason: 'forged' };
    const resealed = { ...rest, hash: sha256(canonicalJson(rest)) };
    expect(verifyChain(chain.with(1, resealed), sha256)).toEqual({ kind: 'unlinked', seq: 3 });
  });

  it('shows an entry taken out of the middle or the beginning', () => {
    fc.assert(
      fc.property(chains(2), fc.nat(), (chain, n) => {
        const index = n % (chain.length - 1);
        expect(verifyChain(chain.toSpliced(index, 1), sha256)).toEqual({
          kind: 'gap',
          expected: index + 1,
          found: index + 2,
        });
      }),
    );
  });

  it('shows two entries swapped, and one twice', () => {
    fc.assert(
      fc.property(chains(2), fc.nat(), (chain, n) => {
        const index = n % (chain.length - 1);
        const [a, b] = [chain[index] as Entry, chain[index + 1] as Entry];
        expect(verifyChain(chain.with(index, b).with(index + 1, a), sha256)).toMatchObject({ kind: 'gap' });
        expect(verifyChain(chain.toSpliced(index, 0, a), sha256)).toMatchObject({ kind: 'gap' });
      }),
    );
  });

  it('shows the tail of another chain put behind it', () => {
    expect(verifyChain([...someChain(2), ...someChain(4, ' other').slice(2)], sha256)).toEqual({
      kind: 'unlinked',
      seq: 3,
    });
  });

  it('refuses an unknown schema before it looks at anything else', () => {
    const chain = someChain(2);
    const later = { ...(chain[1] as Entry), schema: 2 } as unknown as Entry;
    expect(verifyChain(chain.with(1, later), sha256)).toEqual({ kind: 'unknown-schema', seq: 2, schema: 2 });
  });

  it('refuses a kind that only a newer program knows: it may be what keeps a host from being touched', () => {
    const newer = { kind: 'hold-placed', hosts: ['1'] } as unknown as EntryBody;
    const chain = chainOf([draft({ kind: 'pause-requested' }), draft(newer)]);
    expect(verifyChain(chain, sha256)).toEqual({ kind: 'unknown-kind', seq: 2, found: 'hold-placed' });
    const inherited = { kind: 'constructor' } as unknown as EntryBody;
    expect(verifyChain(chainOf([draft(inherited)]), sha256)).toMatchObject({ kind: 'unknown-kind' });
  });

  it('cannot show that its end was cut off: only somebody who has seen the head can', () => {
    const chain = someChain(5);
    expect(verifyChain(chain.slice(0, 3), sha256)).toBeNull();
  });
});
