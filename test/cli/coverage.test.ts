/** `rollout coverage` on the embedded fleet: exit codes, formats, since when, and what an auditor must not miss. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, makePlace } from './rig.ts';

const place = makePlace();
const hostsFile = join(place.stateDir, 'sandbox/gstg-hosts.yaml');
const environmentFile = join(place.configDir, 'environments/sandbox-gstg.yaml');

beforeAll(async () => {
  expect(await place.run(['sandbox', 'up', '--json'])).toMatchObject({ code: 0, stderr: '' });
}, 60_000);
afterAll(() => place.remove(), 60_000);

/** The host's agent, stopped as by hand: the stand-in for systemd keeps its state in a file. */
function stopAgent(name: string): void {
  const file = join(place.stateDir, 'sandbox/hosts', name, 'run/systemd-shim/osqueryd');
  const stopped = readFileSync(file, 'utf8')
    .replace(/^active=.*$/mu, 'active=inactive')
    .replace(/^sub=.*$/mu, 'sub=dead')
    .replace(/^pid=.*$/mu, 'pid=0');
  writeFileSync(file, stopped);
}

async function withFile(
  file: string,
  change: (text: string) => string,
  work: () => Promise<void>,
): Promise<void> {
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, change(before));
  try {
    await work();
  } finally {
    writeFileSync(file, before);
  }
}

const coverage = (...words: readonly string[]) => place.run(['coverage', 'sandbox-gstg', ...words]);

describe('coverage, in this order', () => {
  it('without a look and without a record: nobody has looked, so nobody is covered', async () => {
    const ran = await coverage('--no-look');
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('coverage 0 % (0 of 8), BELOW the target of 100 %');
    expect(ran.stdout).toContain('nobody has looked at its agents yet');
  });

  it('is met where every agent was seen running; the exempt stand under their rule with the evidence', async () => {
    const ran = await coverage('--record');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('coverage 100 % (8 of 8), target 100 % is met');
    expect(ran.stdout).toMatch(/exempt: built-in:gke-node \(1\)\n.*\n +evidence +label goog-gke-node \(1\)/u);
    const recorded = await coverage('--no-look');
    expect(recorded.code).toBe(0);
    const seenAt = place.journal('sandbox-gstg').at(-1)?.at ?? 0;
    const when = new Date(seenAt).toISOString().slice(0, 19).replace('T', ' ');
    expect(recorded.stdout).toContain(`every covered agent was seen to run at ${when}Z or later`);
    // A listing alone makes no agent newer than the last look at it.
    expect((await place.run(['fleet', 'sandbox-gstg', '--no-look', '--record'])).code).toBe(0);
    expect((await coverage('--no-look')).stdout).toContain(`agents as recorded, last looked at ${when}Z`);
  });

  it('of every environment ends with the highest code', async () => {
    const both = await place.run(['coverage', '--json']);
    expect(both.code).toBe(0);
    expect(jsonLines(both.stdout)).toMatchObject([
      { v: 1, type: 'coverage', environment: 'sandbox-gstg', verdict: 'met', exit: 0 },
      { v: 1, type: 'coverage', environment: 'sandbox-gprd', verdict: 'met', exit: 0 },
    ]);
    await withFile(
      environmentFile,
      (text) => text.replace('environment: sandbox-gstg', 'environment: sandbox-gstg\nnonsense: 1'),
      async () => {
        const broken = await place.run(['coverage', '--json']);
        expect(broken.code).toBe(2);
        expect(jsonLines(broken.stdout).map(({ type }) => type)).toEqual(['refusal', 'coverage']);
      },
    );
  });

  it('is below the target with a stopped agent, named with since when; a lower target is met', async () => {
    stopAgent('web-01-gstg');
    const first = await coverage('--record');
    expect(first.code).toBe(1);
    expect(first.stdout).toContain('coverage 87.50 % (7 of 8), BELOW the target of 100 %');
    expect(first.stdout).toMatch(/web-01-gstg +stopped +\d{4}-.*installed and does not run \(inactive\)/u);
    const seenAt = place.journal('sandbox-gstg').at(-1)?.at;
    const json = await coverage('--json');
    expect(jsonLines(json.stdout)).toMatchObject([
      {
        verdict: 'below-target',
        exit: 1,
        uncovered: [{ name: 'web-01-gstg', state: 'stopped', since: seenAt }],
      },
    ]);
    await withFile(
      environmentFile,
      (text) => `${text}\ncoverage: { target: 87.5 }\n`,
      async () => expect((await coverage()).code).toBe(0),
    );
  });

  it('is held by a VM that nobody has decided on, whatever the share, and says what decides it', async () => {
    const weak = {
      id: '77',
      name: 'gke-lookalike',
      address: '192.0.2.77',
      zone: 'us-east1-b',
      role: 'web',
      os: 'debian-12',
    };
    await withFile(
      hostsFile,
      (text) => JSON.stringify([...(JSON.parse(text) as unknown[]), weak]),
      async () => {
        const ran = await coverage();
        expect(ran.code).toBe(4);
        expect(ran.stdout).toContain('HELD');
        expect(ran.stdout).toContain('targeting.eligible or targeting.exempt');
        expect(ran.stdout).toMatch(/gke-lookalike +undecided +not recorded/u);
      },
    );
  });

  it('tells an operator’s exemption with reason and end, and a lapsed one with the VM that is back', async () => {
    const rule = (until: string) =>
      `\ntargeting:\n  exempt:\n    - { when: 'name == "web-01-gstg"', reason: "INC-7, disk", until: ${until} }\n`;
    await withFile(
      environmentFile,
      (text) => text + rule('2999-01-01'),
      async () => {
        const ran = await coverage();
        expect(ran.code).toBe(0);
        expect(ran.stdout).toMatch(
          /exempt\[0\] +in force +2999-01-02 .* 1 +name == "web-01-gstg": INC-7, disk/u,
        );
      },
    );
    await withFile(
      environmentFile,
      (text) => text + rule('2020-01-01'),
      async () => {
        const ran = await coverage();
        expect(ran.code).toBe(1);
        expect(ran.stdout).toMatch(/exempt\[0\] +LAPSED +2020-01-02 /u);
        expect(ran.stdout).toMatch(
          /web-01-gstg .*exempt\[0\] exempted it until 2020-01-02T00:00Z: INC-7, disk/u,
        );
      },
    );
  });

  it('as CSV, JSON and Markdown is whole and the same twice; CSV keeps the verdict off stdout', async () => {
    const csv = await coverage('--no-look', '--format', 'csv');
    expect(csv.code).toBe(1);
    expect(csv.stderr).toContain('sandbox-gstg: coverage 87.50 %');
    const lines = csv.stdout.split('\r\n');
    expect(lines).toHaveLength(12);
    expect(lines.at(-1)).toBe('');
    expect(lines.slice(1, -1).filter((line) => line.startsWith('vm,sandbox-gstg,'))).toHaveLength(10);
    const json = await coverage('--no-look', '--format', 'json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      v: 1,
      type: 'coverage-report',
      environments: [
        { environment: 'sandbox-gstg', percent: 87.5, groups: [{ rule: 'built-in:gke-node' }, {}] },
      ],
    });
    const at = place.journal('sandbox-gstg').at(-1)?.at ?? 0;
    // Recorded some runs of the program ago: the next whole second is over.
    const then = new Date(at + 1_000).toISOString().replace(/\.\d+Z$/u, 'Z');
    const past = ['--at', then, '--format', 'markdown'];
    const [one, two] = [await coverage(...past), await coverage(...past)];
    expect(one).toMatchObject({ code: 1, stderr: '' });
    expect(one.stdout).toBe(two.stdout);
    expect(one.stdout).toContain('| web-01-gstg | 1000001 | - | us-east1-b | stopped |');
  });

  it('refuses what excludes each other', async () => {
    for (const words of [
      ['--json', '--format', 'csv'],
      ['--at', '1h', '--record'],
      ['--format', 'xlsx'],
    ])
      expect((await coverage(...words)).code, words.join(' ')).toBe(2);
  });
});
