import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { debReader } from '../../src/adapters/deb/read.ts';
import { writeDeb } from '../../src/adapters/deb/write.ts';
import { createLocalStore } from '../../src/adapters/local-store/local-store.ts';
import { stage } from '../../src/engine/stage.ts';
import type {
  StageContext,
  StageOutcome,
  StageProgress,
  StageRequest,
} from '../../src/engine/stage-types.ts';
import { manualClock } from '../fakes/manual-clock.ts';
import { type MemoryFile, memoryPackages } from '../fakes/memory-packages.ts';
import { type MemoryStore, memoryStore } from '../fakes/memory-store.ts';
import { artifactOf } from '../fakes/some-artifacts.ts';

const AGENT = { package: 'osquery', executable: '/opt/osquery/bin/osqueryd' };

const FILES: Readonly<Record<string, MemoryFile>> = {
  '/tmp/staging.deb': { text: 'for staging' },
  '/tmp/production.deb': { text: 'for production' },
  '/tmp/staging-arm.deb': { text: 'for staging, arm', architecture: 'arm64' },
  '/tmp/old.deb': { text: 'old', version: '5.9.1-1.linux' },
  '/tmp/fleetd.deb': { text: 'other', package: 'fleetd', version: '1.0' },
  '/tmp/all.deb': { text: 'all', architecture: 'all' },
  '/tmp/cut.deb': { text: '', error: { kind: 'truncated', message: '/tmp/cut.deb: it ends at byte 7' } },
};

interface Bench {
  readonly context: StageContext;
  readonly gstg: MemoryStore;
  readonly gprd: MemoryStore;
  readonly files: ReturnType<typeof memoryPackages>;
  readonly run: (
    packages: Readonly<Record<string, readonly string[]>>,
    more?: Partial<StageRequest>,
  ) => Promise<StageOutcome>;
}

function bench(architectures?: readonly string[]): Bench {
  const gstg = memoryStore('gstg');
  const gprd = memoryStore('gprd');
  const files = memoryPackages(FILES);
  const known = architectures === undefined ? {} : { architectures };
  const context: StageContext = {
    line: [
      { name: 'gstg', agent: AGENT, store: gstg, ...known },
      { name: 'gprd', agent: AGENT, store: gprd, ...known },
    ],
    reader: files,
    clock: manualClock({ start: 1_700_000_000_000 }),
    actor: { user: 'anna', hostname: 'laptop', command: 'rollout stage 5.10.2' },
  };
  return {
    context,
    gstg,
    gprd,
    files,
    run: (packages, more = {}) =>
      stage(context, {
        version: '5.10.2',
        packages: Object.entries(packages).flatMap(([environment, list]) =>
          list.map((file) => ({ environment, file: `/tmp/${file}.deb` })),
        ),
        expected: [],
        ...more,
      }),
  };
}

const BOTH = { gstg: ['staging'], gprd: ['production'] };

/** `published`, `already-there`, `refused wrong-version`, `failed conflict` ... of each package. */
function results(outcome: StageOutcome): string[] {
  return outcome.packages.map(({ result }) => {
    if (result.kind === 'refused') return `refused ${result.problems.map(({ code }) => code).join(' ')}`;
    return result.kind === 'failed' ? `failed ${result.error.kind}` : result.kind;
  });
}

function messages(outcome: StageOutcome): string {
  const own = outcome.packages.flatMap(({ result }) => (result.kind === 'refused' ? result.problems : []));
  return [...outcome.problems, ...own, ...outcome.gaps, ...outcome.notes]
    .map(({ message }) => message)
    .join('\n');
}

describe('staging a version', () => {
  it('publishes each environment’s own package, with all that is known of it', async () => {
    const { run, gstg, gprd } = bench();
    const outcome = await run(BOTH);
    expect(outcome).toMatchObject({ kind: 'staged', problems: [], gaps: [], notes: [] });
    expect(results(outcome)).toEqual(['published', 'published']);
    expect(gstg.artifacts).toEqual([
      artifactOf('for staging', {
        generation: 'memory',
        executable: outcome.packages[0]?.facts?.executable ?? artifactOf('').executable,
        originalFileName: 'staging.deb',
      }),
    ]);
    expect(gprd.artifacts).toMatchObject([{ environment: 'gprd', originalFileName: 'production.deb' }]);
  });

  it('the same call again is a success that changes nothing', async () => {
    const { run, gstg } = bench();
    await run(BOTH);
    const before = gstg.artifacts;
    const outcome = await run(BOTH);
    expect(outcome.kind).toBe('staged');
    expect(results(outcome)).toEqual(['already-there', 'already-there']);
    expect(gstg.artifacts).toEqual(before);
  });

  it('takes several architectures of one environment, at once or one after the other', async () => {
    const { run, gstg } = bench();
    expect(results(await run({ gstg: ['staging', 'staging-arm'], gprd: ['production'] }))).toEqual([
      'published',
      'published',
      'published',
    ]);
    expect(gstg.artifacts.map(({ architecture }) => architecture)).toEqual(['amd64', 'arm64']);
  });

  it('takes a full Debian version as the release', async () => {
    const { run, gstg } = bench();
    expect((await run({ gstg: ['staging'] }, { version: '5.10.2-1.linux' })).kind).toBe('staged');
    expect(gstg.artifacts[0]?.version).toBe('5.10.2-1.linux');
  });

  it('stores one file given twice once, and one file given for two environments in both, and says so', async () => {
    const { run, gprd } = bench();
    const twice = await run({ gstg: ['staging', 'staging'] });
    expect(results(twice)).toEqual(['published', 'already-there']);
    expect(messages(twice)).toContain('is the same package as /tmp/staging.deb; it is stored once');
    const shared = await run({ gstg: ['staging'], gprd: ['staging'] });
    expect(results(shared)).toEqual(['already-there', 'published']);
    expect(messages(shared)).toContain('gprd and gstg get the same package');
    expect(gprd.artifacts).toHaveLength(1);
  });

  it('says of a file that another environment has from a call before that it is the very same', async () => {
    const { run, gprd } = bench();
    expect((await run({ gstg: ['staging'] })).notes).toEqual([]);
    const later = await run({ gprd: ['staging'] });
    expect(results(later)).toEqual(['published']);
    expect(later.notes).toEqual([
      {
        code: 'same-file',
        message: expect.stringContaining('for gprd is the very file that is staged for gstg (sha256'),
      },
    ]);
    expect(gprd.artifacts).toHaveLength(1);
    expect((await bench().run(BOTH)).notes).toEqual([]);
  });
});

describe('what a version still lacks', () => {
  it('an environment without a package: the way to stage it is said', async () => {
    const { run } = bench();
    const outcome = await run({ gstg: ['staging'] });
    expect(outcome.gaps).toMatchObject([{ environment: 'gprd', why: { kind: 'nothing' } }]);
    expect(messages(outcome)).toBe(
      'gprd has no package of 5.10.2 yet: a deploy or promotion to it will be refused; ' +
        'stage it with: rollout stage 5.10.2 --package gprd=FILE',
    );
    expect((await run({ gprd: ['production'] })).gaps).toEqual([]);
  });

  it('an architecture that the others have, or that its hosts need', async () => {
    const { run } = bench();
    const outcome = await run({ gstg: ['staging', 'staging-arm'], gprd: ['production'] });
    expect(outcome.gaps).toMatchObject([
      { environment: 'gprd', why: { kind: 'architectures', missing: ['arm64'] } },
    ]);
    const known = await bench(['amd64', 'arm64']).run(BOTH);
    expect(known.gaps.map(({ environment, why }) => [environment, why])).toEqual([
      ['gstg', { kind: 'architectures', missing: ['arm64'] }],
      ['gprd', { kind: 'architectures', missing: ['arm64'] }],
    ]);
  });

  it('a store that does not answer is unknown, not empty', async () => {
    const { run, gprd } = bench();
    gprd.failNext({ on: 'list', kind: 'unavailable' });
    const outcome = await run({ gstg: ['staging'] });
    expect(outcome).toMatchObject({
      kind: 'staged',
      gaps: [{ environment: 'gprd', why: { kind: 'unknown' } }],
    });
  });
});

describe('what is refused, and then nothing at all is published', () => {
  const digest = (text: string): string => artifactOf(text).sha256;

  it.each([
    ['old', 'wrong-version', '/tmp/old.deb is version 5.9.1-1.linux, which is no package of 5.10.2'],
    ['fleetd', 'wrong-package wrong-version', 'is the package fleetd, expected osquery'],
    ['all', 'wrong-architecture', 'is for the architecture all'],
    ['cut', 'truncated', 'gprd: /tmp/cut.deb: it ends at byte 7'],
    ['missing', 'unreadable', 'there is no such file'],
  ])('%s.deb', async (file, codes, why) => {
    const { run, gstg, gprd } = bench();
    const outcome = await run({ gstg: ['staging'], gprd: [file] });
    expect(outcome).toMatchObject({ kind: 'refused', gaps: [] });
    expect(results(outcome)).toEqual(['held-back', `refused ${codes}`]);
    expect(messages(outcome)).toContain(why);
    expect([...gstg.artifacts, ...gprd.artifacts]).toEqual([]);
  });

  it('all problems of all packages are said at once', async () => {
    const { run } = bench();
    expect(results(await run({ gstg: ['old', 'cut'], gprd: ['fleetd'] }))).toEqual([
      'refused wrong-version',
      'refused truncated',
      'refused wrong-package wrong-version',
    ]);
  });

  it('an architecture that the environment’s hosts do not have', async () => {
    const outcome = await bench(['amd64']).run({ gstg: ['staging-arm'] });
    expect(messages(outcome)).toContain('is for the architecture arm64, expected amd64');
  });

  it('another sha256 than expected; upper case is the same', async () => {
    const { run, gstg } = bench();
    const wrong = await run(BOTH, { expected: [{ environment: 'gprd', sha256: digest('for staging') }] });
    expect(results(wrong)).toEqual(['held-back', 'refused wrong-sha256']);
    expect(messages(wrong)).toContain(
      `has the sha256 ${digest('for production')}, expected ${digest('for staging')}`,
    );
    expect(gstg.artifacts).toEqual([]);
    const right = await run(BOTH, {
      expected: [{ environment: 'gprd', sha256: digest('for production').toUpperCase() }],
    });
    expect(right.kind).toBe('staged');
  });

  it('the two environments’ files mixed up, which their sha256 shows', async () => {
    const outcome = await bench().run(
      { gstg: ['production'], gprd: ['staging'] },
      {
        expected: [
          { environment: 'gstg', sha256: digest('for staging') },
          { environment: 'gprd', sha256: digest('for production') },
        ],
      },
    );
    expect(results(outcome)).toEqual(['refused wrong-sha256', 'refused wrong-sha256']);
  });

  it('a sha256 of several that belongs to no package given', async () => {
    const expected = ['for staging', 'for staging, arm'].map((text) => ({
      environment: 'gstg',
      sha256: digest(text),
    }));
    const outcome = await bench().run({ gstg: ['staging'] }, { expected });
    expect(results(outcome)).toEqual(['refused unused-sha256']);
    expect(messages(outcome)).toContain(digest('for staging, arm'));
    expect((await bench().run({ gstg: ['staging', 'staging-arm'] }, { expected })).kind).toBe('staged');
  });

  it('another digest under a version that is published already', async () => {
    const { run, gstg, gprd } = bench();
    gstg.seed(artifactOf('built yesterday'));
    const outcome = await run(BOTH);
    expect(results(outcome)).toEqual(['refused already-published', 'held-back']);
    expect(messages(outcome)).toContain(
      `is already ${digest('built yesterday')} (staged by anna@laptop as osquery.deb)`,
    );
    expect(messages(outcome)).toContain('rollout stage 5.10.2-2.linux --package ENV=FILE');
    expect(gprd.artifacts).toEqual([]);
  });

  it('another digest of a Debian version that is published under another name: nobody could tell which way is back', async () => {
    const { run, gstg } = bench();
    gstg.seed(artifactOf('built yesterday', { version: '5.10.2-again', control: artifactOf('').control }));
    const outcome = await run(BOTH);
    expect(results(outcome)).toEqual(['refused same-debian-version', 'held-back']);
    expect(messages(outcome)).toContain('which is staged as 5.10.2-again');
  });

  it('two different packages for one architecture in one call', async () => {
    const { run, gstg } = bench();
    const outcome = await run({ gstg: ['staging', 'production'] });
    expect(results(outcome)).toEqual(['refused same-architecture', 'refused same-architecture']);
    expect(gstg.artifacts).toEqual([]);
  });

  it('a store that cannot be looked at', async () => {
    const { run, gstg, gprd } = bench();
    gprd.failNext({ on: 'list', kind: 'unavailable' });
    expect(results(await run(BOTH))).toEqual(['held-back', 'refused store-unavailable']);
    expect(gstg.artifacts).toEqual([]);
  });

  it.each([
    ['v5.10.2', BOTH, [], 'invalid-version', 'type 5.10.2'],
    ['latest', BOTH, [], 'invalid-version', 'begins with a digit'],
    ['5.10.2', {}, [], 'no-packages', '--package gstg=FILE --package gprd=FILE'],
    ['5.10.2', { prod: ['production'] }, [], 'unknown-environment', 'there are gstg, gprd'],
    ['5.10.2', BOTH, [{ environment: 'gstg', sha256: 'abc' }], 'invalid-sha256', '64 hexadecimal digits'],
    [
      '5.10.2',
      { gstg: ['staging'] },
      [{ environment: 'gprd', sha256: 'a'.repeat(64) }],
      'unused-sha256',
      'no --package gprd=FILE',
    ],
  ] as const)(
    'a request for %s that cannot be meant so: %j %j is %s',
    async (version, packages, expected, code, why) => {
      const { run, gstg } = bench();
      const outcome = await run(packages, { version, expected });
      expect(outcome.kind).toBe('refused');
      expect(outcome.problems.map((problem) => problem.code)).toEqual([code]);
      expect(messages(outcome)).toContain(why);
      expect(gstg.artifacts).toEqual([]);
    },
  );
});

describe('when publishing itself goes wrong', () => {
  it('a store that fails leaves the other done; the same call again finishes the work', async () => {
    const { run, gstg, gprd } = bench();
    gstg.failNext({ on: 'publish', kind: 'unavailable' });
    const outcome = await run(BOTH);
    expect(outcome).toMatchObject({ kind: 'incomplete', gaps: [{ environment: 'gstg' }] });
    expect(results(outcome)).toEqual(['failed unavailable', 'published']);
    expect(results(await run(BOTH))).toEqual(['published', 'already-there']);
    expect(gprd.artifacts).toHaveLength(1);
  });

  it('a lost reply: the same call again finds it there', async () => {
    const { run, gstg } = bench();
    gstg.failNext({ on: 'publish', kind: 'lost-reply' });
    expect(results(await run(BOTH))).toEqual(['failed unavailable', 'published']);
    expect(results(await run(BOTH))).toEqual(['already-there', 'already-there']);
  });

  it('somebody else publishes another package in between', async () => {
    const { run, gstg } = bench();
    gstg.failNext({ on: 'publish', kind: 'overtaken', by: artifactOf('by somebody else') });
    const outcome = await run(BOTH);
    expect(outcome.kind).toBe('incomplete');
    expect(results(outcome)).toEqual(['failed conflict', 'published']);
    expect(gstg.artifacts).toEqual([artifactOf('by somebody else')]);
  });

  it('a process that is killed in between goes on when called again', async () => {
    const { run, gstg, gprd } = bench();
    gprd.failNext({ on: 'publish', kind: 'crash-before' });
    await expect(run(BOTH)).rejects.toThrow('killed');
    expect([gstg.artifacts.length, gprd.artifacts.length]).toEqual([1, 0]);
    expect(results(await run(BOTH))).toEqual(['already-there', 'published']);
  });

  it('a file that changes between the check and the copy is not published', async () => {
    const { context, files, gstg } = bench();
    const list = gstg.list.bind(gstg);
    // The store is looked at after the file was read: the moment at which the file is replaced here.
    const store = {
      ...gstg,
      list: () => {
        files.change('/tmp/staging.deb', 'replaced');
        return list();
      },
    };
    const outcome = await stage(
      { ...context, line: [{ name: 'gstg', agent: AGENT, store }] },
      { version: '5.10.2', packages: [{ environment: 'gstg', file: '/tmp/staging.deb' }], expected: [] },
    );
    expect(results(outcome)).toEqual(['failed altered']);
    expect(gstg.artifacts).toEqual([]);
  });
});

describe('progress', () => {
  it('is told of each package as its store takes it: from nothing, in steps, never of what is refused', async () => {
    const { context, run } = bench();
    const told: string[] = [];
    const onProgress = ({ environment, file, stored, size }: StageProgress): void => {
      told.push(`${environment} ${file} ${stored}/${size}`);
    };
    const request = (file: string): StageRequest => ({
      version: '5.10.2',
      packages: [{ environment: 'gprd', file }],
      expected: [],
    });
    await stage({ ...context, onProgress }, request('/tmp/old.deb'));
    expect(told).toEqual([]);
    await stage({ ...context, onProgress }, request('/tmp/production.deb'));
    const file = '/tmp/production.deb';
    expect(told).toEqual([`gprd ${file} 0/14`, `gprd ${file} 7/14`, `gprd ${file} 14/14`]);
    // Nobody need listen.
    expect((await run(BOTH)).kind).toBe('staged');
  });
});

describe('staging real files into real folders', () => {
  it('reads, checks, stores, and what is stored verifies', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'rollout-stage-'));
    try {
      const line = ['gstg', 'gprd'].map((name) => {
        const deb = writeDeb({
          package: 'osquery',
          version: '5.10.2-1.linux',
          architecture: 'amd64',
          contents: [{ kind: 'file', path: AGENT.executable, content: `for ${name}`, mode: 0o755 }],
        });
        writeFileSync(join(folder, `${name}.deb`), deb);
        return {
          name,
          agent: AGENT,
          store: createLocalStore({ folder: join(folder, name), environment: name }),
        };
      });
      const outcome = await stage(
        { ...bench().context, line, reader: debReader },
        {
          version: '5.10.2',
          packages: line.map(({ name }) => ({ environment: name, file: join(folder, `${name}.deb`) })),
          expected: [],
        },
      );
      expect(results(outcome)).toEqual(['published', 'published']);
      for (const { store } of line) {
        const listed = await store.list();
        const [artifact] = listed.ok ? listed.value : [];
        expect(artifact && (await store.verify(artifact))).toEqual({ ok: true, value: undefined });
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
