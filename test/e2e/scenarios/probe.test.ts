/** The probe on real hosts: with systemd, real cgroups, and a real Prometheus beside it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHostPrograms } from '../../../src/adapters/ssh/programs.ts';
import { orderParameters, singleQuoted } from '../../../src/domain/host-command.ts';
import type { HostOrder, HostStep } from '../../../src/domain/host-order.ts';
import { type ProbeAnswer, type ProbeReadingName, probeAnswerOf } from '../../../src/domain/probe.ts';
import { type ProbeNumbers, samplesOf } from '../../../src/domain/probe-numbers.ts';
import { bootFleet, type Fleet } from '../rig/fleet.ts';

const PROBE: HostOrder = {
  program: 'probe',
  agent: { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' },
  sampleMs: 2_000,
  resultsLog: '/var/log/osquery/osqueryd.results.log',
};

/** CPU that a probe may cost a host, ms. It takes some 20 ms; the machine under these hosts is shared. */
const MOST_CPU_MS = 80;

let fleet: Fleet;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-probe-'));
  fleet = await bootFleet({
    hosts: [
      { name: 'web-1', environment: 'gstg', role: 'web', zone: 'z-a', cgroups: 'acct' },
      { name: 'web-2', environment: 'gstg', role: 'web', zone: 'z-a', cgroups: 'quota' },
    ],
    // A quota so low that the agent reaches it on a machine that is busy with other things too.
    versions: { '5.12.0': { cpuPercent: 40, memoryMib: 50, resultsEveryMs: 500, cpuQuotaPercent: 4 } },
    installed: '5.12.0',
  });
  const file = join(folder, 'probe.sh');
  await writeFile(file, await createHostPrograms().text('probe'));
  for (const host of fleet.hosts) await host.put(file, '/root/probe.sh');
});

afterAll(async () => {
  await fleet?.down();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

async function probe(name: string): Promise<{ answer: ProbeAnswer; cpuMs: number }> {
  const words = orderParameters(PROBE).map(singleQuoted).join(' ');
  // `times` has the children's CPU in its second line: minutes and seconds, user and system.
  const ran = await fleet.host(name).exec(`sh /root/probe.sh ${words}; code=$?; times; exit $code`);
  const steps = ran.stdout
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as HostStep);
  const read = probeAnswerOf(ran.code ?? -1, steps);
  if (!read.ok) throw new Error(`${read.error}: ${ran.stdout} ${ran.stderr}`);
  const spent = [...(ran.stdout.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  expect(spent.length).toBe(2);
  const cpuMs = spent.reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60_000 + Number(seconds) * 1_000,
    0,
  );
  return { answer: read.value, cpuMs };
}

const numbers = (name: ProbeReadingName, answer: ProbeAnswer, windowMs = 60_000): ProbeNumbers =>
  samplesOf(name, answer, { gate: { windowMs }, at: 0, stepMs: 1_000 });
const latest = (name: ProbeReadingName, answer: ProbeAnswer) => numbers(name, answer).samples.at(-1)?.value;

async function ofPrometheus(query: string): Promise<number> {
  const [series] = await fleet.prometheus.query(query);
  if (series === undefined) throw new Error(`Prometheus has nothing for ${query}`);
  return series.value;
}

const series = (name: string, host: string, more = '') =>
  `namedprocess_namegroup_${name}{groupname="osqueryd",fqdn="${host}"${more}}`;

/** What the probe tells of CPU as a share of what Prometheus does. The second probe had no need to wait, and its rate is over all the time since the first one. */
async function compare(name: string): Promise<number> {
  const { answer, cpuMs } = await probe(name);
  expect(answer.readings.length).toBe(3);
  const cpu = await ofPrometheus(`sum(rate(${series('cpu_seconds_total', name)}[12s]))`);
  const own = latest('cpu', answer);
  const told = numbers('cpu', answer).note;
  console.log(
    `${name}: ${own} cores by the probe (${told}), ${cpu} by Prometheus; the probe took ${cpuMs} ms of CPU`,
  );
  const memory = await ofPrometheus(series('memory_bytes', name, ',memtype="resident"'));
  expect(latest('memory', answer)).toBeGreaterThan(memory * 0.9);
  expect(latest('memory', answer)).toBeLessThan(memory * 1.1);
  expect(latest('processes', answer)).toBe(await ofPrometheus(series('num_procs', name)));
  expect(latest('restarts', answer)).toBe(0);
  expect(cpuMs).toBeLessThan(MOST_CPU_MS);
  return (own ?? Number.NaN) / cpu;
}

describe('the probe on a real host', () => {
  it('agrees with Prometheus on the same time', async () => {
    const names = ['web-1', 'web-2'];
    for (const name of names) await probe(name);
    await new Promise((resolve) => {
      setTimeout(resolve, 12_000);
    });
    for (const name of names) {
      const ratio = await compare(name);
      expect(ratio).toBeGreaterThan(0.75);
      expect(ratio).toBeLessThan(1.25);
    }
  });

  it('sees what hides under a CPUQuota, where CPU cannot show it', async () => {
    const { answer } = await probe('web-2');
    const throttled = numbers('throttled', answer);
    console.log(`web-2: ${JSON.stringify(throttled.samples.at(-1))}: ${throttled.note}`);
    expect(throttled.samples.at(-1)?.value).toBeGreaterThan(0.5);
    expect(throttled.note).toMatch(/^throttled in \d+ of \d+ periods over .*; CPUQuota=4%$/);
    expect(latest('cpu', answer)).toBeLessThan(0.06);
  });

  it('says where a quota is set that the kernel does not enforce', async () => {
    const { answer } = await probe('web-1');
    expect(numbers('throttled', answer)).toMatchObject({
      note: 'CPUQuota=4% is set and not enforced on this host',
    });
    expect(latest('throttled', answer)).toBe(0);
  });

  it('knows whether results are written, and what the host’s tasks wait for', async () => {
    const { answer } = await probe('web-1');
    console.log(
      `web-1: silence: ${numbers('silence', answer).note}; run queue: ${numbers('run-queue', answer).note}`,
    );
    expect(answer.writes?.writtenS).not.toBe(null);
    expect(latest('silence', answer)).toBe(0);
    expect(latest('run-queue', answer)).toBeGreaterThanOrEqual(0);
  });

  it('counts a restart that it did not see, and has no CPU across it', async () => {
    const host = fleet.host('web-1');
    await probe('web-1');
    await host.sh('systemctl kill --signal=KILL --kill-who=main osqueryd');
    await new Promise((resolve) => {
      setTimeout(resolve, 2_500);
    });
    const { answer } = await probe('web-1');
    expect(latest('restarts', answer)).toBe(1);
    expect(numbers('cpu', answer).note).toMatch(/over 2(\.\d+)? s$/);
    expect(answer.readings.length).toBeGreaterThan(2);
  });

  it('finds nobody where the agent is stopped', async () => {
    await fleet.host('web-1').sh('systemctl stop osqueryd');
    const { answer } = await probe('web-1');
    expect([latest('processes', answer), latest('memory', answer)]).toEqual([0, 0]);
    expect(numbers('silence', answer)).toMatchObject({ samples: [], note: 'the agent does not run' });
    await fleet.host('web-1').sh('systemctl start osqueryd');
  });
});
