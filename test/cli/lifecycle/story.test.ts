/** The agent of the embedded fleet stopped and started by commands: what each says, how it ends, what it leaves behind. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { jsonLines, lastLine, makePlace, OSQUERYD, type Ran, type RunOptions } from '../rig.ts';

// Each test is several processes, on machines that may have other work.
vi.setConfig({ testTimeout: 180_000 });

const place = makePlace();
const AT_ONCE = ['--settle', '0s'] as const;
const GSTG = ['--env', 'sandbox-gstg'] as const;

const osqueryd = (words: readonly string[], options: RunOptions = {}): Promise<Ran> =>
  place.run(words, { ...options, main: OSQUERYD });

interface ListedHost {
  name: string;
  port: number;
}

const hostsFile = join(place.stateDir, 'sandbox/gstg-hosts.yaml');

/** Lets `work` run with other ports in the list of hosts: those hosts are elsewhere, as far as anybody can tell. */
async function withPorts<T>(ports: Readonly<Record<string, number>>, work: () => Promise<T>): Promise<T> {
  const before = readFileSync(hostsFile, 'utf8');
  const hosts = JSON.parse(before) as ListedHost[];
  for (const host of hosts) host.port = ports[host.name] ?? host.port;
  writeFileSync(hostsFile, JSON.stringify(hosts));
  try {
    return await work();
  } finally {
    writeFileSync(hostsFile, before);
  }
}

/** Accepts connections and says nothing, as a frozen VM does. */
async function frozenPort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, server };
}

/** Nobody listens there. */
const DOWN = 1;

async function severities(...words: readonly string[]): Promise<Record<string, number>> {
  const ran = await osqueryd(['status', '--json', ...words]);
  return lastLine(ran)['severities'] as Record<string, number>;
}

beforeAll(async () => {
  expect(await place.run(['sandbox', 'up'])).toMatchObject({ code: 0, stderr: '' });
}, 60_000);
afterAll(() => place.remove(), 60_000);

describe('status', () => {
  it('of everything is a row a host in both programs, and ends with 0', async () => {
    const alone = await osqueryd(['status']);
    expect(alone).toMatchObject({ code: 0, stderr: '' });
    expect(alone.stdout).toContain('sandbox-gstg, sandbox-gprd  20 hosts: 20 active');
    expect(alone.stdout).toMatch(/web-01-gstg +sandbox-gstg +active +5\.9\.1 +\d+ /u);
    const under = await place.run(['osqueryd', 'status', ...GSTG]);
    expect(under.stdout).toContain('sandbox-gstg  8 hosts: 8 active');
  });

  it('with --json is one object a host and then the sum, all of one version', async () => {
    const lines = jsonLines((await osqueryd(['status', '--json'])).stdout);
    expect(new Set(lines.map(({ v }) => v))).toEqual(new Set([1]));
    expect(lines.slice(0, -1)).toHaveLength(20);
    expect(new Set(lines.slice(0, -1).map(({ type }) => type))).toEqual(new Set(['agent-status']));
    expect(lines.at(-1)).toMatchObject({
      type: 'agent-statuses',
      hosts: 20,
      severities: { active: 20 },
      exit: 0,
    });
  });

  it('groups when asked', async () => {
    const ran = await osqueryd(['status', '--group']);
    expect(ran.stdout).toMatch(/^ +20 active 5\.9\.1$/mu);
  });

  it('of a host without network and a frozen one names both first, and ends with 5', async () => {
    const { port, server } = await frozenPort();
    const ran = await withPorts({ 'web-01-gstg': DOWN, 'web-02-gstg': port }, () =>
      osqueryd(['status', ...GSTG, '--no-group']),
    );
    server.close();
    expect(ran.code).toBe(5);
    expect(ran.stdout).toContain('8 hosts: 2 no answer, 6 active');
    const rows = ran.stdout.split('\n').filter((line) => / sandbox-gstg /u.test(line));
    expect(rows[0]).toMatch(/web-0[12]-gstg .*no answer/u);
    expect(rows[1]).toMatch(/web-0[12]-gstg .*no answer/u);
  });
});

describe('what cannot be meant', () => {
  it.concurrent.each([
    [['stop'], 2, 'osqueryd stop --fleet'],
    [['stop', 'web-01-gstg'], 2, 'osqueryd stop --host web-01-gstg'],
    [['stop', 'all'], 2, 'Type one of:\n    osqueryd stop --fleet\n'],
    [['stop', '"*"'], 2, 'osqueryd stop --fleet'],
    [['stop', '--all'], 2, 'Did you mean --fleet?'],
    [['stop', '--fleet', '-y'], 2, 'Did you mean --yes?'],
    [['stop', '--fleet', '--deadline', '0s', '--yes'], 2, '--deadline 0s: no attempt could begin'],
    [['stop', '--where', 'state == "held"'], 2, 'is asked for with has(hold)'],
    [['stop', '--fleet', '--host', 'a'], 2, '--fleet and --host both choose hosts'],
    [['stop', '--where', 'rol == "web"'], 2, 'did you mean role?'],
    [['stop', '--fleet', '--for', '5'], 2, 'the unit is missing'],
    [['stop', '--fleet', '--until', '2020-01-01'], 2, 'it is past'],
    [['stop', '--fleet', '--until', '2036-01-01', '--for', '1h'], 2, 'cannot be used with'],
    [['disable', '--fleet', '--for', '1h'], 2, 'osqueryd disable --now'],
    [['stop', '--fleet', '--env', 'sandbox-gtsg'], 2, 'did you mean --env sandbox-gstg?'],
    [['start', '--host', 'web-1-gstg', '--yes'], 2, 'did you mean web-01-gstg?'],
    [['stop', '--host', 'nobody-at-all', '--yes'], 2, '--host nobody-at-all names no host'],
    [['start', '--fleet', '--except', 'web-09-gtsg', '--yes'], 2, 'did you mean web-09-gstg?'],
    [
      ['stop', '--host', 'gke-gstg-default-pool-1', '--yes'],
      1,
      'only hosts match that are not to be touched',
    ],
    [['stop', '--where', 'role == "none"', '--yes'], 1, 'no host of sandbox-gstg, sandbox-gprd matches'],
    [['restart', '--fleet', '--playbook', 'nonesuch', '--yes'], 2, 'nonesuch'],
    [['stop', '--fleet'], 2, 'next: the same command with --yes'],
    [['purge', '--fleet', '--env', 'sandbox-gstg', '--yes'], 2, '--yes --confirm sandbox-gstg'],
    [['remove', '--host', '*-gstg', '--yes'], 2, '--yes --confirm sandbox-gstg'],
    [['remove', '--fleet', '--yes', '--confirm', 'sandbox-gstg'], 2, 'what is to be named is fleet'],
    [['stpo', '--fleet'], 2, 'Did you mean stop?'],
  ] as const)('%j ends with %i and changes nothing', async (words, code, said) => {
    const ran = await osqueryd(words);
    expect(ran.stdout + ran.stderr).toContain(said);
    expect(ran.code).toBe(code);
    expect(ran.stdout).toBe('');
  });

  it('has left no entry behind, and no agent is stopped', async () => {
    expect((await place.run(['history', 'sandbox-gstg', '--json'])).stdout).toBe('');
    expect(await severities()).toEqual({ active: 20 });
  });
});

describe('a dry run', () => {
  it('prints hosts and program, and changes neither journal nor hosts', async () => {
    const ran = await osqueryd(['stop', '--fleet', ...GSTG, '--dry-run', '--reason', "it's hot"]);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain('sandbox-gstg  stop 8 hosts: 2 api, 2 gitaly, 2 sidekiq, 2 web');
    expect(ran.stderr).toContain('gke-gstg-default-pool-1 (exempt');
    expect(ran.stdout).toContain("'verb=stop'");
    expect(ran.stdout).toContain("'hold_reason=it'\\''s hot'");
    expect(ran.stdout).toContain('dry run: nothing was changed');
    expect((await place.run(['history', 'sandbox-gstg', '--json'])).stdout).toBe('');
    expect(await severities(...GSTG)).toEqual({ active: 8 });
  });
});

describe('a stop', () => {
  it('of a fleet with a host down and a frozen one stops the others and names those two: exit 5', async () => {
    const { port, server } = await frozenPort();
    const ran = await withPorts({ 'web-01-gstg': DOWN, 'web-02-gstg': port }, () =>
      osqueryd(['stop', '--fleet', '--yes', ...AT_ONCE, '--deadline', '8s', '--reason', 'INC-12']),
    );
    server.close();
    expect(ran.stdout).toContain('stopped 18/20 hosts');
    expect(ran.code).toBe(5);
    expect(ran.stdout).toMatch(/sandbox-gstg +6 of 8/u);
    expect(ran.stdout).toMatch(/sandbox-gprd +12 of 12/u);
    expect(ran.stdout).toMatch(
      /NOT COVERED: 2\n.*\n +web-01-gstg +sandbox-gstg .*\n +web-02-gstg +sandbox-gstg /u,
    );
    expect(ran.stdout).toContain('next  osqueryd stop --reason INC-12 --host web-01-gstg web-02-gstg');
    expect(ran.stderr).toMatch(/stopped \d+\/20/u);
    expect(await severities()).toEqual({ held: 18, active: 2 });
  });

  it('again, all being there, covers all of it, and a second look says that they stayed down', async () => {
    const ran = await osqueryd([
      'stop',
      '--fleet',
      '--yes',
      '--settle',
      '500ms',
      '--reason',
      'INC-12',
      '--json',
    ]);
    const results = jsonLines(ran.stdout).filter(({ type }) => type === 'result');
    expect(ran.code).toBe(0);
    expect(results.map(({ environment, covered, exit }) => [environment, covered, exit])).toEqual([
      ['sandbox-gstg', 8, 0],
      ['sandbox-gprd', 12, 0],
    ]);
    expect(results[0]).toMatchObject({
      settled: { stayedDown: 8, startedAgain: [] },
      record: { kind: 'journal' },
    });
    expect(await severities()).toEqual({ held: 20 });
  });

  it('is in the journals with its reason, and holds shows every host', async () => {
    const history = await place.run(['history', 'sandbox-gstg']);
    expect(history.stdout).toMatch(/EMERGENCY stop-\S+: stop of 8 hosts, hold due .*\(INC-12\)/u);
    expect(history.stdout).toMatch(/NOT covered: web-01-gstg .*web-02-gstg/u);
    const holds = await place.run(['holds', 'sandbox-gstg']);
    expect(holds).toMatchObject({ code: 0 });
    expect(holds.stdout).toContain('sandbox-gstg  8 hosts held');
    expect(holds.stdout).toMatch(/web-01-gstg +sandbox-gstg .*INC-12/u);
    expect((await place.run(['status', 'sandbox-gstg'])).stdout).toContain('8 hosts held stopped');
  });

  it('sticks: a restart leaves held hosts stopped and says so', async () => {
    const ran = await osqueryd(['restart', '--fleet', ...GSTG, '--yes']);
    expect(ran.stdout).toMatch(/restarted 0\/8 hosts in \S+, 8 left stopped, since held/u);
    expect(ran.code).toBe(0);
    expect(await severities(...GSTG)).toEqual({ held: 8 });
  });

  it('is lifted by a start, of those that are named and of no other', async () => {
    const ran = await osqueryd(['start', '--host', 'web-*', ...GSTG, '--yes']);
    expect(ran.stdout).toContain('started 2/2 hosts');
    expect(ran.code).toBe(0);
    expect(await severities(...GSTG)).toEqual({ held: 6, active: 2 });
    expect((await osqueryd(['start', '--fleet', '--yes'])).code).toBe(0);
    expect(await severities()).toEqual({ active: 20 });
    expect((await osqueryd(['holds'])).stdout).toBe('sandbox-gstg, sandbox-gprd: no hold\n');
  });
});

describe('a host that is exempt and named exactly', () => {
  it('is listed with its rule as not covered, and makes it 5; a glob or a stopped VM does not', async () => {
    const words = ['--yes', ...AT_ONCE] as const;
    const named = await osqueryd(['stop', '--host', 'gke-gstg-default-pool-1', 'web-01-gstg', ...words]);
    expect(named.stdout).toContain('stopped 1/1 host');
    expect(named.stdout).toMatch(
      /NOT COVERED: 1\n.*\n +gke-gstg-default-pool-1 +sandbox-gstg +left alone: exempt, /u,
    );
    expect(named.code).toBe(5);
    const globbed = await osqueryd(['stop', '--host', 'gke-gstg-*', 'web-01-gstg', ...words]);
    expect(globbed).toMatchObject({ code: 0 });
    const terminated = await osqueryd(['stop', '--host', 'web-09-gstg', 'web-01-gstg', ...words]);
    expect(terminated).toMatchObject({ code: 0 });
    const started = await osqueryd([
      'start',
      '--host',
      'web-01-gstg',
      'gke-gstg-default-pool-1',
      '--yes',
      '--json',
    ]);
    expect(started.code).toBe(5);
    expect(lastLine(started)).toMatchObject({
      exit: 5,
      code: 'incomplete',
      covered: 1,
      notCovered: [{ name: 'gke-gstg-default-pool-1' }],
    });
  });
});

describe('holds', () => {
  it('past their end are DUE in holds, status and osqueryd status; --due ends with 4', async () => {
    await osqueryd(['stop', '--host', 'api-01-gstg', '--yes', ...AT_ONCE, '--for', '1ms']);
    const due = await osqueryd(['holds', '--due']);
    expect(due.code).toBe(4);
    expect(due.stdout).toMatch(/api-01-gstg +sandbox-gstg .*DUE/u);
    expect((await osqueryd(['holds'])).code).toBe(0);
    expect(jsonLines((await osqueryd(['holds', '--json'])).stdout)).toMatchObject([
      { v: 1, type: 'hold', name: 'api-01-gstg', environment: 'sandbox-gstg', due: true },
    ]);
    expect((await place.run(['status', 'sandbox-gstg'])).stdout).toContain('1 hold is DUE: api-01-gstg');
    expect(await severities(...GSTG)).toEqual({ 'hold-due': 1, active: 7 });
    const fleet = await place.run(['fleet', 'sandbox-gstg']);
    expect(fleet.stdout).toContain('1 VM held stopped, 1 DUE: api-01-gstg');
    expect(fleet.stdout).toMatch(/api-01-gstg .*held by \S+ since .* was due \S+/u);
    const coverage = await place.run(['coverage', 'sandbox-gstg']);
    expect(coverage.stdout).toMatch(/note +1 hold\(s\) are past their end/u);
    await osqueryd(['start', '--host', 'api-01-gstg', '--yes']);
    expect((await osqueryd(['holds', '--due'])).code).toBe(0);
  });
});

describe('a playbook', () => {
  it('cuts a restart into waves; a dry run shows them, and the journal has each', async () => {
    const words = ['restart', '--fleet', ...GSTG, '--playbook', 'restart'];
    const dry = await osqueryd([...words, '--dry-run']);
    expect(dry.stdout).toMatch(/sandbox-gstg {2}8 hosts in [2-9] waves\n +wave 1 /u);
    const ran = await osqueryd([...words, '--yes']);
    expect(ran.stdout).toContain('restarted 8/8 hosts');
    expect(ran.code).toBe(0);
    const intended = place.journal('sandbox-gstg').filter(({ body }) => body.kind === 'lifecycle-intended');
    expect(new Set(intended.slice(-2).map(({ body }) => 'actionId' in body && body.actionId)).size).toBe(1);
  });

  it('of another verb is refused, and so is one of a rollout', async () => {
    const other = await osqueryd(['start', '--fleet', ...GSTG, '--yes', '--playbook', 'restart']);
    expect(other.code).toBe(2);
    expect(other.stderr).toContain('is of restart, not of start');
    const rollout = await osqueryd(['start', '--fleet', ...GSTG, '--yes', '--playbook', 'upgrade']);
    expect(rollout.code).toBe(2);
    expect(rollout.stderr).toContain('which is a rollout’s');
  });
});

describe('packages', () => {
  it('are removed and installed again from the pin, each proven', async () => {
    const removed = await osqueryd(['remove', '--host', 'web-01-gstg', '--yes']);
    expect(removed.stdout).toContain('removed 1/1 host');
    expect(await severities(...GSTG)).toEqual({ absent: 1, active: 7 });
    const unpinned = await osqueryd(['install', '--fleet', ...GSTG, '--yes']);
    expect(unpinned.code).not.toBe(0);
    expect(unpinned.stderr).toMatch(/pin/u);
    for (const version of ['5.9.1', '5.10.2'])
      expect((await place.run(['stage', version, ...place.packages(version, 'gstg', 'gprd')])).code).toBe(0);
    expect((await place.run(['deploy', 'sandbox-gstg', '5.10.2', '--yes'])).code).toBe(5);
    const installed = await osqueryd(['install', '--fleet', ...GSTG, '--yes']);
    expect(installed.code, installed.stdout + installed.stderr).toBe(0);
    expect(await severities(...GSTG)).toEqual({ active: 8 });
    expect((await place.agents('gstg'))['web-01-gstg']).toBe('5.10.2');
  });
});

describe('interrupted by Ctrl-C', () => {
  it('a stop that goes on until it is complete ends with 130 and says who is left', async () => {
    const ran = await withPorts({ 'web-01-gstg': DOWN }, async () => {
      const words = ['stop', '--fleet', ...GSTG, '--yes', ...AT_ONCE, '--until-complete'];
      const started = place.start(words, { main: OSQUERYD });
      await started.says(/stopped 7\/8/u);
      started.kill('SIGINT');
      return started.ended;
    });
    expect(ran.code).toBe(130);
    expect(ran.stderr).toContain('nothing new begins');
    expect(ran.stdout).toContain('stopped 7/8 hosts');
    expect(ran.stdout).toMatch(/NOT COVERED: 1\n.*\n +web-01-gstg/u);
    await osqueryd(['start', '--fleet', ...GSTG, '--yes']);
  });
});

describe('what does not answer', () => {
  it('a journal that cannot be written keeps no stop from being done; the next command sends it', async () => {
    const entries = place.journalFolder('sandbox-gstg');
    renameSync(entries, `${entries}.away`);
    writeFileSync(entries, 'in the way');
    const ran = await osqueryd(['stop', '--host', 'web-01-gstg', '--yes', ...AT_ONCE, '--reason', 'INC-13']);
    expect(ran.stdout).toContain('stopped 1/1 host');
    expect(ran.stdout).toMatch(/record +sandbox-gstg: \d+ entries wait on this machine/u);
    expect(ran.code).toBe(0);
    const holds = await osqueryd(['holds']);
    expect(holds.code).toBe(1);
    expect(holds.stdout).toBe('sandbox-gprd: no hold\n');
    const still = await place.run(['status', 'sandbox-gstg']);
    expect(still.stderr).toMatch(/entries of an earlier emergency still wait on this machine/u);
    renameSync(entries, `${entries}.wrong`);
    renameSync(`${entries}.away`, entries);
    const sent = await place.run(['status', 'sandbox-gstg']);
    expect(sent.stderr).toMatch(/\d+ entries of an earlier emergency are in the journal now/u);
    expect((await place.run(['status', 'sandbox-gstg'])).stderr).toBe('');
    expect((await place.run(['history', 'sandbox-gstg'])).stdout).toContain('(INC-13)');
    expect((await place.run(['history', 'sandbox-gstg', '--verify'])).stdout).toContain('chain whole');
    await osqueryd(['start', '--host', 'web-01-gstg', '--yes']);
  });

  it('an environment whose list of hosts is gone keeps the others from nothing, is named, and makes it 5', async () => {
    renameSync(hostsFile, `${hostsFile}.away`);
    const ran = await osqueryd(['stop', '--fleet', '--yes', ...AT_ONCE]);
    renameSync(`${hostsFile}.away`, hostsFile);
    expect(ran.code).toBe(5);
    expect(ran.stdout).toContain('stopped 12/12 hosts');
    expect(ran.stdout).toMatch(/NOT COVERED: 1\n.*\n +all of it +sandbox-gstg/u);
    expect(await severities()).toEqual({ held: 12, active: 8 });
    await osqueryd(['start', '--fleet', '--yes']);
  });

  it('a file that is wrong is no obstacle either, and alone it is a refusal', async () => {
    const file = join(place.configDir, 'environments/sandbox-gprd.yaml');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace('confirm: type-name', 'confrm: type-name'));
    const both = await osqueryd(['stop', '--fleet', '--yes', ...AT_ONCE]);
    const alone = await osqueryd(['stop', '--fleet', '--env', 'sandbox-gprd', '--yes']);
    writeFileSync(file, before);
    expect(both.code).toBe(5);
    expect(both.stdout).toContain('stopped 8/8 hosts');
    expect(both.stdout).toMatch(/^stopped 8\/8 hosts of sandbox-gstg \(sandbox-gprd NOT BEGUN\) in /u);
    expect(both.stdout).toMatch(/all of it +sandbox-gprd/u);
    expect(both.stdout).toMatch(/environments\/sandbox-gprd\.yaml:\d+:\d+: /u);
    expect(both.stdout).toMatch(/next +rollout config check/u);
    expect(alone).toMatchObject({ code: 2, stdout: '' });
    expect(alone.stderr).toMatch(/did you mean: +confirm/u);
    await osqueryd(['start', '--fleet', '--yes']);
  });
});

describe('with a rollout under way', () => {
  const changing = (): ReturnType<typeof place.start> =>
    place.start(['rollback', 'sandbox-gstg', '--to', '5.9.1', '--yes', '--json']);

  it('a calm verb is locked out and told by whom; a stop takes over and pauses it', async () => {
    const deploy = changing();
    await deploy.says(/"kind":"hosts-intended"/u);
    const locked = await osqueryd(['restart', '--fleet', ...GSTG, '--yes']);
    expect(locked.code).toBe(6);
    expect(locked.stderr).toContain('rollout rollback sandbox-gstg --to 5.9.1');
    const stopped = await osqueryd(['stop', '--fleet', ...GSTG, '--yes', ...AT_ONCE, '--reason', 'INC-14']);
    expect(stopped.stdout).toContain('stopped 8/8 hosts');
    expect(stopped.stdout).toMatch(/rollout +sandbox-gstg-\d+ of 5\.9\.1 is paused/u);
    expect(stopped.code).toBe(0);
    const ended = await deploy.ended;
    expect(ended.code).not.toBe(0);
    const status = await place.run(['status', 'sandbox-gstg']);
    expect(status.stdout).toContain('PAUSED');
    expect(status.stdout).toContain('INC-14');
    expect(await severities(...GSTG)).toEqual({ held: 8 });
  });
});

describe('a pipe that is closed', () => {
  it('ends a status without a word', async () => {
    const started = place.start(['status', '--json'], { main: OSQUERYD });
    started.closeStdout();
    const ran = await started.ended;
    expect(ran.stderr).not.toContain('a bug');
    expect(ran.signal).toBeNull();
  });
});
