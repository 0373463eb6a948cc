import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeManifest, encodeManifest } from '../../src/domain/artifact-manifest.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';

describe('the manifest of an artifact', () => {
  it('reads back what was written', () => {
    const artifact = artifactOf('a', { originalFileName: 'osquery "5.10.2"\n.deb' });
    expect(decodeManifest(encodeManifest(artifact))).toEqual({ ok: true, value: artifact });
  });

  it('is refused when any one field is missing or of another type', () => {
    const whole = { schema: 1, artifact: artifactOf('a') };
    const fields = (value: object, path: string[]): string[][] =>
      Object.entries(value).flatMap(([key, inner]) =>
        typeof inner === 'object'
          ? [[...path, key], ...fields(inner as object, [...path, key])]
          : [[...path, key]],
      );
    const replaced = (value: unknown, [key = '', ...rest]: string[], by: unknown): unknown => {
      const copy = { ...(value as Record<string, unknown>) };
      copy[key] = rest.length === 0 ? by : replaced(copy[key], rest, by);
      return copy;
    };
    const taken = fields(whole, []).flatMap((path) =>
      [undefined, null, [], -1, ''].flatMap((by) =>
        decodeManifest(JSON.stringify(replaced(whole, path, by))).ok
          ? [`${path.join('.')} = ${JSON.stringify(by)}`]
          : [],
      ),
    );
    expect(taken).toEqual([]);
  });

  it('gives an answer for any text and any JSON', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(decodeManifest(text).ok).toBe(false);
      }),
    );
  });
});
