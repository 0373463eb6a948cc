/** Orders that install and remove the package, and the host's own words of a hold, for the tests of both. */
import type { HostAnswer } from '../../src/domain/host-answer.ts';
import type { HostOrder, HostStep } from '../../src/domain/host-order.ts';
import type { HoldTerms } from '../../src/domain/lifecycle.ts';
import { lifecycleOutcomeOf } from '../../src/domain/lifecycle-answer.ts';
import type { Package, RunOptions, ShimHost } from './shim-host.ts';

const AGENT = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const NAMED = { orderId: 'i-1', environment: 'gstg', fence: 7, lockTimeoutS: 0 };

const HOLD: HoldTerms = {
  actionId: 'stop-1',
  environment: 'gstg',
  by: 'ops@laptop',
  reason: 'it eats production',
  since: 1_700_000_000_000,
  until: 1_700_090_000_000,
};

export function installOrder(target: Package, more: object = {}): HostOrder {
  return { program: 'install', agent: AGENT, ...NAMED, target: target.ref, proveMs: 250, ...more };
}

export function removeOrder(more: object = {}): HostOrder {
  return { program: 'remove', agent: AGENT, ...NAMED, orderId: 'x-1', purge: false, purgePaths: [], ...more };
}

export function purgeOrder(...purgePaths: string[]): HostOrder {
  return removeOrder({ purge: true, purgePaths });
}

export function serviceOrder(
  verb: 'stop' | 'start',
  brake: 'mask' | 'condition' | 'none' = 'mask',
): HostOrder {
  return {
    program: 'service',
    agent: AGENT,
    verb,
    now: false,
    ...(verb === 'stop' ? { hold: HOLD } : {}),
    brake,
    commands: [],
    starters: [],
    proveMs: 0,
  };
}

export async function carryOut(host: ShimHost, order: HostOrder, options: RunOptions = {}) {
  const answer = await host.run(order, options);
  return { answer, outcome: lifecycleOutcomeOf(order, answer), steps: answer.steps.map(({ step }) => step) };
}

export function stepOf(answer: HostAnswer, name: string): HostStep | undefined {
  return answer.steps.findLast(({ step }) => step === name);
}

/** Asks until nobody else is at work: an installer that outlived its program still holds the lock. */
export async function whenFree(host: ShimHost, order: HostOrder) {
  for (let attempt = 0; attempt < 40; attempt += 1) {
    const done = await carryOut(host, order);
    if (done.outcome.kind !== 'blocked' || done.outcome.why !== 'busy') return done;
  }
  throw new Error('still busy after 40 attempts');
}
