/** The way back that a host takes by itself, on real hosts: their systemd, their dpkg, their clock, their reboots. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHostPrograms } from '../../../src/adapters/ssh/programs.ts';
import { type HostAnswer, outcomeOf } from '../../../src/domain/host-answer.ts';
import { orderParameters, singleQuoted } from '../../../src/domain/host-command.ts';
import type { ArmOrder, HostOrder, HostStep, PackageRef } from '../../../src/domain/host-order.ts';
import type { AgentPackage } from '../rig/agent.ts';
import { until } from '../rig/command.ts';
import { bootFleet, type Fleet } from '../rig/fleet.ts';
import type { RigHost } from '../rig/host.ts';

const AGENT = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const NAMES = ['alone', 'confirmed', 'rebooted', 'raced', 'limited', 'database', 'locked'] as const;

let fleet: Fleet;
let folder: string;
let old: AgentPackage;
let fresh: AgentPackage;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rollout-armed-'));
  fleet = await bootFleet({
    hosts: NAMES.map((name) => ({ name, environment: 'gstg', role: 'web', zone: 'z-a' })),
  });
  old = await fleet.package('5.9.1', 'gstg');
  fresh = await fleet.package('5.10.2', 'gstg');
  const programs = createHostPrograms();
  for (const program of ['upgrade', 'revert', 'confirm', 'prove'] as const) {
    const file = join(folder, `${program}.sh`);
    await writeFile(file, await programs.text(program));
    for (const name of NAMES) await fleet.host(name).put(file, `/root/${program}.sh`);
  }
  for (const name of NAMES) {
    const host = fleet.host(name);
    await host.sh('mkdir -p /root/incoming');
    for (const made of [old, fresh]) await host.put(made.file, `/root/incoming/${made.sha256}.deb`);
  }
});

afterAll(async () => {
  await fleet?.down();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

function refOf(made: AgentPackage, size: number): PackageRef {
  return {
    sha256: made.sha256,
    size,
    packageVersion: made.packageVersion,
    executablePath: AGENT.executable,
    executableSha256: made.executableSha256,
  };
}

async function refs(host: RigHost): Promise<{ target: PackageRef; previous: PackageRef }> {
  const size = async (made: AgentPackage) =>
    Number(
      await host.sh(
        `stat -c %s /root/incoming/${made.sha256}.deb 2>/dev/null || stat -c %s /var/lib/rollout/packages/${made.sha256}.deb`,
      ),
    );
  return { target: refOf(fresh, await size(fresh)), previous: refOf(old, await size(old)) };
}

const NAMED = { agent: AGENT, orderId: 'r-1', environment: 'gstg', fence: 7 };

async function upgradeOrder(host: RigHost, arm: ArmOrder, more: object = {}): Promise<HostOrder> {
  return {
    program: 'upgrade',
    ...NAMED,
    ...(await refs(host)),
    proveMs: 500,
    lockTimeoutS: 20,
    arm,
    ...more,
  };
}

async function confirmOrder(host: RigHost): Promise<HostOrder> {
  return { program: 'confirm', verb: 'confirm', ...NAMED, target: (await refs(host)).target };
}

async function proveOrder(host: RigHost): Promise<HostOrder> {
  const { target } = await refs(host);
  return { program: 'prove', agent: AGENT, orderId: 'r-1', target, proveMs: 500 };
}

/** As `carry`, once no other program is at work there, as one that goes back may be for a moment after its end. */
async function carryWhenFree(host: RigHost, order: HostOrder) {
  return until(`${host.name} is free`, async () => {
    const { outcome } = await carry(host, order);
    return outcome.kind === 'blocked' && outcome.why === 'busy' ? undefined : outcome;
  });
}

async function carry(host: RigHost, order: HostOrder) {
  const words = orderParameters(order, { incoming: '/root/incoming' }).map(singleQuoted).join(' ');
  // As over ssh: the text on the standard input.
  const ran = await host.exec(`sh -s -- ${words} </root/${order.program}.sh`, 120_000);
  const steps = ran.stdout
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as HostStep);
  const answer: HostAnswer = { exitCode: ran.code ?? -1, steps, stderr: ran.stderr };
  return { answer, outcome: outcomeOf(order, answer) };
}

const stateWord = async (host: RigHost): Promise<string> =>
  (await host.exec('sed -n s/^state=//p /var/lib/rollout/revert/state')).stdout.trim();

async function goesBack(host: RigHost): Promise<void> {
  const isBack = async (): Promise<boolean> => (await stateWord(host)) === 'went-back';
  await until(`${host.name} goes back`, isBack, { timeoutMs: 150_000, everyMs: 500 });
}

async function expectDisarmed(host: RigHost): Promise<void> {
  await until(`${host.name} has no timer any more`, async () => {
    const left = await host.exec(
      'systemctl list-unit-files --no-legend "rollout*"; systemctl list-units --all --no-legend "rollout*"; find /etc/systemd /run/systemd -name "*rollout*" ! -path "*/journal/*"; ls /var/lib/rollout/revert/program',
    );
    return left.stdout.trim() === '';
  });
}

const ARM = { disarm: 'after-soak' } as const;
const WENT_BACK = { kind: 'went-back', service: 'running', at: expect.any(Number) };

describe('an armed host', () => {
  it.concurrent('that hears from nobody goes back at its time and says so', async () => {
    const host = fleet.host('alone');
    const { outcome } = await carry(host, await upgradeOrder(host, { ...ARM, revertAfterS: 12 }));
    expect(outcome).toMatchObject({ kind: 'verified', service: 'running', armedMs: expect.any(Number) });
    expect(await host.running()).toMatchObject({ exeSha256: fresh.executableSha256 });
    // Nobody is needed for it, nor any network.
    await host.netDown();
    await goesBack(host);
    await host.netUp();
    expect(await host.running()).toMatchObject({
      exeSha256: old.executableSha256,
      installedVersion: old.packageVersion,
      packageStatus: 'ii',
      active: 'active',
      enabled: 'enabled',
    });
    await expectDisarmed(host);
    expect(await carryWhenFree(host, await proveOrder(host))).toMatchObject({
      ...WENT_BACK,
      sha256: old.executableSha256,
      packageVersion: old.packageVersion,
      note: expect.stringContaining('nobody confirmed it'),
    });
    expect(await host.sh('cat /var/lib/rollout/revert/note')).toContain('order r-1 of gstg');
  });

  it.concurrent('that is confirmed stays, also when its time has come', async () => {
    const host = fleet.host('confirmed');
    await carry(host, await upgradeOrder(host, { ...ARM, revertAfterS: 15 }));
    expect((await carry(host, await confirmOrder(host))).outcome).toEqual({ kind: 'confirmed' });
    await expectDisarmed(host);
    await host.sh('sleep 17');
    expect(await stateWord(host)).toBe('confirmed');
    expect(await host.running()).toMatchObject({ exeSha256: fresh.executableSha256, active: 'active' });
    expect((await carry(host, await confirmOrder(host))).outcome).toEqual({ kind: 'confirmed' });
  });

  it.concurrent('that loses its power goes back after the boot all the same', async () => {
    const host = fleet.host('rebooted');
    await carry(host, await upgradeOrder(host, { ...ARM, revertAfterS: 25 }));
    // A boot is given time to come up; here it is shortened, on the disk, to what a test can wait for.
    const unit = '/etc/systemd/system/rollout-revert.timer';
    expect(await host.sh(`cat ${unit}`)).toContain('OnActiveSec=75s\nOnUnitInactiveSec=60s');
    await host.sh(`sed -i 's/=75s/=10s/; s/=60s/=10s/' ${unit} && sync`);
    await host.crash();
    await host.boot();
    expect(await host.sh('systemctl is-enabled rollout-revert.timer')).toBe('enabled');
    expect(await host.running()).toMatchObject({ exeSha256: fresh.executableSha256 });
    await goesBack(host);
    expect(await host.running()).toMatchObject({ exeSha256: old.executableSha256, active: 'active' });
    await expectDisarmed(host);
  });

  it.concurrent('that finds dpkg locked tries again, until it is back', async () => {
    const host = fleet.host('locked');
    await carry(host, await upgradeOrder(host, { ...ARM, revertAfterS: 8 }, { lockTimeoutS: 1 }));
    // What is a minute between two attempts, shortened for this test.
    const dropIn = '/run/systemd/system/rollout-revert.timer.d/50-this-boot.conf';
    expect(await host.sh(`cat ${dropIn}`)).toContain('OnUnitInactiveSec=60s');
    await host.sh(`sed -i 's/=60s/=4s/' ${dropIn} && systemctl daemon-reload`);
    await host.holdDpkgLock();
    const failures = async () =>
      Number(await host.sh('sed -n s/^failures=//p /var/lib/rollout/revert/state'));
    await until(`${host.name} has failed twice`, async () => (await failures()) >= 2, { timeoutMs: 60_000 });
    expect(await host.sh('cat /var/lib/rollout/revert/note')).toMatch(
      /to go back .* failed, and is made again: .*lock/u,
    );
    expect(await host.running()).toMatchObject({ exeSha256: fresh.executableSha256, active: 'active' });
    await host.releaseDpkgLocks();
    await goesBack(host);
    expect(await host.running()).toMatchObject({ exeSha256: old.executableSha256, active: 'active' });
    await expectDisarmed(host);
  });

  it.concurrent('that is confirmed at the very moment ends in one of two states, and says which', async () => {
    const host = fleet.host('raced');
    const seen = new Set<string>();
    for (const delay of [3.7, 4.0, 4.3]) {
      for (const made of [old, fresh]) await host.put(made.file, `/root/incoming/${made.sha256}.deb`);
      const order = await upgradeOrder(host, { ...ARM, revertAfterS: 6 });
      const confirm = await confirmOrder(host);
      await carry(host, order);
      const due = Number(await host.sh('sed -n s/^untilUp=//p /var/lib/rollout/revert/state')) / 1000;
      await host.sh(
        `awk '{ left = ${due} - 4 + ${delay} - $1; if (left > 0) system("sleep " left) }' /proc/uptime`,
      );
      const { outcome } = await carry(host, confirm);
      await expectDisarmed(host);
      expect(['confirmed', 'went-back']).toContain(outcome.kind);
      expect(await stateWord(host)).toBe(outcome.kind);
      const expected = outcome.kind === 'confirmed' ? fresh : old;
      expect(await host.running()).toMatchObject({ exeSha256: expected.executableSha256, active: 'active' });
      seen.add(outcome.kind);
    }
    expect(seen.size).toBeGreaterThan(0);
  });

  it.concurrent('is limited until it is confirmed, in its cgroup and at once', async () => {
    const host = fleet.host('limited');
    const limits = async () => host.sh('systemctl show osqueryd -p CPUQuotaPerSecUSec,MemoryMax');
    const before = await limits();
    const arm = { ...ARM, revertAfterS: 600, guardCpuPercent: 7, guardMemoryBytes: 300_003_328 };
    await carry(host, await upgradeOrder(host, arm));
    expect(await limits()).toBe('CPUQuotaPerSecUSec=70ms\nMemoryMax=300003328');
    const memory = async () =>
      host.sh(
        'p=$(systemctl show osqueryd -P ControlGroup); cat "/sys/fs/cgroup/memory$p/memory.limit_in_bytes" 2>/dev/null || cat "/sys/fs/cgroup$p/memory.max"',
      );
    expect(await memory()).toBe('300003328');
    const pid = (await host.running()).mainPid;
    expect((await carry(host, await confirmOrder(host))).outcome).toEqual({ kind: 'confirmed' });
    expect(await limits()).toBe(before);
    expect(await memory()).not.toBe('300003328');
    expect((await host.running()).mainPid).toBe(pid);
    await expectDisarmed(host);
  });

  it.concurrent('whose database is too new for the old version has it moved aside, and runs', async () => {
    const host = fleet.host('database');
    // As osquery ends: a moment after its start, so that systemd restarts it again and again.
    await host.sh(`mkdir -p /etc/systemd/system/osqueryd.service.d /var/osquery/osquery.db
printf '#!/bin/sh\nif [ -e /var/osquery/osquery.db/newer ] && /opt/osquery/bin/osqueryd --version | grep -q 5.9.1; then sleep 0.3; exit 78; fi\nexec /opt/osquery/bin/osqueryd\n' >/root/start
chmod 755 /root/start
printf '[Service]\nExecStart=\nExecStart=/root/start\nRestart=on-failure\n' >/etc/systemd/system/osqueryd.service.d/10-test.conf
systemctl daemon-reload`);
    const database = { policy: 'move-aside', path: '/var/osquery/osquery.db' };
    const order = await upgradeOrder(host, { ...ARM, revertAfterS: 10 }, { database, proveMs: 2000 });
    expect((await carry(host, order)).outcome).toMatchObject({ kind: 'verified' });
    await host.sh('echo rows >/var/osquery/osquery.db/newer');
    await goesBack(host);
    expect(await host.running()).toMatchObject({ exeSha256: old.executableSha256, active: 'active' });
    expect(await host.sh('cat /var/osquery/osquery.db.rollout-r-1/newer')).toBe('rows');
    expect(await carryWhenFree(host, await proveOrder(host))).toMatchObject({
      ...WENT_BACK,
      note: expect.stringContaining('moved to /var/osquery/osquery.db.rollout-r-1'),
    });
  });
});
