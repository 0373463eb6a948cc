/** The files that ship: right by the program's own reading, by the exported JSON Schema, and under random changes of their nodes. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMap, isSeq, type Node, type Pair, parse, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { environmentJsonSchema, playbookJsonSchema } from '../../src/config/json-schema.ts';
import { loadConfig } from '../../src/config/load.ts';
import { PLAYBOOK_ACTIONS } from '../../src/config/schema/playbook.ts';
import { readEnvironmentText, readPlaybookText } from '../../src/config/written.ts';
import { loadFiles } from './some-files.ts';

const ROOT = join(import.meta.dirname, '..', '..');

function filesIn(folder: 'environments' | 'playbooks'): { name: string; text: string }[] {
  return readdirSync(join(ROOT, folder)).map((name) => ({
    name,
    text: readFileSync(join(ROOT, folder, name), 'utf8'),
  }));
}

const KINDS = [
  { folder: 'environments', schema: environmentJsonSchema(), read: readEnvironmentText },
  { folder: 'playbooks', schema: playbookJsonSchema(), read: readPlaybookText },
] as const;

const load = (stateDir: string) =>
  loadConfig({ dir: ROOT, playbookDirs: [join(ROOT, 'playbooks')], stateDir, homeDir: '/home/ops' });

describe('the shipped configuration', () => {
  it('has no problem, and no file that is not read', async () => {
    const { environments, problems } = await load('/nowhere');
    expect(problems).toEqual([]);
    expect([...environments.keys()]).toEqual(['gprd', 'gstg', 'sandbox-gprd', 'sandbox-gstg']);
    const playbooks = PLAYBOOK_ACTIONS.map((action) => `${action}.yaml`);
    expect(readdirSync(join(ROOT, 'playbooks')).sort()).toEqual(playbooks.sort());
  });

  it.each([
    ['gstg', 'gitlab-staging', null],
    ['gprd', 'gitlab-production', 'gstg'],
  ])(
    'has %s in Google Cloud, with host keys that are published and instance ids that are compared',
    async (name, project, promotesFrom) => {
      expect((await load('/nowhere')).environments.get(name)).toMatchObject({ kind: 'example' });
      const files = filesIn('environments').map((file): [string, string] => [
        `environments/${file.name}`,
        file.text.replace('example: true\n', ''),
      ]);
      const found = (await loadFiles(Object.fromEntries(files))).environment(name);
      expect(found).toMatchObject({
        kind: 'ready',
        environment: {
          promotesFrom,
          coverageTarget: 100,
          inventory: { kind: 'gce', projects: [project], publishedHostKeys: true, instanceCheck: true },
          artifacts: {
            kind: 'gcs',
            bucket: `gitlab-${name}-security`,
            prefix: 'uptycs',
            delivery: 'signed-url',
          },
          journal: { kind: 'gcs', bucket: `gitlab-${name}-security`, prefix: 'rollout/journal' },
        },
      });
    },
  );

  it('tells how to start the sandbox, and can be used once it runs', async () => {
    const state = await mkdtemp(join(tmpdir(), 'rollout-state-'));
    try {
      const before = (await load(state)).environments.get('sandbox-gstg');
      expect(before).toMatchObject({ kind: 'not-there' });
      expect(JSON.stringify(before)).toContain('rollout sandbox up');
      await mkdir(join(state, 'sandbox'));
      const host = { name: 'web-1', address: '127.0.0.1', port: 2222, zone: 'z-a', role: 'web' };
      for (const name of ['gstg', 'gprd'])
        await writeFile(
          join(state, 'sandbox', `${name}-hosts.yaml`),
          JSON.stringify([{ id: `1-${name}`, ...host }]),
        );
      await writeFile(join(state, 'sandbox', 'prometheus-url'), 'http://127.0.0.1:9\n');
      const after = (await load(state)).environments.get('sandbox-gprd');
      expect(after).toMatchObject({ kind: 'ready', environment: { promotesFrom: 'sandbox-gstg' } });
      // Whoever watches the demo waits for both.
      const { soakMs, bakeMs } =
        after?.kind === 'ready' ? after.environment.policy : { soakMs: 1e9, bakeMs: 1e9 };
      expect(soakMs + bakeMs).toBeLessThan(15_000);
    } finally {
      await rm(state, { recursive: true, force: true });
    }
  });

  it('tells Chef of a stop, in words that a start takes back, and brakes the unit besides', async () => {
    const files = filesIn('environments').map((file): [string, string] => [
      `environments/${file.name}`,
      file.text
        .replace('example: true\n', '')
        .replaceAll(/^ {2}# (- name: chef-role| {2}\w+: .*)$/gm, '  $1'),
    ]);
    const loaded = await loadFiles(Object.fromEntries(files));
    expect(loaded.problems).toEqual([]);
    for (const name of ['gstg', 'gprd']) {
      expect(loaded.environment(name)).toMatchObject({
        environment: {
          lifecycle: {
            brake: 'mask',
            holdForMs: 72 * 3_600_000,
            purgePaths: ['/etc/osquery', '/var/osquery', '/var/log/osquery'],
            controllers: [
              {
                kind: 'command',
                name: 'chef',
                when: 'chef-client',
                onStop: ['chef-client-disable', '{reason}'],
                onStart: ['chef-client-enable'],
              },
              // As the comment in the file has it, once somebody takes its marks away.
              {
                kind: 'role-file',
                file: `${loaded.dir}/home/chef-repo/roles/${name}-base.json`,
                path: ['default_attributes', 'uptycs', 'enable'],
                onStop: false,
                branch: 'rollout/{environment}-{verb}',
              },
            ],
          },
        },
      });
    }
  });

  it('asks more of production than of staging', () => {
    const [gprd, gstg] = ['gprd', 'gstg'].map((name) => {
      const { written } = readEnvironmentText(
        name,
        readFileSync(join(ROOT, 'environments', `${name}.yaml`), 'utf8'),
      );
      if (written === null) throw new Error(`${name} is wrong`);
      return written;
    });
    if (gprd === undefined || gstg === undefined) throw new Error('both are read above');
    expect(gprd).toMatchObject({ approval: 'after-canary', confirm: 'type-name', bake: 86_400_000 });
    expect(gprd.soak).toBeGreaterThan(gstg.soak);
    expect(gprd.waves.then.length).toBeGreaterThan(gstg.waves.then.length);
    expect(gprd.gates).toEqual(gstg.gates);
    expect(gprd.agent).toEqual(gstg.agent);
  });

  it.each(KINDS)('fits the exported JSON Schema: $folder', ({ folder, schema }) => {
    const validator = z.fromJSONSchema(schema);
    for (const { name, text } of filesIn(folder)) {
      const checked = validator.safeParse(parse(text));
      expect(checked.success ? [] : checked.error.issues, name).toEqual([]);
    }
  });
});

const VALUES: readonly unknown[] = [
  '',
  'x',
  '10%',
  '5m',
  0,
  1,
  -1,
  5.2,
  1e308,
  true,
  null,
  [],
  {},
  [[]],
  { a: 1 },
];

/** Changes one node, picked by number, in one of four ways. */
function mutate(
  text: string,
  pick: number,
  way: 'drop' | 'double' | 'rename' | 'replace',
  value: unknown,
): string {
  const doc = parseDocument(text);
  const places: { items: unknown[]; index: number }[] = [];
  visit(doc, {
    Collection(_key, node: Node) {
      if (!isMap(node) && !isSeq(node)) return;
      const { items } = node;
      for (const index of items.keys()) places.push({ items, index });
    },
  });
  const { items, index } = places[pick % places.length] ?? { items: [], index: 0 };
  const item = items[index];
  const pair = typeof item === 'object' && item !== null && 'key' in item ? (item as Pair) : null;
  if (way === 'drop') items.splice(index, 1);
  else if (way === 'double') items.splice(index, 0, item);
  else if (way === 'rename' && pair !== null) pair.key = doc.createNode(`${String(pair.key)}x`);
  else if (pair === null) items[index] = doc.createNode(value);
  else pair.value = doc.createNode(value);
  return doc.toString();
}

describe('a shipped file with its nodes dropped, doubled, renamed or replaced', () => {
  it.each(KINDS)('is right or has problems inside it: $folder', ({ folder, read }) => {
    const texts = filesIn(folder).map(({ text }) => text);
    const change = fc.tuple(
      fc.nat(10_000),
      fc.constantFrom('drop' as const, 'double' as const, 'rename' as const, 'replace' as const),
      fc.constantFrom(...VALUES),
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...texts),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (right, changes) => {
          const text = changes.reduce((before, [pick, way, value]) => {
            // A doubled key is YAML that only its text can hold; nothing more can be changed in it.
            return parseDocument(before).errors.length > 0 ? before : mutate(before, pick, way, value);
          }, right);
          const { written, problems } = read('/config/file.yaml', text);
          expect(written === null).toBe(problems.length > 0);
          const lines = text.split('\n');
          const outside = problems.filter(
            ({ line, column }) => line < 1 || column < 1 || column > (lines[line - 1]?.length ?? -1) + 1,
          );
          expect(outside).toEqual([]);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('in a folder of files never throws, and is usable, not yet usable, or has problems', async () => {
    const environments = filesIn('environments');
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...environments),
        fc.nat(10_000),
        fc.constantFrom('drop' as const, 'double' as const, 'rename' as const, 'replace' as const),
        fc.constantFrom(...VALUES),
        async ({ name, text }, pick, way, value) => {
          const loaded = await loadFiles({ [`environments/${name}`]: mutate(text, pick, way, value) });
          const found = loaded.environment(name.replace('.yaml', ''));
          const fine = found.kind !== 'invalid';
          expect(fine || found.problems.length > 0).toBe(true);
          expect(fine).toBe(loaded.problems.length === 0);
        },
      ),
      { numRuns: 40 },
    );
  });
});
