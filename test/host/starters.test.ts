/** What would start the agent again after a stop, and what is told otherwise now. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StarterName } from '../../src/domain/lifecycle.ts';
import { makePackage, type RunOptions, ShimHost } from './shim-host.ts';

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(makePackage('5.9.1-1.linux'));
});
afterEach(() => {
  host.remove();
});

async function starters(asked: readonly StarterName[] = [], options: RunOptions = {}): Promise<unknown> {
  const answer = await host.run(host.status({ starters: asked }), options);
  return answer.steps.find((step) => step.step === 'status')?.['starters'];
}

function file(path: string, text = '[Service]\nExecStart=/bin/true\n', mode = 0o755): void {
  mkdirSync(dirname(host.path(path)), { recursive: true });
  writeFileSync(host.path(path), text, { mode });
}

describe('starters', () => {
  it('are none on a plain host', async () => {
    expect(await starters(['chef-client', 'unit:chef-run.timer'])).toEqual([]);
  });

  it('chef-client by its timer', async () => {
    file('lib/systemd/system/chef-client.timer');
    expect(await starters()).toEqual([]);
    await host.command('systemctl enable chef-client.timer');
    expect(await starters()).toEqual(['chef-client']);
    await host.command('systemctl disable chef-client.timer; systemctl start chef-client.timer');
    expect(await starters()).toEqual(['chef-client']);
  });

  it('a timer that activates the service itself, as systemd names it', async () => {
    file('lib/systemd/system/osqueryd.timer');
    const shim = new URL('../../src/adapters/sandbox/bin/systemctl', import.meta.url).pathname;
    const systemctl = `${shim} "$@"; case $* in *TriggeredBy*) echo TriggeredBy=osqueryd.timer ;; esac`;
    expect(await starters([], { tools: { systemctl } })).toEqual([]);
    await host.command('systemctl start osqueryd.timer');
    expect(await starters([], { tools: { systemctl } })).toEqual(['unit:osqueryd.timer']);
  });

  it('chef-client by its cron file, and by a process', async () => {
    file('proc/77/comm', 'chef-client\n');
    expect(await starters()).toEqual(['chef-client']);
    await host.command('rm -r "$ROLLOUT_ROOT/proc/77"');
    expect(await starters()).toEqual([]);
    file('etc/cron.d/chef-client', '*/30 * * * * root chef-client\n');
    expect(await starters()).toEqual(['chef-client']);
  });

  it('chef-client that GitLab’s shim has told off is none', async () => {
    file('etc/cron.d/chef-client', '*/30 * * * * root chef-client\n');
    expect(await starters([], { tools: { 'chef-client-is-enabled': 'exit 1' } })).toEqual([]);
    expect(await starters([], { tools: { 'chef-client-is-enabled': 'exit 0' } })).toEqual(['chef-client']);
  });

  it('unattended-upgrades, Google’s agent and the vendor’s updater', async () => {
    file('lib/systemd/system/apt-daily-upgrade.timer');
    file('lib/systemd/system/google-osconfig-agent.service');
    file('lib/systemd/system/osquery-autoupdate.timer');
    await host.command('systemctl start apt-daily-upgrade.timer; systemctl start osquery-autoupdate.timer');
    expect(await starters()).toEqual(['vendor-updater']);
    file('usr/bin/unattended-upgrade');
    expect(await starters()).toEqual(['unattended-upgrades', 'vendor-updater']);
    writeFileSync(host.path('run/systemd-shim/google-osconfig-agent'), 'active=active\nsub=running\n');
    expect(await starters()).toEqual(['unattended-upgrades', 'google-os-config', 'vendor-updater']);
  });

  it('the agent’s own unit is not its updater', async () => {
    file('etc/cron.daily/osquery-update');
    expect(await starters()).toEqual(['vendor-updater']);
    await host.command('rm "$ROLLOUT_ROOT/etc/cron.daily/osquery-update"');
    expect(await starters()).toEqual([]);
  });

  it('units by name, with or without their suffix, in the order asked', async () => {
    file('lib/systemd/system/b-run.timer');
    file('lib/systemd/system/a.service');
    await host.command('systemctl enable b-run.timer; systemctl enable a');
    expect(await starters(['unit:b-run.timer', 'unit:gone.timer', 'unit:a'])).toEqual([
      'unit:b-run.timer',
      'unit:a',
    ]);
  });
});
