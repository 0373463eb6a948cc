/** `rollout fleet` and `whois` on the embedded fleet: what is told, from where, and how it ends. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, makePlace, seenTypes } from './rig.ts';

/** The embedded hosts' own, as somebody on the host would call it. */
const SYSTEMCTL = fileURLToPath(new URL('../../src/adapters/sandbox/bin/systemctl', import.meta.url));

const place = makePlace();
const vmLines = (stdout: string) => jsonLines(stdout).filter(({ type }) => type === 'vm');
const namesOf = (stdout: string) => vmLines(stdout).map((line) => line['name']);

beforeAll(async () => {
  expect(await place.run(['sandbox', 'up', '--json'])).toMatchObject({ code: 0, stderr: '' });
}, 60_000);
afterAll(() => place.remove(), 60_000);

describe('the past', () => {
  // First of all: nothing is recorded yet.
  it('that nobody recorded is not known, and the command says what records', async () => {
    const fleet = await place.run(['fleet', 'sandbox-gstg', '--at', '1h']);
    expect(fleet).toMatchObject({ code: 1, stdout: '' });
    expect(fleet.stderr).toContain('the fleet of sandbox-gstg was never recorded');
    expect(fleet.stderr).toContain('next: rollout fleet sandbox-gstg --record');
    const whois = await place.run(['whois', '192.0.2.10', 'sandbox-gstg']);
    expect(whois.code).toBe(1);
    expect(whois.stdout).toContain('not known');
    expect(whois.stdout).toContain('the fleet was never recorded');
  });

  it('comes from the journal alone once it is recorded, with the times of the listings', async () => {
    const now = await place.run(['fleet', 'sandbox-gstg', '--record', '--json']);
    expect(now.code).toBe(0);
    expect(jsonLines(now.stdout)[0]).toMatchObject({ v: 1, type: 'fleet', all: 10, recorded: true, exit: 0 });
    expect(place.journal('sandbox-gstg').map(({ body }) => body.kind)).toEqual(['fleet-seen']);
    const then = await place.run(['fleet', 'sandbox-gstg', '--at', '0s', '--json']);
    expect(then.code).toBe(0);
    expect(jsonLines(then.stdout)[0]).toMatchObject({ source: { kind: 'recorded', nextAt: null } });
    expect(namesOf(then.stdout)).toEqual(namesOf(now.stdout));
    const early = await place.run(['fleet', 'sandbox-gstg', '--at', '1d']);
    expect(early.code).toBe(1);
    expect(early.stderr).toMatch(/the first record of it is of \d{4}-/u);
  });

  it('names the VM that has an address, and which listing says so', async () => {
    const ran = await place.run(['whois', '192.0.2.10']);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^ {2}VM +web-09-gstg$/mu);
    expect(ran.stdout).toMatch(/^ {2}id +1000010$/mu);
    expect(ran.stdout).toContain('none since: what changed after it is not known');
    // Nothing to say of what needs no agent and was never looked at.
    expect(ran.stdout).toMatch(/^ {2}not running +the VM is TERMINATED$/mu);
    expect(ran.stdout).not.toMatch(/eligib|not known: nobody/u);
    // One address on loopback: told apart by id, a line each.
    const table = await place.run(['whois', '127.0.0.1', 'sandbox-gstg']);
    expect(table.stdout).toContain('8 VMs at once');
    expect(
      table.stdout.match(/^ {2}\S+-gstg +\S+ \S+Z +running 5\.9\.1-1\.linux +.* id 10000\d+$/gmu),
    ).toHaveLength(8);
    expect(table.stdout.trim().split('\n')).toHaveLength(11);
    const many = await place.run(['whois', '127.0.0.1', 'sandbox-gstg', '--json']);
    const holders = jsonLines(many.stdout).flatMap(
      (line) => (line['answer'] as { holders: { host: { id: string } }[] }).holders,
    );
    expect(new Set(holders.map(({ host }) => host.id)).size).toBe(8);
    const nobody = await place.run(['whois', '10.9.9.9', 'sandbox-gstg']);
    expect(nobody.code).toBe(1);
    expect(nobody.stdout).toContain('no VM that was listed');
  });
});

describe('an address that changes hands between two listings', () => {
  it('was the one VM’s then and is the other’s now; what was between is not claimed', async () => {
    const first = place.journal('sandbox-gstg').at(-1)?.at ?? 0;
    const file = join(place.stateDir, 'sandbox/gstg-hosts.yaml');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace('"192.0.2.9"', '"192.0.2.55"').replace('"192.0.2.10"', '"192.0.2.9"'));
    try {
      expect((await place.run(['fleet', 'sandbox-gstg', '--no-look', '--record'])).code).toBe(0);
    } finally {
      writeFileSync(file, before);
    }
    const now = await place.run(['whois', '192.0.2.9', 'sandbox-gstg']);
    expect(now.code).toBe(0);
    expect(now.stdout).toMatch(/^ {2}VM +web-09-gstg$/mu);
    expect(now.stdout).toMatch(/at other times\n.*\n {2}gke-gstg-default-pool-1 .*had another address by/u);
    // Recorded some runs of the program apart: the whole second after the first is before the second.
    const then = new Date(Math.ceil((first + 1) / 1_000) * 1_000).toISOString().replace(/\.\d+Z$/u, 'Z');
    const past = await place.run(['whois', '192.0.2.9', 'sandbox-gstg', '--at', then]);
    expect(past.code).toBe(0);
    expect(past.stdout).toMatch(/^ {2}VM +gke-gstg-default-pool-1$/mu);
    expect(past.stdout).toContain('shows web-09-gstg (id 1000010): it changed at some time between them');
    const moved = await place.run(['whois', '192.0.2.10', 'sandbox-gstg', '--json']);
    expect(moved.code).toBe(1);
    expect(jsonLines(moved.stdout)).toMatchObject([
      { v: 1, type: 'whois', exit: 1, vms: [], answer: { kind: 'recorded', holders: [] } },
    ]);
  });
});

describe('the fleet now', () => {
  it('names every VM with what it runs or why it need not', async () => {
    const ran = await place.run(['fleet', 'sandbox-gstg']);
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('must have it  8: 8 running');
    expect(ran.stdout).toMatch(/^ {2}web-01-gstg +127\.0\.0\.1 +running +5\.9\.1-1\.linux +now/mu);
    expect(ran.stdout).toMatch(/gke-gstg-default-pool-1 .* exempt .*built-in:gke-node.*label goog-gke-node/u);
    expect(ran.stdout).toMatch(/web-09-gstg .* not-running .*the VM is TERMINATED/u);
  });

  it('shows a hold on the host itself, and counts it', async () => {
    const root = join(place.stateDir, 'sandbox/hosts/api-02-gstg');
    const unit = (verb: string) =>
      execFileSync('sh', [SYSTEMCTL, verb, 'osqueryd'], { env: { ...process.env, ROLLOUT_ROOT: root } });
    unit('mask');
    try {
      const ran = await place.run(['fleet', 'sandbox-gstg']);
      expect(ran.code).toBe(0);
      expect(ran.stdout).toMatch(/^ {2}hold +1 VM held on the host itself$/mu);
      expect(ran.stdout).toMatch(/^ {2}api-02-gstg .* hold: unit masked$/mu);
      const coverage = await place.run(['coverage', 'sandbox-gstg']);
      expect(coverage.stdout).toMatch(
        /^ {2}hold +1 VM held on the host itself: api-02-gstg \(unit masked\)$/mu,
      );
    } finally {
      unit('unmask');
    }
  });

  it('is narrowed by --where and --only', async () => {
    const some = await place.run(['fleet', 'sandbox-gstg', '--where', 'role == "gitaly"', '--json']);
    expect(namesOf(some.stdout)).toEqual(['gitaly-01-gstg', 'gitaly-02-gstg']);
    expect(jsonLines(some.stdout)[0]).toMatchObject({ all: 10, counts: { all: 2 } });
    const exempt = await place.run(['fleet', 'sandbox-gstg', '--only', 'exempt', '--json']);
    expect(namesOf(exempt.stdout)).toEqual(['gke-gstg-default-pool-1']);
    // Nobody needs to be looked at for that.
    expect(jsonLines(exempt.stdout)[0]).toMatchObject({ source: { kind: 'list' }, shown: 1 });
  });

  it('ends with 5 where a VM that must have the agent does not answer, and says why; 0 without a look', async () => {
    const file = join(place.stateDir, 'sandbox/gstg-hosts.yaml');
    const before = readFileSync(file, 'utf8');
    const hosts = JSON.parse(before) as { name: string; port?: number }[];
    const silent = hosts.map((host) => (host.name === 'api-01-gstg' ? { ...host, port: 1 } : host));
    writeFileSync(file, JSON.stringify(silent));
    try {
      const ran = await place.run(['fleet', 'sandbox-gstg']);
      expect(ran.code).toBe(5);
      expect(ran.stdout).toMatch(/must have it {2}8: 7 running, 1 silent/u);
      expect(ran.stdout).toMatch(/api-01-gstg .* silent +5\.9\.1-1\.linux +\d+s ago .*connection refused/u);
      // What needs a person comes first.
      const [head = '', first = ''] = ran.stdout
        .split('\n')
        .filter((line) => /^ {2}(VM|\S+-gstg) /u.test(line));
      expect([head, first].map((line) => line.trim().split(' ')[0])).toEqual(['VM', 'api-01-gstg']);
      const listed = await place.run(['fleet', 'sandbox-gstg', '--no-look']);
      expect(listed.code).toBe(0);
      expect(listed.stdout).toContain('agents as recorded, last looked at');
    } finally {
      writeFileSync(file, before);
    }
  });
});

describe('what cannot be understood ends with 2 and says what to type', () => {
  it.concurrent.each([
    [['fleet', 'sandbox-gstg', '--at', '2026-11-20T18:00'], 'for UTC write 2026-11-20T18:00Z'],
    [['fleet', 'sandbox-gstg', '--at', '2999-01-01'], 'it is in the future'],
    [['fleet', 'sandbox-gstg', '--at', 'soon'], 'not a time'],
    [['fleet', 'sandbox-gstg', '--at', '1h', '--record'], 'cannot be used with'],
    [['fleet', 'sandbox-gstg', '--where', 'rol == "web"'], 'did you mean role?'],
    [['fleet', 'sandbox-gstg', '--at', '0s', '--where', 'labels.team == "a"'], 'keeps no labels'],
    [['fleet', 'sandbox-gstg', '--only', 'eligibel'], 'Allowed choices are'],
    [['fleet', 'sandbox-gstg', '--where', 'metadata.kube-env == "x"'], 'has(metadata["kube-env"])'],
    [['fleet', 'sandbox-gstgg'], 'did you mean sandbox-gstg?'],
    [['coverage', 'nowhere'], 'no environment is called "nowhere"'],
    [['whois', '10.0.0.1', 'nowhere'], 'no environment is called "nowhere"'],
    [['whois', '10.0.0.1:22'], 'is no address'],
    [['whois', '10.0.0.0/8'], 'is no address'],
  ])('%j', async (words, complaint) => {
    const ran = await place.run(words);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(complaint);
  });
});

describe('--json', () => {
  it('has only line types that the README lists', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const part = /<!-- json:begin -->([\s\S]*)<!-- json:end -->/u.exec(readme)?.[1] ?? '';
    expect([...seenTypes]).toEqual(expect.arrayContaining(['fleet', 'vm', 'whois']));
    for (const type of seenTypes) expect(part).toContain(`| \`${type}\` |`);
  });
});
