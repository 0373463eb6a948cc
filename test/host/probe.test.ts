/** `probe` on hosts of every kind: it tells what is there, null where it cannot, and never waits for the agent. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostAnswer } from '../../src/domain/host-answer.ts';
import type { HostOrder } from '../../src/domain/host-order.ts';
import { PROBE_READINGS, type ProbeReadingName, probeAnswerOf } from '../../src/domain/probe.ts';
import { type ProbeNumbers, samplesOf } from '../../src/domain/probe-numbers.ts';
import { makePackage, type RunOptions, ShimHost } from './shim-host.ts';

const CGROUP = '/system.slice/osqueryd.service';
const AGENT = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const LOG = '/var/log/osquery/osqueryd.results.log';
const PROBE: HostOrder = { program: 'probe', agent: AGENT, sampleMs: 500, resultsLog: LOG };
const BOOT = '5a6b0b34-0000-4000-8000-000000000001';

/** Whatever lies in the folder `later` is so when the sample's time has gone by. */
const TOOLS = {
  sleep: '[ ! -e "$ROLLOUT_ROOT/later" ] || cp -R "$ROLLOUT_ROOT/later/." "$ROLLOUT_ROOT/"',
  systemctl: 'cat "$ROLLOUT_ROOT/show" 2>/dev/null',
};

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
  lay({ 'proc/uptime': '1000.00 9.0', show: unit(), 'sys/devices/system/cpu/online': '0-3' });
});
afterEach(() => {
  host.remove();
});

function lay(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(host.path(name)), { recursive: true });
    writeFileSync(host.path(name), `${text}\n`);
  }
}

/** After the sample. */
function later(files: Readonly<Record<string, string>>): void {
  lay(Object.fromEntries(Object.entries(files).map(([name, text]) => [`later/${name}`, text])));
}

function unit(more: Readonly<Record<string, string>> = {}): string {
  const all = {
    ActiveState: 'active',
    MainPID: '100',
    NRestarts: '0',
    ExecMainStartTimestampMonotonic: '5000000',
    ControlGroup: CGROUP,
    CPUQuotaPerSecUSec: 'infinity',
    ...more,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}=${value}`)
    .join('\n');
}

/** Files of a process that has used so many ticks, of 2 MiB resident. */
function process_(pid: number, used: number, began = 500, state = 'S'): Record<string, string> {
  const fields = [state, 1, 1, 1, 0, -1, 0, 0, 0, 0, 0, used - 1, 1, 900, 900, 20, 0, 1, 0, began];
  return {
    [`proc/${pid}/stat`]: `${pid} (osquery d) x) ${fields.join(' ')} 0 0`,
    [`proc/${pid}/status`]: 'Name:\tosqueryd\nVmHWM:\t9 kB\nVmRSS:\t    2048 kB\nThreads:\t1',
  };
}

function v2(usage: number, throttled?: readonly [periods: number, throttled: number, us: number]) {
  const [periods, times, us] = throttled ?? [0, 0, 0];
  const more =
    throttled === undefined ? '' : `\nnr_periods ${periods}\nnr_throttled ${times}\nthrottled_usec ${us}`;
  return { [`sys/fs/cgroup${CGROUP}/cpu.stat`]: `usage_usec ${usage}\nuser_usec 1${more}` };
}

const run = (options: RunOptions = {}): Promise<HostAnswer> =>
  host.run(PROBE, { ...options, tools: { ...TOOLS, ...options.tools } });

async function number(name: ProbeReadingName, options: RunOptions = {}): Promise<ProbeNumbers> {
  const { exitCode, steps, stderr } = await run(options);
  expect(stderr).toBe('');
  const answer = probeAnswerOf(exitCode, steps);
  if (!answer.ok) throw new Error(answer.error);
  return samplesOf(name, answer.value, { gate: { windowMs: 60_000 }, at: 1_000_000, stepMs: 60_000 });
}

const value = async (name: ProbeReadingName, options: RunOptions = {}): Promise<number | null> =>
  (await number(name, options)).samples.at(-1)?.value ?? null;

describe('a probe in trouble', () => {
  it('of a host that does not tell its uptime says so and gives nothing', async () => {
    rmSync(host.path('proc/uptime'));
    const { exitCode, steps } = await run();
    expect(exitCode).toBe(69);
    expect(probeAnswerOf(exitCode, steps)).toEqual({ ok: false, error: 'this host has no /proc/uptime' });
  });

  it('that is killed in its wait has told no end', async () => {
    const { exitCode, steps } = await host.run(
      { ...PROBE, sampleMs: 5_000 },
      {
        tools: { systemctl: TOOLS.systemctl },
        killAfterSteps: 2,
      },
    );
    expect(exitCode).not.toBe(0);
    expect(steps.map(({ step }) => step)).toEqual(['begin', 'reading']);
    expect(probeAnswerOf(exitCode, steps).ok).toBe(false);
  });

  it('goes by the executable where systemd does not answer, and tells no throttling', async () => {
    lay({ 'opt/osquery/bin/osqueryd': 'x', ...process_(100, 200) });
    host.process(100);
    later({ 'proc/uptime': '1000.50 9.0', ...process_(100, 225) });
    const options = { tools: { systemctl: 'exit 1' } };
    expect(await value('cpu', options)).toBeCloseTo(0.5, 3);
    rmSync(host.path('run/rollout'), { recursive: true });
    expect(await value('processes', options)).toBe(1);
    expect(await number('throttled', options)).toMatchObject({ samples: [] });
  });

  it('finds nobody where the agent does not run: 0 processes, 0 bytes, and no throttling', async () => {
    lay({ show: unit({ ActiveState: 'inactive', MainPID: '0', ControlGroup: '' }) });
    expect([await value('processes'), await value('memory'), await value('throttled')]).toEqual([0, 0, null]);
    expect((await number('silence')).note).toBe('the agent does not run');
  });

  it('goes on where it cannot keep its reading', async () => {
    lay({ run: 'a file where a folder should be', ...v2(1) });
    later({ 'proc/uptime': '1000.50 9.0', ...v2(250_001) });
    expect(await value('cpu')).toBeCloseTo(0.5, 3);
    expect(readFileSync(host.path('run'), 'utf8')).toBe('a file where a folder should be\n');
  });

  it('is not confused by a list of readings that somebody has spoilt', async () => {
    lay({
      [`run/rollout/readings-${BOOT}`]: '{"step":"reading","ok":true,"upMs":99"\n$(touch /tmp/x) * `id`',
      ...v2(1),
    });
    later({ 'proc/uptime': '1000.50 9.0', ...v2(250_001) });
    expect(await value('cpu')).toBeCloseTo(0.5, 3);
  });

  it('leaves out readings of another boot', async () => {
    lay({ 'proc/sys/kernel/random/boot_id': BOOT.replace('5a', '77'), ...v2(900) });
    await run();
    lay({ 'proc/sys/kernel/random/boot_id': BOOT, 'proc/uptime': '1060.00 9.0', ...v2(1) });
    later({ 'proc/uptime': '1060.50 9.0', ...v2(250_001) });
    expect(await value('cpu')).toBeCloseTo(0.5, 3);
  });

  it('refuses a wait that is none, or too long for a connection', async () => {
    for (const sampleMs of [0, 99, 60_001])
      expect((await host.run({ ...PROBE, sampleMs })).exitCode).toBe(64);
  });
});

describe('CPU', () => {
  it.each<[string, (usage: number) => Record<string, string>]>([
    ['v2', (usage) => v2(usage)],
    ['mixed', (usage) => ({ [`sys/fs/cgroup/unified${CGROUP}/cpu.stat`]: `usage_usec ${usage}` })],
    ['v1', (usage) => ({ [`sys/fs/cgroup/cpu,cpuacct${CGROUP}/cpuacct.usage`]: `${usage}000` })],
    ['v1, apart', (usage) => ({ [`sys/fs/cgroup/cpuacct${CGROUP}/cpuacct.usage`]: `${usage}000` })],
  ])('of the cgroup, with the worker that is gone: %s', async (_, files) => {
    lay(files(5_000_000));
    later({ 'proc/uptime': '1000.50 9.0', ...files(5_250_000) });
    expect(await value('cpu')).toBeCloseTo(0.5, 3);
  });

  it('of all processes of the unit where the cgroup counts nothing', async () => {
    const group = `sys/fs/cgroup/systemd${CGROUP}`;
    lay({ [`${group}/cgroup.procs`]: '100\n101', ...process_(100, 10), ...process_(101, 4_000, 600) });
    // The worker is another one, which has used 20 ticks; nothing of the old one's 4,000 is taken away, or counted again.
    later({
      'proc/uptime': '1000.50 9.0',
      [`${group}/cgroup.procs`]: '100\n102',
      ...process_(100, 15),
      ...process_(102, 20, 100_010),
    });
    const told = await number('cpu');
    expect(told.samples.at(-1)?.value).toBeCloseTo(0.5, 3);
    expect(told.note).toBe('CPU of 2 processes over 0.5 s');
    expect(await value('memory')).toBe(2 * 2 * 1024 * 1024);
  });

  it('is not told where the service was started anew meanwhile, but the restart is', async () => {
    lay(v2(5_000_000));
    const anew = unit({ MainPID: '200', ExecMainStartTimestampMonotonic: '1000200000' });
    later({ 'proc/uptime': '1000.50 9.0', show: anew, ...v2(9_000_000) });
    const answer = await run();
    const read = probeAnswerOf(answer.exitCode, answer.steps);
    if (!read.ok) throw new Error(read.error);
    const asked = { gate: { windowMs: 60_000 }, at: 1_000_000, stepMs: 60_000 };
    expect(samplesOf('cpu', read.value, asked).samples).toEqual([]);
    expect(samplesOf('restarts', read.value, asked).samples.at(-1)?.value).toBe(1);
  });

  it('is not told where the counter went back', async () => {
    lay(v2(5_000_000));
    later({ 'proc/uptime': '1000.50 9.0', ...v2(4_000_000) });
    expect(await number('cpu')).toEqual({ samples: [], note: "the cgroup's CPU counter went back" });
  });

  it('does not count the dead', async () => {
    lay({
      [`sys/fs/cgroup${CGROUP}/cgroup.procs`]: '100\n101\n102',
      ...process_(100, 1),
      ...process_(101, 1, 5, 'Z'),
    });
    expect(await value('processes')).toBe(1);
  });
});

describe('throttling', () => {
  const busy = (folder: string, periods: number, throttled: number, time: string) => ({
    [`${folder}${CGROUP}/cpu.stat`]: `nr_periods ${periods}\nnr_throttled ${throttled}\n${time}`,
    [`${folder}${CGROUP}/cpu.cfs_quota_us`]: '20000',
    [`${folder}${CGROUP}/cpu.cfs_period_us`]: '100000',
    [`sys/fs/cgroup/systemd${CGROUP}/cgroup.procs`]: '100',
    show: unit({ CPUQuotaPerSecUSec: '200ms' }),
  });

  it.each(['sys/fs/cgroup/cpu,cpuacct', 'sys/fs/cgroup/cpu'])('by v1 in %s', async (folder) => {
    lay(busy(folder, 100, 10, 'throttled_time 1000000000'));
    later({ 'proc/uptime': '1010.00 9.0', ...busy(folder, 180, 60, 'throttled_time 4000000000') });
    const told = await number('throttled');
    expect(told.samples.at(-1)?.value).toBeCloseTo(0.5, 3);
    expect(told.note).toBe('throttled in 50 of 100 periods over 10 s, for 3.0 s in all; CPUQuota=20%');
  });

  it('by v2', async () => {
    const files = (...counters: [number, number, number]) => ({
      ...v2(1, counters),
      [`sys/fs/cgroup${CGROUP}/cgroup.procs`]: '100',
      [`sys/fs/cgroup${CGROUP}/cpu.max`]: '20000 100000',
    });
    lay(files(100, 10, 1_000_000));
    later({ 'proc/uptime': '1010.00 9.0', ...files(200, 100, 9_000_000) });
    expect(await value('throttled')).toBeCloseTo(0.9, 3);
  });

  it('is 0 without a quota, and says so', async () => {
    lay({
      ...v2(1, [0, 0, 0]),
      [`sys/fs/cgroup${CGROUP}/cgroup.procs`]: '100',
      [`sys/fs/cgroup${CGROUP}/cpu.max`]: 'max 100000',
    });
    later({ 'proc/uptime': '1000.50 9.0' });
    expect(await number('throttled')).toMatchObject({ samples: [{ value: 0 }], note: 'no CPUQuota' });
  });

  it('is 0 where a quota is set that the kernel does not enforce, and says that', async () => {
    lay({
      [`sys/fs/cgroup/unified${CGROUP}/cgroup.procs`]: '100',
      show: unit({ CPUQuotaPerSecUSec: '1s 500ms' }),
    });
    later({ 'proc/uptime': '1000.50 9.0' });
    expect(await number('throttled')).toMatchObject({
      samples: [{ value: 0 }],
      note: 'CPUQuota=150% is set and not enforced on this host',
    });
  });
});

describe('what is kept on the host', () => {
  it('spares the next probe the wait, and makes its rates long', async () => {
    lay(v2(0));
    later({ 'proc/uptime': '1000.50 9.0', ...v2(0) });
    await run();
    rmSync(host.path('later'), { recursive: true });
    lay({ 'proc/uptime': '1060.00 9.0', ...v2(12_000_000) });
    expect(await value('cpu', { tools: { sleep: 'echo waited >&2; exit 1' } })).toBeCloseTo(0.2, 2);
    expect(readdirSync(host.path('run/rollout'))).toEqual([`readings-${BOOT}`]);
  });

  it('is bounded', async () => {
    lay(v2(0));
    await run();
    const kept = host.path(`run/rollout/readings-${BOOT}`);
    const [line = ''] = readFileSync(kept, 'utf8').split('\n');
    writeFileSync(kept, `${line}\n`.repeat(45));
    lay({ 'proc/uptime': '2000.00 9.0' });
    const { steps } = await run();
    const lines = readFileSync(host.path(`run/rollout/readings-${BOOT}`), 'utf8')
      .trim()
      .split('\n');
    expect(lines.length).toBe(40);
    expect(steps.filter(({ step }) => step === 'reading').length).toBeLessThanOrEqual(42);
  });

  it('is all that is left behind', async () => {
    await run();
    expect(existsSync(host.path('var/lib/rollout'))).toBe(false);
  });
});

describe('the run queue', () => {
  it('by schedstat, summed over all cores', async () => {
    const stat = (ms: number) =>
      `version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 7 ${ms}000000 9\ndomain0 03 1 2 3\ncpu1 0 0 0 0 0 0 7 ${ms}000000 9`;
    lay({ 'proc/schedstat': stat(1_000) });
    later({ 'proc/uptime': '1000.50 9.0', 'proc/schedstat': stat(1_250) });
    expect(await value('run-queue')).toBeCloseTo(0.25, 3);
  });

  it('by the pressure where there is no schedstat, and by nothing where there is neither', async () => {
    const some = (us: number) =>
      `some avg10=1.00 avg60=0.00 avg300=0.00 total=${us}\nfull avg10=0.00 total=9`;
    expect(await value('run-queue')).toBe(null);
    rmSync(host.path('run'), { recursive: true });
    lay({ 'proc/pressure/cpu': some(1_000_000) });
    later({ 'proc/uptime': '1000.50 9.0', 'proc/pressure/cpu': some(1_100_000) });
    expect(await value('run-queue')).toBeCloseTo(0.2, 3);
  });
});

describe('silence', () => {
  const records = (...times: number[]) => times.map((time) => `{"name":"x","unixTime":${time}}`).join('\n');
  const now = Math.floor(Date.now() / 1000);
  const every = (seconds: number, until: number) =>
    records(...Array.from({ length: 20 }, (_, index) => until - (19 - index) * seconds));
  const written = (file: string, at: number) => host.command(`touch -d @${at} "$ROLLOUT_ROOT${file}"`);

  it('is none while results are written', async () => {
    lay({ [LOG]: every(60, now) });
    expect(await value('silence')).toBe(0);
  });

  it('is counted beyond what is usual there', async () => {
    lay({ [LOG]: every(60, now - 3_000) });
    await written(LOG, now - 3_000);
    expect(await value('silence')).toBeGreaterThanOrEqual(2_940);
    // The same silence on a host that speaks every 50 minutes.
    lay({ [LOG]: every(3_000, now - 3_000) });
    await written(LOG, now - 3_000);
    expect(await value('silence')).toBeLessThan(30);
  });

  it('knows snapshots too', async () => {
    lay({ [LOG]: every(60, now - 9_000), [LOG.replace('results', 'snapshots')]: every(60, now) });
    await written(LOG, now - 9_000);
    expect(await value('silence')).toBe(0);
  });

  it('is not told without a log, nor by one that has just begun', async () => {
    expect(await number('silence')).toMatchObject({ samples: [] });
    lay({ [LOG]: records(now - 5_000) });
    await written(LOG, now - 5_000);
    expect((await number('silence')).note).toMatch(/too few records/);
  });

  it('asks the agent where it listens, and is not held up by one that does not answer', async () => {
    const socket = host.path('var/osquery/osquery.em');
    mkdirSync(dirname(socket), { recursive: true });
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(socket, resolve);
    });
    lay({
      'usr/bin/osqueryi': '',
      [`sys/fs/cgroup${CGROUP}/cgroup.procs`]: '100',
      ...process_(100, 1),
    });
    await host.command('chmod +x "$ROLLOUT_ROOT/usr/bin/osqueryi"');
    const says = (last: number) =>
      `case $* in *--connect*) cat <<'END'\n[\n  {"denylisted":"2","executions":"1234","last":"${last}","least":"60","now":"900100","queries":"30"}\n]\nEND\n;; *) shift 3; exec "$@" ;; esac`;
    try {
      const told = await number('silence', { tools: { timeout: says(899_000) } });
      expect(told.samples.at(-1)?.value).toBe(935);
      expect(told.note).toContain('30 queries, 2 of them denylisted, executed 1234 times, last 1100 s ago');
      const mute = 'case $* in *--connect*) exit 124 ;; *) shift 3; exec "$@" ;; esac';
      expect((await number('silence', { tools: { timeout: mute } })).samples).toEqual([]);
    } finally {
      await new Promise((resolve) => {
        server.close(resolve);
      });
    }
  });
});

describe('the embedded fleet’s stand-in', () => {
  it('tells every number, of throttling and blindness too', async () => {
    const behaviour = 'cpu=0.05\nmemory=2097152\nthrottled=50\nblind=1';
    await host.install(makePackage('5.9.1-1.linux', { behaviour }));
    rmSync(host.path('proc/uptime'));
    const order = { ...PROBE, sampleMs: 300 };
    const { exitCode, steps } = await host.run(order);
    const read = probeAnswerOf(exitCode, steps);
    if (!read.ok) throw new Error(read.error);
    const asked = { gate: { windowMs: 60_000 }, at: 0, stepMs: 1_000 };
    const told = PROBE_READINGS.map((name) => [
      name,
      samplesOf(name, read.value, asked).samples.at(-1)?.value ?? null,
    ]);
    expect(Object.fromEntries(told)).toMatchObject({
      cpu: expect.closeTo(0.05, 2),
      memory: 2_097_152,
      restarts: 0,
      processes: 1,
      silence: null,
    });
    expect(samplesOf('throttled', read.value, asked).note).toMatch(/CPUQuota=20%$/);
  });
});
