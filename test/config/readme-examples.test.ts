/** What README tells people to write is right by the program's own reading. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadFiles } from './some-files.ts';

const README = readFileSync(join(import.meta.dirname, '..', '..', 'README.md'), 'utf8');
const [gstg = '', production = '', gates = '', ...others] = [
  ...README.matchAll(/^```yaml\n([\s\S]*?)^```$/gmu),
].map(([, text = '']) => text);

it('has an environment, what production wants besides, and gates, and no other YAML', () => {
  expect(gstg).toContain('environment: gstg');
  expect(production).toContain('approvedBy: second-person');
  expect(gates).toMatch(/^gates:/u);
  expect(others).toEqual([]);
});

it('the environments load, the second behind the first', async () => {
  const gprd = `${gstg.replace('environment: gstg', 'environment: gprd\npromotesFrom: gstg').replaceAll('gstg-security', 'gprd-security').replace('gitlab-staging', 'gitlab-production')}${production}`;
  const loaded = await loadFiles({ 'environments/gstg.yaml': gstg, 'environments/gprd.yaml': gprd });
  expect(loaded.problems).toEqual([]);
  expect(loaded.environment('gprd')).toMatchObject({
    kind: 'ready',
    environment: { promotesFrom: 'gstg', policy: { approval: 'after-canary' } },
  });
  expect(loaded.environment('gstg')).toMatchObject({ kind: 'ready' });
});

it('the gates load', async () => {
  const loaded = await loadFiles({ 'environments/gstg.yaml': gstg + gates });
  expect(loaded.problems).toEqual([]);
  const found = loaded.environment('gstg');
  const names = found.kind === 'ready' ? found.environment.policy.gates.map(({ name }) => name) : [];
  expect(names).toEqual(['agent-cpu', 'agent-blind', 'disk-writes']);
});
