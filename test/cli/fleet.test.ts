/** `rollout fleet` and `whois` on the embedded fleet: what is told, from where, and how it ends. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, makePlace } from './rig.ts';

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
    expect(fleet.stderr).toContain('was not recorded by');
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
    // One address on loopback: told apart by id.
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

describe('the fleet now', () => {
  it('names every VM with what it runs or why it need not', async () => {
    const ran = await place.run(['fleet', 'sandbox-gstg']);
    expect(ran).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain('must have it  8: 8 running');
    expect(ran.stdout).toMatch(/^ {2}web-01-gstg +127\.0\.0\.1 +running +5\.9\.1-1\.linux +now/mu);
    expect(ran.stdout).toMatch(/gke-gstg-default-pool-1 .* exempt .*built-in:gke-node.*label goog-gke-node/u);
    expect(ran.stdout).toMatch(/web-09-gstg .* not-running .*the VM is TERMINATED/u);
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
      expect(listed.stdout).toContain('agents as last recorded');
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
    [['whois', '10.0.0.1:22'], 'is no address'],
    [['whois', '10.0.0.0/8'], 'is no address'],
  ])('%j', async (words, complaint) => {
    const ran = await place.run(words);
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain(complaint);
  });
});
