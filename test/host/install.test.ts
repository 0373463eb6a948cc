import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { carryOut, installOrder, removeOrder, serviceOrder, stepOf, whenFree } from './package-orders.ts';
import { makePackage, type Package, type RunOptions, ShimHost } from './shim-host.ts';

const made = makePackage('5.10.2-1.linux');
const other = makePackage('5.9.1-1.linux');

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
  host.deliver(made);
});
afterEach(() => {
  host.remove();
});

const install = (target: Package = made, options: RunOptions = {}, more: object = {}) =>
  carryOut(host, installOrder(target, more), options);

async function expectRunning(target: Package = made): Promise<void> {
  expect(await host.state()).toEqual({
    running: target.ref.executableSha256,
    installed: target.ref.executableSha256,
    version: `install installed ${target.ref.packageVersion}`,
    unit: 'active enabled',
  });
}

/** The host lacks the package as before, or has what it had. */
async function expectNothingDone(): Promise<void> {
  expect(await host.command('systemctl show osqueryd -P ActiveState')).toBe('inactive');
  expect(host.files('opt/osquery/bin')).toEqual([]);
}

describe('install', () => {
  it('installs, enables, starts and proves, and keeps the package on the host', async () => {
    const { answer, outcome, steps } = await install();
    expect(outcome).toEqual({
      kind: 'proven',
      service: 'running',
      version: made.ref.packageVersion,
      held: false,
      notes: [],
    });
    expect(steps.filter((step) => step !== 'working')).toEqual([
      'begin',
      'look',
      'remember',
      'stage',
      'install',
      'prune',
      'boot',
      'start',
      'status',
      'proof',
      'end',
    ]);
    expect(stepOf(answer, 'proof')).toMatchObject({ runningSha256: made.ref.executableSha256 });
    expect(stepOf(answer, 'status')).toMatchObject({ busy: false, unitFileState: 'enabled' });
    await expectRunning();
    expect(host.files('var/lib/rollout/packages')).toEqual([`${made.ref.sha256}.deb`]);
    expect(host.files('home/ops/.cache/rollout')).toEqual([]);
    expect(host.files('run/rollout')).not.toContain('i-1.pending');
  });

  it('installs nothing a second time, and settles the service', async () => {
    await install();
    await host.command('systemctl stop osqueryd; systemctl disable osqueryd');
    const { outcome, steps } = await install();
    expect(outcome).toMatchObject({ kind: 'proven', service: 'running' });
    expect(steps).not.toContain('install');
    await expectRunning();
    const pid = await host.command('systemctl show osqueryd -P MainPID');
    expect((await install()).outcome).toMatchObject({ kind: 'proven' });
    expect(await host.command('systemctl show osqueryd -P MainPID')).toBe(pid);
  });

  it('restarts a daemon of another version that outlived its package', async () => {
    await host.install(other);
    await host.command('dpkg --remove osquery');
    expect(await host.command('systemctl show osqueryd -P ActiveState')).toBe('active');
    expect((await install()).outcome).toMatchObject({ kind: 'proven', service: 'running' });
    await expectRunning();
  });

  it('leaves another version alone', async () => {
    await host.install(other);
    const { outcome } = await install();
    expect(outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
      message: expect.stringContaining(other.ref.packageVersion),
    });
    await expectRunning(other);
    expect(host.files('home/ops/.cache/rollout')).toEqual([]);
    expect(host.files('var/lib/rollout/orders')).toEqual([]);
  });

  it('leaves another file of the same version alone', async () => {
    const twin = makePackage('5.10.2-1.linux', { behaviour: 'twin=1' });
    await host.install(twin);
    expect((await install()).outcome).toMatchObject({ kind: 'blocked', why: 'drifted' });
    await expectRunning(twin);
  });

  it('leaves what somebody else has broken alone', async () => {
    await host.install(made, 'stopped');
    writeFileSync(
      host.path('var/lib/dpkg/shim/osquery'),
      `install half-configured ${made.ref.packageVersion}\n`,
    );
    expect((await install()).outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
      message: expect.stringContaining('half installed'),
    });
  });

  it('leaves a service alone that somebody has masked without a hold', async () => {
    await host.command('systemctl mask osqueryd');
    expect((await install()).outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
      message: expect.stringContaining('unmask'),
    });
    await expectNothingDone();
  });

  it('tells its refusals apart, and changes nothing', async () => {
    const full = { df: 'echo Filesystem; echo "/dev/x 100 100 40000 99% /"' };
    expect((await install(made, { tools: full })).outcome).toMatchObject({
      kind: 'blocked',
      why: 'no-space',
    });
    expect((await install()).outcome).toMatchObject({ kind: 'blocked', why: 'missing-package' });

    host.deliver({ ...made, bytes: made.bytes.subarray(0, 100) });
    expect((await install()).outcome).toMatchObject({ kind: 'blocked', why: 'digest-mismatch' });

    host.deliver(made);
    mkdirSync(host.path('var/lib/dpkg'), { recursive: true });
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    expect((await install()).outcome).toMatchObject({ kind: 'blocked', why: 'dpkg-locked' });
    expect((await install(made, {}, { fence: 6 })).outcome).toMatchObject({ kind: 'blocked', why: 'fenced' });
    await expectNothingDone();
  });

  it('says that a host without dpkg, or without an init, is none for it', async () => {
    const bare = host.path('bare');
    const sh = await host.command('command -v sh');
    await host.command(`mkdir '${bare}'; ln -s '${sh}' "$(command -v rm)" '${bare}'`);
    for (const order of [installOrder(made), removeOrder()]) {
      const { outcome } = await carryOut(host, order, { environment: { PATH: bare } });
      expect(outcome).toMatchObject({
        kind: 'blocked',
        why: 'unsupported',
        message: expect.stringContaining('no dpkg'),
      });
    }
    mkdirSync(host.path('run'), { recursive: true });
    writeFileSync(host.path('run/systemd-shim-down'), '');
    expect((await install()).outcome).toMatchObject({ kind: 'blocked', why: 'unsupported' });
  });

  it('reports a failing install script, and mends what it broke when it is repeated', async () => {
    const bad = makePackage('5.10.4-1.linux', { postinst: '[ -e "$ROLLOUT_ROOT/mended" ] || exit 3' });
    host.deliver(bad);
    expect((await install(bad)).outcome).toMatchObject({ kind: 'failed', failure: 'install-failed' });
    expect((await host.state()).version).toContain('half-configured');
    expect((await install(bad, {}, { orderId: 'i-2' })).outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
    });
    writeFileSync(host.path('mended'), '');
    expect((await install(bad)).outcome).toMatchObject({ kind: 'proven', service: 'running' });
    await expectRunning(bad);
  });

  it.each([
    ['does not start', 'startfail=1'],
    ['crash-loops', 'crash=1'],
  ])('reports a version that %s', async (_, behaviour) => {
    const bad = makePackage('5.10.5-1.linux', { behaviour });
    host.deliver(bad);
    expect((await install(bad, {}, { proveMs: 1_000 })).outcome).toMatchObject({
      kind: 'failed',
      failure: 'start-failed',
    });
  });

  it('is not deceived by a start that leaves another executable running', async () => {
    await host.install(other);
    await host.command('dpkg --remove osquery');
    const shim = await host.command('command -v systemctl');
    const lazy = { systemctl: `case $1 in restart) exit 0 ;; esac; exec '${shim}' "$@"` };
    expect((await install(made, { tools: lazy })).outcome).toMatchObject({
      kind: 'failed',
      failure: 'proof-failed',
    });
  });

  it('lets only one of two in', async () => {
    const slow = makePackage('5.10.6-1.linux', { postinst: 'sleep 2' });
    host.deliver(slow);
    const first = host.start(installOrder(slow));
    await host.command(
      'n=0; while [ ! -e "$ROLLOUT_ROOT/var/lib/rollout/fence/gstg" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done',
    );
    expect((await install(slow)).outcome).toMatchObject({ kind: 'blocked', why: 'busy' });
    expect((await first.answer).exitCode).toBe(HOST_EXIT.done);
  });
});

describe('install on a held host', () => {
  it.each(['mask', 'condition', 'none'] as const)(
    'brings the package and leaves it stopped (%s)',
    async (brake) => {
      await carryOut(host, serviceOrder('stop', brake));
      const pushy = makePackage('5.10.3-1.linux', {
        postinst: 'systemctl unmask osqueryd; systemctl start osqueryd',
      });
      host.deliver(pushy);
      const { answer, outcome } = await install(pushy);
      expect(outcome).toMatchObject({ kind: 'proven', service: 'left-held', held: true });
      expect(stepOf(answer, 'proof')).toMatchObject({
        installedSha256: pushy.ref.executableSha256,
        held: true,
      });
      expect(await host.state()).toMatchObject({
        running: '',
        unit: brake === 'mask' ? 'inactive masked' : 'inactive enabled',
      });
      expect(existsSync(host.path('var/lib/rollout/hold'))).toBe(true);

      const { outcome: started } = await carryOut(host, serviceOrder('start'));
      expect(started).toMatchObject({ kind: 'proven', service: 'running', held: false });
      await expectRunning(pushy);
    },
  );

  it('gives way to a stop that comes after the start', async () => {
    const sleeps = await host.command('command -v sleep');
    const systemctl = await host.command('command -v systemctl');
    const stop = `case $1 in 0.25) if [ ! -e "$ROLLOUT_ROOT/once" ]; then : >"$ROLLOUT_ROOT/once"
      echo held >"$ROLLOUT_ROOT/var/lib/rollout/hold"; '${systemctl}' mask osqueryd; '${systemctl}' stop osqueryd; fi ;; esac
exec '${sleeps}' "$@"`;
    const { outcome } = await install(made, { tools: { sleep: stop } });
    expect(outcome).toMatchObject({ kind: 'proven', service: 'left-held', held: true });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });
});

describe('install on a host with sysvinit', () => {
  it('starts by the init script, for the next boot too, and proves the process', async () => {
    await host.command('mkdir -p "$ROLLOUT_ROOT/run"');
    await host.withoutSystemd();
    await host.command('rm "$ROLLOUT_ROOT/etc/rc2.d/S01osqueryd"');
    const { answer, outcome } = await install();
    expect(outcome).toMatchObject({ kind: 'proven', service: 'running', version: made.ref.packageVersion });
    expect(stepOf(answer, 'status')).toMatchObject({ init: 'sysvinit', unitFileState: 'enabled' });
    expect((await install()).outcome).toMatchObject({ kind: 'proven', service: 'running' });
  });

  it('leaves a held one behind its brake, although the package brings the script anew', async () => {
    await host.command('mkdir -p "$ROLLOUT_ROOT/run"');
    await host.withoutSystemd();
    await carryOut(host, serviceOrder('stop'));
    const anew = makePackage('5.10.3-1.linux', { postinst: 'chmod 755 "$ROLLOUT_ROOT/etc/init.d/osqueryd"' });
    host.deliver(anew);
    expect((await install(anew)).outcome).toMatchObject({ kind: 'proven', service: 'left-held', held: true });
    await expect(host.command('service osqueryd start')).rejects.toThrow('unrecognized service');
    expect((await carryOut(host, serviceOrder('start'))).outcome).toMatchObject({
      kind: 'proven',
      service: 'running',
    });
  });
});

// Every line of the answer, and a spread over the time that it takes.
const moments = [
  ...[1, 3, 4, 5, 6, 7].map((line) => ({ killAfterSteps: line })),
  ...[90, 180, 270, 360, 450].map((ms) => ({ killAfterMs: ms })),
];

describe('an install that was killed', () => {
  it.each(moments)('at %j is completed by the next', async (moment) => {
    const killAll = ('killAfterMs' in moment ? moment.killAfterMs / 90 : moment.killAfterSteps) % 2 === 0;
    await host.run(installOrder(made), { ...moment, killAll });
    host.deliver(made);
    expect((await whenFree(host, installOrder(made))).outcome).toMatchObject({
      kind: 'proven',
      service: 'running',
    });
    await expectRunning();
    expect(readFileSync(host.path('etc/default/osqueryd'), 'utf8')).toContain('5.10.2');
  });
});
