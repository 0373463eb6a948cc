/** The counts while hosts answer: in a pipe a line now and then, on a terminal one that is redrawn. */
import { describe, expect, it } from 'vitest';
import type { Output } from '../../../src/cli/invocation.ts';
import { type LifecycleAnswered, lifecycleProgress } from '../../../src/cli/render/lifecycle-progress.ts';
import { createPaint } from '../../../src/cli/render/paint.ts';
import type { LifecycleOutcome } from '../../../src/domain/lifecycle.ts';
import { NOW, STOPPED, UNREACHABLE } from './some-reports.ts';

function watched(total: number, isTerminal: boolean, width = Number.POSITIVE_INFINITY) {
  const errs: string[] = [];
  const lives: string[] = [];
  const output: Output = {
    out: () => {},
    err: (text) => void errs.push(text),
    live: (text) => void lives.push(text),
    screen: () => {},
    promptStream: process.stderr,
    outIsTerminal: isTerminal,
    errIsTerminal: isTerminal,
    inIsTerminal: isTerminal,
    color: false,
    width: 100,
    foldAt: 100,
  };
  const paint = createPaint(false, width);
  const progress = lifecycleProgress({
    verb: 'stop',
    now: false,
    total,
    then: (isAnyDone) => (isAnyDone ? '; second look in 30s' : '; writing the record'),
    output,
    paint,
  });
  let at = NOW;
  const answer = (name: string, outcome: LifecycleOutcome, again = false, afterMs = 10): void => {
    at += afterMs;
    const event: LifecycleAnswered = {
      kind: 'lifecycle-answered',
      environment: 'gprd',
      at,
      verb: 'stop',
      host: { id: name, name },
      outcome,
      attempt: 1,
      again,
      tookMs: 5,
    };
    progress.answered(event);
  };
  return { progress, answer, errs, lives };
}

describe('progress', () => {
  it('tells stopped, trying again, given up and waiting', () => {
    const { progress, answer } = watched(5, true);
    answer('a', STOPPED);
    answer('b', UNREACHABLE, true);
    answer('c', UNREACHABLE);
    expect(progress.line()).toBe('stopped 1/5, 1 trying again, 1 not, 2 waiting');
    answer('b', STOPPED);
    expect(progress.line()).toBe('stopped 2/5, 1 not, 2 waiting');
  });

  it('names a host in trouble once, however often it is tried', () => {
    const { answer, errs } = watched(2, true);
    for (let n = 0; n < 5; n += 1) answer('b', UNREACHABLE, true);
    expect(errs).toEqual([
      expect.stringMatching(/gprd {2}!! b {2}unreachable: connect timed out; trying again/u),
    ]);
  });

  it('folds a trouble at the edge of the terminal', () => {
    const { answer, errs } = watched(1, true, 60);
    answer('web-01', {
      kind: 'no-answer',
      why: 'unreachable',
      message: 'connection refused (nothing listens there) while connecting',
    });
    expect(errs.length).toBeGreaterThan(1);
    for (const line of errs) expect(line.length, line).toBeLessThanOrEqual(60);
  });

  it('in a pipe writes a line at most every five seconds, and one at the end', () => {
    const { answer, errs, lives } = watched(1_000, false);
    for (let n = 0; n < 1_000; n += 1) answer(`h${n}`, STOPPED);
    expect(errs.length).toBeLessThan(5);
    expect(errs.at(-1)).toContain('stopped 1000/1000; second look in 30s');
    expect(lives.length).toBeGreaterThan(0);
  });

  it('announces no second look where nobody is down', () => {
    const { answer, errs, lives } = watched(2, false);
    answer('a', UNREACHABLE, false, 6_000);
    answer('b', { kind: 'gone' }, false, 6_000);
    expect(errs.at(-1)).toMatch(/stopped 1\/2, 1 not; writing the record$/u);
    expect(lives.at(-1)).toBe('stopped 1/2, 1 not; writing the record');
  });

  it('on a terminal redraws at most ten times a second, and always the end', () => {
    const { answer, lives, errs } = watched(1_000, true);
    for (let n = 0; n < 1_000; n += 1) answer(`h${n}`, STOPPED, false, 1);
    expect(lives.length).toBeLessThan(15);
    expect(lives.at(-1)).toBe('stopped 1000/1000; second look in 30s');
    expect(errs).toEqual([]);
  });
});
