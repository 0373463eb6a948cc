/** Several people at one environment, and what one may ask of a rollout that another runs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALL, FOUR_LANES, GOOD, Lanes, OLD, said, waitsFor, wrote } from './scenario.ts';

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

/** Else the last wave may have begun before another program has started and is heard. */
const LONGER_SOAK = { overrides: { soak: '4s' } };

describe.concurrent('while one operator’s rollout runs, a second operator', () => {
  it('is locked out of working on it, and told by whom', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const first = scenario.start(['deploy', environment, GOOD, '--json']);
      await first.sees('the canary wave', wrote('wave-started'));
      const [second, third] = await Promise.all([
        scenario.deploy(GOOD),
        scenario.cli(['advance', environment, '--wait']),
      ]);
      for (const refused of [second, third]) {
        expect(refused, said(refused)).toMatchObject({ code: 6 });
        expect(refused.stderr).toMatch(/is being worked on by \S+@\S+ \(pid \d+\) since .*: rollout deploy/u);
      }
      const other = await scenario.deploy(OLD);
      expect(other, said(other)).toMatchObject({ code: 4 });
      expect(other.stderr).toContain('under way');
      const ended = await first.result;
      expect(ended.code, said(ended)).toBe(0);
      await scenario.expectRunning(GOOD);
      expect(await scenario.intended('upgrade')).toEqual(['db-1', 'web-1', 'web-2']);
    });
  });

  it('starts at the very same moment: one of the two does it, the other is locked out', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const both = await Promise.all([scenario.deploy(GOOD), scenario.deploy(GOOD)]);
      expect(new Set(both.map(({ code }) => code)), both.map(said).join('\n')).toEqual(new Set([0, 6]));
      await scenario.expectRunning(GOOD);
      expect(await scenario.entries('rollout-planned')).toHaveLength(1);
      expect(await scenario.intended('upgrade')).toEqual(['db-1', 'web-1', 'web-2']);
    });
  });

  it('can pause it, which begins nothing new, and resume it', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const { last } = await scenario.lastHost(GOOD);
      const first = scenario.start(['deploy', environment, GOOD, '--json']);
      await first.sees('the canary wave changed', wrote('wave-acted'));
      const paused = await scenario.cli(['pause', environment, '--reason', 'somebody is paged']);
      expect(paused, said(paused)).toMatchObject({ code: 0 });
      await first.sees('that it is paused', waitsFor('paused'));
      const status = await scenario.cli(['status', environment]);
      expect(status.stdout).toContain('PAUSED');
      expect(status.stdout).toContain('somebody is paged');
      // Longer than the rest of the soak: unpaused, the last wave would be under way.
      await sleep(6000);
      await scenario.expectRunning(OLD, [last]);
      expect(await scenario.intended('upgrade')).not.toContain(last);

      const resumed = await scenario.cli(['resume', environment]);
      expect(resumed, said(resumed)).toMatchObject({ code: 0 });
      const ended = await first.result;
      expect(ended.code, said(ended)).toBe(0);
      await scenario.expectRunning(GOOD);
    });
  });

  it('can abort it: the hosts stay as they are, and a new rollout waits until they are put back', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const { last, canaries } = await scenario.lastHost(GOOD);
      const first = scenario.start(['deploy', environment, GOOD, '--json']);
      await first.sees('the canary wave changed', wrote('wave-acted'));
      const aborted = await scenario.cli(['abort', environment, '--reason', 'wrong version']);
      expect(aborted, said(aborted)).toMatchObject({ code: 0 });
      const ended = await first.result;
      expect(ended.code, said(ended)).toBe(4);
      expect(ended.events.at(-1)).toMatchObject({ type: 'result', code: 'aborted' });
      await scenario.expectRunning(GOOD, canaries);
      await scenario.expectRunning(OLD, [last]);

      const next = await scenario.deploy(GOOD);
      expect(next, said(next)).toMatchObject({ code: 4 });
      expect(next.stderr).toContain(`rollout rollback ${environment}`);
      const back = await scenario.cli(['rollback', environment]);
      expect(back, said(back)).toMatchObject({ code: 0 });
      await scenario.expectRunning(OLD);
    }, LONGER_SOAK);
  });

  it('can have it rolled back: who runs it takes it back and ends with 3', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const { last } = await scenario.lastHost(GOOD);
      const first = scenario.start(['deploy', environment, GOOD, '--json']);
      await first.sees('the soak', waitsFor('soaking'));
      const asked = await scenario.cli(['rollback', environment, '--reason', 'pages since noon']);
      expect(asked, said(asked)).toMatchObject({ code: 4 });
      expect(asked.stderr).toContain('is at work there and will take it back now');
      const ended = await first.result;
      expect(ended.code, said(ended)).toBe(3);
      await scenario.expectRunning(OLD);
      expect(await scenario.intended('upgrade')).not.toContain(last);
      const requested = (await scenario.journal()).find(({ body }) => body.kind === 'rollback-requested');
      expect(requested?.reason).toBe('pages since noon');
    }, LONGER_SOAK);
  });

  it('told to stop by Ctrl-C, it finishes what runs, begins nothing new, and advance goes on', async () => {
    await lanes.with(async (scenario) => {
      await scenario.stage(OLD, GOOD);
      const { environment } = scenario;
      const first = scenario.start(['deploy', environment, GOOD, '--json']);
      await first.sees('the canaries being changed', wrote('hosts-intended'));
      await sleep(1500);
      first.kill('SIGINT');
      const ended = await first.result;
      expect(ended.code, said(ended)).toBe(130);
      const [intended] = await scenario.entries('hosts-intended');
      const answered = (await scenario.entries('hosts-answered')).flatMap((body) => body.hosts);
      expect(answered.map(({ id }) => id).sort()).toEqual([...(intended?.hosts ?? [])].sort());
      const done = await scenario.cli(['advance', environment, '--wait']);
      expect(done, said(done)).toMatchObject({ code: 0 });
      await scenario.expectRunning(GOOD);
      for (const short of ALL)
        expect(await scenario.host(short).sh('grep -c " upgrade osquery:" /var/log/dpkg.log')).toBe('1');
    });
  });
});
