import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  checkAnswers,
  type EnvironmentAnswers,
  parseAnswers,
  type RawEnvironment,
} from '../../../src/cli/init/answers.ts';
import { environmentText } from '../../../src/cli/init/environment-text.ts';
import { proposalLines, proposalsFrom, roleLabelsOf, strataFrom } from '../../../src/cli/init/proposals.ts';
import { type NewFile, type WriteOptions, writeFiles } from '../../../src/cli/init/write-files.ts';
import { BUILTIN_READINGS, DEFAULT_GATES } from '../../../src/domain/builtin-gates.ts';
import type { Host } from '../../../src/domain/host.ts';
import { someHosts } from '../../engine/world.ts';

const shippedPlaybooks = fileURLToPath(new URL('../../../playbooks', import.meta.url));
let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rollout-init-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const staging: RawEnvironment = {
  name: 'gstg',
  projects: ['my-staging'],
  bucket: 'my-bucket',
  sshUser: 'rollout',
  prometheus: 'https://prometheus.example.com',
};

function answered(raw: RawEnvironment): EnvironmentAnswers {
  const answers = checkAnswers({ environments: [raw] });
  const [only] = answers.ok ? answers.value.environments : [];
  if (only === undefined) throw new Error(`no answers: ${JSON.stringify(answers)}`);
  return only;
}

const fileOf = (raw: RawEnvironment): NewFile => ({
  path: `environments/${raw.name}.yaml`,
  text: environmentText(answered(raw)),
});

function write(files: readonly NewFile[], more: Partial<WriteOptions> = {}): ReturnType<typeof writeFiles> {
  return writeFiles({
    dir,
    files,
    places: { stateDir: join(dir, 'state'), homeDir: dir, shippedPlaybooks },
    signal: new AbortController().signal,
    ...more,
  });
}

const left = (): string[] => readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort();

describe('what is written is taken by the loader of every command', () => {
  const hosts = '- { id: "1", name: web-1, address: 10.0.0.1, zone: us-east1-b, role: web }\n';
  it.each<[string, Partial<RawEnvironment>]>([
    ['of Compute Engine, with a bucket', {}],
    ['by OS Login', { sshUser: undefined, osLogin: true }],
    ['through IAP', { iap: true }],
    [
      'with a token, matchers and another label',
      { tokenEnv: 'ROLLOUT_TOKEN', matchers: 'env="x"', hostLabel: 'instance' },
    ],
    [
      'with zones, filter and credentials',
      {
        zones: ['us-east1-b'],
        filter: 'labels.env="it\'s"',
        keyFile: '/etc/key.json',
        impersonate: 'a@b.iam.gserviceaccount.com',
      },
    ],
    [
      'with words that YAML would read as something else',
      { description: 'yes: "no" # really', roleLabel: '1' },
    ],
    ['with a name that YAML would read as a boolean', { name: 'on' }],
    [
      'of two projects, by name',
      { projects: ['my-staging', 'my-other'], address: '{name}.c.{project}.internal' },
    ],
    ['by SFTP from a bucket', { delivery: 'sftp' }],
    ['in a folder', { bucket: undefined, folder: '~/rollout' }],
    ['without Prometheus', { prometheus: undefined }],
  ])('%s', async (_, more) => {
    const one = { ...staging, ...more };
    const raw = Object.fromEntries(
      Object.entries(one).filter(([, value]) => value !== undefined),
    ) as RawEnvironment;
    const written = await write([fileOf(raw)]);
    expect(written).toEqual({ ok: true, value: [join(dir, `environments/${raw.name}.yaml`)] });
    expect(statSync(join(dir, `environments/${raw.name}.yaml`)).mode & 0o777).toBe(0o644);
  });

  it('of a list in a file', async () => {
    writeFileSync(join(dir, 'hosts.yaml'), hosts);
    const { projects: _, ...rest } = staging;
    expect((await write([fileOf({ ...rest, hostsFile: join(dir, 'hosts.yaml') })])).ok).toBe(true);
  });

  it('staging and production at once, the second stricter', async () => {
    const production: RawEnvironment = {
      ...staging,
      name: 'gprd',
      projects: ['my-production'],
      promotesFrom: 'gstg',
    };
    expect((await write([fileOf(staging), fileOf(production)])).ok).toBe(true);
    const text = readFileSync(join(dir, 'environments/gprd.yaml'), 'utf8');
    expect(text).toContain('promotesFrom: gstg');
    expect(text).toContain('confirm: type-name');
    expect(readFileSync(join(dir, 'environments/gstg.yaml'), 'utf8')).not.toContain('type-name');
  });
});

describe('gates', () => {
  const plain = (text: string): string => text.replaceAll(/^# (gates:| {2}- \{ use: .*)$/gmu, '$1');
  const { prometheus: _, ...unseen } = staging;
  /** As every command would see them. */
  async function gatesOf(text: string): Promise<Readonly<Record<string, number>>> {
    let limits: Record<string, number> = {};
    const written = await write([{ path: 'environments/gstg.yaml', text }], {
      object: ({ environments }) => {
        const loaded = environments.get('gstg');
        if (loaded?.kind !== 'ready') return [`not ready: ${loaded?.kind}`];
        limits = Object.fromEntries(loaded.environment.policy.gates.map(({ name, limit }) => [name, limit]));
        return [];
      },
    });
    expect(written).toMatchObject({ ok: true });
    rmSync(join(dir, 'environments'), { recursive: true });
    return limits;
  }

  it.each<[string, RawEnvironment, readonly string[]]>([
    ['with Prometheus', staging, DEFAULT_GATES],
    ['without Prometheus', unseen, DEFAULT_GATES.filter((name) => BUILTIN_READINGS[name] !== null)],
  ])('%s are all that ship, and the list in the comment changes one limit', async (_case, raw, names) => {
    const { text } = fileOf(raw);
    expect(text).not.toMatch(/^gates:/mu);
    const shipped = await gatesOf(text);
    expect(Object.keys(shipped)).toEqual(names);
    expect(plain(text)).toMatch(/^gates:\n {2}- \{ use: agent-cpu \}\n/mu);
    expect(await gatesOf(plain(text))).toEqual({ ...shipped, 'agent-memory': 400e6 });
  });
});

describe('an environment without Prometheus', () => {
  const { prometheus: _, ...unseen } = staging;

  it('has it as a comment, which is right once the address is', async () => {
    const { path, text } = fileOf(unseen);
    expect(text).not.toMatch(/^prometheus:/mu);
    expect(text).toMatch(/^# Without Prometheus .* at most 50 in one look \(probe\.hosts\)/mu);
    const filled = text.replaceAll(/^# (prometheus:| {2}(url|hostLabel|hostValue|delay): .*)$/gmu, '$1');
    expect(filled).toMatch(/^prometheus:\n {2}url: /mu);
    expect((await write([{ path, text: filled }])).ok).toBe(true);
  });

  it('cannot say what its series are called, nor how one gets at them', () => {
    const answers = checkAnswers({ environments: [{ ...unseen, tokenEnv: 'T', hostLabel: 'instance' }] });
    expect(answers).toEqual({
      ok: false,
      error: ['gstg: tokenEnv needs prometheus', 'gstg: hostLabel needs prometheus'],
    });
  });
});

describe('nothing is written, and nothing stays behind', () => {
  it('where a file is there already: it is named and not touched', async () => {
    mkdirSync(join(dir, 'environments'));
    writeFileSync(join(dir, 'environments/gstg.yaml'), 'mine');
    const written = await write([fileOf(staging), fileOf({ ...staging, name: 'other' })]);
    expect(written).toMatchObject({
      ok: false,
      error: { kind: 'exists', files: [join(dir, 'environments/gstg.yaml')] },
    });
    expect(readFileSync(join(dir, 'environments/gstg.yaml'), 'utf8')).toBe('mine');
    expect(left()).toEqual(['environments', 'environments/gstg.yaml']);
  });

  it('where one comes while we work: what was placed before is taken back', async () => {
    const files = [
      fileOf(staging),
      fileOf({ ...staging, name: 'other', bucket: 'other-bucket', projects: ['my-other'] }),
    ];
    const written = await write(files, {
      object: () => {
        mkdirSync(join(dir, 'environments'));
        writeFileSync(join(dir, 'environments/other.yaml'), 'mine');
        return [];
      },
    });
    expect(written).toMatchObject({
      ok: false,
      error: { kind: 'exists', files: [join(dir, 'environments/other.yaml')] },
    });
    expect(left()).toEqual(['environments', 'environments/other.yaml']);
    expect(readFileSync(join(dir, 'environments/other.yaml'), 'utf8')).toBe('mine');
  });

  it('where it would be wrong: the problem names the file that it would have been', async () => {
    const written = await write([fileOf({ ...staging, promotesFrom: 'nobody' })]);
    expect(written).toMatchObject({ ok: false, error: { kind: 'wrong' } });
    const [problem] = !written.ok && written.error.kind === 'wrong' ? written.error.problems : [];
    expect(problem).toMatchObject({ file: join(dir, 'environments/gstg.yaml'), path: 'promotesFrom' });
    expect(left()).toEqual([]);
  });

  it('where the list of VMs is not there', async () => {
    const { projects: _, ...rest } = staging;
    const written = await write([fileOf({ ...rest, hostsFile: join(dir, 'nowhere.yaml') })]);
    expect(written).toMatchObject({ ok: false, error: { kind: 'wrong' } });
    expect(left()).toEqual([]);
  });

  it('when it is called off', async () => {
    const signal = AbortSignal.abort();
    expect(await write([fileOf(staging)], { signal })).toEqual({ ok: false, error: { kind: 'interrupted' } });
    expect(left()).toEqual([]);
  });

  it('where the folder cannot be written to', async () => {
    writeFileSync(join(dir, 'file'), '');
    expect(await write([fileOf(staging)], { dir: join(dir, 'file/below') })).toMatchObject({
      ok: false,
      error: { kind: 'unwritable' },
    });
    expect(left()).toEqual(['file']);
  });

  it('where doctor would call it broken', async () => {
    const written = await write([fileOf(staging)], { object: () => ['gstg: not so'] });
    expect(written).toEqual({ ok: false, error: { kind: 'unwritable', message: 'gstg: not so' } });
    expect(left()).toEqual([]);
  });

  it('where there is a broken file of somebody else, it does not stand in the way', async () => {
    mkdirSync(join(dir, 'environments'));
    writeFileSync(join(dir, 'environments/bad.yaml'), 'environment: [');
    expect((await write([fileOf(staging)])).ok).toBe(true);
  });
});

describe('answers', () => {
  it('that are missing are all named at once', () => {
    const answers = checkAnswers({ environments: [{ name: 'gstg', prometheus: 'https://p' }] });
    expect(answers).toMatchObject({ ok: false });
    expect(answers.ok ? '' : answers.error.join('\n')).toMatch(
      /projects or hostsFile[^]*bucket or folder[^]*sshUser or osLogin/u,
    );
  });

  it('in a file with a slip name the key', () => {
    const answers = parseAnswers('environments:\n  - { name: gstg, projekts: [a] }\n');
    expect(answers.ok ? '' : answers.error.join('\n')).toContain('projekts');
    expect(parseAnswers('environments: [')).toMatchObject({ ok: false });
    expect(parseAnswers('')).toMatchObject({ ok: false });
  });
});

describe('a look at a project', () => {
  const vm = (index: number, labels: Record<string, string>, more: Partial<Host> = {}): Host => ({
    ...(someHosts(1)[0] as Host),
    id: String(index),
    name: `vm-${index}`,
    labels,
    ...more,
  });

  it('proposes the label that sorts most VMs into few kinds, and what people call a role first', () => {
    const hosts = Array.from({ length: 20 }, (_, index) =>
      vm(index, {
        team: index % 2 === 0 ? 'a' : 'b',
        role: ['web', 'db', 'cache'][index % 3] ?? 'web',
        'unique-id': String(index),
        env: 'x',
        ...(index < 4 ? { rare: index % 2 === 0 ? 'c' : 'd' } : {}),
      }),
    );
    expect(roleLabelsOf(hosts).map(({ key }) => key)).toEqual(['role', 'team']);
    expect(roleLabelsOf(hosts)[0]).toMatchObject({ on: 20, values: ['db', 'web', 'cache'] });
  });

  it('counts who is exempt and names who needs a rule', () => {
    const hosts = [
      vm(1, { 'goog-gke-node': '' }),
      vm(2, { type: 'web' }),
      vm(3, {}, { name: 'gke-strange' }),
      vm(4, {}, { status: 'TERMINATED' }),
    ];
    const proposals = proposalsFrom(hosts, 0);
    expect(proposals).toMatchObject({ total: 4, eligible: 1, notRunning: 1 });
    expect(proposals.undecided).toMatchObject([{ name: 'gke-strange' }]);
    expect(proposalLines(proposals).join('\n')).toMatch(/4 VMs, of which 1[^]*1 gke-node[^]*1 need a rule/u);
    expect(environmentText(answered(staging), { seen: proposals })).toContain('#   gke-strange: ');
  });

  it('proposes strata that leave most VMs out of the canary wave', () => {
    const alike = Array.from({ length: 20 }, (_, index) =>
      vm(index, { type: index % 2 === 0 ? 'web' : 'db' }),
    );
    expect(strataFrom(alike, 'type')).toEqual({ strata: ['role'], canaries: 2 });
    const two = alike.map((host, index) => ({ ...host, os: index < 10 ? 'debian-11' : 'debian-12' }));
    expect(strataFrom(two, 'type')).toEqual({ strata: ['role', 'os'], canaries: 4 });
    const many = alike.map((host, index) => ({ ...host, machineType: `n${index}` }));
    expect(strataFrom(many, 'type')).toEqual({ strata: ['role'], canaries: 2 });
  });

  it('of an empty project proposes nothing and does not fail', () => {
    expect(proposalsFrom([], 0)).toMatchObject({ total: 0, roleLabels: [], undecided: [] });
    expect(strataFrom([], 'type')).toEqual({ strata: ['role'], canaries: 0 });
  });
});
