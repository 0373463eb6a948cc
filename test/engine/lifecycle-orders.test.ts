import { describe, expect, it } from 'vitest';
import type { Environment } from '../../src/domain/environment.ts';
import type { HostOrder } from '../../src/domain/host-order.ts';
import type { Controller, HoldTerms } from '../../src/domain/lifecycle.ts';
import type { LifecycleContext } from '../../src/engine/context.ts';
import { fillIn, lifecycleOrder } from '../../src/engine/lifecycle-orders.ts';
import type { LifecycleRequest } from '../../src/engine/lifecycle-types.ts';
import { SOME_LIFECYCLE } from '../fakes/lifecycle-settings.ts';
import { GCE, makeWorld, someHosts } from './world.ts';

const world = makeWorld();
const [host] = someHosts(1);
if (host === undefined) throw new Error('no host');

const CHEF: Controller = {
  kind: 'command',
  name: 'chef',
  when: 'chef-client',
  onStop: ['chef-client-disable', '{reason} ({by}, until {until}) in {environment}'],
  onStart: ['chef-client-enable', 'by {by}: {reason}{until}'],
  timeoutMs: 1_500,
};
const ONLY_STOP: Controller = {
  kind: 'command',
  name: 'updater',
  when: 'unit:vendor.timer',
  onStop: ['updater', 'off'],
  onStart: [],
  timeoutMs: 10,
};
const ROLE: Controller = {
  kind: 'role-file',
  name: 'role',
  file: '/chef/roles/base.json',
  path: ['enable'],
  onStop: false,
  branch: null,
};

const HOLD: HoldTerms = {
  actionId: 'stop-1',
  environment: 'gstg',
  by: 'ops@laptop',
  reason: 'eats {by} production',
  since: 0,
  until: Date.parse('2026-11-24T08:00:00.500Z'),
};

function contextWith(more: Partial<Environment> = {}): LifecycleContext {
  const { context } = world.process();
  const lifecycle = { ...SOME_LIFECYCLE, controllers: [CHEF, ONLY_STOP, ROLE] };
  return { ...context, environment: { ...context.environment, lifecycle, ...more } } as LifecycleContext;
}

function request(more: Partial<LifecycleRequest>): LifecycleRequest {
  return {
    actionId: 'stop-1',
    verb: 'stop',
    now: false,
    polarity: 'calm',
    hosts: [],
    inventoryAt: 0,
    hold: null,
    timeoutMs: 1_000,
    deadlineMs: null,
    settleMs: 0,
    reason: 'a test',
    ...more,
  };
}

function order(more: Partial<LifecycleRequest>, context = contextWith()): HostOrder {
  return lifecycleOrder(context, request(more), 7, world.artifacts.fresh, host as never).order;
}

function commands(more: Partial<LifecycleRequest>): (readonly string[])[] {
  const given = order(more);
  return given.program === 'service' ? given.commands.map(({ words }) => words) : [];
}

describe('what a host is told to do', () => {
  it('a stop carries the hold, the brake and the words for the controllers, each place filled once', () => {
    expect(order({ hold: HOLD })).toMatchObject({
      program: 'service',
      verb: 'stop',
      hold: HOLD,
      brake: 'mask',
      starters: ['chef-client', 'unit:vendor.timer'],
      commands: [
        {
          name: 'chef',
          when: 'chef-client',
          timeoutS: 2,
          words: [
            'chef-client-disable',
            'eats {by} production (ops@laptop, until 2026-11-24T08:00:00Z) in gstg',
          ],
        },
        { name: 'updater', timeoutS: 1, words: ['updater', 'off'] },
      ],
    });
  });

  it('a reason with control characters does not make the stop fail, in the hold or in a command', () => {
    const given = order({ hold: { ...HOLD, reason: 'a\u0000b\nc\u001b[31m', by: 'o\tps' } });
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    expect(JSON.stringify(given)).not.toMatch(/\\u00[01]|\\n|\\t/);
    expect(given).toMatchObject({ hold: { reason: 'a b c [31m', by: 'o ps' } });
  });

  it.each([
    ['--help', 'help'],
    ['-- -rf /', 'rf /'],
    ['--', '-'],
    ['eats -- production', 'eats -- production'],
    ['', ''],
  ])('a reason %j becomes no option of a command', (reason, told) => {
    const lifecycle = {
      ...SOME_LIFECYCLE,
      controllers: [{ ...CHEF, onStop: ['tell', '{reason}', '--why={reason}', '-x'] }],
    };
    const given = order({ hold: { ...HOLD, reason } }, contextWith({ lifecycle }));
    expect(given).toMatchObject({ commands: [{ words: ['tell', told, `--why=${reason}`, '-x'] }] });
  });

  it('who stops without a hold tells no controller, since nothing would ever tell it to come back', () => {
    expect(order({ hold: null })).not.toHaveProperty('hold');
    expect(commands({ hold: null })).toEqual([]);
  });

  it('a start takes back what can be taken back, and leaves no hold', () => {
    expect(commands({ verb: 'start', hold: null })).toEqual([
      ['chef-client-enable', expect.stringMatching(/^by \S+@\S+: a test$/)],
    ]);
    expect(order({ verb: 'start', hold: HOLD })).not.toHaveProperty('hold');
  });

  it.each([
    ['restart', false, 0],
    ['enable', false, 0],
    ['enable', true, 1],
    ['disable', false, 0],
    ['disable', true, 2],
  ] as const)('%s with now=%s tells %i controllers', (verb, now, count) => {
    const hold = verb === 'disable' && now ? HOLD : null;
    expect(commands({ verb, now, hold })).toHaveLength(count);
  });

  it('an install brings the package along and names the digest; without a package it is a bug', () => {
    const job = lifecycleOrder(contextWith(), request({ verb: 'install' }), 7, world.artifacts.fresh, host);
    expect(job.order).toMatchObject({
      program: 'install',
      orderId: 'stop-1',
      fence: 7,
      environment: 'gstg',
      target: { sha256: world.artifacts.fresh.sha256 },
    });
    expect(job.packages).toMatchObject([{ sha256: world.artifacts.fresh.sha256 }]);
    expect(() => lifecycleOrder(contextWith(), request({ verb: 'install' }), 7, null, host)).toThrow(
      /no package to install on h1/,
    );
  });

  it.each([
    ['remove', false],
    ['purge', true],
  ] as const)('%s purges: %s', (verb, purge) => {
    expect(order({ verb })).toMatchObject({
      program: 'remove',
      purge,
      purgePaths: SOME_LIFECYCLE.purgePaths,
    });
  });

  it('asks a machine of a cloud which one it is, and a listed one not', () => {
    expect(order({}, contextWith({ inventory: GCE }))).toMatchObject({ instanceId: '1' });
    expect(order({})).not.toHaveProperty('instanceId');
  });
});

it('places that nobody knows stay, also those with names that every object has', () => {
  expect(fillIn('{reason} {other} {constructor} {toString}', { reason: 'x' })).toBe(
    'x {other} {constructor} {toString}',
  );
});
