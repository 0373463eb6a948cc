/** A systemd that does not answer: a stop is not kept from stopping by it (S9). What signals do there is shown on real hosts. */
import { existsSync, mkdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentStatusOf } from '../../src/domain/agent-status.ts';
import type { HostAnswer } from '../../src/domain/host-answer.ts';
import { HOST_EXIT } from '../../src/domain/host-order.ts';
import { lifecycleOutcomeOf } from '../../src/domain/lifecycle-answer.ts';
import { makePackage, ShimHost } from './shim-host.ts';

const UNIT_FILE = 'etc/systemd/system/osqueryd.service';
const SHIM = new URL('../../src/adapters/sandbox/bin/systemctl', import.meta.url).pathname;

let host: ShimHost;
beforeEach(async () => {
  host = new ShimHost();
  await host.install(makePackage('5.9.1-1.linux'));
  mkdirSync(host.path('run/systemd/system'), { recursive: true });
});
afterEach(() => {
  host.remove();
});

const silence = () => writeFileSync(host.path('run/systemd-shim-down'), '');
const stop = () => host.service('stop', { hold: true });

function step(answer: HostAnswer, name: string) {
  return answer.steps.findLast((one) => one.step === name);
}

describe('a systemd that does not answer', () => {
  it('lets a stop hold, mask and prove by the processes, and say that systemd may start it again', async () => {
    await host.command('systemctl stop osqueryd');
    silence();
    const answer = await host.run(stop());
    expect(lifecycleOutcomeOf(stop(), answer)).toMatchObject({
      kind: 'proven',
      service: 'stopped',
      held: true,
      notes: [expect.stringMatching(/^systemd does not answer on this host.*stop it again then/u)],
    });
    expect(readlinkSync(host.path(UNIT_FILE))).toBe('/dev/null');
    rmSync(host.path('run/systemd-shim-down'));
    expect((await host.run(host.service('start'))).exitCode).toBe(0);
    expect((await host.state()).unit).toBe('active enabled');
    expect(existsSync(host.path(UNIT_FILE))).toBe(false);
  });

  it('calls no stop proven while a process is left; the hold and the mask are there', async () => {
    silence();
    const answer = await host.run(stop());
    expect(lifecycleOutcomeOf(stop(), answer)).toMatchObject({
      kind: 'failed',
      failure: 'still-runs',
      held: true,
    });
    expect(readlinkSync(host.path(UNIT_FILE))).toBe('/dev/null');
  });

  it('is told by a status, by the processes and the links', async () => {
    silence();
    const read = agentStatusOf((await host.run(host.status())).steps);
    expect(read).toMatchObject({
      ok: true,
      value: {
        init: 'systemd',
        activeState: 'active',
        subState: 'no-answer',
        unitFileState: 'enabled',
        mainPid: 1001,
      },
    });
    await host.run(stop());
    expect(agentStatusOf((await host.run(host.status())).steps)).toMatchObject({
      value: { unitFileState: 'masked', hold: { brake: 'mask' } },
    });
  });

  it('is no matter for a start, which touches nothing', async () => {
    await host.run(stop());
    silence();
    const answer = await host.run(host.service('start'));
    expect(answer.exitCode).toBe(HOST_EXIT.unsupported);
    expect(step(answer, 'unsupported')).toMatchObject({
      message: expect.stringContaining('systemd does not answer'),
    });
    expect(existsSync(host.path('var/lib/rollout/hold'))).toBe(true);
    expect(readlinkSync(host.path(UNIT_FILE))).toBe('/dev/null');
  });

  it('for a moment, as when it is executed anew, changes nothing for the stop', async () => {
    const once = `[ -e "$ROLLOUT_ROOT/asked" ] || { : >"$ROLLOUT_ROOT/asked"; exit 1; }; exec ${SHIM} "$@"`;
    const answer = await host.run(stop(), { tools: { systemctl: once } });
    expect(answer.exitCode).toBe(0);
    expect(step(answer, 'note')).toBeUndefined();
    expect(await host.state()).toMatchObject({ running: '', unit: 'inactive masked' });
  });
});
