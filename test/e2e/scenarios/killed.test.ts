/**
 * The program killed with -9 at a random moment of each phase. `advance` then comes to the very end that an undisturbed run
 * has: no host is forgotten, none is upgraded or restarted twice.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { randomOf } from '../../engine/random.ts';
import { type CliEvent } from '../rig/cli.ts';
import {
  ALL,
  FOUR_LANES,
  GOOD,
  Lanes,
  OLD,
  type Scenario,
  type Short,
  said,
  waitsFor,
  wrote,
} from './scenario.ts';

const BURNS_CPU = '5.11.0';

const seed = Number(process.env['SCENARIO_SEED'] ?? Math.floor(Math.random() * 1e6));
const random = randomOf(seed);

let lanes: Lanes;

beforeAll(async () => {
  lanes = await Lanes.boot(FOUR_LANES);
});

afterAll(async () => {
  await lanes?.fleet.down();
});

interface Moment {
  readonly name: string;
  readonly version: string;
  /** After the event that says yes, up to so long, ms. */
  readonly at: (line: CliEvent) => boolean;
  readonly within: number;
}

const upgrades = (hosts: number) =>
  wrote('hosts-intended', (body) => body.action === 'upgrade' && body.hosts.length === hosts);

const MOMENTS: readonly (Moment & { readonly after: number })[] = [
  { name: 'while the canary wave is changed', version: GOOD, at: upgrades(2), within: 2500 },
  { name: 'while the canary wave is changed, again', version: GOOD, at: upgrades(2), within: 2500 },
  { name: 'in the soak', version: GOOD, at: waitsFor('soaking'), within: 6000 },
  { name: 'while the last wave is changed', version: GOOD, at: upgrades(1), within: 2500 },
  { name: 'in the bake', version: GOOD, at: waitsFor('baking'), within: 3500 },
  {
    name: 'in a rollback',
    version: BURNS_CPU,
    at: wrote('hosts-intended', (body) => body.action === 'revert'),
    within: 2500,
  },
].map((moment) => ({ ...moment, after: Math.floor(random.next() * moment.within) }));

/** How often the package was changed and the service started since the host was made, as the host's own logs have it. */
async function changesOf(scenario: Scenario, short: Short): Promise<{ changed: string; started: string }> {
  const host = scenario.host(short);
  const count = async (text: string): Promise<string> => (await host.exec(text)).stdout.trim();
  return {
    changed: await count('grep -c " upgrade osquery:" /var/log/dpkg.log'),
    started: await count('journalctl -q -b -u osqueryd -o cat | grep -c "^Started osqueryd"'),
  };
}

describe.concurrent(`killed with -9 (SCENARIO_SEED=${seed})`, () => {
  for (const { name, version, at, after } of MOMENTS) {
    it(`${name}, ${after} ms in: advance comes to the same end`, async () => {
      await lanes.with(async (scenario) => {
        await scenario.stage(OLD, version);
        const { last, canaries } = await scenario.lastHost(version);
        const before = new Map<Short, { changed: string; started: string }>();
        for (const short of ALL) before.set(short, await changesOf(scenario, short));
        const first = scenario.start(['deploy', scenario.environment, version, '--json']);
        await first.sees(name, at);
        await new Promise((resolve) => setTimeout(resolve, after));
        first.kill('SIGKILL');
        await first.result;

        const ended = await scenario.cli(['advance', scenario.environment, '--wait']);
        const good = version === GOOD;
        expect(ended, said(ended)).toMatchObject({ code: good ? 0 : 3 });
        await scenario.expectRunning(good ? GOOD : OLD);
        await scenario.expectTidy();

        // Once up, and once down again where it was rolled back.
        for (const short of ALL) {
          const was = before.get(short);
          const times = good ? 1 : canaries.includes(short) ? 2 : 0;
          const now = await changesOf(scenario, short);
          expect(
            {
              changed: Number(now.changed) - Number(was?.changed),
              started: Number(now.started) - Number(was?.started),
            },
            short,
          ).toEqual({ changed: times, started: times });
        }
        const answered = new Set(
          (await scenario.entries('hosts-answered')).flatMap((body) => body.hosts.map(({ id }) => id)),
        );
        const touched = good ? ALL : canaries;
        expect([...answered].sort()).toEqual(touched.map((short) => scenario.host(short).id).sort());
        if (good) expect(await scenario.entries('rollout-done')).toMatchObject([{ notCovered: [] }]);
        else expect(await scenario.intended('upgrade')).not.toContain(last);
      });
    });
  }
});
