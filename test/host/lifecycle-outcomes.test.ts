/** What the real programs print, as the domain reads it: one verb after the other on one host. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { agentStatusOf } from '../../src/domain/agent-status.ts';
import type { HostOrder } from '../../src/domain/host-order.ts';
import type { AgentStatus } from '../../src/domain/lifecycle.ts';
import { lifecycleOutcomeOf } from '../../src/domain/lifecycle-answer.ts';
import { severityOfStatus } from '../../src/domain/status-groups.ts';
import { HOLD, makePackage, ShimHost } from './shim-host.ts';

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  host.remove();
});

async function outcomeOf(order: HostOrder) {
  return lifecycleOutcomeOf(order, await host.run(order));
}

async function status(): Promise<AgentStatus> {
  const read = agentStatusOf((await host.run(host.status())).steps);
  if (!read.ok) throw new Error(read.error);
  return read.value;
}

it('verbs are proven by what they brought about, and the status says the same', async () => {
  await host.install(makePackage('5.9.1-1.linux'));
  expect(severityOfStatus(await status(), HOLD.since)).toBe('active');
  const version = '5.9.1-1.linux';
  const reason = "it's eating\nproduction";
  expect(await outcomeOf(host.service('stop', { hold: { reason } }))).toEqual({
    kind: 'proven',
    service: 'stopped',
    version,
    held: true,
    notes: [],
  });
  const held = await status();
  expect(held.hold).toMatchObject({ ...HOLD, reason: "it's eating production", brake: 'mask', kept: 'disk' });
  expect([HOLD.until - 1, HOLD.until].map((now) => severityOfStatus(held, now))).toEqual([
    'held',
    'hold-due',
  ]);
  expect(await outcomeOf(host.service('restart'))).toMatchObject({
    kind: 'proven',
    service: 'left-held',
    held: true,
  });
  expect(await outcomeOf(host.service('disable'))).toMatchObject({
    kind: 'proven',
    service: 'left-held',
    held: true,
  });
  expect(await outcomeOf(host.service('enable', { now: true }))).toMatchObject({
    kind: 'proven',
    service: 'running',
    version,
    held: false,
  });
  expect(await outcomeOf(host.service('restart'))).toMatchObject({
    kind: 'proven',
    service: 'running',
    held: false,
  });
  expect(await outcomeOf(host.service('disable'))).toMatchObject({
    kind: 'proven',
    service: 'running',
    held: false,
  });
  expect(await outcomeOf(host.service('enable'))).toMatchObject({ kind: 'proven', service: 'running' });
  expect(await outcomeOf(host.service('disable', { now: true, hold: true }))).toMatchObject({
    kind: 'proven',
    service: 'stopped',
    held: true,
  });
  expect(await outcomeOf(host.service('start'))).toMatchObject({
    kind: 'proven',
    service: 'running',
    held: false,
  });
  expect((await status()).hold).toBeNull();
});
