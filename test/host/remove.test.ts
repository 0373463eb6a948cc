import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOST_EXIT, type HostOrder } from '../../src/domain/host-order.ts';
import {
  carryOut,
  installOrder,
  purgeOrder,
  removeOrder,
  serviceOrder,
  stepOf,
  whenFree,
} from './package-orders.ts';
import { makePackage, type RunOptions, ShimHost } from './shim-host.ts';

const made = makePackage('5.10.2-1.linux');
const PURGE = ['/var/osquery', '/var/log/osquery'];

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(made);
  for (const folder of PURGE) {
    mkdirSync(host.path(folder, 'osquery.db'), { recursive: true });
    writeFileSync(host.path(folder, 'osquery.db', '000001.sst'), 'data');
  }
});
afterEach(() => {
  host.remove();
});

const carry = (order: HostOrder, options: RunOptions = {}) => carryOut(host, order, options);
const purge = (options: RunOptions = {}) => carry(purgeOrder(...PURGE), options);
const packageState = async () => host.command('dpkg-query -W -f x osquery 2>/dev/null || echo none');
const active = async () => host.command('systemctl show osqueryd -P ActiveState');

/** Nothing of the package, the agent or this tool's own is left, save the fence. */
async function expectPurged(): Promise<void> {
  expect(await active()).toBe('inactive');
  expect(await packageState()).toBe('none');
  for (const path of ['opt/osquery', 'usr/bin/osqueryd', 'etc/default/osqueryd', ...PURGE])
    expect(existsSync(host.path(path)), path).toBe(false);
  const kept = await host.command('cd "$ROLLOUT_ROOT/var/lib/rollout"; find . -type f | sort');
  expect(kept).toBe('./fence/gstg');
  expect(host.files('run/rollout').filter((name) => !name.includes('lock'))).toEqual([]);
  expect(
    await host.command('find "$ROLLOUT_ROOT/etc/systemd" "$ROLLOUT_ROOT/run/systemd" -name "osqueryd*" || :'),
  ).toBe('');
}

describe('remove', () => {
  it('stops first, removes, proves that no process is left, and leaves the configuration', async () => {
    const { answer, outcome, steps } = await carry(removeOrder());
    expect(outcome).toEqual({ kind: 'proven', service: 'absent', version: '', held: false, notes: [] });
    expect(steps.filter((step) => step !== 'working')).toEqual([
      'begin',
      'look',
      'stop',
      'remove',
      'files',
      'status',
      'proof',
      'end',
    ]);
    expect(stepOf(answer, 'remove')).toMatchObject({
      did: 'removed',
      packageVersion: made.ref.packageVersion,
    });
    expect(stepOf(answer, 'files')).toMatchObject({ removed: 3, left: [] });
    expect(stepOf(answer, 'status')).toMatchObject({ busy: false, packageState: 'absent', mainPid: 0 });
    expect(await active()).toBe('inactive');
    expect(await packageState()).toContain('config-files');
    expect(existsSync(host.path('etc/default/osqueryd'))).toBe(true);
    expect(existsSync(host.path('var/osquery/osquery.db'))).toBe(true);
  });

  it('of what is removed already is fine, and still proven', async () => {
    await carry(removeOrder());
    const { answer, outcome } = await carry(removeOrder());
    expect(outcome).toMatchObject({ kind: 'proven', service: 'absent' });
    expect(stepOf(answer, 'remove')).toMatchObject({ did: 'nothing' });
  });

  it('ends a daemon that an earlier removal by hand has left running', async () => {
    await host.command('dpkg --remove osquery');
    expect(await active()).toBe('active');
    expect((await carry(removeOrder())).outcome).toMatchObject({ kind: 'proven', service: 'absent' });
    expect(await active()).toBe('inactive');
  });

  it('stops again what was started while dpkg was at work', async () => {
    const dpkg = await host.command('command -v dpkg');
    const meddles = `case $* in --remove*) systemctl start osqueryd >/dev/null 2>&1 ;; esac; exec '${dpkg}' "$@"`;
    expect((await carry(removeOrder(), { tools: { dpkg: meddles } })).outcome).toMatchObject({
      kind: 'proven',
    });
    expect(await active()).toBe('inactive');
  });

  it('keeps a hold', async () => {
    await carry(serviceOrder('stop'));
    expect((await carry(removeOrder())).outcome).toMatchObject({
      kind: 'proven',
      service: 'absent',
      held: true,
    });
    expect(existsSync(host.path('var/lib/rollout/hold'))).toBe(true);
    expect(await host.command('systemctl show osqueryd -P UnitFileState')).toBe('masked');
    host.deliver(made);
    expect((await carry(installOrder(made))).outcome).toMatchObject({ kind: 'proven', service: 'left-held' });
  });
});

describe('purge', () => {
  it('leaves no file: neither of the package, nor configuration, nor data, nor what was kept for it', async () => {
    await host.command('systemctl stop osqueryd; dpkg --purge osquery');
    host.deliver(made);
    await carry(installOrder(made));
    writeFileSync(host.path('etc/default/osqueryd'), 'edited by hand\n');
    const { answer, outcome } = await purge();
    expect(outcome).toMatchObject({ kind: 'proven', service: 'absent', held: false, notes: [] });
    expect(stepOf(answer, 'remove')).toMatchObject({ did: 'purged' });
    expect(stepOf(answer, 'files')).toMatchObject({ removed: 4, left: [] });
    await expectPurged();
  });

  it('after a removal still takes configuration and data', async () => {
    await carry(removeOrder());
    expect((await purge()).outcome).toMatchObject({ kind: 'proven', service: 'absent' });
    await expectPurged();
  });

  it('of what was purged already is fine, and still proven', async () => {
    await purge();
    mkdirSync(host.path('var/osquery'));
    const { answer, outcome } = await purge();
    expect(outcome).toMatchObject({ kind: 'proven', service: 'absent' });
    expect(stepOf(answer, 'remove')).toMatchObject({ did: 'nothing' });
    await expectPurged();
  });

  it.each(['mask', 'condition', 'none'] as const)('lifts the hold and its brake (%s)', async (brake) => {
    await carry(serviceOrder('stop', brake));
    expect((await purge()).outcome).toMatchObject({ kind: 'proven', service: 'absent', held: false });
    expect(host.files('etc/systemd/system/osqueryd.service.d')).toEqual([]);
    await expectPurged();
  });

  it('tells who was told of the hold, and is not told otherwise', async () => {
    const stop = {
      ...serviceOrder('stop'),
      commands: [{ name: 'chef', when: 'always', words: ['true'], timeoutS: 5 }],
    } as HostOrder;
    await carry(stop);
    const { outcome } = await purge();
    expect(outcome).toMatchObject({ kind: 'proven', notes: [expect.stringContaining('chef')] });
  });
});

describe('files that stay after a purge', () => {
  const left = async (order: HostOrder, options: RunOptions = {}): Promise<readonly string[]> => {
    const { answer, outcome } = await carry(order, options);
    expect(answer.exitCode).toBe(HOST_EXIT.remains);
    const files = stepOf(answer, 'files')?.['left'] as string[];
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'remains', step: 'files' });
    expect(outcome).toMatchObject({ message: expect.stringContaining(String(files[0])) });
    return files;
  };

  it('are told: a folder where the package had a file', async () => {
    const path = host.path('opt/osquery/bin/osqueryd');
    writeFileSync(
      host.path('var/lib/dpkg/info/osquery.md5sums'),
      `${'0'.repeat(32)}  opt/osquery/bin/osqueryd\n`,
    );
    await host.command('systemctl stop osqueryd');
    rmSync(path);
    mkdirSync(path);
    writeFileSync(`${path}/mine`, 'by hand');
    expect(await left(purgeOrder())).toEqual([
      '/opt/osquery/bin/osqueryd (a folder where the package had a file)',
    ]);
    expect(readFileSync(`${path}/mine`, 'utf8')).toBe('by hand');
    // The list outlives the package: who repeats it is told the same, until somebody has taken the folder away.
    expect(await left(purgeOrder())).toHaveLength(1);
    rmSync(path, { recursive: true });
    expect((await carry(purgeOrder())).outcome).toMatchObject({ kind: 'proven', service: 'absent' });
  });

  it('are told: a file that came back', async () => {
    const dpkg = await host.command('command -v dpkg');
    const back = `'${dpkg}' "$@"; code=$?; case $* in --purge*) mkdir -p "$ROLLOUT_ROOT/etc/default"; echo back >"$ROLLOUT_ROOT/etc/default/osqueryd" ;; esac; exit $code`;
    expect(await left(purgeOrder(), { tools: { dpkg: back } })).toEqual(['/etc/default/osqueryd']);
  });

  it('are told: a purge path that is a symbolic link, which is not followed', async () => {
    mkdirSync(host.path('etc/important'));
    writeFileSync(host.path('etc/important/file'), 'mine');
    rmSync(host.path('var/osquery'), { recursive: true });
    symlinkSync(host.path('etc'), host.path('var/osquery'));
    expect(await left(purgeOrder(...PURGE))).toEqual([
      expect.stringContaining('/var/osquery (a symbolic link to '),
    ]);
    expect(readFileSync(host.path('etc/important/file'), 'utf8')).toBe('mine');
    expect(lstatSync(host.path('var/osquery')).isSymbolicLink()).toBe(true);
    expect(existsSync(host.path('var/log/osquery'))).toBe(false);
  });

  it('are told: a purge path that is reached through a symbolic link', async () => {
    mkdirSync(host.path('data/log/osquery'), { recursive: true });
    rmSync(host.path('var/log'), { recursive: true });
    symlinkSync(host.path('data/log'), host.path('var/log'));
    expect(await left(purgeOrder(...PURGE))).toEqual([expect.stringContaining('through a symbolic link')]);
    expect(existsSync(host.path('data/log/osquery'))).toBe(true);
    expect(existsSync(host.path('var/osquery'))).toBe(false);
  });

  it('does not follow a link within a purge path', async () => {
    mkdirSync(host.path('etc/important'));
    writeFileSync(host.path('etc/important/file'), 'mine');
    symlinkSync(host.path('etc/important'), host.path('var/osquery/link'));
    expect((await purge()).outcome).toMatchObject({ kind: 'proven' });
    expect(readFileSync(host.path('etc/important/file'), 'utf8')).toBe('mine');
    expect(existsSync(host.path('var/osquery'))).toBe(false);
  });

  it.each(['/var/osquery', '/var/osquery/my data'])('are told: something is mounted at %s', async (point) => {
    mkdirSync(host.path('proc/self'), { recursive: true });
    const line = (at: string) => `25 1 8:1 / ${at.replaceAll(' ', '\\040')} rw - ext4 /dev/x rw\n`;
    writeFileSync(host.path('proc/self/mountinfo'), line('/') + line('/var/osqueryd') + line(point));
    expect(await left(purgeOrder(...PURGE))).toEqual([
      `/var/osquery (something is mounted at ${point}; not removed)`,
    ]);
    expect(existsSync(host.path('var/osquery/osquery.db/000001.sst'))).toBe(true);
  });

  it('are told: what another package owns too', async () => {
    const query = await host.command('command -v dpkg-query');
    const owned = `if [ "$1" = -S ]; then [ "$2" = /var/log/osquery ] || exit 1; echo 'osquery, fluentd:amd64: /var/log/osquery'; exit; fi; exec '${query}' "$@"`;
    expect(await left(purgeOrder(...PURGE), { tools: { 'dpkg-query': owned } })).toEqual([
      '/var/log/osquery (belongs to package fluentd too; not removed)',
    ]);
    expect(existsSync(host.path('var/log/osquery/osquery.db'))).toBe(true);
  });
});

describe('a removal that is refused', () => {
  const untouched = async () => {
    expect(await active()).toBe('active');
    expect(await packageState()).toBe(`install installed ${made.ref.packageVersion}`);
  };

  it('since another package depends on it says so, and has not even stopped the agent', async () => {
    mkdirSync(host.path('var/lib/dpkg/dependents'));
    writeFileSync(host.path('var/lib/dpkg/dependents/osquery'), 'osquery-extras\n');
    for (const order of [removeOrder(), purgeOrder(...PURGE)]) {
      const { answer, outcome } = await carry(order);
      expect(answer.exitCode).toBe(HOST_EXIT.removeFailed);
      expect(outcome).toMatchObject({
        kind: 'failed',
        failure: 'remove-failed',
        message: expect.stringContaining('osquery-extras depends on osquery'),
      });
      await untouched();
    }
    expect(existsSync(host.path('var/osquery/osquery.db'))).toBe(true);
  });

  it('since dpkg is locked, or its order is old, or it is on hold, has changed nothing', async () => {
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    expect((await carry(removeOrder())).outcome).toMatchObject({ kind: 'blocked', why: 'dpkg-locked' });
    await untouched();
    rmSync(host.path('var/lib/dpkg/lock-held'));
    writeFileSync(host.path('var/lib/dpkg/shim/osquery'), `hold installed ${made.ref.packageVersion}\n`);
    expect((await carry(removeOrder({ fence: 8 }))).outcome).toMatchObject({
      kind: 'blocked',
      why: 'drifted',
    });
    writeFileSync(host.path('var/lib/dpkg/shim/osquery'), `install installed ${made.ref.packageVersion}\n`);
    expect((await carry(removeOrder())).outcome).toMatchObject({ kind: 'blocked', why: 'fenced' });
    await untouched();
  });

  it('since the disk takes no list of files has changed nothing', async () => {
    const mv = await host.command('command -v mv');
    const full = {
      mv: `case $* in *removing-*) echo 'No space left on device' >&2; exit 1 ;; esac; exec '${mv}' "$@"`,
    };
    expect((await carry(purgeOrder(...PURGE), { tools: full })).outcome).toMatchObject({
      kind: 'blocked',
      why: 'no-space',
    });
    await untouched();
  });

  it('by a lock that comes after the stop starts what ran', async () => {
    const dpkg = await host.command('command -v dpkg');
    const late = `case $* in --remove*) : >"$ROLLOUT_ROOT/var/lib/dpkg/lock-held" ;; esac; exec '${dpkg}' "$@"`;
    const { outcome } = await carry(removeOrder(), { tools: { dpkg: late } });
    expect(outcome).toMatchObject({
      kind: 'failed',
      failure: 'remove-failed',
      message: expect.stringMatching(/lock was taken by another after the stop.*osqueryd was started again/u),
    });
    await untouched();
  });

  it('waits for dpkg’s lock as long as it may', async () => {
    writeFileSync(host.path('var/lib/dpkg/lock-held'), '');
    const removal = carry(removeOrder({ lockTimeoutS: 20 }));
    await host.command('sleep 1.5; rm "$ROLLOUT_ROOT/var/lib/dpkg/lock-held"');
    expect((await removal).outcome).toMatchObject({ kind: 'proven', service: 'absent' });
  });

  it('by the package’s own script fails with its words', async () => {
    writeFileSync(host.path('var/lib/dpkg/info/osquery.prerm'), '#!/bin/sh\necho no, I stay; exit 3\n');
    expect((await carry(removeOrder())).outcome).toMatchObject({
      kind: 'failed',
      failure: 'remove-failed',
      message: expect.stringMatching(/^osqueryd is stopped, and dpkg could not remove[\s\S]*no, I stay/u),
    });
  });

  it('mends what an interrupted dpkg left half installed by removing it', async () => {
    writeFileSync(
      host.path('var/lib/dpkg/shim/osquery'),
      `install half-installed ${made.ref.packageVersion}\n`,
    );
    expect((await purge()).outcome).toMatchObject({ kind: 'proven', service: 'absent' });
    await expectPurged();
  });

  it.each([
    'purge=maybe',
    'purge_path=/',
    'purge_path=/etc',
    'purge_path=//etc',
    'purge_path=/etc/.',
    'purge_path=/./etc',
    'purge_path=/var/../etc',
    'purge_path=/var/osquery/',
    'purge_path=var/osquery',
    'purge_path=/proc/self',
    'purge_path=/var/*',
    'purge_path=',
    'colour=red',
  ])('before it began: %s', async (parameter) => {
    const answer = await host.run(purgeOrder(...PURGE), { parameters: [parameter] });
    expect(answer.exitCode).toBe(HOST_EXIT.usage);
    await untouched();
    expect(existsSync(host.path('var/osquery/osquery.db'))).toBe(true);
  });

  it('while an installation is at work', async () => {
    const slow = makePackage('5.10.3-1.linux', { postinst: 'sleep 2' });
    host.deliver(slow, made);
    const upgrade = host.start(host.order('upgrade', slow, made));
    await host.command(
      'n=0; while [ ! -e "$ROLLOUT_ROOT/var/lib/rollout/fence/gstg" ] && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done',
    );
    expect((await purge()).outcome).toMatchObject({ kind: 'blocked', why: 'busy' });
    expect((await upgrade.answer).exitCode).toBe(HOST_EXIT.done);
  });
});

describe('on a host with sysvinit', () => {
  it.each([removeOrder(), purgeOrder(...PURGE)])(
    'stops by the init script and proves the same (%#)',
    async (order) => {
      await host.withoutSystemd();
      await carry(serviceOrder('stop'));
      await carry(serviceOrder('start'));
      const { answer, outcome } = await carry(order);
      expect(outcome).toMatchObject({ kind: 'proven', service: 'absent', held: false });
      expect(stepOf(answer, 'stop')).toMatchObject({ did: 'stopped' });
      expect(stepOf(answer, 'status')).toMatchObject({
        init: 'sysvinit',
        packageState: 'absent',
        mainPid: 0,
      });
      expect((await carry(order)).outcome).toMatchObject({ kind: 'proven', service: 'absent' });
    },
  );
});

const moments = [
  ...[1, 2, 3, 4, 5, 6].map((line) => ({ killAfterSteps: line })),
  ...[80, 160, 240, 320, 400].map((ms) => ({ killAfterMs: ms })),
];

describe('a purge that was killed', () => {
  it('between two folders that dpkg clears is completed by the next', async () => {
    const rmdir = `case $* in */opt/osquery) exec kill -KILL $PPID ;; esac; exec ${await host.command('command -v rmdir')} "$@"`;
    await host.run(purgeOrder(...PURGE), { tools: { rmdir } });
    expect((await whenFree(host, purgeOrder(...PURGE))).outcome).toMatchObject({
      kind: 'proven',
      service: 'absent',
    });
    await expectPurged();
  });

  it.each(moments)('at %j is completed by the next', async (moment) => {
    await carry(serviceOrder('stop'));
    const killAll = ('killAfterMs' in moment ? moment.killAfterMs / 80 : moment.killAfterSteps) % 2 === 0;
    await host.run(purgeOrder(...PURGE), { ...moment, killAll });
    expect((await whenFree(host, purgeOrder(...PURGE))).outcome).toMatchObject({
      kind: 'proven',
      service: 'absent',
    });
    await expectPurged();
  });
});
