/** A start that takes a stop back only in part says so; a stop's brake holds without its controllers. */
import { describe, expect, it } from 'vitest';
import type { HostOrder, HostStep } from '../../../src/domain/host-order.ts';
import { lifecycleOutcomeOf } from '../../../src/domain/lifecycle-answer.ts';
import { notCoveredOf } from '../../../src/engine/act-on-fleet.ts';
import { someHosts } from '../world.ts';

const agent = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };

function order(verb: 'start' | 'stop'): HostOrder {
  return {
    program: 'service',
    agent,
    verb,
    now: false,
    brake: 'mask',
    commands: [],
    starters: [],
    proveMs: 1,
  };
}

const controller = (ok: boolean): HostStep =>
  ok
    ? { step: 'controller', ok, name: 'chef', did: 'told' }
    : { step: 'controller', ok, name: 'chef', did: 'absent', exitCode: 1, message: 'rm: cannot remove' };

function notCovered(verb: 'start' | 'stop', isTold: boolean): readonly { readonly why: string }[] {
  const [host] = someHosts(1);
  if (host === undefined) throw new Error('no host');
  const service = verb === 'start' ? 'running' : 'stopped';
  const steps = [
    { step: 'begin', ok: true },
    { step: 'hold', ok: true, did: verb === 'start' ? 'lifted' : 'written', kept: 'disk' },
    controller(isTold),
    { step: 'proof', ok: true, service, packageVersion: '5.9.1-1.linux', held: verb === 'stop' },
    { step: 'end', ok: true, code: 0 },
  ];
  const outcome = lifecycleOutcomeOf(order(verb), { exitCode: 0, steps, stderr: '' });
  expect(outcome).toMatchObject({ kind: 'proven', service });
  return notCoveredOf([{ host, outcome, attempts: 1, tookMs: 1 }]);
}

describe('a controller that does not hear', () => {
  it('leaves a start incomplete, and is named', () => {
    expect(notCovered('start', true)).toEqual([]);
    expect(notCovered('start', false)).toMatchObject([{ why: expect.stringContaining('chef') }]);
  });

  it('leaves a stop whole, with a note', () => {
    expect(notCovered('stop', false)).toEqual([]);
  });
});
