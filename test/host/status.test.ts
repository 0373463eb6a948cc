/** `status` is read only, wants little, and tells each field as it is. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentStatusOf } from '../../src/domain/agent-status.ts';
import type { StatusOrder } from '../../src/domain/host-order.ts';
import type { AgentStatus } from '../../src/domain/lifecycle.ts';
import { makePackage, type RunOptions, ShimHost } from './shim-host.ts';

const agent = makePackage('5.9.1-1.linux', { behaviour: 'cpu=0.5\nmemory=4096' });

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  host.remove();
});

async function status(more: Partial<StatusOrder> = {}, options: RunOptions = {}): Promise<AgentStatus> {
  const answer = await host.run(host.status(more), options);
  expect(answer.exitCode).toBe(0);
  const read = agentStatusOf(answer.steps);
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

/** A line of /proc/PID/stat with these ticks; it began at the same number of ticks since boot. */
function ticks(pid: number, used: number, began: number): void {
  const fields = ['S', 1, 1, 1, 0, -1, 0, 0, 0, 0, 0, used, 0, 0, 0, 20, 0, 1, 0, began];
  writeFileSync(host.path('proc', String(pid), 'stat'), `${pid} (osquery d) x) ${fields.join(' ')} 0 0\n`);
}

describe('status', () => {
  it('of a running agent', async () => {
    await host.install(agent);
    await host.command('sleep 1.1');
    expect(await status()).toMatchObject({
      init: 'systemd',
      activeState: 'active',
      subState: 'running',
      unitFileState: 'enabled',
      packageState: 'installed',
      packageVersion: '5.9.1-1.linux',
      runningVersion: '5.9.1',
      runsInstalled: true,
      mainPid: 1001,
      strays: [],
      cpuOver: 'lifetime',
      cpuPercent: 50,
      memoryBytes: 4096,
      restarts: 0,
      exitStatus: 0,
      hold: null,
      starters: [],
      busy: false,
    });
  });

  it('changes nothing on the host, not even a folder', async () => {
    await host.install(agent);
    await host.run(host.status());
    expect(existsSync(host.path('var/lib/rollout'))).toBe(false);
    expect(existsSync(host.path('run/rollout'))).toBe(false);
  });

  it('tells what runs apart from what is installed', async () => {
    await host.install(agent);
    await host.install(makePackage('5.10.2-1.linux'), 'stopped');
    expect(await status()).toMatchObject({
      packageVersion: '5.10.2-1.linux',
      runningVersion: '5.9.1',
      runsInstalled: false,
    });
  });

  it('needs no dpkg', async () => {
    await host.install(agent);
    const found = await status({}, { tools: { 'dpkg-query': 'exit 127' } });
    expect(found).toMatchObject({ packageState: 'absent', packageVersion: '', runningVersion: '5.9.1' });
  });

  it('of a host without the agent', async () => {
    expect(await status()).toMatchObject({
      activeState: 'inactive',
      unitFileState: '',
      packageState: 'absent',
      mainPid: 0,
      uptimeMs: null,
      cpuPercent: null,
      memoryBytes: null,
      runsInstalled: null,
      runningVersion: '',
    });
  });

  it('counts a crash loop and a failed start', async () => {
    await host.install(makePackage('5.9.1-1.linux', { behaviour: 'crash=1' }));
    const first = (await status()).restarts;
    expect((await status()).restarts).toBeGreaterThan(first);
    await host.command('systemctl stop osqueryd');
    await host.install(makePackage('5.9.1-1.linux', { behaviour: 'startfail=7' }));
    await host.command('systemctl start osqueryd');
    expect(await status()).toMatchObject({ activeState: 'failed', exitStatus: 7 });
  });

  it('names processes of the agent that are not the service’s, and no shell', async () => {
    await host.install(agent);
    host.process(4242);
    host.process(4243, { comm: 'osqueryi' });
    expect(await status()).toMatchObject({ mainPid: 1001, strays: [4242] });
  });

  it('takes children of the main process for the service’s', async () => {
    await host.install(agent);
    host.process(4242);
    const stat = readFileSync(new URL('file:///proc/self/stat'), 'utf8');
    writeFileSync(host.path('proc/4242/stat'), stat.replace(/\) (\S) \d+ /, ') $1 1001 '));
    expect(await status()).toMatchObject({ strays: [] });
  });

  it('is not held up by a running executable that tells no version', async () => {
    await host.install(agent);
    const tools = { timeout: 'case $* in *--version) exit 124 ;; esac; shift 3; exec "$@"' };
    expect(await status({}, { tools })).toMatchObject({ runningVersion: '', runsInstalled: true });
  });

  it('takes CPU from the processes where systemd does not count it, and uptime from their start', async () => {
    await host.install(agent);
    ticks(1001, 250, 1_000);
    const blind = `${SHIM} "$@" | sed -e 's/^CPUUsageNSec=.*/CPUUsageNSec=18446744073709551615/' -e 's/^MemoryCurrent=.*/MemoryCurrent=[not set]/'; echo '1010.08 0.0' >"$ROLLOUT_ROOT/proc/uptime"`;
    writeFileSync(host.path('proc/1001/status'), 'Name:\tosqueryd\nVmRSS:\t      12 kB\n');
    // 2.5 s of CPU in 1000.08 s.
    expect(await status({}, { tools: { systemctl: blind } })).toMatchObject({
      uptimeMs: 1_000_080,
      cpuPercent: 0.2,
      memoryBytes: 12_288,
    });
  });

  it.each([
    ['v2', 'sys/fs/cgroup/system.slice/osqueryd.service', 'cpu.stat', 'usage_usec 5000000\nuser_usec 1\n'],
    ['mixed', 'sys/fs/cgroup/unified/system.slice/osqueryd.service', 'cpu.stat', 'usage_usec 5000000\n'],
    ['v1', 'sys/fs/cgroup/cpu,cpuacct/system.slice/osqueryd.service', 'cpuacct.usage', '5000000000\n'],
  ])('samples CPU from the cgroup: %s', async (_, folder, file, text) => {
    await host.install(agent);
    mkdirSync(host.path(folder), { recursive: true });
    writeFileSync(host.path(folder, file), text);
    const later = text.replace('5000000', '5250000');
    writeFileSync(host.path('later'), later);
    // What a second on the host does, without one: half a core for half a second.
    const tools = {
      sleep: `cp "$ROLLOUT_ROOT/later" "$ROLLOUT_ROOT/${folder}/${file}"; read -r up rest <"$ROLLOUT_ROOT/proc/uptime"; echo "\${up%.*}.50 0" >"$ROLLOUT_ROOT/proc/uptime"`,
    };
    expect(await status({ sampleMs: 500 }, { tools })).toMatchObject({ cpuOver: 'sample', cpuPercent: 50 });
  });
});

const SHIM = new URL('../../src/adapters/sandbox/bin/systemctl', import.meta.url).pathname;
