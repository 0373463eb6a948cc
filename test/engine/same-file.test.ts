/** The very same file in two environments' stores. */
import { expect, it } from 'vitest';
import { sameFileElsewhere } from '../../src/engine/same-file.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';

it('is looked for in the other environments, whose stores alone are asked', async () => {
  const asked: string[] = [];
  const staged = artifactOf('the build of gstg');
  const store = (name: string) => ({
    name,
    store: {
      list: async () => {
        asked.push(name);
        return { ok: true as const, value: [staged] };
      },
    },
  });
  const { version, architecture, sha256 } = staged;
  const file = { environment: 'gprd', version, architecture, sha256 };
  const notes = await sameFileElsewhere([file], [store('gstg'), store('gprd')]);
  expect(asked).toEqual(['gstg']);
  expect(notes).toMatchObject([{ code: 'same-file' }]);
  expect(notes[0]?.message).toContain('is the very file that is staged for gstg');
});
