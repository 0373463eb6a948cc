/** One fleet's life, told by commands in order: what each says, how it ends, and what it leaves in journal and hosts. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoPackage } from '../../src/cli/demo-packages.ts';
import { jsonLines, lastLine, makePlace, seenTypes } from './rig.ts';

const place = makePlace();
const packages = join(place.stateDir, 'sandbox/packages');

beforeAll(async () => {
  expect(await place.run(['sandbox', 'up'])).toMatchObject({ code: 0, stderr: '' });
}, 60_000);
afterAll(() => place.remove(), 60_000);

describe('before anything is staged', () => {
  it('status, history and quarantine say that there is nothing', async () => {
    expect((await place.run(['status', 'sandbox-gstg'])).stdout).toContain('sandbox-gstg  no rollout yet');
    expect((await place.run(['history', 'sandbox-gstg'])).stdout).toContain('the journal is empty');
    expect((await place.run(['quarantine', 'list'])).stdout).toBe('nothing is quarantined\n');
  });

  it.concurrent.each([
    [['advance', 'sandbox-gstg'], 0, 'nothing is under way'],
    [['rollback', 'sandbox-gstg', '--yes'], 1, 'there is nothing to roll back'],
    [['pause', 'sandbox-gstg'], 1, 'no rollout to pause'],
    [['abort', 'sandbox-gstg'], 1, 'no rollout to abort'],
    [['deploy', 'sandbox-gprd', '5.10.2', '--yes'], 2, 'next: rollout promote sandbox-gprd'],
    [['promote', 'sandbox-gstg', '--yes'], 2, 'next: rollout deploy sandbox-gstg VERSION'],
    [['promote', 'sandbox-gprd', '--yes'], 4, 'has not proven any version yet'],
    [['deploy', 'sandbox-gstg', '5.10.2', '--yes'], 1, 'next: rollout stage 5.10.2'],
    [['plan', 'sandbox-gstg'], 1, 'nothing is staged for sandbox-gstg'],
    [['canary', 'sandbox-gprd', '5.10.2', '--keep', '--yes'], 4, 'sandbox-gstg has not proven 5.10.2'],
    [['canary', 'nowhere', '5.10.2', '--yes'], 2, 'no environment is called "nowhere"'],
    [['quarantine', 'lift', 'abcdef0123', '--reason', 'x', '--yes'], 1, 'rollout quarantine list'],
  ] as const)('%j ends with %i', async (words, code, said) => {
    const ran = await place.run(words);
    expect(ran.code).toBe(code);
    expect(ran.stdout + ran.stderr).toContain(said);
  });
});

describe('stage', () => {
  const changed = (change: (file: string) => void): string => {
    const file = join(place.folder, 'changed.deb');
    copyFileSync(demoPackage(packages, 'gstg', '5.10.2'), file);
    change(file);
    return file;
  };

  it('stores both environments’ packages; again, it changes nothing', async () => {
    const words = ['stage', '5.9.1', ...place.packages('5.9.1', 'gstg', 'gprd')];
    const first = await place.run(words);
    expect(first.code).toBe(0);
    expect(first.stdout).toMatch(/^sandbox-gstg {2}5\.9\.1 amd64 {2}staged .* sha256 [0-9a-f]{64}$/mu);
    const again = await place.run(words);
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/already staged/u);
    expect(again.stdout).not.toMatch(/ {2}staged/u);
  });

  it('of one environment alone says which one lacks it', async () => {
    const ran = await place.run(['stage', '5.10.2', ...place.packages('5.10.2', 'gstg')]);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain('sandbox-gprd');
    expect((await place.run(['stage', '5.10.2', ...place.packages('5.10.2', 'gprd')])).code).toBe(0);
  });

  it.each([
    ['a missing file', () => join(place.folder, 'none.deb'), 'there is no such file'],
    ['a directory', () => place.folder, 'it is a directory'],
    [
      'another version under this one’s name',
      () => demoPackage(packages, 'gstg', '5.12.0'),
      '5.12.0-1.linux',
    ],
    ['a truncated file', () => changed((file) => truncateSync(file, 300)), 'changed.deb'],
    ['a text called .deb', () => changed((file) => writeFileSync(file, 'hello\n')), 'changed.deb'],
    [
      'another digest of a published version',
      () => demoPackage(packages, 'gprd', '5.10.2'),
      'what is published never changes',
    ],
  ])('refuses %s and stores nothing', async (_what, file, said) => {
    const ran = await place.run(['stage', '5.10.2', '--package', `sandbox-gstg=${file()}`]);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain(said);
    expect(ran.stderr).toContain('nothing was stored');
  });

  it('refuses a file that has not the sha256 it must have', async () => {
    const words = ['stage', '5.11.0', ...place.packages('5.11.0', 'gstg')];
    const ran = await place.run([...words, '--sha256', `sandbox-gstg=${'0'.repeat(64)}`]);
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('nothing was stored');
  });

  it('releases lists what is there, and nothing of what was refused', async () => {
    const ran = await place.run(['releases', '--json']);
    const staged = jsonLines(ran.stdout).map(({ environment, version }) => [environment, version].join(' '));
    expect(staged.toSorted()).toEqual([
      'sandbox-gprd 5.10.2',
      'sandbox-gprd 5.9.1',
      'sandbox-gstg 5.10.2',
      'sandbox-gstg 5.9.1',
    ]);
  });
});

describe('plan and an unconfirmed deploy', () => {
  it('show the waves and change neither journal nor hosts', async () => {
    const before = await place.agents('gstg');
    const plan = await place.run(['plan', 'sandbox-gstg', '5.10.2']);
    expect(plan).toMatchObject({ code: 0 });
    expect(plan.stdout).toMatch(/wave 1 \(canary\) {2}4 hosts {2}from 5\.9\.1-1\.linux/u);
    expect(plan.stdout).toContain('gke-gstg-default-pool-1');
    const deploy = await place.run(['deploy', 'sandbox-gstg', '5.10.2']);
    expect(deploy).toMatchObject({ code: 2, stdout: '' });
    expect(deploy.stderr).toContain('next: the same command with --yes');
    expect((await place.run(['history', 'sandbox-gstg', '--json'])).stdout).toBe('');
    expect(await place.agents('gstg')).toEqual(before);
  });
});

describe('a good version', () => {
  it('goes through staging: exit 0, every host on it, a journal that ends done', async () => {
    const ran = await place.run(['deploy', 'sandbox-gstg', '5.10.2', '--yes', '--reason', 'CVE-1', '--json']);
    expect(lastLine(ran)).toMatchObject({ v: 1, type: 'result', exit: 0, phase: 'done', version: '5.10.2' });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(new Set(Object.values(await place.agents('gstg')))).toEqual(new Set(['5.10.2']));
    const entries = place.journal('sandbox-gstg');
    // Behind it stands only that the fleet was seen once more.
    expect(entries.findLast(({ body }) => body.kind !== 'fleet-seen')?.body.kind).toBe('rollout-done');
    expect(entries.find(({ body }) => body.kind === 'rollout-planned')).toMatchObject({
      reason: 'CVE-1',
      actor: { command: 'rollout deploy sandbox-gstg 5.10.2 --yes --reason CVE-1 --json' },
    });
  }, 60_000);

  it('deployed again has nothing to do: exit 0 and no new entry but who looked', async () => {
    const before = place.journal('sandbox-gstg').length;
    const ran = await place.run(['deploy', 'sandbox-gstg', '5.10.2', '--yes']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('nothing to do');
    expect(place.journal('sandbox-gstg')).toHaveLength(before);
  });

  it('is interrupted on its way through production by Ctrl-C: exit 130, nothing new; advance ends it', async () => {
    const started = place.start(['promote', 'sandbox-gprd', '--yes']);
    await started.says(/ok \S+-gprd/u);
    started.kill('SIGINT');
    const ran = await started.ended;
    expect(ran.code).toBe(130);
    expect(ran.stderr).toContain('nothing new begins');
    expect(ran.stdout).toMatch(
      /goes back +4 hosts .* go back by themselves at \d\d:\d\dZ unless it goes on before/u,
    );
    const nextOf = (text: string): string | undefined => /next +(rollout .*)$/mu.exec(text)?.[1];
    expect(nextOf(ran.stdout)).toMatch(/^rollout advance sandbox-gprd/u);
    const touched = place.journal('sandbox-gprd').filter(({ body }) => body.kind === 'hosts-intended');
    expect(touched).toHaveLength(1);
    const status = await place.run(['status', 'sandbox-gprd']);
    expect(status.stdout).toContain('4 verified, 8 pending');
    expect(nextOf(status.stdout)).toBe(nextOf(ran.stdout));
    // It carries on what was agreed to: no --yes, and nobody to ask.
    expect((await place.run(['advance', 'sandbox-gprd', '--wait'])).code).toBe(0);
    expect(new Set(Object.values(await place.agents('gprd')))).toEqual(new Set(['5.10.2']));
  }, 60_000);

  it('shows in history with who, when and why, and the chain is whole', async () => {
    const ran = await place.run(['history', 'sandbox-gstg', '--verify']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('deploy of 5.10.2 to 8 hosts in 2 waves (CVE-1)');
    expect(ran.stdout).toMatch(/chain whole: \d+ entries, head [0-9a-f]{64}/u);
    const json = await place.run(['history', 'sandbox-gstg', '--json', '--limit', '2']);
    expect(jsonLines(json.stdout).map(({ type }) => type)).toEqual(['entry', 'entry']);
  });
});

describe('a bad version', () => {
  it('is caught on its canaries: exit 3, all back, quarantined, the pin as before', async () => {
    await place.run(['stage', '5.11.0', ...place.packages('5.11.0', 'gstg', 'gprd'), '--json']);
    const ran = await place.run(['deploy', 'sandbox-gstg', '5.11.0', '--yes']);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toMatch(/^sandbox-gstg {2}5\.11\.0 {2}ROLLED BACK$/mu);
    expect(ran.stdout).toMatch(/why .* cores .*limit 0\.1 cores/u);
    expect(ran.stdout.trimEnd().split('\n').at(-1)).toMatch(/^ {2}next +rollout report sandbox-gstg/u);
    expect((await place.run(['status', 'sandbox-gstg'])).stdout).toMatch(
      /next +rollout report sandbox-gstg/u,
    );
    expect(new Set(Object.values(await place.agents('gstg')))).toEqual(new Set(['5.10.2']));
    const status = await place.run(['status', 'sandbox-gstg', '--json']);
    expect(lastLine(status)).toMatchObject({ type: 'status', pin: { version: '5.10.2' } });
  }, 60_000);

  it('is told whole by its report: a page and an archive, readable by their owner alone', async () => {
    const out = mkdtempSync(join(place.folder, 'report-'));
    const ran = await place.run(['report', 'sandbox-gstg', '--out', out]);
    expect(ran.code).toBe(0);
    const [page = '', archive = ''] = ran.stdout.trim().split('\n');
    expect(statSync(page).mode & 0o777).toBe(0o600);
    const text = readFileSync(page, 'utf8');
    expect(text).toMatch(/^# sandbox-gstg-\d+: deploy of 5\.11\.0 in sandbox-gstg$/mu);
    expect(text).toContain('| state | ROLLED BACK |');
    // The program's own reasons say their line again.
    expect(text).toContain('| wave 1 begins |');
    expect(text).toMatch(/^\| agent-cpu \| fail \|/mu);
    expect(text).toMatch(/asked again: \d+ series/u);
    expect(text).toContain('ActiveState=active');
    expect(text).toContain('The journal is whole');
    const listed = execFileSync('tar', ['-tzf', archive], { encoding: 'utf8' });
    for (const file of ['report.md', 'journal.ndjson', 'verdicts.ndjson', 'answers.ndjson', 'hosts.json'])
      expect(listed).toContain(`/${file}\n`);
    const other = mkdtempSync(join(place.folder, 'report-'));
    const json = await place.run(['report', 'sandbox-gstg', '--out', other, '--no-look', '--json']);
    expect(lastLine(json)).toMatchObject({
      type: 'report',
      phase: 'rolled-back',
      chainWhole: true,
      silent: [],
    });
    const none = await place.run(['report', 'sandbox-gprd', 'nonesuch']);
    expect(none.code).toBe(2);
  }, 60_000);

  it('goes nowhere until a person lifts its quarantine', async () => {
    for (const words of [
      ['deploy', 'sandbox-gstg', '5.11.0', '--yes'],
      ['canary', 'sandbox-gstg', '5.11.0', '--yes'],
    ]) {
      const ran = await place.run(words);
      expect(ran.code).toBe(1);
      expect(ran.stderr).toContain('is quarantined');
      expect(ran.stderr).toContain('next: rollout quarantine lift');
    }
    const list = await place.run(['quarantine', 'list', '--json']);
    const { sha256 } = lastLine(list) as unknown as { sha256: string };
    const lifted = await place.run([
      'quarantine',
      'lift',
      sha256.slice(0, 8),
      '--reason',
      'wrong gate',
      '--yes',
      '--json',
    ]);
    expect(lastLine(lifted)).toMatchObject({ type: 'result', exit: 0, code: 'lifted' });
    expect(place.journal('sandbox-gstg').at(-1)).toMatchObject({
      reason: 'wrong gate',
      body: { kind: 'quarantine-lifted', sha256 },
    });
    expect((await place.run(['quarantine', 'list'])).stdout).toBe('nothing is quarantined\n');
  });
});

describe('rollback by hand', () => {
  it('puts every host of the last rollout back and is then refused', async () => {
    const unasked = await place.run(['rollback', 'sandbox-gprd', '--reason', 'INC-1']);
    expect(unasked).toMatchObject({ code: 2, stdout: '' });
    const ran = await place.run(['rollback', 'sandbox-gprd', '--yes', '--reason', 'INC-1', '--json']);
    expect(ran.code).toBe(0);
    expect(lastLine(ran)).toMatchObject({ type: 'result', exit: 0, phase: 'rolled-back' });
    expect(new Set(Object.values(await place.agents('gprd')))).toEqual(new Set(['5.9.1']));
    const again = await place.run(['rollback', 'sandbox-gprd', '--yes']);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('is rolled back already');
  }, 60_000);

  it('--to goes to a staged version, wherever the hosts are', async () => {
    const unknown = await place.run(['rollback', 'sandbox-gstg', '--to', '1.2.3', '--yes']);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('no package of 1.2.3');
    const ran = await place.run(['rollback', 'sandbox-gstg', '--to', '5.9.1', '--yes', '--json']);
    expect(ran.code).toBe(0);
    expect(new Set(Object.values(await place.agents('gstg')))).toEqual(new Set(['5.9.1']));
  }, 60_000);
});

describe('a journal that somebody changed', () => {
  it('stops every command that would rest on it', async () => {
    const folder = place.journalFolder('sandbox-gprd');
    const [entry] = place.journal('sandbox-gprd').filter(({ body }) => body.kind === 'rollout-planned');
    const file = join(folder, `${String(entry?.seq).padStart(12, '0')}.json`);
    writeFileSync(file, readFileSync(file, 'utf8').replace('"version":"5.10.2"', '"version":"5.10.3"'));
    for (const words of [
      ['history', 'sandbox-gprd', '--verify'],
      ['status', 'sandbox-gprd'],
      ['advance', 'sandbox-gprd'],
      ['rollback', 'sandbox-gprd', '--yes'],
      ['pause', 'sandbox-gprd'],
    ]) {
      const ran = await place.run(words);
      expect(ran.code, words.join(' ')).toBe(1);
      expect(ran.stderr, words.join(' ')).toMatch(/not whole|altered|corrupt|hash/u);
    }
  });
});

describe('--json', () => {
  it('has only line types that the README lists', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const part = /<!-- json:begin -->([\s\S]*)<!-- json:end -->/u.exec(readme)?.[1] ?? '';
    for (const type of seenTypes) expect(part).toContain(`| \`${type}\` |`);
    expect([...seenTypes]).toEqual(
      expect.arrayContaining(['event', 'plan', 'result', 'status', 'entry', 'release']),
    );
  });
});
