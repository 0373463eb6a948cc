/** What a person at a terminal sees: questions, the live line, colours, the screen of `watch`. The terminal is util-linux's `script`. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlace, type Started } from './rig.ts';

const place = makePlace();
const hasScript = spawnSync('script', ['--version']).status === 0;
if (!hasScript)
  console.log('terminal.test.ts: not run, since there is no util-linux `script` to make a terminal with');

const CTRL_C = '\u0003';
/** SGR sequences: colours and weights. */
const COLOUR = /\u001b\[[\d;]*m/u;

beforeAll(async () => {
  if (!hasScript) return;
  expect(await place.run(['sandbox', 'up'])).toMatchObject({ code: 0, stderr: '' });
  for (const version of ['5.9.1', '5.10.2'])
    expect((await place.run(['stage', version, ...place.packages(version, 'gstg', 'gprd')])).code).toBe(0);
}, 60_000);
afterAll(() => place.remove(), 60_000);

/** What stays on the screen: what was cleared or written over is gone. */
function screenOf(text: string): string[] {
  return text.split('\n').map((line) =>
    line
      .replace(/\r$/u, '')
      .replace(/^[^]*\r\u001b\[K/u, '')
      .replace(/\u001b\[[\d;?]*[A-Za-z]/gu, ''),
  );
}

const answering = async (started: Started, question: RegExp, answer: string) => {
  await started.says(question);
  started.type(answer);
  return started.ended;
};

describe.runIf(hasScript)('a question', () => {
  const ask = (): Started => place.onTerminal(['deploy', 'sandbox-gstg', '5.10.2']);

  it('answered with no, or with Enter alone, changes nothing and ends with 1', async () => {
    for (const answer of ['n\r', '\r']) {
      const ran = await answering(ask(), /Go on\?/u, answer);
      expect(ran.code).toBe(1);
      expect(ran.stdout).toContain('not confirmed: nothing was changed');
    }
    expect((await place.run(['history', 'sandbox-gstg', '--json'])).stdout).toBe('');
  }, 30_000);

  it('answered with Ctrl-C changes nothing and ends with 130', async () => {
    const ran = await answering(ask(), /Go on\?/u, CTRL_C);
    expect(ran.code).toBe(130);
    expect((await place.run(['history', 'sandbox-gstg', '--json'])).stdout).toBe('');
  }, 30_000);

  it('for production wants the environment’s name, and no other', async () => {
    const words = ['canary', 'sandbox-gprd', '5.10.2'];
    const wrong = await answering(place.onTerminal(words), /Type sandbox-gprd to go on:/u, 'sandbox-gstg\r');
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toContain('that is not sandbox-gprd: nothing was changed');
    expect((await place.run(['history', 'sandbox-gprd', '--json'])).stdout).toBe('');
    const right = place.onTerminal([...words, '--detach']);
    const ran = await answering(right, /Type sandbox-gprd to go on:/u, 'sandbox-gprd\r');
    expect(ran.code).toBe(4);
    expect((await place.run(['history', 'sandbox-gprd', '--json'])).stdout).toContain('rollout-planned');
  }, 30_000);

  it('is not asked with --json: exit 2', async () => {
    const ran = await place.onTerminal(['deploy', 'sandbox-gstg', '5.10.2', '--json']).ended;
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('"code":"not-confirmed"');
  }, 30_000);
});

describe.runIf(hasScript)('a rollout', () => {
  it('prints nothing into its live line, and folds nothing beyond the edge but what is to be copied', async () => {
    const started = place.onTerminal(['deploy', 'sandbox-gstg', '5.10.2', '--yes']);
    await started.says(/changing/u);
    const ran = await started.ended;
    expect(ran.code).toBe(0);
    expect(ran.stdout).toMatch(/\r\u001b\[Kupgrade \S+-gstg/u);
    const screen = screenOf(ran.stdout);
    for (const line of screen) {
      expect(line.length, line).toBeLessThanOrEqual(100);
      expect(line).not.toMatch(/^upgrade |looks again/u);
    }
    expect(screen).toContain('sandbox-gstg  5.10.2  done');
  }, 60_000);
});

describe.runIf(hasScript)('colours', () => {
  it('are there on a terminal, and not with --no-color, NO_COLOR, TERM=dumb or in a pipe', async () => {
    const words = ['status', 'sandbox-gstg'];
    expect((await place.onTerminal(words).ended).stdout).toMatch(COLOUR);
    const plain = await Promise.all([
      place.onTerminal([...words, '--no-color']).ended,
      place.onTerminal(words, { env: { NO_COLOR: '1' } }).ended,
      place.onTerminal(words, { env: { TERM: 'dumb' } }).ended,
      place.run(words),
    ]);
    for (const { code, stdout } of plain) {
      expect(code).toBe(0);
      expect(stdout).not.toMatch(COLOUR);
    }
  }, 30_000);
});

describe.runIf(hasScript)('watch', () => {
  it('redraws one screen and gives the terminal and its cursor back at Ctrl-C', async () => {
    const started = place.onTerminal(['watch', 'sandbox-gstg', '--every', '100ms']);
    await started.says(/(?:\u001b\[H[^]*){3}/u);
    started.type(CTRL_C);
    const ran = await started.ended;
    expect(ran.code).toBe(0);
    const off = ran.stdout.indexOf('\u001b[?1049l');
    expect(ran.stdout.match(/\u001b\[\?1049h/gu)).toHaveLength(1);
    expect(off).toBeGreaterThan(ran.stdout.lastIndexOf('\u001b[H'));
    expect(ran.stdout.lastIndexOf('\u001b[?25h')).toBeGreaterThan(ran.stdout.lastIndexOf('\u001b[?25l'));
    expect(ran.stdout.slice(off)).toContain('sandbox-gstg');
    expect(ran.stdout).not.toContain('stopping:');
  }, 30_000);
});
