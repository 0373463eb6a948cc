/** A stop and a look where calm work is refused: Prometheus' address or the list of hosts is not there, or wrong. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { jsonLines, lastLine, makePlace, OSQUERYD, type Ran } from './rig.ts';

// Each test is several processes, on machines that may have other work.
vi.setConfig({ testTimeout: 180_000 });

const place = makePlace();
const urlFile = join(place.stateDir, 'sandbox/prometheus-url');
const listOf = (name: 'gstg' | 'gprd'): string => join(place.configDir, `${name}.json`);
const BOTH = ['--fleet'] as const;
const STOP = ['stop', '--yes', '--settle', '0s', '--deadline', '20s', '--json'] as const;

const osqueryd = (...words: readonly string[]): Promise<Ran> => place.run(words, { main: OSQUERYD });

interface ListedHost {
  readonly id: string;
  readonly name: string;
  readonly port: number;
}

const hostsIn = (file: string): ListedHost[] => JSON.parse(readFileSync(file, 'utf8')) as ListedHost[];

/** Hosts by how often each severity was seen, both environments together. */
async function severities(): Promise<unknown> {
  return lastLine(await osqueryd('status', '--json', ...BOTH))['severities'];
}

beforeAll(async () => {
  expect(await place.run(['sandbox', 'up'])).toMatchObject({ code: 0, stderr: '' });
  for (const name of ['gstg', 'gprd'] as const) {
    const file = join(place.configDir, `environments/sandbox-${name}.yaml`);
    const shipped = readFileSync(file, 'utf8');
    // A list of one's own, which does not come and go with the sandbox.
    writeFileSync(file, shipped.replace(`\${state}/sandbox/${name}-hosts.yaml`, `../${name}.json`));
    writeFileSync(listOf(name), readFileSync(join(place.stateDir, `sandbox/${name}-hosts.yaml`)));
  }
}, 60_000);
afterAll(() => place.remove(), 60_000);
afterEach(async () => {
  expect(await osqueryd('start', ...BOTH, '--yes')).toMatchObject({ code: 0 });
});

describe('the file with Prometheus’ URL', () => {
  afterEach(() => {
    rmSync(urlFile, { force: true });
    renameSync(`${urlFile}.away`, urlFile);
  });

  it.each([
    ['is away', null, 'not-there'],
    ['holds no URL', 'not a url\n', 'invalid'],
  ])('%s: calm work is refused as ever, a stop goes', async (_, text, kind) => {
    renameSync(urlFile, `${urlFile}.away`);
    if (text !== null) writeFileSync(urlFile, text);
    for (const words of [
      ['plan', 'sandbox-gstg', '1.0.0'],
      ['deploy', 'sandbox-gstg', '1.0.0', '--yes'],
      ['promote', 'sandbox-gprd', '--yes'],
      ['advance', 'sandbox-gstg'],
      ['osqueryd', 'restart', '--env', 'sandbox-gstg', '--fleet', '--yes'],
    ]) {
      const ran = await place.run(words);
      expect(ran, words.join(' ')).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toContain('prometheus.urlFile');
    }
    const checked = await place.run(['config', 'check', 'sandbox-gstg', '--json']);
    expect(lastLine(checked)['environments']).toEqual([{ name: 'sandbox-gstg', kind }]);
    const stopped = await osqueryd(...STOP, ...BOTH);
    expect(stopped.code, stopped.stderr).toBe(0);
    expect(jsonLines(stopped.stdout).filter(({ type }) => type === 'lifecycle-plan')).toMatchObject([
      { environment: 'sandbox-gstg', inventory: { kind: 'listed' } },
      { environment: 'sandbox-gprd', inventory: { kind: 'listed' } },
    ]);
  });
});

describe('the list of hosts', () => {
  const list = listOf('gprd');
  let before = '';
  beforeAll(async () => {
    before = readFileSync(list, 'utf8');
    // What the last look saw is what is known.
    expect(await osqueryd('status', ...BOTH)).toMatchObject({ code: 0 });
  });
  afterEach(async () => {
    writeFileSync(list, before);
  }, 0);

  const slips: readonly (readonly [string, string, () => void, RegExp])[] = [
    ['is away', 'sandbox-gprd', () => rmSync(list), /the list of hosts does not exist/u],
    [
      'has an address twice',
      'sandbox-gprd',
      () => {
        const [first, second, ...rest] = hostsIn(list);
        writeFileSync(list, JSON.stringify([first, { ...second, port: first?.port }, ...rest], null, 1));
      },
      /gprd\.json:\d+:\d+: .*same address/u,
    ],
    [
      // Of two, the later one by name is the one that is refused.
      'has a VM of another environment too',
      'sandbox-gstg',
      () => {
        const [theirs] = hostsIn(listOf('gstg'));
        writeFileSync(list, JSON.stringify([...hostsIn(list), theirs], null, 1));
      },
      /sandbox-gstg\.yaml:\d+:\d+: sandbox-gprd has the VM \S+ \(id \d+\) too/u,
    ],
  ];

  it.each(slips)('%s: a stop goes by the last known one of %s, and says why', async (_, name, spoil, why) => {
    spoil();
    const calm = await osqueryd('restart', '--env', name, '--fleet', '--yes');
    expect(calm).toMatchObject({ code: 2, stdout: '' });
    expect(calm.stderr).toContain(`${name} cannot be used`);
    const looked = await osqueryd('status', ...BOTH);
    expect(looked.stdout).toContain(`${name}: LAST KNOWN`);
    const stopped = await osqueryd(...STOP, ...BOTH);
    const plans = jsonLines(stopped.stdout).filter(({ type }) => type === 'lifecycle-plan');
    const plan = plans.find(({ environment }) => environment === name);
    expect(plans).toHaveLength(2);
    const inventory = { kind: 'last-known', from: 'this-machine', why: expect.stringMatching(why) };
    expect(plan).toMatchObject({ inventory });
    writeFileSync(list, before);
    expect(await severities()).toMatchObject({ held: 20 });
    // What no earlier list can hold is not covered, and is said.
    expect(stopped.code).toBe(5);
    const ends = jsonLines(stopped.stdout).filter(({ type }) => type === 'result');
    expect(ends.flatMap((end) => end['notCovered'])).toHaveLength(1);
  });
});

it('a sandbox that does not run has no last resort: a stop says at once that it does not run', async () => {
  const words = ['stop', '--env', 'sandbox-gstg', '--fleet', '--yes'];
  const file = join(place.configDir, 'environments/sandbox-gstg.yaml');
  const own = readFileSync(file, 'utf8');
  const shipped = join(place.stateDir, 'sandbox/gstg-hosts.yaml');
  writeFileSync(file, own.replace('../gstg.json', '${state}/sandbox/gstg-hosts.yaml'));
  renameSync(shipped, `${shipped}.away`);
  const ran = await osqueryd(...words);
  renameSync(`${shipped}.away`, shipped);
  writeFileSync(file, own);
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toContain('the sandbox is not running');
});
