import { describe, expect, it } from 'vitest';
import { simClock } from '../../fakes/sim-clock.ts';
import { someHosts } from '../world.ts';
import { act, lifecycleWorld, reportOf, someRequest } from './lifecycle-world.ts';

describe('ten thousand hosts', () => {
  it('are stopped at once in bounded time and memory, fifty that are silent keep nobody', {
    timeout: 120_000,
  }, async () => {
    const world = lifecycleWorld({ hosts: someHosts(10_000), clock: simClock() });
    const machine = world.machine();
    for (let id = 1; id <= 50; id += 1) world.fleet.cutOff.add(`${id}`);
    let most = 0;
    let atOnce = 0;
    world.fleet.onContact = () => {
      atOnce += 1;
      most = Math.max(most, atOnce);
    };
    world.fleet.onAnswer = () => {
      atOnce -= 1;
    };
    // They tell so much that it would be too much for journal entries of any size.
    const process = machine.process();
    const heapBefore = heapMiB();
    const began = performance.now();
    const report = reportOf(await world.clock.run(act(world, process, someRequest(world))));
    const tookMs = performance.now() - began;
    expect(report.hosts).toHaveLength(10_000);
    expect(report).toMatchObject({
      end: 'incomplete',
      record: { kind: 'journal' },
      settled: { stayedDown: 9_950 },
    });
    expect(report.notCovered).toHaveLength(50);
    expect(most).toBe(10_000);
    expect(world.bodies('lifecycle-intended')).toHaveLength(20);
    expect(Math.max(...world.bodies('lifecycle-answered').map(({ hosts }) => hosts.length))).toBe(50);
    expect(machine.outbox.entries).toEqual([]);
    // Generous: a shared machine with two cores takes some four seconds, most of it the fake's.
    expect(tookMs).toBeLessThan(60_000);
    expect(heapMiB() - heapBefore).toBeLessThan(600);
    console.log(`10,000 hosts: ${Math.round(tookMs)} ms, ${Math.round(heapMiB() - heapBefore)} MiB more`);
  });
});

function heapMiB(): number {
  return process.memoryUsage().heapUsed / 2 ** 20;
}
