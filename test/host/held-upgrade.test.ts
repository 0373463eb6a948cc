/** H8: a stop waits for nobody. At whatever moment of an upgrade or a revert it comes, the agent is stopped at the end. */
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type HostAnswer, lookOf, outcomeOf } from '../../src/domain/host-answer.ts';
import { carryOut, serviceOrder } from './package-orders.ts';
import { makePackage, type Package, ShimHost } from './shim-host.ts';

const old = makePackage('5.9.1-1.linux');
const fresh = makePackage('5.10.2-1.linux');

/** What an emergency stop does on a host, in its order: the hold, the brake, the stop. */
const STOP = `mkdir -p "$ROLLOUT_ROOT/var/lib/rollout"; echo held >"$ROLLOUT_ROOT/var/lib/rollout/hold"
  "$systemctl" mask osqueryd; "$systemctl" stop osqueryd`;
/** And a start, in its own. */
const START = `rm -f "$ROLLOUT_ROOT/var/lib/rollout/hold"; "$systemctl" unmask osqueryd
  mkdir -p "$ROLLOUT_ROOT/var/lib/rollout"; echo started >"$ROLLOUT_ROOT/var/lib/rollout/started"
  "$systemctl" start osqueryd`;

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(old);
  host.deliver(fresh, old);
});
afterEach(() => {
  host.remove();
});

/** Commands that a program calls, each of which first counts itself: before call number N a script is run. */
async function interposed(at: Readonly<Record<number, string>>): Promise<Record<string, string>> {
  const systemctl = await host.command('command -v systemctl');
  const tools: Record<string, string> = {};
  for (const name of ['systemctl', 'dpkg-query', 'apt-get', 'sha256sum', 'sleep', 'mv']) {
    const real = await host.command(`command -v ${name}`);
    const moments = Object.entries(at).map(([call, script]) => `${call}) ${script} ;;`);
    tools[name] = `[ "$*" != 5 ] || exec '${real}' "$@"
systemctl='${systemctl}'
n=0; [ ! -f "$ROLLOUT_ROOT/calls" ] || read -r n <"$ROLLOUT_ROOT/calls"
n=$((n + 1)); echo "$n" >"$ROLLOUT_ROOT/calls"
{ case $n in ${moments.join('\n')} esac; } >/dev/null 2>&1
exec '${real}' "$@"`;
  }
  return tools;
}

/** A script before or after a command of a program, once: `apt-get`, or `systemctl restart` as `systemctl` with `restart`. */
async function around(name: string, word: string, script: string, when: 'before' | 'after' | 'instead') {
  const systemctl = await host.command('command -v systemctl');
  const real = await host.command(`command -v ${name}`);
  const once = `systemctl='${systemctl}'\ncase " $* " in *' ${word} '*)
if [ ! -e "$ROLLOUT_ROOT/once" ]; then : >"$ROLLOUT_ROOT/once"`;
  const texts = {
    before: `{ ${script}\n} >/dev/null 2>&1\nexec '${real}' "$@"`,
    after: `'${real}' "$@"; code=$?\n{ ${script}\n} >/dev/null 2>&1\nexit $code`,
    // As systemctl ends when its job is cancelled by another one.
    instead: `'${real}' "$@"\n{ ${script}\n} >/dev/null 2>&1\necho 'Job for osqueryd.service canceled.' >&2; exit 1`,
  };
  return { [name]: `${once}\n${texts[when]}\nfi ;; esac\nexec '${real}' "$@"` };
}

async function run(
  program: 'upgrade' | 'revert',
  tools: Record<string, string> = {},
  target: Package = fresh,
  more: object = {},
) {
  const order = host.order(program, target, old, more);
  const answer = await host.run(order, { tools });
  return { answer, outcome: outcomeOf(order, answer) };
}

const byHand = async (script: string): Promise<string> => host.command(`systemctl=systemctl; ${script}`);

const proofOf = (answer: HostAnswer) => answer.steps.findLast(({ step }) => step === 'proof');

async function expectHeld(made: Package): Promise<void> {
  expect(await host.state()).toEqual({
    running: '',
    installed: made.ref.executableSha256,
    version: `install installed ${made.ref.packageVersion}`,
    unit: 'inactive masked',
  });
  expect(host.files('run/rollout')).not.toContain('r-1.pending');
}

const MOMENTS = [
  ['before the install', 'apt-get', 'install', 'before'],
  ['between install and restart', 'apt-get', 'install', 'after'],
  ['right before the restart', 'systemctl', 'restart', 'before'],
  ['in the middle of the restart', 'systemctl', 'restart', 'instead'],
  ['after the restart', 'systemctl', 'restart', 'after'],
  ['during the proof', 'sleep', '0.25', 'before'],
] as const;

describe('a stop', () => {
  it.each(MOMENTS)('%s of an upgrade is no failure of the version', async (_, name, word, when) => {
    const { answer, outcome } = await run('upgrade', await around(name, word, STOP, when));
    expect(outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    expect(proofOf(answer)).toMatchObject({ service: 'left-stopped', held: true, runningSha256: '' });
    await expectHeld(fresh);
  });

  it.each(MOMENTS.filter((_, index) => index % 2 === 1))(
    '%s of a revert leaves the old version stopped',
    async (_, name, word, when) => {
      await run('upgrade');
      const { outcome } = await run('revert', await around(name, word, STOP, when));
      expect(outcome).toMatchObject({ kind: 'reverted', service: 'left-stopped' });
      await expectHeld(old);
    },
  );

  it('before a revert keeps, and a start after it lets the next run start it', async () => {
    await run('upgrade');
    await byHand(STOP);
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'left-stopped' });
    await expectHeld(old);
    await byHand(START);
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'running' });
    expect(await host.state()).toMatchObject({ running: old.ref.executableSha256, unit: 'active enabled' });
  });

  it('that has only left its hold yet, and stops the service while the upgrade looks on, is no drift', async () => {
    await byHand(`mkdir -p "$ROLLOUT_ROOT/run/rollout"; echo held >"$ROLLOUT_ROOT/run/rollout/hold"
      systemctl mask osqueryd`);
    const { outcome } = await run('upgrade');
    expect(outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    await expectHeld(fresh);
  });

  it('with a brake that lets a start do nothing is found without an error of systemctl', async () => {
    const hold = `mkdir -p "$ROLLOUT_ROOT/var/lib/rollout"; echo held >"$ROLLOUT_ROOT/var/lib/rollout/hold"
      "$systemctl" stop osqueryd`;
    const real = await host.command('command -v systemctl');
    const conditional = `systemctl='${real}'
case $1 in restart) { ${hold}\n} >/dev/null 2>&1; exit 0 ;; esac\nexec '${real}' "$@"`;
    const { outcome } = await run('upgrade', { systemctl: conditional });
    expect(outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive enabled' });
  });

  it('is not undone by a script of the package that unmasks and starts the service', async () => {
    const pushy = makePackage('5.10.3-1.linux', {
      postinst: 'systemctl unmask osqueryd; systemctl start osqueryd',
    });
    host.deliver(pushy, old);
    await byHand(STOP);
    const { outcome } = await run('upgrade', {}, pushy);
    expect(outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    await expectHeld(pushy);
  });

  it('that comes before such a script runs is not undone either', async () => {
    const pushy = makePackage('5.10.3-1.linux', {
      postinst: 'systemctl unmask osqueryd; systemctl start osqueryd',
    });
    host.deliver(pushy, old);
    const stop = `${STOP}; echo brake=mask >>"$ROLLOUT_ROOT/var/lib/rollout/hold"`;
    const tools = await around('apt-get', 'install', stop, 'before');
    expect((await run('upgrade', tools, pushy)).outcome).toMatchObject({ service: 'left-stopped' });
    await expectHeld(pushy);
  });

  it('that was killed when it had left its hold is carried out by the upgrade', async () => {
    const hold = 'echo held >"$ROLLOUT_ROOT/var/lib/rollout/hold"';
    const tools = await around('sleep', '0.25', hold, 'before');
    expect((await run('upgrade', tools)).outcome).toMatchObject({
      kind: 'verified',
      service: 'left-stopped',
    });
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive enabled' });
  });

  it.each([
    ['does not start', 'startfail=1'],
    ['crash-loops', 'crash=1'],
  ])('of a version that %s is told as a stop', async (_, behaviour) => {
    const bad = makePackage('5.10.5-1.linux', { behaviour });
    host.deliver(bad, old);
    const { outcome } = await run('upgrade', await around('systemctl', 'restart', STOP, 'after'), bad);
    expect(outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    await expectHeld(bad);
  });

  it.each([0, 300, 700])('by its own program, %i ms into an upgrade, sticks', async (ms) => {
    const order = host.order('upgrade', fresh, old, { proveMs: 500 });
    const { answer } = host.start(order);
    await host.command(`sleep ${ms / 1_000}`);
    const { outcome } = await carryOut(host, serviceOrder('stop'));
    expect(outcome).toMatchObject({ kind: 'proven', service: 'stopped', held: true });
    expect(outcomeOf(order, await answer)).toMatchObject({ kind: 'verified' });
    expect(await host.command('systemctl show osqueryd -P ActiveState')).toBe('inactive');
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'left-stopped' });
    expect((await carryOut(host, serviceOrder('start'))).outcome).toMatchObject({ service: 'running' });
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'running' });
  });

  // Every seventh call of a command: from the first look to the last word.
  it.each(Array.from({ length: 5 }, (_, index) => 3 + index * 7))(
    'before call %i of an upgrade leaves it stopped, and so does the order when it is repeated',
    async (call) => {
      const { outcome } = await run('upgrade', await interposed({ [call]: STOP }));
      if (!existsSync(host.path('var/lib/rollout/hold'))) {
        // The upgrade had ended before: then the stop comes after it.
        expect(outcome).toMatchObject({ kind: 'verified', service: 'running' });
        await byHand(STOP);
      } else {
        expect(outcome).toMatchObject({ kind: 'verified' });
      }
      await expectHeld(fresh);
      host.deliver(fresh, old);
      expect((await run('upgrade')).outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
      await expectHeld(fresh);
    },
  );
});

describe('a stop and a start', () => {
  it.each([
    [4, 9],
    [9, 18],
    [16, 22],
    [20, 26],
  ])('before calls %i and %i of an upgrade leave it running', async (stop, start) => {
    const { answer, outcome } = await run('upgrade', await interposed({ [stop]: STOP, [start]: START }));
    expect(existsSync(host.path('var/lib/rollout/started'))).toBe(true);
    // A start after the last look is told as what was seen then.
    const service = proofOf(answer)?.['held'] === true ? 'left-stopped' : 'running';
    expect(outcome).toMatchObject({ kind: 'verified', service });
    expect(await host.state()).toMatchObject({ running: fresh.ref.executableSha256, unit: 'active enabled' });
    const order = host.prove(fresh);
    expect(outcomeOf(order, await host.run(order))).toMatchObject({ kind: 'verified', service: 'running' });
  });

  it('in the course of one restart, which fails over it, is no failure of the version', async () => {
    const both = `${STOP}\n${START}`;
    const { outcome } = await run('upgrade', await around('systemctl', 'restart', both, 'instead'));
    expect(outcome).toMatchObject({ kind: 'verified', service: 'running' });
  });

  it('around a killed upgrade: it goes on as the last of them meant', async () => {
    await run('upgrade', await around('apt-get', 'install', `${STOP}; kill -9 $PPID`, 'after'));
    expect((await run('upgrade')).outcome).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    await expectHeld(fresh);
    await byHand(START);
    expect((await run('upgrade')).outcome).toMatchObject({ kind: 'verified', service: 'running' });
    await byHand(STOP);
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'left-stopped' });
    await expectHeld(old);
  });

  it('of a host that was held when the upgrade began: the revert keeps it running', async () => {
    await byHand(STOP);
    expect((await run('upgrade')).outcome).toMatchObject({ service: 'left-stopped' });
    await byHand(START);
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'running' });
    expect(await host.state()).toMatchObject({ running: old.ref.executableSha256, unit: 'active enabled' });
  });

  it('by hand, the hold deleted and the service started, is somebody’s wish too', async () => {
    await byHand(STOP);
    await run('upgrade');
    await byHand(
      'rm "$ROLLOUT_ROOT/var/lib/rollout/hold"; systemctl unmask osqueryd; systemctl start osqueryd',
    );
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'running' });
    expect(await host.state()).toMatchObject({ unit: 'active enabled' });
  });

  it('starts a service that had been stopped before the order, since the start is the later word', async () => {
    await byHand('systemctl stop osqueryd');
    expect((await run('upgrade')).outcome).toMatchObject({ service: 'left-stopped' });
    await byHand(START);
    expect((await run('revert')).outcome).toMatchObject({ kind: 'reverted', service: 'running' });
  });
});

describe('prove', () => {
  it('takes a held service that is stopped for left stopped, and changes nothing', async () => {
    await run('upgrade');
    await byHand(STOP);
    const order = host.prove(fresh);
    const answer = await host.run(order);
    expect(outcomeOf(order, answer)).toMatchObject({ kind: 'verified', service: 'left-stopped' });
    expect(proofOf(answer)).toMatchObject({ held: true });
    await expectHeld(fresh);
  });

  it('in the middle of which a stop comes gives way', async () => {
    await run('upgrade');
    const order = { ...host.prove(fresh), proveMs: 1_000 } as ReturnType<ShimHost['prove']>;
    const answer = await host.run(order, { tools: await around('sleep', '0.25', STOP, 'before') });
    expect(outcomeOf(order, answer)).toMatchObject({ kind: 'verified', service: 'left-stopped' });
  });

  it('proves what runs in spite of a hold, and leaves it alone', async () => {
    await run('upgrade');
    await byHand('mkdir -p "$ROLLOUT_ROOT/run/rollout"; echo held >"$ROLLOUT_ROOT/run/rollout/hold"');
    const order = host.prove(fresh);
    const answer = await host.run(order);
    expect(outcomeOf(order, answer)).toMatchObject({ kind: 'verified', service: 'running' });
    expect(proofOf(answer)).toMatchObject({ held: true });
    expect(await host.state()).toMatchObject({ running: fresh.ref.executableSha256 });
  });
});

describe('a look', () => {
  it('tells the hold beside what else keeps hands off', async () => {
    const hold = async () => {
      const read = lookOf((await host.run(host.look())).steps);
      return read.ok ? read.value.hold : read.error;
    };
    expect(await hold()).toBe('');
    await byHand(STOP);
    expect(await hold()).toBe('rollout hold and unit masked');
    await byHand('systemctl unmask osqueryd');
    expect(await hold()).toBe('rollout hold');
  });
});
