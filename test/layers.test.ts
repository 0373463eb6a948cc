/** `src` keeps the house's layers and form. What the check itself finds is shown in layers/. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Exceptions, findBreaches } from './layers/rules.ts';

/** Each with its reason; the check tells when one is no longer needed. */
const EXCEPTIONS: Exceptions = {
  long: {},
  time: {},
  process: {
    'src/adapters/sandbox/unpack-deb.ts': 'a program of its own: the embedded dpkg runs it with node',
  },
};

it('src keeps the layers, leaves time and process to their owners, has no cycles, and says what each file owns', () => {
  const root = join(import.meta.dirname, '..');
  const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => [`src/${name}`, readFileSync(join(root, 'src', name), 'utf8')] as const);
  expect(files.length).toBeGreaterThan(20);
  const breaches = findBreaches(new Map(files), EXCEPTIONS);
  expect(breaches.map((breach) => `${breach.file}:${breach.line} ${breach.rule}: ${breach.message}`)).toEqual(
    [],
  );
});

it('src/host holds nothing but shell programs', () => {
  const names = readdirSync(join(import.meta.dirname, '..', 'src', 'host'), {
    recursive: true,
    encoding: 'utf8',
  });
  expect(names.filter((name) => !name.endsWith('.sh'))).toEqual([]);
});
