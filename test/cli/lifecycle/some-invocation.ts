/** A call of a command in a pipe, with what it says kept. */
import type { Invocation, Output } from '../../../src/cli/invocation.ts';

export interface Called {
  readonly invocation: Invocation;
  readonly outs: readonly string[];
  readonly errs: readonly string[];
}

export function someInvocation(more: Partial<Invocation> = {}): Called {
  const outs: string[] = [];
  const errs: string[] = [];
  const output: Output = {
    out: (text) => void outs.push(text),
    err: (text) => void errs.push(text),
    live: () => {},
    screen: () => {},
    promptStream: process.stderr,
    outIsTerminal: false,
    errIsTerminal: false,
    inIsTerminal: false,
    color: false,
    width: 100,
    foldAt: Number.POSITIVE_INFINITY,
  };
  const invocation: Invocation = {
    program: 'osqueryd',
    commandLine: 'osqueryd stop --fleet',
    args: [],
    options: {},
    env: {},
    cwd: '/',
    home: '/',
    hostname: 'laptop',
    user: 'ops',
    pid: 1,
    output,
    json: false,
    yes: true,
    reason: '',
    signal: new AbortController().signal,
    holdFast: () => {},
    ...more,
  };
  return { invocation, outs, errs };
}
