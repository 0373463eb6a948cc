/** Two at once, killed processes and readers that leave: what is said, how it ends, and that the work goes on from there. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonLines, lastLine, makePlace } from './rig.ts';

const place = makePlace();

beforeAll(async () => {
  // Staging is under way for as long as the tests need it.
  const file = join(place.configDir, 'environments/sandbox-gstg.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^soak: .*$/mu, 'soak: 1h'));
  expect(await place.run(['sandbox', 'up', '--json'])).toMatchObject({ code: 0, stderr: '' });
  for (const version of ['5.9.1', '5.10.2', '5.11.0'])
    expect((await place.run(['stage', version, ...place.packages(version, 'gstg', 'gprd')])).code).toBe(0);
}, 60_000);
afterAll(() => place.remove(), 60_000);

describe('while one works', () => {
  it('another is told who it is and ends with 6; a pause is heard, and advance holds until resume', async () => {
    const first = place.start(['deploy', 'sandbox-gstg', '5.10.2', '--yes', '--give-up-after', '1s']);
    await first.says(/changing/u);
    const second = await place.run(['advance', 'sandbox-gstg']);
    expect(second).toMatchObject({ code: 6, stdout: '' });
    expect(second.stderr).toContain(`(pid ${first.pid})`);
    expect(second.stderr).toContain('rollout deploy sandbox-gstg 5.10.2 --yes');
    const json = await place.run(['advance', 'sandbox-gstg', '--json']);
    expect(jsonLines(json.stdout)).toMatchObject([{ type: 'refusal', exit: 6, code: 'locked' }]);
    const other = await place.run(['canary', 'sandbox-gstg', '5.9.1', '--yes']);
    expect(other.code).toBe(4);
    expect(other.stderr).toContain('under way: deploy of 5.10.2');
    const planned = await place.run(['plan', 'sandbox-gstg', '5.9.1']);
    expect(planned.code).toBe(4);
    expect(planned.stdout).toContain('sandbox-gstg  5.9.1');
    expect(planned.stderr).toContain('under way: deploy of 5.10.2');
    const status = await place.run(['status', 'sandbox-gstg']);
    expect(status.stdout).toContain(`pid ${first.pid}`);
    const early = await place.run(['promote', 'sandbox-gprd', '--yes']);
    expect(early.code).toBe(4);
    expect(early.stderr).toContain('sandbox-gprd waits for its bake');

    const pause = await place.run(['pause', 'sandbox-gstg', '--reason', 'INC-2']);
    expect(pause.code).toBe(0);
    expect(pause.stdout).toContain('paused: nothing new begins');
    const held = await first.ended;
    expect(held.code).toBe(4);
    expect(held.stdout).toContain('rollout resume sandbox-gstg goes on');
    const unedited = await place.run(['advance', 'sandbox-gstg']);
    expect(unedited.code).toBe(4);
    expect(unedited.stderr).not.toContain('as planned');
    const file = join(place.configDir, 'environments/sandbox-gstg.yaml');
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, before.replace(/^soak: .*$/mu, 'soak: 2h'));
    const edited = await place.run(['advance', 'sandbox-gstg']);
    expect(edited).toMatchObject({ code: 4, stderr: expect.stringContaining('soak: as planned') });
    const shown = await place.run(['status', 'sandbox-gstg', '--json']);
    expect(jsonLines(shown.stdout)).toMatchObject([{ asPlanned: ['soak'] }]);
    expect((await place.run(['status', 'sandbox-gstg'])).stdout).toContain('soak: as planned');
    writeFileSync(file, before);
    expect((await place.run(['resume', 'sandbox-gstg'])).code).toBe(2);
    expect((await place.run(['resume', 'sandbox-gstg', '--yes', '--json'])).code).toBe(0);
    expect((await place.run(['resume', 'sandbox-gstg', '--yes'])).code).toBe(1);
    expect((await place.run(['approve', 'sandbox-gstg', '--yes'])).code).toBe(1);
    const on = await place.run(['advance', 'sandbox-gstg', '--json']);
    expect(lastLine(on)).toMatchObject({ type: 'result', exit: 4, phase: 'soaking' });
  }, 60_000);
});

describe('a reader that leaves', () => {
  it('of a long answer is no fault', async () => {
    const started = place.start(['config', 'reference']);
    started.closeStdout();
    expect(await started.ended).toMatchObject({ code: 0, stderr: '' });
  });

  it('of a watch ends it at the next change', async () => {
    const started = place.start(['watch', 'sandbox-gstg', '--every', '100ms', '--json']);
    await started.says(/"type":"status"/u);
    started.closeStdout();
    expect((await place.run(['pause', 'sandbox-gstg'])).code).toBe(0);
    expect(await started.ended).toMatchObject({ code: 0, stderr: '' });
  }, 30_000);
});

describe('a process that dies', () => {
  it('by kill -9 in its first wave: advance takes the lease over, aborts on request, and rollback puts all back', async () => {
    const promote = ['promote', 'sandbox-gprd', '--without-receipt', '5.10.2', '--reason', 'INC-3', '--yes'];
    const started = place.start(promote);
    await started.says(/changing/u);
    started.kill('SIGKILL');
    expect(await started.ended).toMatchObject({ signal: 'SIGKILL' });
    const on = await place.run(['advance', 'sandbox-gprd', '--json']);
    expect(on.code).toBe(4);
    expect(lastLine(on)).toMatchObject({ type: 'result', exit: 4 });
    const abort = await place.run(['abort', 'sandbox-gprd', '--yes', '--reason', 'enough']);
    expect(abort).toMatchObject({ code: 0 });
    expect(abort.stdout).toContain('next  rollout rollback sandbox-gprd');
    const blocked = await place.run(promote);
    expect(blocked.code).toBe(4);
    const back = await place.run(['rollback', 'sandbox-gprd', '--yes']);
    expect(back.code).toBe(0);
    expect(new Set(Object.values(await place.agents('gprd')))).toEqual(new Set(['5.9.1']));
  }, 60_000);

  it('by a second Ctrl-C: ends at once with 130, and a rollback looks again at what it left', async () => {
    // What is under way in staging goes back first.
    expect((await place.run(['rollback', 'sandbox-gstg', '--yes'])).code).toBe(0);
    const started = place.start(['deploy', 'sandbox-gstg', '5.11.0', '--yes']);
    await started.says(/changing/u);
    started.kill('SIGINT');
    await started.says(/Ctrl-C again ends at once/u);
    started.kill('SIGINT');
    expect(await started.ended).toMatchObject({ code: 130 });
    expect((await place.run(['rollback', 'sandbox-gstg', '--yes'])).code).toBe(0);
    expect(new Set(Object.values(await place.agents('gstg')))).toEqual(new Set(['5.9.1']));
  }, 60_000);
});

describe('watch in a pipe', () => {
  it('writes a block, and another only when something changed; Ctrl-C ends it with 0', async () => {
    const started = place.start(['watch', 'sandbox-gprd', '--every', '100ms']);
    await started.says(/sandbox-gprd {2}/u);
    await place.run(['status']);
    started.kill('SIGINT');
    const ran = await started.ended;
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout.match(/^sandbox-gprd {2}/gmu)).toHaveLength(1);
  });

  it('of an environment that is not there ends with 2', async () => {
    expect(await place.run(['watch', 'nowhere'])).toMatchObject({ code: 2, stdout: '' });
  });
});
