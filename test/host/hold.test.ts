/** A stop that sticks: the hold is written first, the brake keeps the service down, and a start leaves nothing of both. */
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostAnswer } from '../../src/domain/host-answer.ts';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { makePackage, ShimHost } from './shim-host.ts';

const agent = makePackage('5.9.1-1.linux');
const HOLD_FILE = 'var/lib/rollout/hold';
const IN_MEMORY = 'run/rollout/hold';
const UNIT_FILE = 'etc/systemd/system/osqueryd.service';
const DROP_IN = 'etc/systemd/system/osqueryd.service.d/90-rollout-hold.conf';

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(agent);
});
afterEach(() => {
  host.remove();
});

const stop = (more: object = {}) => host.service('stop', { hold: true, ...more });

function step(answer: HostAnswer, name: string) {
  return answer.steps.findLast((one) => one.step === name);
}

async function expectRunning(): Promise<void> {
  expect(await host.state()).toMatchObject({
    unit: 'active enabled',
    running: agent.ref.executableSha256,
  });
  for (const left of [HOLD_FILE, IN_MEMORY, UNIT_FILE, DROP_IN])
    expect(existsSync(host.path(left))).toBe(false);
}

describe('a hold', () => {
  it('is a file that a human understands: who, why, when it is due, and both ways to lift it', async () => {
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'hold')).toMatchObject({ ok: true, did: 'written', kept: 'disk' });
    expect(step(answer, 'proof')).toMatchObject({ ok: true, service: 'stopped', held: true });
    const text = readFileSync(host.path(HOLD_FILE), 'utf8');
    expect(text).toContain('who:    ops@laptop');
    expect(text).toContain('why:    it eats production');
    expect(text).toContain('due:    2023-11-15 22:13 UTC');
    expect(text).toContain('osqueryd start --host');
    expect(text).toContain('systemctl unmask osqueryd; systemctl unmask --runtime osqueryd');
    expect(statSync(host.path(HOLD_FILE)).mode & 0o777).toBe(0o644);
    expect(statSync(host.path('var/lib/rollout')).mode & 0o777).toBe(0o755);
  });

  it.each([
    `it's "quoted" $(touch "$ROLLOUT_ROOT/pwned") \`touch pwned\` \\n \${HOME} ; rm -rf / é 日本 %s %n & | > <`,
    'brake=none',
    `x${' y'.repeat(490)}`,
  ])('takes a reason as it stands and evaluates nothing of it: %s', async (reason) => {
    const told = { name: `n'$(x)`, when: 'always' as const, words: ['echo', reason], timeoutS: 2 };
    const answer = await host.run(stop({ hold: { reason, by: reason }, commands: [told] }));
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'status')?.['hold']).toMatchObject({
      reason,
      by: reason,
      brake: 'mask',
      told: [told.name],
    });
    expect((await host.run(host.status())).steps[1]).toMatchObject({ hold: { reason } });
    expect(existsSync(host.path('pwned'))).toBe(false);
  });

  it('goes into memory where the disk takes no file; the stop goes on, and the brake is in memory too', async () => {
    rmSync(host.path('var/lib/rollout'), { recursive: true, force: true });
    writeFileSync(host.path('var/lib/rollout'), 'no folder');
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'hold')).toMatchObject({
      ok: true,
      kept: 'memory',
      message: expect.stringContaining('reboot'),
    });
    expect(step(answer, 'status')?.['hold']).toMatchObject({ kept: 'memory' });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
    await host.command('! systemctl start osqueryd');
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    await expectRunning();
  });

  it('in memory is lifted by the commands that it names, typed by hand', async () => {
    rmSync(host.path('var/lib/rollout'), { recursive: true, force: true });
    writeFileSync(host.path('var/lib/rollout'), 'no folder');
    await host.run(stop());
    const text = readFileSync(host.path(IN_MEMORY), 'utf8');
    const commands = (text.split('as root on this host:\n')[1] ?? '').match(/(?<=^# {3}).*/gmu) ?? [];
    expect(commands).toHaveLength(3);
    for (const command of commands) await host.command(command);
    await expectRunning();
  });

  it('that nothing can record is told, and the agent is stopped all the same', async () => {
    rmSync(host.path('var/lib/rollout'), { recursive: true, force: true });
    writeFileSync(host.path('var/lib/rollout'), '');
    writeFileSync(host.path('run/rollout'), '');
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'hold')).toMatchObject({ ok: false, did: 'none', kept: 'none' });
    expect(step(answer, 'proof')).toMatchObject({ ok: true, service: 'stopped', held: false });
    expect((await host.state()).running).toBe('');
  });

  it('is renewed by a later stop, which keeps what was before the first', async () => {
    await host.run(stop());
    const answer = await host.run(
      stop({ hold: { by: 'second', reason: 'still bad', since: 1_800_000_000_000 } }),
    );
    expect(step(answer, 'brake')).toMatchObject({ did: 'kept', brake: 'mask' });
    expect(step(answer, 'status')?.['hold']).toMatchObject({ by: 'second', since: 1_800_000_000_000 });
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    await expectRunning();
  });

  it.each([
    ['a folder', 'mkdir -p'],
    ['a pipe', 'mkfifo'],
    ['a link to nowhere', 'ln -s /nowhere'],
    ['a long noise', 'head -c 3000000 /dev/urandom | tr x = >'],
    ['the lines of many', `yes told=x | head -c 3000000 >`],
  ])('that is %s holds nobody up: the next stop writes a sound one, the start lifts it', async (_, make) => {
    await host.command(`cd "$ROLLOUT_ROOT"; mkdir -p var/lib/rollout; ${make} var/lib/rollout/hold`);
    expect((await host.run(host.status())).exitCode).toBe(0);
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'status')?.['hold']).toMatchObject({ reason: 'it eats production', kept: 'disk' });
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    await expectRunning();
  });

  it('made by hand with `touch` is one, and a start lifts it', async () => {
    await host.command(
      'mkdir -p "$ROLLOUT_ROOT/var/lib/rollout"; touch "$ROLLOUT_ROOT/var/lib/rollout/hold"',
    );
    expect((await host.run(host.status())).steps[1]).toMatchObject({
      hold: { by: '', reason: '', since: 0, brake: 'none', kept: 'disk' },
    });
    const restarted = await host.run(host.service('restart'));
    expect(restarted.exitCode).toBe(HOST_EXIT.stillRuns);
    expect(step(restarted, 'proof')).toMatchObject({
      ok: false,
      message: expect.stringContaining('held and yet runs'),
    });
    await host.command('systemctl stop osqueryd');
    expect(step(await host.run(host.service('restart')), 'proof')).toMatchObject({
      ok: true,
      service: 'left-held',
    });
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    await expectRunning();
  });
});

describe('the brake', () => {
  it('is a mask, set before the stop and known to systemd after it', async () => {
    const told = {
      name: 'chef',
      when: 'always' as const,
      words: ['systemctl', 'start', 'osqueryd'],
      timeoutS: 2,
    };
    const answer = await host.run(stop({ commands: [told] }));
    expect(
      answer.steps.map((one) => one.step).filter((name) => !['begin', 'working'].includes(name)),
    ).toEqual(['hold', 'brake', 'stop', 'controller', 'status', 'proof', 'end']);
    expect(step(answer, 'controller')).toMatchObject({
      ok: false,
      message: expect.stringContaining('masked'),
    });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });

  it('keeps down what is started between the stop and the reload', async () => {
    const reload = `case "$*" in *daemon-reload*) ${SHIM} start osqueryd ;; esac; exec ${SHIM} "$@"`;
    const answer = await host.run(stop(), { tools: { systemctl: reload } });
    expect(answer.steps.filter((one) => one.step === 'stop')).toMatchObject([
      { did: 'stopped' },
      { did: 'stopped' },
    ]);
    expect(answer.exitCode).toBe(0);
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });

  it('is a condition where asked for: a start does nothing and is no error', async () => {
    const answer = await host.run(stop({ brake: 'condition' }));
    expect(step(answer, 'brake')).toMatchObject({ did: 'set', brake: 'condition' });
    expect(readFileSync(host.path(DROP_IN), 'utf8')).toMatch(
      /^# .*HELD[\s\S]*ConditionPathExists=!\/var\/lib\/rollout\/hold/,
    );
    await host.command('systemctl start osqueryd');
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive enabled' });
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    await expectRunning();
  });

  it('is a condition where the unit file lies in /etc, where nothing can be masked', async () => {
    await host.command(
      'cp "$ROLLOUT_ROOT/usr/lib/systemd/system/osqueryd.service" "$ROLLOUT_ROOT/etc/systemd/system/"',
    );
    const answer = await host.run(stop());
    expect(step(answer, 'brake')).toMatchObject({ ok: true, did: 'set', brake: 'condition' });
    await host.command('systemctl start osqueryd');
    expect((await host.state()).running).toBe('');
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    expect((await host.state()).unit).toBe('active enabled');
    expect(existsSync(host.path(UNIT_FILE))).toBe(true);
    expect(existsSync(host.path(DROP_IN))).toBe(false);
  });

  it('of somebody else stays: the start fails and says so', async () => {
    await host.command('systemctl stop osqueryd; systemctl mask osqueryd');
    expect(step(await host.run(stop()), 'brake')).toMatchObject({ did: 'kept' });
    await host.run(stop({ hold: { by: 'second' } }));
    const answer = await host.run(host.service('start'));
    expect(answer.exitCode).toBe(HOST_EXIT.startFailed);
    expect(step(answer, 'start')).toMatchObject({
      message: expect.stringContaining('systemctl unmask osqueryd'),
    });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });

  it('is not asked for: only the hold is there', async () => {
    const answer = await host.run(stop({ brake: 'none' }));
    expect(step(answer, 'brake')).toMatchObject({ did: 'none', brake: 'none' });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive enabled' });
  });
});

const SHIM = new URL('../../src/adapters/sandbox/bin/systemctl', import.meta.url).pathname;
