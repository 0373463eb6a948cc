import { describe, expect, it } from 'vitest';
import { CHECK_DEADLINE_MS, type Examination, examine } from '../../src/engine/doctor.ts';
import { broken, brokenAs, fine, type SelfCheck } from '../../src/ports/self-check.ts';
import { manualClock } from '../fakes/manual-clock.ts';

const check = (what: string, run: SelfCheck['run'], more: Partial<SelfCheck> = {}): SelfCheck => ({
  area: 'journal',
  what,
  whenSilent: `look at ${what}`,
  run,
  ...more,
});
const silent = (what: string, more: Partial<SelfCheck> = {}): SelfCheck =>
  check(what, () => new Promise<never>(() => undefined), more);
const well = (what: string): SelfCheck => check(what, () => Promise.resolve([fine(what, 'it is there')]));

const wordsOf = ({ results }: Examination): string[] => results.map(({ kind, what }) => `${kind} ${what}`);

describe('a check that gives no answer', () => {
  it('is a failure that names its deadline and what to look at, and keeps no other from being told', async () => {
    const clock = manualClock();
    const signal = new AbortController().signal;
    const running = examine([silent('bucket'), well('lease')], { clock, signal });
    await clock.advance(CHECK_DEADLINE_MS);
    const examination = await running;
    expect(wordsOf(examination)).toEqual(['failed bucket', 'ok lease']);
    expect(examination.results[0]).toMatchObject({
      area: 'journal',
      found: 'no answer within 20 s',
      mend: 'look at bucket',
    });
    expect(examination).toMatchObject({ interrupted: false, abandoned: true });
  });

  it('is told to stop', async () => {
    const clock = manualClock();
    let told: AbortSignal | undefined;
    const slow = check('bucket', (signal) => {
      told = signal;
      return new Promise<never>(() => undefined);
    });
    const running = examine([slow], { clock, signal: new AbortController().signal });
    await clock.advance(CHECK_DEADLINE_MS);
    await running;
    expect(told?.aborted).toBe(true);
  });

  it('has twice the time where it waits for another one', async () => {
    const clock = manualClock();
    const signal = new AbortController().signal;
    let over = false;
    const running = examine([silent('gate', { waits: true })], { clock, signal, deadlineMs: 1_000 });
    void running.then(() => {
      over = true;
    });
    await clock.advance(1_999);
    expect(over).toBe(false);
    await clock.advance(1);
    expect((await running).results[0]?.found).toBe('no answer within 2 s');
  });
});

describe('a check that throws', () => {
  it('is a failure of that check alone, called what it is: a bug', async () => {
    const clock = manualClock();
    const bad = check('bucket', () => Promise.reject(new Error('undefined is no function')));
    const examination = await examine([bad, well('lease')], { clock, signal: new AbortController().signal });
    expect(wordsOf(examination)).toEqual(['failed bucket', 'ok lease']);
    expect(examination.results[0]?.found).toContain('undefined is no function');
    expect(examination.abandoned).toBe(false);
  });
});

describe('called off', () => {
  it('answers at once with what is known, and says that it is not all', async () => {
    const clock = manualClock();
    const stop = new AbortController();
    const running = examine([well('lease'), silent('bucket')], { clock, signal: stop.signal });
    await Promise.resolve();
    stop.abort();
    const examination = await running;
    expect(wordsOf(examination)).toEqual(['ok lease']);
    expect(examination).toMatchObject({ interrupted: true, abandoned: true });
  });

  it('before it began, nothing is asked', async () => {
    const stop = new AbortController();
    stop.abort();
    let asked = 0;
    const counted = check('lease', () => {
      asked += 1;
      return Promise.resolve([]);
    });
    const examination = await examine([counted], { clock: manualClock(), signal: stop.signal });
    expect(asked).toBe(0);
    expect(examination).toMatchObject({ results: [], interrupted: true });
  });
});

describe('results', () => {
  it('stand in the order of the checks, though they are told as they come', async () => {
    const clock = manualClock();
    const late = check('first', async () => {
      await clock.sleep(500);
      return [fine('first', 'late')];
    });
    const told: string[] = [];
    const running = examine([late, well('second')], {
      clock,
      signal: new AbortController().signal,
      onResults: (results) => told.push(...results.map(({ what }) => what)),
    });
    await clock.advance(500);
    expect(wordsOf(await running)).toEqual(['ok first', 'ok second']);
    expect(told).toEqual(['second', 'first']);
  });
});

describe('an error sentence', () => {
  it('is parted into what is wrong and what mends it', () => {
    expect(brokenAs('x', 'it is gone; run: make it', 'look')).toEqual(
      broken('x', 'it is gone', 'run: make it'),
    );
    expect(brokenAs('x', 'it is gone', 'look')).toEqual(broken('x', 'it is gone', 'look'));
  });
});
