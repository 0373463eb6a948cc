/** The way back that a host takes by itself: armed, left alone, confirmed, told to wait on, killed, rebooted, raced. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHostPrograms } from '../../src/adapters/ssh/programs.ts';
import { inspectionOf, outcomeOf } from '../../src/domain/host-answer.ts';
import type { ArmOrder, HostOrder } from '../../src/domain/host-order.ts';
import type { FolderCopy } from './folder-copy.ts';
import { serviceOrder, stepOf } from './package-orders.ts';
import { makePackage, type RunOptions, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');

const TIMER = 'etc/systemd/system/rollout-revert.timer';
const SERVICE = 'etc/systemd/system/rollout-revert.service';
const LINK = 'etc/systemd/system/timers.target.wants/rollout-revert.timer';
const GUARD = 'run/systemd/system/osqueryd.service.d/95-rollout-guard.conf';

let host: ShimHost;
let begun: FolderCopy | undefined;
beforeEach(async () => {
  host = new ShimHost(begun);
  if (begun !== undefined) return;
  await host.install(old);
  host.deliver(fresh, old);
  begun = host.keep();
});
afterEach(() => {
  host.remove();
});

/** Due at once: whoever fires it then, goes back. */
const DUE: ArmOrder = { revertAfterS: 0, disarm: 'after-soak' };
const LATER: ArmOrder = { revertAfterS: 3600, disarm: 'after-soak' };

const upgradeOrder = (arm: ArmOrder = LATER, more: object = {}): HostOrder =>
  host.order('upgrade', fresh, old, { arm, proveMs: 0, ...more });

async function run(order: HostOrder, options: RunOptions = {}) {
  const answer = await host.run(order, options);
  return { answer, outcome: outcomeOf(order, answer) };
}

const upgrade = async (arm: ArmOrder = LATER, more: object = {}, options: RunOptions = {}) =>
  run(upgradeOrder(arm, more), options);

const UPGRADED = new Map<ArmOrder, FolderCopy>();

/** The host after that upgrade, which is made once: for what comes of it, where the upgrade itself is not the question. */
async function upgraded(arm: ArmOrder): Promise<void> {
  const copy = UPGRADED.get(arm);
  if (copy === undefined) {
    expect((await upgrade(arm)).outcome).toMatchObject({ kind: 'verified', service: 'running' });
    UPGRADED.set(arm, host.keep());
  } else {
    host.remove();
    host = new ShimHost(copy);
  }
}

/** Waits, 20 s at most, for what other processes do. */
async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; turn < 1000 && !isSo(); turn += 1) await setTimeout(20);
}

const read = (path: string): string =>
  existsSync(host.path(path)) ? readFileSync(host.path(path), 'utf8') : '';

const stateWord = (): string => /^state=(.*)$/m.exec(read('var/lib/rollout/revert/state'))?.[1] ?? '';

/** Nothing is left that would act by itself, or limit the unit. */
function expectDisarmed(): void {
  expect(existsSync(host.path(TIMER))).toBe(false);
  expect(existsSync(host.path(SERVICE))).toBe(false);
  expect(host.files('etc/systemd/system/timers.target.wants')).toEqual([]);
  expect(existsSync(host.path('run/systemd/system/rollout-revert.timer.d'))).toBe(false);
  expect(existsSync(host.path(GUARD))).toBe(false);
  expect(host.files('var/lib/rollout/revert')).not.toContain('program');
}

async function expectRuns(made: typeof old): Promise<void> {
  expect(await host.state()).toEqual({
    running: made.ref.executableSha256,
    installed: made.ref.executableSha256,
    version: `install installed ${made.ref.packageVersion}`,
    unit: 'active enabled',
  });
}

const WENT_BACK = {
  kind: 'went-back',
  sha256: old.ref.executableSha256,
  packageVersion: old.ref.packageVersion,
  service: 'running',
};

describe('an upgrade that is armed', () => {
  it('leaves the way back on the host: the text that a revert is sent as, its timer, its state', async () => {
    const { outcome, answer } = await upgrade();
    expect(outcome).toMatchObject({ kind: 'verified', service: 'running' });
    const left = 'armedMs' in outcome ? (outcome.armedMs ?? 0) : 0;
    expect(left).toBeGreaterThan(3_000_000);
    expect(left).toBeLessThanOrEqual(3_600_000);
    expect(stepOf(answer, 'armed')).toMatchObject({ order: 'r-1', environment: 'gstg', lengthS: 3600 });
    expect(statSync(host.path('var/lib/rollout/revert')).mode & 0o777).toBe(0o700);
    expect(read('var/lib/rollout/revert/program')).toBe(await createHostPrograms().text('revert'));
    expect(stateWord()).toBe('armed');
    expect(existsSync(host.path(TIMER))).toBe(true);
    expect(existsSync(host.path(LINK))).toBe(true);
    expect(await host.command('systemctl is-active rollout-revert.timer')).toBe('active');
    // An empty value forgets every time that was set: what comes again every minute has to be said again.
    expect(read('run/systemd/system/rollout-revert.timer.d/50-this-boot.conf')).toMatch(
      /^\[Timer\]\nOnActiveSec=\nOnActiveSec=3600000ms\nOnUnitInactiveSec=60s\n$/u,
    );
    expect(host.files('var/lib/rollout/packages')).toHaveLength(2);
  });

  it('is told by prove and look', async () => {
    await upgraded(LATER);
    expect((await run(host.prove(fresh))).outcome).toMatchObject({
      kind: 'verified',
      armedMs: expect.any(Number),
    });
    expect(stepOf((await run(host.look())).answer, 'armed')).toMatchObject({ state: 'armed', order: 'r-1' });
    // Of another order's arming nothing is concluded.
    const other = { ...host.prove(fresh), orderId: 'r-2' } as HostOrder;
    expect((await run(other)).outcome).not.toHaveProperty('armedMs');
  });

  it('is armed before the installer runs', async () => {
    const tools = {
      'apt-get': `cp "$ROLLOUT_ROOT/var/lib/rollout/revert/state" "$ROLLOUT_ROOT/seen" && [ -e "$ROLLOUT_ROOT/${LINK}" ] &&
        systemctl is-active rollout-revert.timer >>"$ROLLOUT_ROOT/seen"; exit 100`,
    };
    expect((await upgrade(LATER, {}, { tools })).outcome).toMatchObject({ failure: 'install-failed' });
    expect(read('seen')).toMatch(/^state=armed\n[^]*\nactive\n$/u);
  });

  it.each([
    ['/etc takes no units', (): void => block('etc/systemd/system')],
    ['its folder cannot be made', (): void => block('var/lib/rollout/revert')],
  ])('installs nothing where %s', async (_, spoil) => {
    spoil();
    const { outcome } = await upgrade();
    expect(outcome).toMatchObject({ kind: 'blocked', why: 'arm-failed' });
    expect(outcome).toHaveProperty('message', expect.stringContaining('nothing was installed'));
    await host.command('rm -rf "$ROLLOUT_ROOT/etc/systemd/system.old"');
    expect(await host.state()).toMatchObject({ running: old.ref.executableSha256 });
    expect(stateWord()).toBe('');
  });

  it.each(['daemon-reload', 'restart', 'is-active'])(
    'installs nothing where systemd refuses to %s',
    async (verb) => {
      const systemctl = await host.command('command -v systemctl');
      const tools = {
        systemctl: `case " $* " in *' ${verb} '*) echo 'Failed to connect to bus' >&2; exit 1 ;; esac; exec '${systemctl}' "$@"`,
      };
      expect((await upgrade(LATER, {}, { tools })).outcome).toMatchObject({
        kind: 'blocked',
        why: 'arm-failed',
      });
      await expectRuns(old);
      expect(stateWord()).toBe('');
      expectDisarmed();
    },
  );

  it('that dpkg refuses before anything was installed is not armed any more', async () => {
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    expect((await upgrade()).outcome).toMatchObject({ kind: 'blocked', why: 'dpkg-locked' });
    expect(stateWord()).toBe('');
    expectDisarmed();
  });

  it('that fails stays armed, and goes back when nobody is heard of', async () => {
    const bad = makePackage('5.11.3-1.linux', { behaviour: 'startfail=1' });
    host.deliver(bad, old);
    const order = host.order('upgrade', bad, old, { arm: DUE, proveMs: 0 });
    expect((await run(order)).outcome).toMatchObject({ kind: 'failed', failure: 'start-failed' });
    expect((await host.fire()).code).toBe(0);
    await expectRuns(old);
  });

  it('confirms itself after its proof, where that is enough', async () => {
    const { outcome } = await upgrade({ revertAfterS: 3600, disarm: 'after-proof' });
    expect(outcome).toMatchObject({ kind: 'verified' });
    expect(outcome).not.toHaveProperty('armedMs');
    expect(stateWord()).toBe('confirmed');
    expectDisarmed();
    expect((await run(host.confirm(fresh))).outcome).toEqual({ kind: 'confirmed' });
  });

  it('is armed anew by the same order repeated, also where the target is there already', async () => {
    await upgraded(DUE);
    const { outcome } = await upgrade();
    expect(outcome).toMatchObject({ kind: 'verified', armedMs: expect.any(Number) });
    expect((await host.fire()).code).toBe(0);
    await expectRuns(fresh);
  });

  it('is superseded by the next order, which goes back no further than to what was there before it', async () => {
    await upgraded(DUE);
    const next = makePackage('5.12.0-1.linux');
    host.deliver(next, fresh);
    const order = host.order('upgrade', next, fresh, { arm: DUE, proveMs: 0, orderId: 'r-2', fence: 8 });
    expect((await run(order)).outcome).toMatchObject({ kind: 'verified', armedMs: 0 });
    expect((await run(host.confirm(fresh))).outcome).toMatchObject({ kind: 'blocked', why: 'fenced' });
    await host.fire();
    await expectRuns(fresh);
  });
});

/** Puts a file where a folder is needed; the units that lie there stay aside. */
function block(path: string): void {
  if (existsSync(host.path(path))) {
    mkdirSync(host.path(`${path}.old`), { recursive: true });
    const units = host.path(path);
    const names = host.files(path);
    for (const name of names) if (!name.endsWith('.wants')) throw new Error(`${units} has ${name}`);
  }
  // A folder that is there stays, and what is to be written in it is a folder with something in it.
  if (path.startsWith('etc'))
    mkdirSync(host.path(path, 'rollout-revert.service.tmp', 'x'), { recursive: true });
  else {
    mkdirSync(host.path(path, '..'), { recursive: true });
    writeFileSync(host.path(path), '');
  }
}

describe('a host that hears from nobody', () => {
  it('goes back by itself, leaves a note, and tells it to whoever asks', async () => {
    await upgrade({ ...DUE, guardCpuPercent: 20 }, {}, { environment: { SUDO_USER: 'ops' } });
    const { code } = await host.fire();
    expect(code).toBe(0);
    await expectRuns(old);
    expectDisarmed();
    expect(stateWord()).toBe('went-back');
    const told = read('var/lib/rollout/revert/note');
    expect(told).toMatch(
      /went back by itself from osquery 5\.10\.2-1\.linux to 5\.9\.1-1\.linux at \d{4}-.*Z: armed by ops at .* \(order r-1 of gstg\), and nobody confirmed it or told it to wait on within 0 s; 5\.9\.1-1\.linux is proven to run again/u,
    );
    const expected = { ...WENT_BACK, at: expect.any(Number), note: told.trim() };
    const prove = host.prove(fresh);
    const answer = await host.run(prove);
    expect(outcomeOf(prove, answer)).toEqual(expected);
    expect(inspectionOf(prove, answer, old.ref)).toEqual(expected);
    expect((await run(host.confirm(fresh))).outcome).toEqual(expected);
    expect((await run(host.confirm(fresh, 60))).outcome).toEqual(expected);
    // To who asks for another order it is nothing but a host on the previous version.
    const other = { ...prove, orderId: 'r-2' } as HostOrder;
    expect(inspectionOf(other, await host.run(other), old.ref)).toEqual({ kind: 'still-previous' });
  });

  it('may be upgraded by the same order again, as if it had never been', async () => {
    await upgraded(DUE);
    await host.fire();
    await host.command('systemctl stop osqueryd');
    expect((await upgrade()).outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    expect(stateWord()).toBe('armed');
    expect((await run(host.prove(fresh))).outcome).toMatchObject({
      kind: 'verified',
      service: 'left-stopped',
    });
  });

  it('does nothing before its time', async () => {
    await upgraded(LATER);
    expect(await host.fire()).toEqual({ code: 0, out: '' });
    await expectRuns(fresh);
    expect(stateWord()).toBe('armed');
  });

  it('waits for an upgrade that is still at work', async () => {
    await upgraded(DUE);
    const slow = makePackage('5.10.3-1.linux', { postinst: 'sleep 0.5' });
    host.deliver(slow, fresh);
    const order = host.order('upgrade', slow, fresh, { arm: LATER, proveMs: 0, orderId: 'r-2' });
    const { answer } = host.start(order);
    await until(() => existsSync(host.path('run/rollout/r-2.pending')));
    expect((await host.fire()).code).toBe(0);
    expect(outcomeOf(order, await answer)).toMatchObject({ kind: 'verified' });
    expect(await host.state()).toMatchObject({ running: slow.ref.executableSha256 });
  });

  it('leaves a service stopped that a hold keeps down, and one that was stopped before the order', async () => {
    await upgraded(DUE);
    await host.run(serviceOrder('stop'));
    await host.fire();
    expect(await host.state()).toMatchObject({ running: '', installed: old.ref.executableSha256 });
    expect((await run(host.prove(fresh))).outcome).toMatchObject({
      kind: 'went-back',
      service: 'left-stopped',
    });

    await host.run(serviceOrder('start'));
    await host.command('systemctl stop osqueryd');
    await upgrade(DUE);
    await host.fire();
    expect(await host.state()).toMatchObject({
      running: '',
      installed: old.ref.executableSha256,
      unit: 'inactive enabled',
    });
  });

  it('tries again when dpkg is locked, and tells why it has not gone back yet', async () => {
    await upgraded(DUE);
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    expect((await host.fire()).code).toBe(75);
    expect(stateWord()).toBe('reverting');
    expect(read('var/lib/rollout/revert/note')).toMatch(
      /attempt 1 to go back .* failed, and is made again: .*lock/u,
    );
    expect((await run(host.prove(fresh))).outcome).toMatchObject({
      kind: 'blocked',
      why: 'busy',
      message: expect.stringContaining('going back by itself; attempt 1 failed'),
    });
    await host.command('rm "$ROLLOUT_ROOT/var/lib/dpkg/lock-held"');
    expect((await host.fire()).code).toBe(0);
    expect((await run(host.prove(fresh))).outcome).toMatchObject({
      ...WENT_BACK,
      note: expect.stringContaining('attempts that failed before: 1'),
    });
  });

  it('that fails again and again waits five minutes between the later attempts', async () => {
    await upgraded(DUE);
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    expect((await host.fire()).code).toBe(75);
    const state = read('var/lib/rollout/revert/state');
    writeFileSync(host.path('var/lib/rollout/revert/state'), state.replace('failures=1\n', 'failures=4\n'));
    for (let attempt = 5; attempt <= 6; attempt += 1) expect((await host.fire()).code).toBe(75);
    expect(await host.fire()).toEqual({ code: 0, out: '' });
    expect(read('var/lib/rollout/revert/state')).toContain('failures=6\n');
  });

  it('leaves a third version alone that somebody has put there, and goes no more', async () => {
    await upgraded(DUE);
    await host.install(makePackage('5.13.0-1.linux'));
    expect((await host.fire()).code).toBe(0);
    expect(stateWord()).toBe('overtaken');
    expectDisarmed();
    expect(read('var/lib/rollout/revert/note')).toContain('5.13.0-1.linux is installed');
  });

  it('is reverted by an order all the same, after which nothing is armed', async () => {
    await upgraded(LATER);
    expect((await run(host.order('revert', fresh, old, { proveMs: 0 }))).outcome).toMatchObject({
      kind: 'reverted',
    });
    expect(stateWord()).toBe('reverted');
    expectDisarmed();
    expect((await run(host.confirm(fresh))).outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
      message: expect.stringContaining('last: reverted'),
    });
  });

  it('keeps the package that it needs, whoever clears up', async () => {
    await upgraded(LATER);
    const next = makePackage('5.12.0-1.linux');
    const other = makePackage('5.12.1-1.linux');
    host.deliver(next, other);
    await run({ ...host.order('upgrade', next, other), orderId: 'r-9' } as HostOrder);
    expect(host.files('var/lib/rollout/packages')).toContain(`${old.ref.sha256}.deb`);
  });

  it('goes back at its time, by its own timer', async () => {
    host.timers = true;
    // Its time may come before the upgrade has ended: then the timer's run waits for that.
    const { outcome } = await upgrade({ revertAfterS: 1, disarm: 'after-soak' });
    expect(outcome).toMatchObject({ kind: 'verified', service: 'running' });
    await until(
      () => stateWord() === 'went-back' && !existsSync(host.path('var/lib/rollout/revert/program')),
    );
    expect(stateWord()).toBe('went-back');
    await expectRuns(old);
    expectDisarmed();
  });
});

describe('a confirmation', () => {
  it('keeps the version, and may be repeated', async () => {
    await upgrade({ ...LATER, guardCpuPercent: 20, guardMemoryBytes: 300_000_000 });
    expect((await run(host.confirm(fresh))).outcome).toEqual({ kind: 'confirmed' });
    expect(stateWord()).toBe('confirmed');
    expectDisarmed();
    expect((await run(host.confirm(fresh))).outcome).toEqual({ kind: 'confirmed' });
    expect((await run(host.confirm(fresh, 60))).outcome).toEqual({ kind: 'confirmed' });
    await expectRuns(fresh);
    expect((await run(host.prove(fresh))).outcome).not.toHaveProperty('armedMs');
  });

  it('of a host where something else runs is refused, and the host stays armed', async () => {
    await upgraded(LATER);
    await host.install(makePackage('5.13.0-1.linux'));
    expect((await run(host.confirm(fresh))).outcome).toMatchObject({
      kind: 'failed',
      failure: 'proof-failed',
    });
    expect(stateWord()).toBe('armed');
  });

  it('of a stopped service rests on what is installed', async () => {
    await upgraded(LATER);
    await host.command('systemctl stop osqueryd');
    expect((await run(host.confirm(fresh))).outcome).toEqual({ kind: 'confirmed' });
  });

  it('where nothing is armed is true of a host that has the version, and of no other', async () => {
    await upgraded(LATER);
    await host.command('rm "$ROLLOUT_ROOT/var/lib/rollout/revert/state"');
    expect((await run(host.confirm(fresh))).outcome).toEqual({ kind: 'confirmed' });
    expectDisarmed();
    const another = makePackage('5.13.0-1.linux');
    expect((await run(host.confirm(another))).outcome).toMatchObject({ kind: 'blocked', why: 'drifted' });
  });

  it('on a disk that takes nothing is not given, and the host stays armed', async () => {
    await upgraded(LATER);
    const mv = await host.command('command -v mv');
    const tools = { mv: `case $* in *revert/state*) exit 1 ;; esac; exec '${mv}' "$@"` };
    expect((await run(host.confirm(fresh), { tools })).outcome).toMatchObject({
      kind: 'blocked',
      why: 'no-space',
    });
    expect(stateWord()).toBe('armed');
    expect(existsSync(host.path(TIMER))).toBe(true);
  });

  it('to wait on puts the time off, also after a reboot', async () => {
    await upgraded(DUE);
    expect((await run(host.confirm(fresh, 1000))).outcome).toMatchObject({
      kind: 'renewed',
      armedMs: 1_000_000,
    });
    await host.fire();
    await expectRuns(fresh);
    host.reboot();
    await host.command('systemctl start osqueryd');
    const { outcome } = await run(host.confirm(fresh, 2000));
    expect(outcome).toMatchObject({ kind: 'renewed', armedMs: 2_000_000 });
    await host.fire();
    expect(stateWord()).toBe('armed');
    expect((await run(host.confirm(fresh))).outcome).toEqual({ kind: 'confirmed' });
    expectDisarmed();
  });

  it('waits for the end of a revert that has begun, and answers that', async () => {
    await upgraded(DUE);
    const firing = host.fire();
    await until(() => stateWord() !== 'armed');
    expect((await run(host.confirm(fresh))).outcome).toMatchObject(WENT_BACK);
    expect((await firing).code).toBe(0);
  });
});

describe('a reboot', () => {
  const bootedAt = (seconds: number): void => {
    mkdirSync(host.path('run/systemd-shim'), { recursive: true });
    writeFileSync(host.path('run/systemd-shim/uptime-is-set'), '');
    writeFileSync(host.path('proc/uptime'), `${seconds}.00 0.00\n`);
  };
  const clock = (shift: string) => ({ tools: { date: `exec /bin/date -d '${shift}' "$@"` } });

  it('loses nothing: what remains by the clock is waited for, then the host goes back', async () => {
    await upgrade({ revertAfterS: 600, disarm: 'after-soak', guardCpuPercent: 20 });
    host.reboot();
    await host.command('systemctl start osqueryd');
    expect(existsSync(host.path(LINK))).toBe(true);
    expect(read(TIMER)).toContain('OnActiveSec=75s');
    bootedAt(80);
    await host.fire(clock('now'));
    await expectRuns(fresh);
    // What lay in memory is set again.
    expect(read(GUARD)).toContain('CPUQuota=20%');
    bootedAt(80 + 500);
    await host.fire();
    await expectRuns(fresh);
    bootedAt(80 + 601);
    await host.fire();
    await expectRuns(old);
    expectDisarmed();
  });

  it('after which the clock is years behind does not wait longer than was left', async () => {
    await upgrade({ revertAfterS: 600, disarm: 'after-soak' });
    host.reboot();
    await host.command('systemctl start osqueryd');
    bootedAt(80);
    await host.fire(clock('-3 years'));
    bootedAt(80 + 601);
    await host.fire(clock('-3 years'));
    expect(stateWord()).toBe('went-back');
    await expectRuns(old);
  });

  it('after which the time has passed goes back at once', async () => {
    await upgrade({ revertAfterS: 600, disarm: 'after-soak' });
    host.reboot();
    await host.command('systemctl start osqueryd');
    await host.fire(clock('+11 minutes'));
    expect(stateWord()).toBe('went-back');
    await expectRuns(old);
  });

  it('that does not happen: a clock that jumps by years within the boot changes nothing', async () => {
    bootedAt(1000);
    await upgrade({ revertAfterS: 600, disarm: 'after-soak' });
    bootedAt(1300);
    await host.fire(clock('+3 years'));
    await expectRuns(fresh);
    bootedAt(1601);
    await host.fire(clock('-3 years'));
    expect(stateWord()).toBe('went-back');
    await expectRuns(old);
  });
});

/** Where a program is killed, with all that it has started: at the call of a command whose words these are. */
const cut = async (command: string, words: string, before = ''): Promise<RunOptions> => {
  const found = await host.command(`command -v ${command}`);
  return {
    tools: {
      [command]: `case " $* " in *'${words}'*) ${before} kill -9 0 ;; esac; exec '${found}' "$@"`,
      // It would make a process group of its own.
      timeout: 'shift 3; exec "$@"',
    },
  };
};

const IN_THE_INSTALLER = 'install -y';
const UNPACKED = `for file in "$@"; do :; done; "$ROLLOUT_NODE" '${fileURLToPath(
  new URL('../../src/adapters/sandbox/unpack-deb.ts', import.meta.url),
)}' "$file" "$ROLLOUT_ROOT" >&2;`;

describe('killed', () => {
  const end = async (): Promise<void> => {
    for (let turn = 0; turn < 3 && existsSync(host.path('var/lib/rollout/revert/program')); turn += 1)
      expect((await host.fire()).code).toBe(0);
    expectDisarmed();
  };

  it.each([
    ['its timer is set', '', ['systemctl', ' restart rollout-revert.timer ']],
    ['its state is written', '', ['mv', '/revert/state ']],
    ['the installer begins', 'armed', ['apt-get', IN_THE_INSTALLER]],
    ['the package is half installed', 'armed', ['apt-get', IN_THE_INSTALLER, UNPACKED]],
    ['the service is restarted', 'armed', ['systemctl', ' restart osqueryd.service ']],
  ] as const)(
    'an armed upgrade as %s: the new version is never there without its way back',
    async (_, state, [command, words, before]) => {
      expect((await host.run(upgradeOrder(DUE), await cut(command, words, before))).exitCode).toBe(-1);
      expect(stateWord()).toBe(state);
      if (state === '') await expectRuns(old);
      host.reboot();
      await host.command('systemctl start osqueryd || true');
      await end();
      expect(stateWord()).toBe(state === '' ? '' : 'went-back');
      await expectRuns(old);
    },
  );

  it.each([
    ['the installer begins', 'reverting', ['apt-get', IN_THE_INSTALLER]],
    ['the package is half installed', 'reverting', ['apt-get', IN_THE_INSTALLER, UNPACKED]],
    ['the service is restarted', 'reverting', ['systemctl', ' restart osqueryd.service ']],
    ['its end is written', 'reverting', ['mv', '/revert/state ', 'grep -qx state=went-back "$2" &&']],
    ['the timer goes', 'went-back', ['systemctl', ' stop rollout-revert.timer ']],
  ] as const)('going back as %s: the next firing ends it', async (_, state, [command, words, before]) => {
    await upgraded(DUE);
    expect((await host.fire(await cut(command, words, before))).code).toBe(null);
    expect(stateWord()).toBe(state);
    await end();
    expect(stateWord()).toBe('went-back');
    await expectRuns(old);
  });

  it.each([
    ['that is written', 'armed', ['mv', '/revert/state ']],
    ['the timer goes', 'confirmed', ['systemctl', ' stop rollout-revert.timer ']],
  ] as const)(
    'confirming as %s: one of the two ends, and nothing left over',
    async (_, state, [command, words]) => {
      await upgraded(DUE);
      expect((await host.run(host.confirm(fresh), await cut(command, words))).exitCode).toBe(-1);
      expect(stateWord()).toBe(state);
      await end();
      expect(stateWord()).toBe(state === 'confirmed' ? 'confirmed' : 'went-back');
      await expectRuns(state === 'confirmed' ? fresh : old);
    },
  );
});

describe('a confirmation and a revert at the same moment', () => {
  it.each([0, 30])('%i ms apart end in one of two states, and both know which', async (ms) => {
    await upgraded(DUE);
    const order = host.confirm(fresh);
    const firing = host.fire();
    const confirming = setTimeout(ms).then(async () => host.run(order));
    const [answer] = await Promise.all([confirming, firing]);
    const outcome = outcomeOf(order, answer);
    expect(['confirmed', 'went-back']).toContain(outcome.kind);
    expect(stateWord()).toBe(outcome.kind);
    await expectRuns(outcome.kind === 'confirmed' ? fresh : old);
    expectDisarmed();
  });

  it('where the confirmation comes first after the time has been looked at, nothing goes back', async () => {
    await upgraded(DUE);
    const mkdir = await host.command('command -v mkdir');
    const isHeldUp = host.path('held-up');
    const isConfirmed = host.path('confirmed');
    const firing = host.fire({
      // Its first is that of the lock's folder.
      tools: {
        mkdir: `: >'${isHeldUp}'; n=0; while [ ! -e '${isConfirmed}' ] && [ $n -lt 400 ]; do sleep 0.05; n=$((n + 1)); done; exec '${mkdir}' "$@"`,
      },
    });
    await until(() => existsSync(isHeldUp));
    expect((await run(host.confirm(fresh))).outcome).toEqual({ kind: 'confirmed' });
    writeFileSync(isConfirmed, '');
    expect((await firing).code).toBe(0);
    expect(stateWord()).toBe('confirmed');
    await expectRuns(fresh);
    expectDisarmed();
  });
});

describe('the guard', () => {
  const limits = async (): Promise<string> =>
    host.command('systemctl show osqueryd -p CPUQuotaPerSecUSec,MemoryMax');

  it('limits the unit while it is unproven, and is lifted by the way back', async () => {
    await upgrade({ ...DUE, guardCpuPercent: 20, guardMemoryBytes: 300_000_000 });
    expect(await limits()).toBe('CPUQuotaPerSecUSec=200ms\nMemoryMax=300000000');
    await host.fire();
    expect(await limits()).toBe('CPUQuotaPerSecUSec=infinity\nMemoryMax=infinity');
  });

  it('is never wider than what the unit has by itself, which is there again afterwards', async () => {
    const folder = host.path('run/systemd/system/osqueryd.service.d');
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/10-chef.conf`, '[Service]\nCPUQuota=7%\nMemoryMax=900000000\n');
    await upgrade({ ...LATER, guardCpuPercent: 20, guardMemoryBytes: 300_000_000 });
    expect(await limits()).toBe('CPUQuotaPerSecUSec=70ms\nMemoryMax=300000000');
    await host.run(host.confirm(fresh));
    expect(await limits()).toBe('CPUQuotaPerSecUSec=70ms\nMemoryMax=900000000');
    expect(host.files('run/systemd/system/osqueryd.service.d')).toEqual(['10-chef.conf']);
  });
});

describe('a database that the older version cannot read', () => {
  const picky = makePackage('5.8.0-1.linux', { behaviour: 'database=old' });
  const database = (policy: 'keep' | 'move-aside') => ({
    database: { policy, path: '/var/osquery/osquery.db' },
  });

  beforeEach(async () => {
    await host.install(picky);
    host.deliver(fresh, picky);
    mkdirSync(host.path('var/osquery/osquery.db'), { recursive: true });
  });
  const migrate = (): void => writeFileSync(host.path('var/osquery/osquery.db/newer'), 'rows\n');
  const order = (
    program: 'upgrade' | 'revert',
    policy: 'keep' | 'move-aside',
    more: object = {},
  ): HostOrder => host.order(program, fresh, picky, { proveMs: 0, ...database(policy), ...more });

  it('is moved aside where that is allowed, is kept, and what it costs is said', async () => {
    await host.run(order('upgrade', 'move-aside'));
    migrate();
    const { outcome } = await run(order('revert', 'move-aside'));
    expect(outcome).toMatchObject({
      kind: 'reverted',
      service: 'running',
      note: expect.stringMatching(
        /moved to \/var\/osquery\/osquery\.db\.rollout-r-1 \(\d+ KiB.*new enrolment.*buffered.*added/u,
      ),
    });
    expect(read('var/osquery/osquery.db.rollout-r-1/newer')).toBe('rows\n');
  });

  it('stays where it is otherwise, and the failure names the option', async () => {
    await host.run(order('upgrade', 'keep'));
    migrate();
    const { outcome } = await run(order('revert', 'keep'));
    expect(outcome).toMatchObject({
      kind: 'failed',
      failure: 'start-failed',
      message: expect.stringContaining('database: move-aside'),
    });
    expect(read('var/osquery/osquery.db/newer')).toBe('rows\n');
  });

  it('is moved by a host that goes back by itself too, beside what lies there from before', async () => {
    mkdirSync(host.path('var/osquery/osquery.db.rollout-r-1'));
    await host.run(order('upgrade', 'move-aside', { arm: DUE }));
    migrate();
    expect((await host.fire()).code).toBe(0);
    expect((await run(host.prove(fresh))).outcome).toMatchObject({
      kind: 'went-back',
      note: expect.stringContaining('/var/osquery/osquery.db.rollout-r-1.2'),
    });
    expect(read('var/osquery/osquery.db.rollout-r-1.2/newer')).toBe('rows\n');
    expect(await host.state()).toMatchObject({ running: picky.ref.executableSha256 });
  });

  it('is not touched for a version that fails otherwise', async () => {
    const broken = makePackage('5.8.1-1.linux', { behaviour: 'startfail=1' });
    await host.install(fresh);
    host.deliver(broken);
    migrate();
    const { outcome } = await run(
      host.order('revert', fresh, broken, { proveMs: 0, ...database('move-aside') }),
    );
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'start-failed' });
    expect(read('var/osquery/osquery.db/newer')).toBe('rows\n');
  });
});
