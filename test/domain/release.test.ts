import { describe, expect, it } from 'vitest';
import { listReleases } from '../../src/domain/release.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';

describe('releases out of artifacts', () => {
  it('are none without artifacts', () => {
    expect(listReleases([])).toEqual([]);
  });

  it('come newest first by version order, not by text, each with its architectures', () => {
    const all = [
      artifactOf('a', { version: '5.9.1' }),
      artifactOf('b', { version: '5.10.2', architecture: 'arm64' }),
      artifactOf('c', { version: '5.10.2~rc1' }),
      artifactOf('d', { version: '5.10.2' }),
    ];
    const releases = listReleases(all);
    expect(releases.map(({ version }) => version)).toEqual(['5.10.2', '5.10.2~rc1', '5.9.1']);
    expect(releases[0]?.artifacts).toEqual({ arm64: all[1], amd64: all[3] });
  });

  it('keeps two spellings of one version apart, in a stable order', () => {
    const spelt = ['5.10.2', '5.10.02'].map((version) => artifactOf(version, { version }));
    const versions = (list: typeof spelt): string[] => listReleases(list).map(({ version }) => version);
    expect(versions(spelt)).toEqual(['5.10.2', '5.10.02']);
    expect(versions([...spelt].reverse())).toEqual(versions(spelt));
  });
});
