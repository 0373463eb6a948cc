/** Who else decides about the agent is told by its own command: word by word, in its own time, and never in the way of a stop. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ControllerCommand } from '../../src/domain/lifecycle.ts';
import { makePackage, ShimHost } from './shim-host.ts';

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(makePackage('5.9.1-1.linux'));
});
afterEach(() => {
  host.remove();
});

function command(
  name: string,
  words: readonly string[],
  more: Partial<ControllerCommand> = {},
): ControllerCommand {
  return { name, when: 'always', words, timeoutS: 5, ...more };
}

async function stop(...commands: readonly ControllerCommand[]) {
  const answer = await host.run(host.service('stop', { hold: true, commands }));
  return { ...answer, told: answer.steps.filter((step) => step.step === 'controller') };
}

describe('controllers', () => {
  it('get each word as it is, none of it through a shell', async () => {
    const words = ['printf', '<%s>', `it's "a" $(b)`, '', '*', '-n', 'é\\', '`c` $HOME'];
    const { told, exitCode } = await stop(command('chef', words));
    expect(exitCode).toBe(0);
    const message = String(told[0]?.['message']);
    expect(message).toMatch(/^<it's "a" \$\(b\)><><\*><-n><\?+\\><`c` \$HOME>$/);
  });

  it('are told in their order; one that fails, hangs or is not there stops nothing, and is told of', async () => {
    const { told, exitCode } = await stop(
      command('fails', ['sh', '-c', 'echo no; exit 3']),
      command('hangs', ['sleep', '30'], { timeoutS: 1 }),
      command('missing', ['no-such-command']),
      command('works', ['true']),
    );
    expect(exitCode).toBe(0);
    expect(told).toMatchObject([
      { name: 'fails', ok: false, did: 'told', exitCode: 3, message: 'no' },
      { name: 'hangs', ok: false, exitCode: 124, message: expect.stringContaining('no end after 1 s') },
      { name: 'missing', ok: false, exitCode: 127, message: expect.stringContaining('no such command') },
      { name: 'works', ok: true, did: 'told', exitCode: 0 },
    ]);
    expect(readFileSync(host.path('var/lib/rollout/hold'), 'utf8')).toMatch(/^told=works$/m);
  });

  it('that leave a daemon behind hold up nobody, and keep no lock', async () => {
    const words = ['sh', '-c', 'sleep 20 & echo $! >"$ROLLOUT_ROOT/daemon"'];
    const { exitCode } = await stop(command('forks', words));
    expect(exitCode).toBe(0);
    const again = await host.run(host.service('start'));
    expect(again.exitCode).toBe(0);
    process.kill(Number(readFileSync(host.path('daemon'), 'utf8')));
  });

  it('are left out where what they are for is not there', async () => {
    const { told } = await stop(command('chef', ['touch', host.path('told')], { when: 'chef-client' }));
    expect(told).toMatchObject([{ name: 'chef', ok: true, did: 'absent' }]);
    expect(existsSync(host.path('told'))).toBe(false);
  });

  it('are told where a unit of theirs is on', async () => {
    mkdirSync(host.path('lib/systemd/system'), { recursive: true });
    writeFileSync(host.path('lib/systemd/system/chef-run.timer'), '');
    await host.command('systemctl enable chef-run.timer');
    const { told } = await stop(
      command('there', ['systemctl', 'disable', 'chef-run.timer'], { when: 'unit:chef-run.timer' }),
      command('gone', ['true'], { when: 'unit:other.timer' }),
    );
    expect(told).toMatchObject([
      { name: 'there', did: 'told' },
      { name: 'gone', did: 'absent' },
    ]);
  });

  it('are told otherwise by a start, also where they can no longer be found; and only by one that lifts a hold', async () => {
    mkdirSync(host.path('etc/cron.d'), { recursive: true });
    writeFileSync(host.path('etc/cron.d/chef-client'), '');
    await stop(command('chef', ['rm', host.path('etc/cron.d/chef-client')], { when: 'chef-client' }));
    expect(existsSync(host.path('etc/cron.d/chef-client'))).toBe(false);
    const undo = [command('chef', ['touch', host.path('etc/cron.d/chef-client')], { when: 'chef-client' })];
    const started = await host.run(host.service('start', { commands: undo }));
    expect(started.exitCode).toBe(0);
    expect(existsSync(host.path('etc/cron.d/chef-client'))).toBe(true);
    const again = await host.run(host.service('start', { commands: undo }));
    expect(again.steps.some((step) => step.step === 'controller')).toBe(false);
  });

  it('are not told by a stop that leaves no hold', async () => {
    const order = host.service('stop', { commands: [command('chef', ['touch', host.path('told')])] });
    expect((await host.run(order)).exitCode).toBe(0);
    expect(existsSync(host.path('told'))).toBe(false);
  });

  it('told by an earlier stop stay known after a later one that could not tell them', async () => {
    await stop(command('chef', ['true']));
    await stop(command('chef', ['false']));
    expect(readFileSync(host.path('var/lib/rollout/hold'), 'utf8').match(/^told=.*$/gm)).toEqual([
      'told=chef',
    ]);
  });
});
