/** A stop that was agreed to and whose reader or terminal goes away: it is done to its end, and Ctrl-C still calls it off. */
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { lastLine, makePlace, OSQUERYD, type Ran, type Started } from '../rig.ts';

vi.setConfig({ testTimeout: 120_000 });

const place = makePlace();
const MAIN = { main: OSQUERYD };
const STOP = ['stop', '--fleet', '--yes'] as const;

const hasScript = spawnSync('script', ['--version']).status === 0;
if (!hasScript)
  console.log(
    'unwatched.test.ts: partly not run, since there is no util-linux `script` to make a terminal with',
  );

const osqueryd = (...words: readonly string[]): Promise<Ran> => place.run(words, MAIN);

async function severities(): Promise<unknown> {
  return lastLine(await osqueryd('status', '--json'))['severities'];
}

/** How many were covered, as the journal has it when the action is over. */
function ended(environment: string): number[] {
  return place
    .journal(environment)
    .flatMap(({ body }) => (body.kind === 'lifecycle-ended' ? [body.covered] : []));
}

beforeAll(async () => {
  expect(await place.run(['sandbox', 'up'])).toMatchObject({ code: 0, stderr: '' });
}, 60_000);
afterEach(async () => {
  for (const environment of ['sandbox-gstg', 'sandbox-gprd'])
    expect((await osqueryd('start', '--fleet', '--env', environment, '--yes')).code).toBe(0);
});
afterAll(() => place.remove(), 60_000);

describe('a reader that goes away', () => {
  it('such as `| head -1` behind --json leaves a stop to its end, which says so on stderr', async () => {
    const started = place.start([...STOP, '--settle', '0s', '--json'], MAIN);
    await started.says(/lifecycle-plan/u);
    started.closeStdout();
    const ran = await started.ended;
    expect(ran).toMatchObject({ code: 0, signal: null });
    expect(ran.stderr).toContain('nobody reads along any more: it goes on to its end');
    expect(ran.stderr).not.toContain('a bug');
    expect(await severities()).toEqual({ held: 20 });
  });
});

describe('a terminal that is closed', () => {
  it('leaves a stop to its end, second look included, and Ctrl-C still calls it off', async () => {
    const started = place.start([...STOP, '--settle', '2s'], MAIN);
    await started.says(/stop 12 hosts/u);
    started.kill('SIGHUP');
    const ran = await started.ended;
    expect(ran.code).toBe(0);
    expect(ran.stderr).toContain('nobody reads along any more');
    expect(ran.stdout).toContain('stayed down: 20/20');
    const again = place.start([...STOP, '--settle', '60s'], MAIN);
    await again.says(/second look in/u);
    again.kill('SIGHUP');
    await again.says(/nobody reads along/u);
    again.kill('SIGINT');
    expect((await again.ended).code).toBe(130);
  });

  it('calls off a calm action, as it did', async () => {
    const started = place.start(['restart', '--fleet', '--yes'], MAIN);
    await started.says(/restart 12 hosts/u);
    started.kill('SIGHUP');
    expect((await started.ended).code).toBe(130);
  });

  it.runIf(hasScript)('with all its streams: hosts are stopped and the record is written', async () => {
    const before = ended('sandbox-gprd').length;
    const started: Started = place.onTerminal(['stop', '--fleet', '--settle', '0s'], MAIN);
    await started.says(/Type fleet to go on:/u);
    started.type('fleet\r');
    await started.says(/stopped \d+\/20/u);
    // The terminal goes with whoever holds it.
    started.kill('SIGKILL');
    await started.ended;
    await expect
      .poll(() => ended('sandbox-gprd').slice(before), { timeout: 30_000, interval: 100 })
      .toEqual([12]);
    await expect.poll(() => ended('sandbox-gstg').at(-1), { timeout: 30_000, interval: 100 }).toBe(8);
    expect(await severities()).toEqual({ held: 20 });
  });
});
