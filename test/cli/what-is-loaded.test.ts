/** What a command loads before it does anything: a library that it does not need is tens of ms of every start. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { environmentText } from '../config/some-files.ts';
import { makePlace } from './rig.ts';

const place = makePlace();
afterAll(() => place.remove());

const told = join(place.folder, 'loaded');
const hook = join(place.folder, 'tell-loaded.mjs');

beforeAll(() => {
  writeFileSync(
    hook,
    `import { appendFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
const load = (url, context, next) => {
  appendFileSync(${JSON.stringify(told)}, url + '\\n');
  return next(url, context);
};
registerHooks({ load });
`,
  );
});

async function loadedBy(...words: readonly string[]): Promise<string[]> {
  writeFileSync(told, '');
  const ran = await place.run(words, { env: { NODE_OPTIONS: `--import=${hook}` } });
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(ran.stdout).not.toBe('');
  return readFileSync(told, 'utf8').split('\n');
}

async function loadedByStatusOf(text: string): Promise<string[]> {
  const dir = join(place.folder, 'own');
  mkdirSync(join(dir, 'environments'), { recursive: true });
  writeFileSync(join(dir, 'environments/lab.yaml'), text);
  return await loadedBy('status', 'lab', '--config', dir);
}

const librariesIn = (urls: readonly string[]): string[] => {
  const names = urls.flatMap((url) => /\/node_modules\/((?:@[^/]+\/)?[^/]+)/u.exec(url)?.[1] ?? []);
  return [...new Set(names)].sort();
};
const isOfGoogle = (url: string): boolean => url.includes('/adapters/google/storage/');

it('help loads the parser of the command line alone', async () => {
  expect(librariesIn(await loadedBy('-h'))).toEqual(['commander']);
});

it('status of a local journal loads what reads the configuration, and nothing that talks to hosts, clouds or metrics', async () => {
  const loaded = await loadedByStatusOf(environmentText());
  expect(librariesIn(loaded)).toEqual(['commander', 'yaml', 'zod']);
  expect(loaded.filter((url) => /^node:(?:https?|tls)$/u.test(url))).toEqual([]);
  expect(loaded.filter(isOfGoogle)).toEqual([]);
});

it('an environment in Google Cloud has what is asked there, and no library of it before it is asked', async () => {
  const packages = 'artifacts: { kind: local, path: artifacts/lab }';
  const text = environmentText().replace(packages, 'artifacts: { kind: gcs, bucket: some-bucket }');
  const loaded = await loadedByStatusOf(text);
  expect(loaded.some(isOfGoogle)).toBe(true);
  expect(librariesIn(loaded)).not.toEqual(expect.arrayContaining([expect.stringMatching(/google/u)]));
});
