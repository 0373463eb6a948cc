/** Versions that are bad in ways that show late, in places, or not at all; and a Prometheus on a bad day. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from './rig/command.ts';
import { bootFleet, type Fleet } from './rig/fleet.ts';
import type { RigHost } from './rig/host.ts';
import { PrometheusProxy } from './rig/prometheus-proxy.ts';

const VERSIONS = {
  '5.9.1': {},
  '5.12.0': { leakKibPerS: 4096 },
  '5.12.1': { burn: { percent: 50, afterMs: 4000, forMs: 3000 } },
  '5.12.2': { burn: { percent: 50, role: 'db' } },
  '5.12.3': { resultsEveryMs: 0 },
  '5.12.4': { databaseVersion: 3 },
  '5.12.5': { starvesSshd: true },
  '5.12.6': { cpuPercent: 60 },
} as const;

const PLACE = { environment: 'gstg', zone: 'us-east1-b' } as const;

let fleet: Fleet;

beforeAll(async () => {
  fleet = await bootFleet({
    hosts: [
      { ...PLACE, name: 'web-1', role: 'web' },
      { ...PLACE, name: 'web-2', role: 'web' },
      { ...PLACE, name: 'db-1', role: 'db' },
      { ...PLACE, name: 'tight', role: 'web', cgroups: 'quota' },
    ],
    versions: VERSIONS,
    rules: [{ name: 'rig', rules: [{ alert: 'TooMany', expr: 'namedprocess_namegroup_num_procs > 1' }] }],
  });
});

afterAll(async () => {
  await fleet?.down();
});

/** Installs and restarts; gives when, ms since the epoch. */
async function change(host: RigHost, version: keyof typeof VERSIONS): Promise<number> {
  const installed = await fleet.install(host, version);
  expect(installed.code, installed.stdout).toBe(0);
  await host.exec('systemctl restart osqueryd');
  return Date.now();
}

/** Share of one core that the agent uses for the next `ms`. */
async function cores(host: RigHost, ms = 1000): Promise<number> {
  const used = async (): Promise<{ readonly ticks: number; readonly at: number }> => {
    const text = await host.sh('cat $(pgrep -x osqueryd | sed "s|.*|/proc/&/stat|") | cut -d" " -f14,15');
    const ticks = text.split(/\s+/u).reduce((sum, word) => sum + Number(word), 0);
    return { ticks, at: Date.now() };
  };
  const before = await used();
  await sleep(ms);
  const after = await used();
  return (after.ticks - before.ticks) / 100 / ((after.at - before.at) / 1000);
}

async function residentKib(host: RigHost): Promise<number> {
  // One of the two may be gone, or not there yet.
  const seen = await host.exec('cat $(pgrep -x osqueryd | sed "s|.*|/proc/&/status|") | grep VmRSS');
  return (seen.stdout.match(/\d+/gu) ?? []).reduce((sum, word) => sum + Number(word), 0);
}

const results = async (host: RigHost): Promise<number> =>
  Number((await host.exec('wc -l < /var/log/osquery/osqueryd.results.log')).stdout);

describe('a version that', () => {
  it('burns later is fine at first, burns, and is fine again', async () => {
    const host = fleet.host('web-1');
    await change(host, '5.12.1');
    expect(await cores(host)).toBeLessThan(0.15);
    await until('it burns', async () => (await cores(host, 500)) > 0.25);
    await until('it is fine again', async () => (await cores(host, 500)) < 0.15);
  });

  it('burns in one role burns there only', async () => {
    await Promise.all(['web-1', 'db-1'].map(async (name) => await change(fleet.host(name), '5.12.2')));
    await until('it burns there', async () => (await cores(fleet.host('db-1'))) > 0.2);
    expect(await cores(fleet.host('web-1'))).toBeLessThan(0.15);
  });

  it('leaks holds more each second', async () => {
    const host = fleet.host('web-1');
    await change(host, '5.12.0');
    const before = await until('its worker runs', async () => {
      const held = await residentKib(host);
      return held > 16 * 1024 && held;
    });
    const grown = async (): Promise<number> => (await residentKib(host)) - before;
    expect(
      await until('it has leaked', async () => (await grown()) > 6000 && (await grown())),
    ).toBeGreaterThan(6000);
  });

  it('writes nothing is alive all the same, while others’ results grow', async () => {
    const [silent, talks] = [fleet.host('web-1'), fleet.host('web-2')];
    await change(silent, '5.12.3');
    const before = await results(silent);
    const others = await results(talks);
    await until('another host’s results grow', async () => (await results(talks)) > others + 1);
    expect(await results(silent)).toBe(before);
    expect(await silent.running()).toMatchObject({ version: '5.12.3', active: 'active', processes: 2 });
  });

  it('migrates the database cannot be left for an older one until the database is moved aside', async () => {
    const host = fleet.host('web-1');
    await change(host, '5.12.4');
    await until('it runs', async () => (await host.running()).active === 'active');
    await change(host, '5.9.1');
    await until('it has failed', async () => (await host.running()).active === 'failed');
    expect(await host.sh('systemctl show --property ExecMainStatus --value osqueryd')).toBe('78');
    expect(await host.sh('journalctl -q -u osqueryd -o cat')).toContain('the migration code is broken!');
    await host.sh('mv /var/osquery/osquery.db /var/osquery/osquery.db.newer');
    await host.sh('systemctl reset-failed osqueryd; systemctl start osqueryd');
    expect(await host.running()).toMatchObject({ version: '5.9.1', active: 'active' });
    expect(await host.sh('journalctl -q -u osqueryd -o cat')).toContain('enrolls anew');
  });

  it('starves sshd lets nobody in while it lives', async () => {
    const host = fleet.host('web-1');
    await change(host, '5.12.5');
    // One that was let in right before hangs where it is.
    await until('nobody is let in', async () => {
      const asked = await host.ssh('true', 6_000).catch(() => null);
      return asked !== null && asked.code === 255;
    });
    expect(await host.running()).toMatchObject({ active: 'active' });
    await host.sh('systemctl stop osqueryd');
    expect(await host.ssh('true')).toMatchObject({ code: 0 });
  });

  it('burns under a quota uses no more than it, and is throttled', async () => {
    const host = fleet.host('tight');
    await change(host, '5.12.6');
    const throttled = async (): Promise<number> =>
      Number(
        await host.sh(
          'sed -n "s/^nr_throttled //p" /sys/fs/cgroup/cpu/system.slice/osqueryd.service/cpu.stat',
        ),
      );
    const before = await throttled();
    expect(await cores(host, 2000)).toBeLessThan(0.3);
    expect(await throttled()).toBeGreaterThan(before + 2);
  });
});

describe('a busier day', () => {
  it('costs every version the same, until it is over', async () => {
    const hosts = [fleet.host('web-2'), fleet.host('db-1')];
    await Promise.all(hosts.map(async (host) => await change(host, '5.9.1')));
    const all = async (isSo: (used: number) => boolean): Promise<boolean> =>
      (await Promise.all(hosts.map(async (host) => await cores(host)))).every(isSo);
    await fleet.setLoad(30);
    expect(await until('all of them use more', async () => await all((used) => used > 0.15))).toBe(true);
    await fleet.setLoad(0);
    expect(await until('none of them does', async () => await all((used) => used < 0.15))).toBe(true);
  });
});

describe('Prometheus', () => {
  let proxy: PrometheusProxy | undefined;

  afterEach(async () => {
    fleet.prometheus.thaw();
    await proxy?.close();
  });

  const ask = async (url: string, timeoutMs = 5000): Promise<Response> =>
    await fetch(`${url}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams({ query: 'up' }),
      signal: AbortSignal.timeout(timeoutMs),
    });

  it('fires its rules', async () => {
    const firing = 'ALERTS{alertname="TooMany",alertstate="firing",fqdn="web-2"}';
    const [alert] = await until('the alert', async () => {
      const found = await fleet.prometheus.query(firing);
      return found.length > 0 && found;
    });
    expect(alert?.labels).toMatchObject({ fqdn: 'web-2', role: 'web' });
  });

  it('that is frozen takes the question and does not answer until it is thawed', async () => {
    fleet.prometheus.freeze();
    await expect(ask(fleet.prometheus.url, 1000)).rejects.toThrow('timeout');
    fleet.prometheus.thaw();
    expect((await ask(fleet.prometheus.url)).status).toBe(200);
  });

  it('behind the proxy is as bad as one likes, and whole again afterwards', async () => {
    proxy = await PrometheusProxy.start(fleet.prometheus.url);
    const { url } = proxy;
    const whole = async (): Promise<{ data: { result: unknown[] }; warnings?: string[] }> =>
      (await (await ask(url)).json()) as { data: { result: unknown[] }; warnings?: string[] };
    expect((await whole()).data.result).toHaveLength(4);
    await proxy.set({ kind: 'empty' });
    expect((await whole()).data.result).toEqual([]);
    await proxy.set({ kind: 'partial' });
    expect(await whole()).toMatchObject({ warnings: ['a store did not answer'] });
    await proxy.set({ kind: 'html' });
    expect(await (await ask(url)).text()).toContain('Sign in');
    await proxy.set({ kind: 'status', status: 503 });
    expect((await ask(url)).status).toBe(503);
    await proxy.set({ kind: 'slow', ms: 700 });
    await expect(ask(url, 300)).rejects.toThrow('timeout');
    expect((await ask(url)).status).toBe(200);
    await proxy.set({ kind: 'hang' });
    await expect(ask(url, 300)).rejects.toThrow('timeout');
    await proxy.set({ kind: 'down' });
    await expect(ask(url)).rejects.toThrow('fetch failed');
    await proxy.set({ kind: 'pass' });
    expect((await whole()).data.result).toHaveLength(4);
    expect(new Set(proxy.requests.map(({ query }) => query))).toEqual(new Set(['up']));
  });
});
