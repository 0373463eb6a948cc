/** A host without systemd: everything by `service`, update-rc.d and the execute bits of the init script. */
import { chmodSync, readFileSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostAnswer } from '../../src/domain/host-answer.ts';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { makePackage, ShimHost } from './shim-host.ts';

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(makePackage('5.9.1-1.linux'));
  await host.withoutSystemd();
});
afterEach(() => {
  host.remove();
});

function step(answer: HostAnswer, name: string) {
  return answer.steps.findLast((one) => one.step === name);
}

const mode = () => statSync(host.path('etc/init.d/osqueryd')).mode & 0o777;
const status = async () => step(await host.run(host.status()), 'status');

describe('by sysvinit', () => {
  it('status goes by the processes and the links', async () => {
    expect(await status()).toMatchObject({
      init: 'sysvinit',
      activeState: 'active',
      unitFileState: 'enabled',
      mainPid: 1001,
      runningVersion: '5.9.1',
      strays: [],
    });
  });

  it('a stop takes the execute bits off the script, and the start puts back the ones that were there', async () => {
    chmodSync(host.path('etc/init.d/osqueryd'), 0o750);
    const answer = await host.run(host.service('stop', { hold: true }));
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'brake')).toMatchObject({ did: 'set', brake: 'not-executable' });
    expect(mode()).toBe(0o640);
    await host.command('! service osqueryd start');
    expect(await status()).toMatchObject({ activeState: 'inactive', hold: { brake: 'not-executable' } });
    expect(readFileSync(host.path('var/lib/rollout/hold'), 'utf8')).toContain(
      'chmod 750 /etc/init.d/osqueryd',
    );
    expect((await host.run(host.service('stop', { hold: true }))).exitCode).toBe(0);
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    expect(mode()).toBe(0o750);
    expect(await status()).toMatchObject({ activeState: 'active', hold: null });
  });

  it('what was started past the brake is stopped by the next stop, and the brake stays', async () => {
    await host.run(host.service('stop', { hold: true }));
    await host.command('ROLLOUT_INIT_SCRIPT=1 systemctl start osqueryd');
    expect((await host.run(host.service('stop', { hold: true }))).exitCode).toBe(0);
    expect(mode()).toBe(0o644);
    expect(await status()).toMatchObject({ activeState: 'inactive' });
  });

  it('a script that somebody made plain text before is not started, and says so', async () => {
    await host.command('service osqueryd stop');
    chmodSync(host.path('etc/init.d/osqueryd'), 0o644);
    await host.run(host.service('stop', { hold: true }));
    const answer = await host.run(host.service('start'));
    expect(answer.exitCode).toBe(HOST_EXIT.startFailed);
    expect(mode()).toBe(0o644);
  });

  it('restart, disable and enable', async () => {
    expect(step(await host.run(host.service('restart')), 'proof')).toMatchObject({ service: 'running' });
    expect(await status()).toMatchObject({ mainPid: 1002 });
    expect(step(await host.run(host.service('disable')), 'boot')).toMatchObject({
      unitFileState: 'disabled',
    });
    expect(await status()).toMatchObject({ activeState: 'active', unitFileState: 'disabled' });
    expect(step(await host.run(host.service('enable')), 'boot')).toMatchObject({ unitFileState: 'enabled' });
    expect(host.files('etc/rc2.d')).toEqual(['S01osqueryd']);
  });

  it('a script that never had links gets them', async () => {
    await host.command('rm "$ROLLOUT_ROOT"/etc/rc2.d/*');
    expect(step(await host.run(host.service('enable')), 'boot')).toMatchObject({ unitFileState: 'enabled' });
  });
});
