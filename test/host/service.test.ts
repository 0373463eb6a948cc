/** Stop, start, restart, enable, disable: what is proven, what is refused, killed anywhere and run again, two at once. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostAnswer } from '../../src/domain/host-answer.ts';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { makePackage, type PackageOptions, ShimHost } from './shim-host.ts';

const agent = makePackage('5.9.1-1.linux');

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  host.remove();
});

const like = (behaviour: string, more: PackageOptions = {}) =>
  host.install(makePackage('5.9.1-1.linux', { behaviour, ...more }));
const stop = (more: object = {}) => host.service('stop', { hold: true, ...more });

function step(answer: HostAnswer, name: string) {
  return answer.steps.findLast((one) => one.step === name);
}

describe('a stop', () => {
  it('without a hold leaves none behind', async () => {
    await host.install(agent);
    const answer = await host.run(host.service('stop'));
    expect(step(answer, 'proof')).toMatchObject({ ok: true, service: 'stopped', held: false });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive enabled' });
    expect(step(await host.run(host.service('stop')), 'stop')).toMatchObject({ did: 'nothing' });
  });

  it('of an agent that ignores SIGTERM says that it was killed', async () => {
    await like('ignoreterm=1');
    const answer = await host.run(stop());
    expect(step(answer, 'stop')).toMatchObject({ did: 'killed' });
    expect(answer.exitCode).toBe(0);
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
  });

  it('of a unit that does not end by itself kills it, and tells meanwhile that it is at work', async () => {
    await like('hangs=1');
    const answer = await host.run(stop(), { tools: { timeout: `shift 3; exec ${TIMEOUT} -k 2 6 "$@"` } });
    expect(answer.exitCode).toBe(0);
    expect(answer.steps).toContainEqual({ step: 'working', ok: true, on: 'stop', seconds: 5 });
    expect(step(answer, 'stop')).toMatchObject({ did: 'killed' });
    expect((await host.state()).running).toBe('');
  });

  it('kills what the main process has left behind in the cgroup', async () => {
    await like('leaves=1');
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'stop')).toMatchObject({ did: 'killed' });
  });

  it('that leaves a process started by hand fails, and names it; the hold stands', async () => {
    await host.install(agent);
    host.process(4242, { commandLine: '/opt/osquery/bin/osqueryd --ephemeral --x' });
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(HOST_EXIT.stillRuns);
    expect(step(answer, 'proof')).toMatchObject({
      ok: false,
      message: expect.stringMatching(/process 4242 \(\/opt\/osquery\/bin\/osqueryd --ephemeral/),
    });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });

  it('is not kept from its proof by an interactive shell', async () => {
    await host.install(agent);
    host.process(4243, { comm: 'osqueryi' });
    expect((await host.run(stop())).exitCode).toBe(0);
  });

  it('of a crash-looping agent ends the loop', async () => {
    await like('crash=1');
    expect((await host.run(stop())).exitCode).toBe(0);
    expect((await host.state()).running).toBe('');
  });

  it('where there is no agent holds whatever comes', async () => {
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'stop')).toMatchObject({ did: 'nothing' });
    await host.install(agent, 'stopped').catch(() => undefined);
    await host.command('! systemctl start osqueryd');
  });

  it('waits for no installation', async () => {
    await host.install(agent);
    const lock = host.command(
      'mkdir -p "$ROLLOUT_ROOT/run/rollout"; flock "$ROLLOUT_ROOT/run/rollout/lock" sleep 2',
    );
    await host.command('sleep 0.3');
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'status')).toMatchObject({ busy: true });
    const start = await host.run(host.service('start'));
    expect(start.exitCode).toBe(HOST_EXIT.busy);
    expect((await host.state()).unit).toBe('inactive masked');
    await lock;
  });
});

describe('a start', () => {
  it('of what runs and is not held changes nothing', async () => {
    await host.install(agent);
    const before = await host.command('systemctl show osqueryd -P MainPID');
    const answer = await host.run(host.service('start'));
    expect(
      answer.steps.map((one) => (typeof one['did'] === 'string' ? `${one.step} ${one['did']}` : one.step)),
    ).toEqual(['begin', 'brake none', 'hold none', 'start nothing', 'status', 'proof', 'end']);
    expect(await host.command('systemctl show osqueryd -P MainPID')).toBe(before);
  });

  it('is remembered as somebody’s wish, for a later revert', async () => {
    await host.install(agent);
    await host.run(stop());
    await host.run(host.service('start'));
    expect(existsSync(host.path('var/lib/rollout/started'))).toBe(true);
  });

  it.each(['startfail=1', 'crash=1'])(
    'of an agent with %s fails with the state of its unit',
    async (behaviour) => {
      await like(behaviour);
      await host.command('systemctl stop osqueryd');
      const answer = await host.run(host.service('start', { proveMs: 1_000 }));
      expect(answer.exitCode).toBe(HOST_EXIT.startFailed);
      expect(answer.steps.findLast((one) => !one.ok && one.step !== 'end')).toMatchObject({
        message: expect.stringMatching(/exit status \d+, \d+ restarts/),
      });
    },
  );

  it('that a stop overtakes while it is proven ends held, and is no failure of the agent', async () => {
    await host.install(agent);
    await host.run(stop());
    const start = host.run(host.service('start', { proveMs: 4_000 }));
    await host.command('sleep 1');
    expect((await host.run(stop())).exitCode).toBe(0);
    const answer = await start;
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'proof')).toMatchObject({ ok: true, service: 'left-held' });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });

  it('where there is no unit says so', async () => {
    expect(step(await host.run(host.service('start')), 'start')).toMatchObject({
      ok: false,
      message: expect.stringContaining('no unit osqueryd.service'),
    });
  });
});

describe('a restart', () => {
  it('makes another process, and starts what is stopped', async () => {
    await host.install(agent);
    const before = await host.command('systemctl show osqueryd -P MainPID');
    expect(step(await host.run(host.service('restart')), 'proof')).toMatchObject({ service: 'running' });
    expect(await host.command('systemctl show osqueryd -P MainPID')).not.toBe(before);
    await host.command('systemctl stop osqueryd');
    expect(step(await host.run(host.service('restart')), 'proof')).toMatchObject({ service: 'running' });
  });

  it('of a held host leaves it stopped', async () => {
    await host.install(agent);
    await host.run(stop());
    const answer = await host.run(host.service('restart'));
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'proof')).toMatchObject({ ok: true, service: 'left-held' });
    expect((await host.state()).running).toBe('');
  });
});

describe('for boot', () => {
  it('disable and enable change nothing now', async () => {
    await host.install(agent);
    const disabled = await host.run(host.service('disable'));
    expect(step(disabled, 'boot')).toMatchObject({ ok: true, did: 'disabled', unitFileState: 'disabled' });
    expect(step(disabled, 'proof')).toMatchObject({ service: 'running' });
    expect((await host.state()).unit).toBe('active disabled');
    expect(step(await host.run(host.service('disable')), 'boot')).toMatchObject({ did: 'nothing' });
    expect(step(await host.run(host.service('enable')), 'boot')).toMatchObject({ did: 'enabled' });
    expect((await host.state()).unit).toBe('active enabled');
  });

  it('disable --now holds as well, and enable --now takes all of it back', async () => {
    await host.install(agent);
    const answer = await host.run(host.service('disable', { now: true, hold: true }));
    expect(step(answer, 'boot')).toMatchObject({ did: 'disabled', unitFileState: 'disabled' });
    expect(step(answer, 'proof')).toMatchObject({ service: 'stopped', held: true });
    expect((await host.run(host.service('enable', { now: true }))).exitCode).toBe(0);
    expect((await host.state()).unit).toBe('active enabled');
  });

  it('a held host is disabled and enabled behind its mask, which systemctl itself would not do', async () => {
    await host.install(agent);
    await host.run(stop());
    expect(step(await host.run(host.service('disable')), 'boot')).toMatchObject({ did: 'disabled' });
    expect((await host.state()).unit).toBe('inactive masked');
    await host.run(host.service('start'));
    expect((await host.state()).unit).toBe('active disabled');
    await host.run(stop());
    expect(step(await host.run(host.service('enable')), 'boot')).toMatchObject({ did: 'enabled' });
    await host.run(host.service('start'));
    expect((await host.state()).unit).toBe('active enabled');
    expect(host.files('etc/systemd/system')).toEqual(['multi-user.target.wants']);
  });

  it('a unit that somebody has masked cannot be enabled', async () => {
    await host.install(agent, 'stopped');
    await host.command('systemctl mask osqueryd');
    expect((await host.run(host.service('enable'))).exitCode).toBe(HOST_EXIT.startFailed);
    expect((await host.run(host.service('disable'))).exitCode).toBe(0);
  });
});

// Every line of the answer, and a spread over the time a stop takes here, by the program alone and with all its children.
const moments = [
  ...[1, 2, 3, 4, 5, 6].map((line) => ({ killAfterSteps: line })),
  ...Array.from({ length: 8 }, (_, index) => ({ killAfterMs: 25 + index * 30 })),
];

describe('killed and run again', () => {
  it.each(moments)('at %j a stop and a start both converge', async (moment) => {
    const killAll = ('killAfterMs' in moment ? moment.killAfterMs : moment.killAfterSteps) % 2 === 0;
    await host.install(agent);
    await host.run(stop(), { ...moment, killAll });
    // Whatever was done, the unit is not stopped without a hold that says so.
    if ((await host.state()).running === '') expect(existsSync(host.path('var/lib/rollout/hold'))).toBe(true);
    expect((await host.run(stop())).exitCode).toBe(0);
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
    await host.run(host.service('start'), { ...moment, killAll });
    // Never masked without a hold: nobody would know whose mask it is.
    if ((await host.state()).unit.endsWith('masked'))
      expect(existsSync(host.path('var/lib/rollout/hold'))).toBe(true);
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    expect(await host.state()).toMatchObject({ unit: 'active enabled' });
    expect(host.files('var/lib/rollout')).toEqual(['started']);
  });
});

describe('two at once', () => {
  it('both get it done, and the newer hold stands', async () => {
    await host.install(agent);
    const [one, two] = await Promise.all([host.run(stop()), host.run(stop({ hold: { by: 'second' } }))]);
    expect([one.exitCode, two.exitCode]).toEqual([0, 0]);
    expect(readFileSync(host.path('var/lib/rollout/hold'), 'utf8')).toMatch(/^by=(ops@laptop|second)$/m);
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    expect((await host.state()).unit).toBe('active enabled');
  });

  it('one that waits longer than 20 s gives up, having changed nothing', async () => {
    await host.install(agent);
    const lock = host.command(
      'mkdir -p "$ROLLOUT_ROOT/run/rollout"; flock "$ROLLOUT_ROOT/run/rollout/service.lock" sleep 3',
    );
    await host.command('sleep 0.3');
    const tools = { flock: `case "$*" in *-w*) exec ${FLOCK} -w 0.2 8 ;; esac; exec ${FLOCK} "$@"` };
    const answer = await host.run(stop(), { tools });
    expect(answer.exitCode).toBe(HOST_EXIT.busy);
    expect((await host.state()).unit).toBe('active enabled');
    expect(existsSync(host.path('var/lib/rollout/hold'))).toBe(false);
    await lock;
  });

  it('status says that somebody is at work, and waits for nobody', async () => {
    await host.install(agent);
    const lock = host.command(
      'mkdir -p "$ROLLOUT_ROOT/run/rollout"; flock "$ROLLOUT_ROOT/run/rollout/service.lock" sleep 1',
    );
    await host.command('sleep 0.3');
    expect(step(await host.run(host.status()), 'status')).toMatchObject({ busy: true });
    await lock;
    expect(step(await host.run(host.status()), 'status')).toMatchObject({ busy: false });
  });
});

describe('parameters', () => {
  it.each([
    'verb=explode',
    'now=perhaps',
    'hold_since=-1',
    'hold_reason=a\u0001b',
    'controller_word=nobody’s',
    'nonsense=1',
    '--now',
  ])('refuses %j before anything is done', async (parameter) => {
    await host.install(agent);
    const answer = await host.run(stop(), { parameters: [parameter] });
    expect(answer.exitCode).toBe(HOST_EXIT.usage);
    expect((await host.state()).unit).toBe('active enabled');
  });

  it('a reason that is too long is refused', async () => {
    await host.install(agent);
    const answer = await host.run(host.service('stop'), { parameters: [`hold_reason=${'x'.repeat(4_001)}`] });
    expect(answer.exitCode).toBe(HOST_EXIT.usage);
  });
});

describe('a host without an init that it knows', () => {
  it('is refused', async () => {
    await host.install(agent);
    writeFileSync(host.path('run/systemd-shim-down'), '');
    const answer = await host.run(stop());
    expect(answer.exitCode).toBe(HOST_EXIT.unsupported);
    expect(existsSync(host.path('var/lib/rollout/hold'))).toBe(false);
  });
});

const TIMEOUT = '/usr/bin/timeout';
const FLOCK = '/usr/bin/flock';
