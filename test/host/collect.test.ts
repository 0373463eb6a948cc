/** `collect` is read only, and tells what is there without believing that anything is. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { collectedOf } from '../../src/domain/report/collected.ts';
import { makePackage, ShimHost } from './shim-host.ts';

let host: ShimHost;
beforeEach(() => {
  host = new ShimHost();
});
afterEach(() => {
  host.remove();
});

const ORDER = {
  program: 'collect',
  agent: { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' },
  sinceS: 0,
  lines: 50,
} as const;

describe('collect', () => {
  it('tells the unit’s state and what rollout left on the host', async () => {
    await host.install(makePackage('5.9.1-1.linux'));
    mkdirSync(host.path('var/lib/rollout'), { recursive: true });
    writeFileSync(host.path('var/lib/rollout/hold'), 'by=ops "the \\ one"\nreason=wegen Überlast\n');
    const answer = await host.run(ORDER);
    expect(answer.exitCode).toBe(0);
    const parts = collectedOf(answer.steps);
    expect(parts.get('unit')).toContain('ActiveState=active');
    expect(parts.get('note:/var/lib/rollout/hold')).toEqual(['by=ops "the \\ one"', 'reason=wegen Überlast']);
  });

  it('on a host without the agent or systemd it tells what it finds, and ends well', async () => {
    const answer = await host.run(ORDER);
    expect(answer.exitCode).toBe(0);
    expect(collectedOf(answer.steps).get('note:/var/lib/rollout/hold')).toBeUndefined();
  });
});
