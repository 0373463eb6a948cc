/** The rig itself: that its hosts are real, that its agent behaves as its version says, and that its faults are faults. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { runCli, startCli } from './rig/cli.ts';
import { run, until } from './rig/command.ts';
import { bootFleet, type Fleet } from './rig/fleet.ts';
import { furtherOn, rigSettings } from './rig/settings.ts';

const GOOD = '5.10.2';
const BURNS_CPU = '5.11.0';
const CANNOT_START = '5.11.1';
const CANNOT_INSTALL = '5.11.2';
const CRASHES_LATER = '5.11.4';

let fleet: Fleet;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-rig-test-'));
  fleet = await bootFleet({
    hosts: [
      { name: 'web-1', environment: 'gstg', role: 'web', zone: 'us-east1-b' },
      { name: 'db-1', environment: 'gstg', role: 'db', zone: 'us-east1-c' },
      { name: 'web-2', environment: 'gprd', role: 'web', zone: 'us-east1-b' },
    ],
  });
});

afterAll(async () => {
  await fleet?.down();
  await rm(folder, { recursive: true, force: true });
});

describe('hosts and their agent', () => {
  it('run the installed version of their own environment, whose file differs from the other environment’s', async () => {
    const files = await Promise.all(['gstg', 'gprd'].map(async (name) => await fleet.package('5.9.1', name)));
    expect(files[0]?.sha256).not.toBe(files[1]?.sha256);
    for (const host of fleet.hosts) {
      const agent = await fleet.package('5.9.1', host.spec.environment);
      expect(await host.running()).toMatchObject({
        version: '5.9.1',
        exeSha256: agent.executableSha256,
        active: 'active',
        enabled: 'enabled',
        installedVersion: '5.9.1-1.linux',
        packageStatus: 'ii',
        processes: 2,
        restarts: 0,
      });
      const login = await host.ssh('sudo -n id -u');
      expect(login).toMatchObject({ code: 0, stdout: '0\n' });
    }
  });

  it('go on running the old binary after an upgrade until the service is restarted, as with upstream’s package', async () => {
    const host = fleet.host('web-1');
    const before = await host.running();
    expect(await fleet.install(host, GOOD)).toMatchObject({ code: 0 });
    const upgraded = await host.running();
    expect(upgraded).toMatchObject({ ...before, installedVersion: '5.10.2-1.linux' });
    await host.sh('systemctl restart osqueryd');
    const agent = await fleet.package(GOOD, 'gstg');
    expect(await host.running()).toMatchObject({
      version: GOOD,
      exeSha256: agent.executableSha256,
      processes: 2,
    });
  });

  it('a version whose install script fails leaves the package half configured and the old process running', async () => {
    const host = fleet.host('db-1');
    const tried = await fleet.install(host, CANNOT_INSTALL);
    expect(tried.code).not.toBe(0);
    expect(tried.stdout).toContain('the install script of this version fails');
    expect(await host.running()).toMatchObject({ packageStatus: 'iF', version: '5.9.1', active: 'active' });
  });

  it('a version that crashes at once fails its unit; one that crashes later is started again and again', async () => {
    const [once, later] = [fleet.host('web-2'), fleet.host('db-1')];
    expect(await fleet.install(once, CANNOT_START)).toMatchObject({ code: 0 });
    expect(await fleet.install(later, CRASHES_LATER)).toMatchObject({ code: 0 });
    await Promise.all([once, later].map(async (host) => await host.exec('systemctl restart osqueryd')));
    await until('the unit has failed', async () => (await once.running()).active === 'failed');
    const counted = await until(
      'the service was started again',
      async () => {
        const now = await later.running();
        return now.restarts >= 1 && now.active === 'active' && now.version !== '' && now;
      },
      { everyMs: 300 },
    );
    expect(counted.version).toBe(CRASHES_LATER);
  });
});

describe('Prometheus', () => {
  it('sees by fqdn what the agent of each host burns, and what it had seen is still there after a stop', async () => {
    await fleet.reset();
    const burning = fleet.host('db-1');
    await fleet.install(burning, BURNS_CPU);
    await burning.sh('systemctl restart osqueryd');
    const cores =
      'sum by (fqdn, env, role) (rate(namedprocess_namegroup_cpu_seconds_total{groupname="osqueryd"}[6s]))';
    const seen = await until(
      'the CPU of the burning host shows',
      async () => {
        const series = await fleet.prometheus.query(cores);
        const hot = series.find((one) => one.labels['fqdn'] === 'db-1');
        return series.length === 3 && hot !== undefined && hot.value > 0.25 && series;
      },
      { everyMs: 500 },
    );
    for (const one of seen.filter((series) => series.labels['fqdn'] !== 'db-1'))
      expect(one.value).toBeLessThan(0.1);
    expect(seen.find((one) => one.labels['fqdn'] === 'web-2')?.labels).toMatchObject({
      env: 'gprd',
      role: 'web',
    });

    const stoppedAt = Date.now() / 1000;
    await fleet.prometheus.stop();
    await expect(fleet.prometheus.query('up')).rejects.toThrow('fetch failed');
    await fleet.prometheus.start();
    const past = await fleet.prometheus.query(`count_over_time(up[10s] @ ${stoppedAt.toFixed(3)})`);
    expect(new Set(past.map((one) => one.labels['fqdn']))).toEqual(new Set(['db-1', 'web-1', 'web-2']));
  });
});

describe('faults', () => {
  afterEach(async () => {
    await fleet.reset();
  });

  it('a frozen host takes connections and says nothing; thawed it goes on as if nothing had been', async () => {
    const host = fleet.host('web-1');
    const before = await host.running();
    await host.freeze();
    const tried = await host.ssh('true');
    expect(tried.code).toBe(255);
    expect(tried.stderr).toMatch(/timed out/i);
    await host.thaw();
    expect(await host.ssh('true')).toMatchObject({ code: 0 });
    expect(await host.running()).toEqual(before);
  });

  it('with its cable pulled a host is not to be reached, but lives', async () => {
    const host = fleet.host('web-1');
    await host.netDown();
    expect((await host.ssh('true')).code).toBe(255);
    expect(await host.running()).toMatchObject({ active: 'active' });
    await host.netUp();
    expect(await host.ssh('true')).toMatchObject({ code: 0 });
  });

  it('a rebooted host has another boot id and runs its agent again', async () => {
    const host = fleet.host('web-1');
    const before = await host.running();
    await host.reboot();
    const after = await host.running();
    expect(after.bootId).not.toBe(before.bootId);
    expect(after).toMatchObject({ version: '5.9.1', active: 'active' });
  });

  it('a power cut takes every process and leaves the disk', async () => {
    const host = fleet.host('web-1');
    await host.sh('echo kept > /var/tmp/kept; echo kept > /tmp/kept');
    await host.crash();
    await expect(host.running()).rejects.toThrow('web-1 is off');
    expect((await host.ssh('true')).code).toBe(255);
    await host.boot();
    expect(await host.sh('cat /var/tmp/kept')).toBe('kept');
    expect(await host.running()).toMatchObject({ active: 'active' });
  });

  it('a held dpkg lock stops dpkg and apt until it is released', async () => {
    const host = fleet.host('web-1');
    const lock = await host.holdDpkgLock();
    const tried = await fleet.install(host, GOOD);
    expect(tried.code).not.toBe(0);
    expect(tried.stdout).toContain('lock');
    const apt = await host.exec('apt-get install --yes --quiet=2 -o DPkg::Lock::Timeout=1 /root/agent.deb');
    expect(apt.code).toBe(100);
    expect(apt.stderr).toContain('Unable to acquire the dpkg frontend lock');
    await lock.release();
    expect(await fleet.install(host, GOOD)).toMatchObject({ code: 0 });
  });

  it('a full disk refuses writes and packages, and is as before once emptied', async () => {
    const host = fleet.host('web-1');
    await host.fillDisk({ leaveKib: 500 });
    const tried = await fleet.install(host, GOOD);
    expect(tried.code).not.toBe(0);
    expect(tried.stdout).toContain('No space left on device');
    await host.fillDisk();
    expect((await host.exec('cp /etc/passwd /var/lib/some-file')).stderr).toMatch(/no space left/i);
    await host.emptyDisk();
    expect(await fleet.install(host, GOOD)).toMatchObject({ code: 0 });
  });

  it('a changed host key is noticed by a client that knows the old one', async () => {
    const host = fleet.host('web-1');
    await host.changeHostKey();
    const tried = await host.ssh('true');
    expect(tried.code).toBe(255);
    expect(tried.stderr).toContain('REMOTE HOST IDENTIFICATION HAS CHANGED');
  });

  it('sudo refused: the login works, the command does not', async () => {
    const host = fleet.host('web-1');
    await host.refuseSudo();
    expect(await host.ssh('echo in; sudo -n true')).toMatchObject({ code: 1, stdout: 'in\n' });
    await host.allowSudo();
    expect(await host.ssh('sudo -n true')).toMatchObject({ code: 0 });
  });
});

describe('the rig', () => {
  it('gives every host back as it was, whatever had been done to it', async () => {
    const host = fleet.host('web-1');
    await fleet.install(host, GOOD);
    await host.sh('mkdir -p /var/lib/rollout/packages && systemctl disable --now osqueryd');
    await host.changeHostKey();
    await host.refuseSudo();
    await host.fillDisk();
    await host.netDown();
    await host.freeze();
    await fleet.prometheus.stop();
    await fleet.reset();
    expect(await host.running()).toMatchObject({ version: '5.9.1', active: 'active', enabled: 'enabled' });
    expect((await host.exec('test -e /var/lib/rollout')).code).toBe(1);
    expect(await host.ssh('sudo -n id -u')).toMatchObject({ code: 0, stdout: '0\n' });
    expect((await host.exec('dd if=/dev/zero of=/var/tmp/some bs=1M count=32')).code).toBe(0);
    await until(
      'Prometheus scrapes again',
      async () => (await fleet.prometheus.query('up == 1')).length === 3,
    );
  });

  it('refuses a second run beside the first and names the first', async () => {
    await expect(bootFleet({ hosts: [] })).rejects.toThrow(
      new RegExp(`another run holds the rig .*: process ${process.pid} in `),
    );
  });

  it('leaves nothing behind when the run is killed', async () => {
    const { prefix, net } = rigSettings();
    const other = { prefix: `${prefix}k`, net: furtherOn(net, 4) };
    const script = join(folder, 'killed.ts');
    const rig = join(dirname(fileURLToPath(import.meta.url)), 'rig/fleet.ts');
    const hosts = [{ name: 'lost', environment: 'gstg', role: 'web', zone: 'us-east1-b' }];
    await writeFile(
      script,
      `import { bootFleet } from ${JSON.stringify(rig)};\nawait bootFleet(${JSON.stringify({ hosts })});\nconsole.log('up');\n`,
    );
    const child = spawn(process.execPath, [script], {
      env: {
        ...process.env,
        VITEST_POOL_ID: '1',
        ROLLOUT_RIG_PREFIX: other.prefix,
        ROLLOUT_RIG_NET: other.net,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await until('the other run is up', () => said.includes('up'), { timeoutMs: 60_000 });
    expect(existsSync(`/run/netns/${other.prefix}-lost`)).toBe(true);
    child.kill('SIGKILL');
    await until('its janitor is done', () => !existsSync(`/run/${other.prefix}`));
    expect(existsSync(`/run/netns/${other.prefix}-lost`)).toBe(false);
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(other.prefix);
    expect((await run('ip', ['link', 'show', `${other.prefix}0`])).code).toBe(1);
  });

  it('writes the configuration of its fleet, with what a test wants otherwise laid over it', async () => {
    const config = await fleet.writeConfig(join(folder, 'config'), {
      all: { soak: '3s' },
      only: { gprd: { limits: { failedHosts: 2 } } },
    });
    const gstg = parse(await readFile(config.file('gstg'), 'utf8'));
    const gprd = parse(await readFile(config.file('gprd'), 'utf8'));
    expect(gstg).toMatchObject({
      environment: 'gstg',
      soak: '3s',
      limits: { failedHosts: 0, hostDeadline: '30s' },
    });
    expect(gstg).not.toHaveProperty('promotesFrom');
    expect(gstg.inventory.hosts.map((host: { name: string }) => host.name)).toEqual(['web-1', 'db-1']);
    expect(gprd).toMatchObject({ promotesFrom: 'gstg', limits: { failedHosts: 2, hostDeadline: '30s' } });
  });
});

describe('the program under test', () => {
  /** A stand-in that tells two events, then waits for ever or does as its last argument says. */
  async function standIn(): Promise<string> {
    const entry = join(folder, 'stand-in.mjs');
    await writeFile(
      entry,
      `console.log(JSON.stringify({ kind: 'started', argv: process.argv.slice(2), ci: process.env.CI ?? null }));
      console.error('some progress');
      console.log('a line for people');
      console.log(JSON.stringify({ kind: 'working' }));
      if (process.argv.includes('--end')) process.exitCode = 3;
      else setInterval(() => undefined, 1000);`,
    );
    return entry;
  }

  it('is run with its configuration and without this machine’s CI, and its words and status are kept', async () => {
    const ended = await runCli(['deploy', '--end'], { entry: await standIn(), configDir: folder });
    expect(ended).toMatchObject({ code: 3, signal: null, stderr: 'some progress\n' });
    expect(ended.events).toEqual([
      { kind: 'started', argv: ['deploy', '--end', '--config', folder], ci: null },
      { kind: 'working' },
    ]);
  });

  it('can be killed with -9 at an event, after a time, or by hand', async () => {
    const entry = await standIn();
    const atEvent = await runCli([], { entry, killWhen: (event) => event['kind'] === 'working' });
    expect(atEvent).toMatchObject({ code: null, signal: 'SIGKILL' });
    const afterTime = await runCli([], { entry, killAfterMs: 200 });
    expect(afterTime).toMatchObject({ code: null, signal: 'SIGKILL' });
    const byHand = startCli([], { entry });
    await byHand.sees('its work', (event) => event['kind'] === 'working');
    byHand.kill('SIGTERM');
    expect(await byHand.result).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  it('that does not end is killed, and what it had said is told', async () => {
    await expect(runCli(['watch'], { entry: await standIn(), timeoutMs: 500 })).rejects.toThrow(
      'a line for people',
    );
  });
});
