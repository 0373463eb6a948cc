import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lookOf, outcomeOf } from '../../src/domain/host-answer.ts';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { makePackage, type Package, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  host.remove();
});

async function upgradeOf(target: Package, more: object = {}, tools: Record<string, string> = {}) {
  const order = host.order('upgrade', target, old, more);
  const answer = await host.run(order, { tools });
  return { answer, outcome: outcomeOf(order, answer) };
}

function runs(made: Package) {
  return {
    running: made.ref.executableSha256,
    installed: made.ref.executableSha256,
    version: `install installed ${made.ref.packageVersion}`,
    unit: 'active enabled',
  };
}

describe('upgrade', () => {
  it('installs, restarts and proves the running executable, and leaves nothing behind', async () => {
    await host.install(old);
    writeFileSync(host.path('etc/default/osqueryd'), 'edited by hand\n');
    host.deliver(fresh, old);
    const { answer, outcome } = await upgradeOf(fresh);
    expect(answer.exitCode).toBe(HOST_EXIT.done);
    expect(outcome).toEqual({
      kind: 'verified',
      sha256: fresh.ref.executableSha256,
      packageVersion: fresh.ref.packageVersion,
      service: 'running',
    });
    expect(answer.steps[0]).toEqual({
      step: 'begin',
      ok: true,
      program: 'upgrade',
      protocol: 1,
      bootId: '5a6b0b34-0000-4000-8000-000000000001',
    });
    expect(answer.steps.at(-1)).toEqual({ step: 'end', ok: true, code: 0 });
    expect(await host.state()).toEqual(runs(fresh));
    expect(host.files('home/ops/.cache/rollout')).toEqual([]);
    expect(host.files('var/lib/rollout/packages')).toEqual(
      [`${fresh.ref.sha256}.deb`, `${old.ref.sha256}.deb`].sort(),
    );
    expect(host.files('var/lib/rollout/orders')).toEqual(['r-1']);
    expect(readFileSync(host.path('etc/default/osqueryd'), 'utf8')).toBe('edited by hand\n');
  });

  it('changes nothing the second time', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    await upgradeOf(fresh);
    const before = await host.command('systemctl show osqueryd -P MainPID');
    const { answer, outcome } = await upgradeOf(fresh);
    expect(outcome.kind).toBe('verified');
    expect(answer.steps.map((step) => step.step)).not.toContain('install');
    expect(await host.command('systemctl show osqueryd -P MainPID')).toBe(before);
  });

  it('restarts what an earlier attempt installed but did not restart', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    await host.install(fresh, 'stopped');
    expect((await host.state()).running).toBe(old.ref.executableSha256);
    const { outcome } = await upgradeOf(fresh);
    expect(outcome.kind).toBe('verified');
    expect(await host.state()).toEqual(runs(fresh));
  });

  it('leaves a service that an operator stopped stopped, and disabled disabled, even when the package starts it', async () => {
    const pushy = makePackage('5.10.3-1.linux', {
      postinst: 'systemctl enable osqueryd; systemctl start osqueryd',
    });
    await host.install(old);
    await host.command('systemctl stop osqueryd; systemctl disable osqueryd');
    host.deliver(pushy, old);
    const { outcome } = await upgradeOf(pushy);
    expect(outcome).toMatchObject({
      kind: 'verified',
      service: 'left-stopped',
      sha256: pushy.ref.executableSha256,
    });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive disabled' });
    const order = host.order('revert', pushy, old);
    expect(outcomeOf(order, await host.run(order))).toMatchObject({
      kind: 'reverted',
      service: 'left-stopped',
    });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive disabled' });
  });

  it('leaves a masked service masked', async () => {
    await host.install(old, 'stopped');
    await host.command('systemctl mask osqueryd');
    host.deliver(fresh, old);
    const { outcome } = await upgradeOf(fresh);
    expect(outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });

  it('refuses a service that runs although masked, since it could not restart it', async () => {
    await host.install(old);
    await host.command('systemctl mask osqueryd');
    host.deliver(fresh, old);
    const { outcome } = await upgradeOf(fresh);
    expect(outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
      message: expect.stringContaining('masked'),
    });
    expect((await host.state()).running).toBe(old.ref.executableSha256);
  });

  it('starts a service that had failed before: that was nobody’s wish', async () => {
    await host.install(makePackage('5.9.1-1.linux', { behaviour: 'startfail=1' }));
    host.deliver(fresh, old);
    const { outcome } = await upgradeOf(fresh);
    expect(outcome).toMatchObject({ kind: 'verified', service: 'running' });
  });

  it('tells its refusals apart, and changes nothing', async () => {
    await host.install(old);
    const before = await host.state();
    const full = { df: 'echo Filesystem; echo "/dev/x 100 100 40000 99% /"' };

    expect((await upgradeOf(fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'missing-package' });

    const altered = { ...fresh, bytes: Buffer.from(fresh.bytes) };
    altered.bytes[200] = (altered.bytes[200] ?? 0) ^ 1;
    host.deliver(altered, old);
    expect((await upgradeOf(fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'digest-mismatch' });
    expect(host.files('home/ops/.cache/rollout')).toEqual([`${old.ref.sha256}.deb`]);

    host.deliver({ ...fresh, bytes: fresh.bytes.subarray(0, 100) }, old);
    expect((await upgradeOf(fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'digest-mismatch' });

    host.deliver(fresh, old);
    expect((await upgradeOf(fresh, {}, full)).outcome).toMatchObject({
      kind: 'blocked',
      why: 'no-space',
      message: expect.stringContaining('40000 KiB'),
    });
    expect(host.files('home/ops/.cache/rollout')).toEqual([]);

    host.deliver(fresh, old);
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    expect((await upgradeOf(fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'dpkg-locked' });
    await host.command(`rm '${host.path('var/lib/dpkg/lock-held')}'`);

    expect((await upgradeOf(fresh, { fence: 6 })).outcome).toMatchObject({ kind: 'blocked', why: 'fenced' });
    expect((await upgradeOf(fresh, { fence: 6, environment: 'gprd' }, full)).outcome).toMatchObject({
      why: 'no-space',
    });

    const other = makePackage('5.8.0-1.linux');
    expect((await upgradeOf(fresh, { previous: other.ref })).outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
      message: expect.stringContaining('5.9.1-1.linux'),
    });
    expect(await host.state()).toEqual(before);
    expect(host.files('var/lib/rollout/packages').filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('throws a spoilt kept package away, and takes a delivered one instead', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    await upgradeOf(fresh, {}, { 'apt-get': 'exit 100', dpkg: 'exit 1' });
    const kept = host.path('var/lib/rollout/packages', `${fresh.ref.sha256}.deb`);
    writeFileSync(kept, 'spoilt');
    expect((await upgradeOf(fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'missing-package' });
    expect(existsSync(kept)).toBe(false);
    writeFileSync(kept, 'spoilt');
    host.deliver(fresh);
    expect((await upgradeOf(fresh)).outcome.kind).toBe('verified');
  });

  it('says that the host is unsupported where there is no systemd', async () => {
    await host.install(old);
    writeFileSync(host.path('run/systemd-shim-down'), '');
    expect((await upgradeOf(fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'unsupported' });
  });

  it('refuses the second of two at once', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    const first = host.start(host.order('upgrade', fresh, old, { proveMs: 1500 }));
    await new Promise<void>((resolve) => first.child.stdout?.once('data', () => resolve()));
    // The lock is taken right after the first line.
    await host.command(
      'n=0; while [ ! -e "$ROLLOUT_ROOT/var/lib/rollout/fence/gstg" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done',
    );
    expect((await upgradeOf(fresh)).outcome).toMatchObject({ kind: 'blocked', why: 'busy' });
    const prove = host.prove(fresh);
    expect(outcomeOf(prove, await host.run(prove))).toMatchObject({ kind: 'blocked', why: 'busy' });
    expect((await host.run(host.look())).steps.find((step) => step.step === 'look')).toMatchObject({
      busy: true,
    });
    expect(outcomeOf(host.order('upgrade', fresh, old), await first.answer).kind).toBe('verified');
  });

  it('reports a failing install script with its last words, and the revert mends it', async () => {
    const bad = makePackage('5.10.4-1.linux', { postinst: 'echo "it says: \\"no\\" \\\\ é"; exit 3' });
    await host.install(old);
    host.deliver(bad, old);
    const { outcome } = await upgradeOf(bad);
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'install-failed', step: 'install' });
    expect(outcome).toMatchObject({ message: expect.stringContaining('it says: "no" \\ ??') });
    expect((await host.state()).version).toContain('half-configured');
    const order = host.order('revert', bad, old);
    expect(outcomeOf(order, await host.run(order)).kind).toBe('reverted');
    expect(await host.state()).toEqual(runs(old));
  });

  it.each([
    ['does not start', 'startfail=1'],
    ['crash-loops', 'crash=1'],
  ])('reports a version that %s, and the revert brings the old one back', async (_name, behaviour) => {
    const bad = makePackage('5.10.5-1.linux', { behaviour });
    await host.install(old);
    host.deliver(bad, old);
    expect((await upgradeOf(bad)).outcome).toMatchObject({ kind: 'failed', failure: 'start-failed' });
    const order = host.order('revert', bad, old);
    expect(outcomeOf(order, await host.run(order)).kind).toBe('reverted');
    expect(await host.state()).toEqual(runs(old));
  });

  it('is not deceived by a restart that leaves the old executable running', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    const shim = await host.command('command -v systemctl');
    const { outcome } = await upgradeOf(
      fresh,
      {},
      {
        systemctl: `case $1 in restart) exit 0 ;; esac; exec '${shim}' "$@"`,
      },
    );
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'proof-failed', step: 'proof' });
  });

  it('works where there is no flock, no timeout and no sha256sum, and still lets only one in', async () => {
    const only = 'sh cat mkdir rm mv cp chmod wc tr sed awk grep tail date df sleep find ls sync'.split(' ');
    const tools = { shasum: `exec '${await host.command('command -v sha256sum')}'` };
    await host.install(old);
    host.deliver(fresh, old);
    const order = host.order('upgrade', fresh, old, { proveMs: 1500 });
    const first = host.start(order, { only, tools });
    await host.command(
      'n=0; while [ ! -e "$ROLLOUT_ROOT/run/rollout/lock.d/pid" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done',
    );
    expect(outcomeOf(order, await host.run(order, { only, tools }))).toMatchObject({
      kind: 'blocked',
      why: 'busy',
    });
    expect(outcomeOf(order, await first.answer).kind).toBe('verified');
    const killed = { only, tools, killAfterSteps: 3 };
    await host.run(host.order('revert', fresh, old), killed);
    const revert = host.order('revert', fresh, old);
    expect(outcomeOf(revert, await host.run(revert, { only, tools })).kind).toBe('reverted');
    expect(await host.state()).toEqual(runs(old));
  });

  it('uses dpkg where apt is broken by another package, since the version is not to blame', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    const broken = `echo "E: Unmet dependencies. Try 'apt --fix-broken install' with no packages"; exit 100`;
    const { answer, outcome } = await upgradeOf(fresh, {}, { 'apt-get': broken });
    expect(outcome.kind).toBe('verified');
    expect(answer.steps.find((step) => step.step === 'install')).toMatchObject({ by: 'dpkg' });
  });

  it('goes on when nobody listens any more', async () => {
    await host.install(old);
    host.deliver(fresh, old);
    const answer = await host.run(host.order('upgrade', fresh, old), { hangUpAfterSteps: 1 });
    expect(answer.exitCode).toBe(0);
    expect(await host.state()).toEqual(runs(fresh));
  });

  it.each([
    ['an unknown key', 'colour=red'],
    ['a word without =', 'colour'],
    ['a command in a version', 'target_version=1;reboot'],
    ['a digest that is none', 'target_sha256=abc'],
    ['a path with ..', 'target_exe=/opt/../etc/shadow'],
    ['a relative path', 'incoming=tmp'],
    ['a leading dash', 'service=-H'],
    ['a number that is none', 'fence=1x'],
    ['a newline', 'order=a\nb'],
  ])('refuses %s', async (_name, parameter) => {
    const answer = await host.run(host.order('upgrade', fresh, old), { parameters: [parameter] });
    expect(answer.exitCode).toBe(HOST_EXIT.usage);
    expect(answer.steps.map((step) => step.step)).toEqual(['begin', 'usage', 'end']);
    expect(host.files('var/lib')).toEqual([]);
  });

  it('tells its clock, to the millisecond where date can', async () => {
    const clockOf = async (date: string | null): Promise<unknown> => {
      const tools = date === null ? {} : { tools: { date } };
      const read = lookOf((await host.run(host.look(), tools)).steps);
      return read.ok ? read.value.clockMs : read.error;
    };
    const before = Date.now();
    const told = await clockOf(null);
    expect(told).toBeGreaterThanOrEqual(before);
    expect(told).toBeLessThanOrEqual(Date.now());
    // As busybox and macOS do, which leave what they do not know.
    expect(await clockOf('case $1 in *N*) echo 1700000000N ;; *) echo 1700000000 ;; esac')).toBe(
      1_700_000_000_000,
    );
    expect(await clockOf('exit 1')).toBeNull();
    expect(await clockOf('echo no clock here')).toBeNull();
  });

  it('looks without changing anything', async () => {
    const empty = lookOf((await host.run(host.look())).steps);
    expect(empty).toMatchObject({
      ok: true,
      value: { packageState: 'absent', mainPid: 0, kept: [], architecture: 'amd64' },
    });
    expect(host.files('var/lib')).toEqual([]);
    await host.install(old);
    const look = lookOf((await host.run(host.look())).steps);
    expect(look).toMatchObject({
      ok: true,
      value: {
        packageState: 'installed',
        packageVersion: old.ref.packageVersion,
        activeState: 'active',
        unitFileState: 'enabled',
        runningSha256: old.ref.executableSha256,
        installedSha256: old.ref.executableSha256,
      },
    });
  });
});
