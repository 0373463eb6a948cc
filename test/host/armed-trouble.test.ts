/** The way back of an armed host in trouble: full and read-only disks, orders that cross, a database that would be moved for ever. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { outcomeOf } from '../../src/domain/host-answer.ts';
import type { ArmOrder, HostOrder } from '../../src/domain/host-order.ts';
import type { FolderCopy } from './folder-copy.ts';
import { removeOrder } from './package-orders.ts';
import { makePackage, type RunOptions, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');
const next = makePackage('5.12.0-1.linux');

const STATE = 'var/lib/rollout/revert/state';
const PROGRAM = 'var/lib/rollout/revert/program';
const TIMER = 'etc/systemd/system/rollout-revert.timer';
const THIS_BOOT = 'run/systemd/system/rollout-revert.timer.d';
const GUARD = 'run/systemd/system/osqueryd.service.d/95-rollout-guard.conf';

const GUARDED: ArmOrder = { revertAfterS: 3600, disarm: 'after-soak', guardCpuPercent: 20 };

let host: ShimHost;
let armed: FolderCopy | undefined;
/** A host with `fresh`, armed by r-1 to go back to `old` in an hour; made once. */
beforeEach(async () => {
  host = new ShimHost(armed);
  if (armed !== undefined) return;
  await host.install(old);
  host.deliver(fresh, old);
  const { outcome } = await run(host.order('upgrade', fresh, old, { arm: GUARDED, proveMs: 0 }));
  expect(outcome).toMatchObject({ kind: 'verified', armedMs: expect.any(Number) });
  armed = host.keep();
});
afterEach(() => {
  host.remove();
});

async function run(order: HostOrder, options: RunOptions = {}) {
  const answer = await host.run(order, options);
  return { answer, outcome: outcomeOf(order, answer) };
}

const read = (path: string): string =>
  existsSync(host.path(path)) ? readFileSync(host.path(path), 'utf8') : '';
const line = (key: string): string => new RegExp(`^${key}=(.*)$`, 'mu').exec(read(STATE))?.[1] ?? '';
const rewriteState = (from: string | RegExp, to: string): void =>
  writeFileSync(host.path(STATE), read(STATE).replaceAll(from, to));

/** A stand-in that does `when` first, and is the real thing otherwise. */
async function failing(tool: string, when: string): Promise<RunOptions> {
  const real = await host.command(`command -v ${tool}`);
  return { tools: { [tool]: `${when}\nexec '${real}' "$@"` } };
}

function expectDisarmed(): void {
  expect([TIMER, THIS_BOOT, GUARD, PROGRAM].filter((path) => existsSync(host.path(path)))).toEqual([]);
}

const secondOrder = (more: object = {}): HostOrder => {
  host.deliver(next, fresh);
  return host.order('upgrade', next, fresh, {
    orderId: 'r-2',
    fence: 8,
    proveMs: 0,
    arm: { revertAfterS: 60, disarm: 'after-soak' },
    ...more,
  });
};

describe('a disk that is full', () => {
  it('is given room for a confirmation by the package that is not needed to go back', async () => {
    const target = `var/lib/rollout/packages/${fresh.ref.sha256}.deb`;
    const full = await failing(
      'mv',
      `case $* in *fence/*|*revert/state*) [ ! -e "$ROLLOUT_ROOT/${target}" ] || exit 1 ;; esac`,
    );
    const order = { ...host.confirm(fresh), fence: 9 } as HostOrder;
    expect((await run(order, full)).outcome).toEqual({ kind: 'confirmed' });
    expect(line('state')).toBe('confirmed');
    expect(host.files('var/lib/rollout/packages')).toContain(`${old.ref.sha256}.deb`);
  });

  it('never costs the package that another order goes back with', async () => {
    rewriteState(/previous_sha256=.*/gu, `previous_sha256=${fresh.ref.sha256}`);
    rewriteState('order=r-1', 'order=r-2');
    const full = await failing('mv', 'case $* in *fence/*) exit 1 ;; esac');
    const order = { ...host.confirm(fresh), fence: 9 } as HostOrder;
    expect((await run(order, full)).outcome).toMatchObject({ kind: 'blocked', why: 'no-space' });
    expect(host.files('var/lib/rollout/packages')).toContain(`${fresh.ref.sha256}.deb`);
  });
});

describe('what cannot be taken away after the end', () => {
  it('is taken away by the timer that is left, which keeps its program for that', async () => {
    const readOnly = await failing('rm', 'case $* in *etc/systemd*) exit 1 ;; esac');
    expect((await run(host.confirm(fresh), readOnly)).outcome).toEqual({ kind: 'confirmed' });
    expect(existsSync(host.path(TIMER))).toBe(true);
    expect((await host.fire()).code).toBe(0);
    expectDisarmed();
    expect(line('state')).toBe('confirmed');
  });

  it('is tried again where systemd has not heard that the guard and the timer are gone', async () => {
    const deaf = await failing('systemctl', 'case $* in *daemon-reload*) exit 1 ;; esac');
    expect((await run(host.confirm(fresh), deaf)).outcome).toEqual({ kind: 'confirmed' });
    expect(existsSync(host.path(PROGRAM))).toBe(true);
    const heard = await failing('systemctl', `echo "$1" >>"$ROLLOUT_ROOT/heard"`);
    expect((await run(host.confirm(fresh), heard)).outcome).toEqual({ kind: 'confirmed' });
    expect(read('heard')).toContain('daemon-reload\n');
    expectDisarmed();
  });
});

describe('orders that cross', () => {
  it('for another package leave the way back alone, and are not armed beside it', async () => {
    rewriteState('parameter=package=osquery', 'parameter=package=other');
    const before = read(STATE);
    expect((await run(secondOrder())).outcome).toMatchObject({
      kind: 'blocked',
      why: 'arm-failed',
      message: expect.stringContaining('armed for other by order r-1 of gstg'),
    });
    const confirm = { ...host.confirm(fresh), orderId: 'r-2', fence: 8 } as HostOrder;
    expect((await run(confirm)).outcome).toEqual({ kind: 'confirmed' });
    const revert = host.order('revert', fresh, old, { orderId: 'r-2', fence: 8, proveMs: 0 });
    expect((await run(revert)).outcome).toMatchObject({ kind: 'reverted' });
    expect(read(STATE)).toBe(before);
    expect(existsSync(host.path(TIMER))).toBe(true);
    expect(existsSync(host.path(PROGRAM))).toBe(true);
  });

  it('end what is armed once they have proven a version without arming anything themselves', async () => {
    const order = host.order('upgrade', fresh, old, { orderId: 'r-2', fence: 8, proveMs: 0 });
    expect((await run(order)).outcome).not.toHaveProperty('armedMs');
    expect(line('state')).toBe('overtaken');
    expectDisarmed();
  });

  it('that dpkg refuses leave what an order before them had armed', async () => {
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    expect((await run(secondOrder())).outcome).toMatchObject({ kind: 'blocked', why: 'dpkg-locked' });
    expect([line('state'), line('order'), line('lengthS')]).toEqual(['armed', 'r-1', '3600']);
    expect(read(GUARD)).toContain('CPUQuota=20%');
    expect((await run(host.prove(fresh))).outcome).toMatchObject({ armedMs: expect.any(Number) });
  });

  it('that purge the package take its way back too', async () => {
    expect((await host.run(removeOrder({ purge: true }))).exitCode).toBe(0);
    expect(line('state')).toBe('');
    expect((await host.fire()).code).toBe(0);
    expectDisarmed();
  });

  it('and confirm while the timer is about to act let it end without a word', async () => {
    rewriteState(/parameter=.*\n/gu, '');
    rewriteState(/(untilUp|untilAt|leftMs)=.*/gu, '$1=0');
    expect(await host.fire()).toEqual({ code: 0, out: '' });
  });
});

describe('the guard', () => {
  it('that cannot be set leaves the host unarmed, and nothing installed', async () => {
    host.remove();
    host = new ShimHost();
    await host.install(old);
    host.deliver(fresh, old);
    mkdirSync(host.path('run/systemd/system'), { recursive: true });
    writeFileSync(host.path('run/systemd/system/osqueryd.service.d'), '');
    const order = host.order('upgrade', fresh, old, { arm: GUARDED, proveMs: 0 });
    expect((await run(order)).outcome).toMatchObject({ kind: 'blocked', why: 'arm-failed' });
    expect(line('state')).toBe('');
    expectDisarmed();
  });

  it('is set again by whoever comes first after a reboot', async () => {
    host.reboot();
    await host.command('systemctl start osqueryd');
    expect((await run(host.confirm(fresh, 1000))).outcome).toMatchObject({ kind: 'renewed' });
    expect(read(GUARD)).toContain('CPUQuota=20%');
  });

  it('is named where the agent does not start under it', async () => {
    const bad = makePackage('5.11.3-1.linux', { behaviour: 'startfail=1' });
    host.deliver(bad, old);
    const order = host.order('upgrade', bad, fresh, { arm: GUARDED, proveMs: 0, orderId: 'r-2' });
    expect((await run(order)).outcome).toMatchObject({
      kind: 'failed',
      failure: 'start-failed',
      message: expect.stringContaining("rollout's guard limits it: CPUQuota=20%"),
    });
  });
});

describe('a database that is moved aside', () => {
  const order = (more: object = {}): HostOrder =>
    host.order('revert', fresh, old, {
      proveMs: 0,
      database: { policy: 'move-aside', path: '/var/osquery/osquery.db' },
      ...more,
    });
  const lay = (): void => {
    mkdirSync(host.path('var/osquery/osquery.db'), { recursive: true });
    writeFileSync(host.path('var/osquery/osquery.db/newer'), 'rows\n');
  };

  it('is moved once, though the service fails for another reason again and again', async () => {
    const stubborn = makePackage('5.9.0-1.linux', { behaviour: 'startfail=78' });
    host.deliver(stubborn);
    const again = host.order('revert', fresh, stubborn, {
      proveMs: 0,
      database: { policy: 'move-aside', path: '/var/osquery/osquery.db' },
    });
    lay();
    expect((await run(again)).outcome).toMatchObject({ failure: 'start-failed' });
    lay();
    expect((await run(again)).outcome).toMatchObject({
      failure: 'start-failed',
      message: expect.stringContaining('the old one is at /var/osquery/osquery.db.rollout-r-1'),
    });
    expect(host.files('var/osquery')).toEqual(['osquery.db', 'osquery.db.rollout-r-1']);
  });

  it('is told of again by the attempt after the one whose answer was lost', async () => {
    const picky = makePackage('5.8.0-1.linux', { behaviour: 'database=old' });
    host.deliver(picky);
    const back = { ...order(), previous: picky.ref } as HostOrder;
    lay();
    const note = expect.stringContaining('moved to /var/osquery/osquery.db.rollout-r-1');
    expect((await run(back)).outcome).toMatchObject({ kind: 'reverted', note });
    expect((await run(back)).outcome).toMatchObject({ kind: 'reverted', note });
  });
});
