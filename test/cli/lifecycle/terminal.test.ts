/** What a person at a terminal sees of a stop: what is asked, the counts while it works, 100 columns. The terminal is util-linux's `script`. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lastLine, makePlace, OSQUERYD, type Ran, type Started } from '../rig.ts';

const place = makePlace();
const hasScript = spawnSync('script', ['--version']).status === 0;
if (!hasScript)
  console.log('terminal.test.ts: not run, since there is no util-linux `script` to make a terminal with');

const CTRL_C = '\u0003';
const MAIN = { main: OSQUERYD };
const STOP_GSTG = ['stop', '--fleet', '--env', 'sandbox-gstg', '--settle', '0s'];

beforeAll(async () => {
  if (!hasScript) return;
  expect(await place.run(['sandbox', 'up'])).toMatchObject({ code: 0, stderr: '' });
}, 60_000);
afterAll(() => place.remove(), 60_000);

const onTerminal = (words: readonly string[]): Started => place.onTerminal(words, MAIN);

async function answering(words: readonly string[], question: RegExp, answer: string): Promise<Ran> {
  const started = onTerminal(words);
  await started.says(question);
  started.type(answer);
  return started.ended;
}

async function severities(): Promise<unknown> {
  return lastLine(await place.run(['status', '--json'], MAIN))['severities'];
}

/** What stays on the screen: what was cleared or written over is gone. */
function screenOf(text: string): string[] {
  return text.split('\n').map((line) =>
    line
      .replace(/\r$/u, '')
      .replace(/^[^]*\r\u001b\[K/u, '')
      .replace(/\u001b\[[\d;?]*[A-Za-z]/gu, ''),
  );
}

describe.runIf(hasScript)('before a stop', () => {
  it('of one whole environment its name is asked for, of several the word fleet; anything else changes nothing', async () => {
    const other = await answering(STOP_GSTG, /Type sandbox-gstg to go on:/u, 'yes\r');
    expect(other.code).toBe(1);
    expect(other.stdout).toContain('that is not sandbox-gstg: nothing was changed');
    const both = await answering(
      ['stop', '--fleet'],
      /20 hosts of[^]*Type fleet to go on:/u,
      'sandbox-gprd\r',
    );
    expect(both.code).toBe(1);
    const called = await answering(['stop', '--fleet'], /Type fleet to go on:/u, CTRL_C);
    expect(called.code).toBe(130);
    expect(await severities()).toEqual({ active: 20 });
  }, 60_000);

  it('of some hosts the environment’s own rule holds: a yes, or its name', async () => {
    const gstg = await answering(['stop', '--host', 'web-01-gstg'], /Go on\?/u, 'n\r');
    expect(gstg.code).toBe(1);
    const gprd = await answering(['stop', '--host', 'web-01-gprd'], /Type sandbox-gprd to go on:/u, '\r');
    expect(gprd.code).toBe(1);
    const mixed = ['stop', '--where', 'role == "web"'];
    expect((await answering(mixed, /5 hosts of[^]*Type sandbox-gprd to go on:/u, CTRL_C)).code).toBe(130);
    expect(await severities()).toEqual({ active: 20 });
  }, 60_000);

  it('a purge of all of an environment asks for its name however it was chosen', async () => {
    const words = ['purge', '--where', 'true', '--env', 'sandbox-gstg'];
    expect((await answering(words, /Type sandbox-gstg to go on:/u, 'y\r')).code).toBe(1);
    expect((await answering(words, /Type sandbox-gstg to go on:/u, 'Sandbox-gstg\r')).code).toBe(1);
    expect(await severities()).toEqual({ active: 20 });
  }, 60_000);
});

describe.runIf(hasScript)('while it works', () => {
  it('counts in one line that is gone at the end, and every line fits', async () => {
    // In an emergency a capital is no other word.
    const ran = await answering(STOP_GSTG, /Type sandbox-gstg to go on:/u, 'Sandbox-gstg\r');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/\r\u001b\[Kstopped \d\/8/u);
    const screen = screenOf(ran.stdout);
    expect(screen.filter((line) => /^stopped \d\/8/u.test(line))).toEqual([
      expect.stringMatching(/^stopped 8\/8 hosts in /u),
    ]);
    // The question is drawn anew with every key.
    const told = screen.filter((line) => !line.includes('About to'));
    for (const line of told) expect(line.length, line).toBeLessThanOrEqual(100);
    const status = screenOf((await onTerminal(['status']).ended).stdout);
    for (const line of status) expect(line.length, line).toBeLessThanOrEqual(100);
    expect(status.join('\n')).toContain('20 hosts: 8 held, 12 active');
  }, 60_000);
});
