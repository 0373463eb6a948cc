import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { commandCheck } from '../../../src/adapters/command-witness/checks.ts';
import { commandWitness } from '../../../src/adapters/command-witness/command-witness.ts';
import type { CommandWitnessSettings } from '../../../src/domain/witness.ts';
import { failureOf, host, question } from '../witness-rig.ts';

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

const PATH = process.env['PATH'] ?? '';
const asked = question([host('web-01')]);

/** A shell program; `words` follow it. */
async function setup(
  program: string,
  more: Partial<CommandWitnessSettings> = {},
  words: readonly string[] = [],
) {
  const folder = await mkdtemp(join(tmpdir(), 'rollout-witness-'));
  folders.push(folder);
  const path = join(folder, 'smoke-test');
  await writeFile(path, `#!/bin/sh\n${program}\n`);
  await chmod(path, 0o755);
  const settings: CommandWitnessSettings = {
    kind: 'command',
    run: [path, ...words],
    folder,
    env: [],
    timeoutMs: 10_000,
    ...more,
  };
  const env = { PATH, HOME: '/home/ops', FLEET_TOKEN: 's3cret', WANTED: 'yes' };
  const options = { settings, name: 'smoke', env, clock: systemClock };
  return { folder, path, settings, env, witness: commandWitness(options) };
}

async function isGone(pidFile: string): Promise<boolean> {
  const pid = Number(await readFile(pidFile, 'utf8'));
  for (let tries = 0; tries < 200; tries += 1) {
    // One that has ended and that nobody has buried yet is gone too.
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') gone');
    if (/\) (Z|gone)/.test(state)) return true;
    await systemClock.sleep(20);
  }
  return false;
}

describe('a command', () => {
  it.each([
    [0, 'pass'],
    [1, 'fail'],
    [2, 'inconclusive'],
  ] as const)('that ends with %i says %s, and its last line why', async (code, verdict) => {
    const { witness } = await setup(
      `echo first; printf 'the \\033[31mlast\\n\\n'; echo aside >&2; exit ${code}`,
    );
    expect(await witness.ask(asked)).toEqual({
      ok: true,
      value: { kind: 'told', verdict, why: 'the [31mlast' },
    });
  });

  it('that says nothing still has a reason', async () => {
    const { path, witness } = await setup('exit 2');
    expect(await witness.ask(asked)).toMatchObject({ value: { why: `${path} ended with 2` } });
    const aside = await setup('echo no route >&2; exit 1');
    expect(await aside.witness.ask(asked)).toMatchObject({ value: { verdict: 'fail', why: 'no route' } });
  });

  it.each([3, 64, 126, 127, 255])('that ends with %i is an error, not a fail', async (code) => {
    const { witness } = await setup(`echo odd; exit ${code}`);
    expect(await failureOf(witness, asked)).toMatchObject({
      kind: 'invalid-answer',
      message: expect.stringMatching(new RegExp(`ended with ${code}, which is no verdict .*: odd$`)),
    });
  });

  it('that is killed by a signal is an error', async () => {
    const { witness } = await setup('kill -KILL $$');
    expect((await failureOf(witness, asked)).message).toContain('was ended by SIGKILL');
  });

  it('that is not there, or may not be executed, is an error', async () => {
    const absent = await setup('', { run: ['/nowhere/smoke-test'] });
    expect((await failureOf(absent.witness, asked)).message).toBe(
      'the command of witnesses.smoke, /nowhere/smoke-test, cannot be started: there is no such program, or no such folder to run it in',
    );
    const locked = await setup('exit 0');
    await chmod(locked.path, 0o644);
    expect((await failureOf(locked.witness, asked)).message).toContain('x bit');
  });

  it('that hangs is killed with all that it started, and is an error', async () => {
    const { folder, witness } = await setup('sleep 300 & echo $! > child; echo waiting; wait', {
      timeoutMs: 150,
    });
    expect((await failureOf(witness, asked)).message).toMatch(
      /took longer than 150ms \(timeout\) and was killed; its last words: waiting$/,
    );
    expect(await isGone(join(folder, 'child'))).toBe(true);
  });

  it('that does not want to end is killed all the same', async () => {
    const { folder, witness } = await setup("trap '' TERM; echo $$ > own; while :; do sleep 0.1; done", {
      timeoutMs: 150,
    });
    expect((await failureOf(witness, asked)).message).toContain('was killed');
    expect(await isGone(join(folder, 'own'))).toBe(true);
  });

  it('leaves nothing behind when it ends well', async () => {
    const { folder, witness } = await setup('sleep 300 & echo $! > child; echo fine; exit 0');
    expect(await witness.ask(asked)).toMatchObject({ value: { verdict: 'pass', why: 'fine' } });
    expect(await isGone(join(folder, 'child'))).toBe(true);
  });

  it('that is called off ends', async () => {
    const { folder, witness } = await setup('echo $$ > own; sleep 300');
    const off = new AbortController();
    const answer = witness.ask(asked, off.signal);
    await systemClock.sleep(100);
    off.abort();
    expect(await answer).toMatchObject({ error: { message: expect.stringContaining('called off') } });
    expect(await isGone(join(folder, 'own'))).toBe(true);
    expect(await witness.ask(asked, off.signal)).toMatchObject({ ok: false });
  });

  it('with output without end is read to its end, and its last line kept', async () => {
    const { witness } = await setup('head -c 5000000 /dev/zero | tr "\\0" x; echo; echo done');
    expect(await witness.ask(asked)).toMatchObject({ value: { verdict: 'pass', why: 'done' } });
  });

  it('gets its words as they are, without a shell, and the question on stdin', async () => {
    const words = ['{environment}', '{version}', '$HOME; rm -rf /', '{name}'];
    const { folder, witness } = await setup('printf "%s|" "$@" > words; cat > question', {}, words);
    expect(await witness.ask(asked)).toMatchObject({ value: { verdict: 'pass' } });
    expect(await readFile(join(folder, 'words'), 'utf8')).toBe('gprd|5.10.2|$HOME; rm -rf /|{name}|');
    expect(JSON.parse(await readFile(join(folder, 'question'), 'utf8'))).toMatchObject({
      v: 1,
      environment: 'gprd',
      version: '5.10.2',
      hosts: [{ name: 'web-01', id: 'id-web-01', changed: true }],
    });
  });

  it('need not read the question', async () => {
    const { witness } = await setup('exec <&-; echo fine');
    const many = question(Array.from({ length: 10_000 }, (_, index) => host(`h${index}`)));
    expect(await witness.ask(many)).toMatchObject({ value: { verdict: 'pass', why: 'fine' } });
  });

  it('gets PATH, HOME and what is named, and no secret of others', async () => {
    const { folder, witness } = await setup('env > given; pwd >> given', { env: ['WANTED', 'UNSET'] });
    await witness.ask(asked);
    const given = (await readFile(join(folder, 'given'), 'utf8')).split('\n');
    expect(given).toContain('WANTED=yes');
    expect(given).toContain('HOME=/home/ops');
    expect(given).toContain(folder);
    expect(given.join('\n')).not.toContain('s3cret');
    expect(given.join('\n')).not.toContain('UNSET');
  });
});

describe('doctor of a command', () => {
  const run = async (more: Partial<CommandWitnessSettings>) => {
    const { settings, env, folder } = await setup('touch ran', more);
    const found = await commandCheck({ settings, name: 'smoke', env, file: 'gprd.yaml' }).run(
      new AbortController().signal,
    );
    await expect(readFile(join(folder, 'ran'))).rejects.toThrow('ENOENT');
    return found;
  };

  it('sees that it is there and does not run it', async () => {
    expect(await run({})).toMatchObject([{ kind: 'ok', found: expect.stringContaining('not run here') }]);
    expect(await run({ run: ['sh'] })).toMatchObject([{ kind: 'ok' }]);
  });

  it('says what is missing', async () => {
    expect(await run({ run: ['no-such-smoke-test'] })).toMatchObject([
      { kind: 'failed', found: 'there is no program no-such-smoke-test on the PATH that may be executed' },
    ]);
    expect(await run({ env: ['UNSET'] })).toMatchObject([
      { kind: 'ok' },
      { kind: 'warning', mend: 'export UNSET' },
    ]);
  });
});
