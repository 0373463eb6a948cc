import {
  anything,
  array,
  assert,
  boolean,
  constantFrom,
  dictionary,
  integer,
  oneof,
  property,
  record,
  string,
} from 'fast-check';
import { describe, expect, it } from 'vitest';
import { identityTroubleOf, inspectionOf, lookOf, outcomeOf } from '../../src/domain/host-answer.ts';
import { HOST_EXIT, type HostOrder, type HostStep, type PackageRef } from '../../src/domain/host-order.ts';

function ref(version: string, digit: string): PackageRef {
  return {
    sha256: digit.repeat(64),
    size: 10,
    packageVersion: version,
    executablePath: '/opt/osquery/bin/osqueryd',
    executableSha256: (digit === 'a' ? 'c' : 'd').repeat(64),
  };
}

const target = ref('5.10.2-1.linux', 'b');
const previous = ref('5.9.1-1.linux', 'a');
const agent = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const change = {
  agent,
  orderId: 'r-1',
  fence: 1,
  environment: 'gstg',
  target,
  previous,
  proveMs: 0,
  lockTimeoutS: 1,
};
const upgrade: HostOrder = { program: 'upgrade', ...change };
const revert: HostOrder = { program: 'revert', ...change };
const prove: HostOrder = { program: 'prove', agent, orderId: 'r-1', target, proveMs: 0 };
const confirm: HostOrder = {
  program: 'confirm',
  verb: 'confirm',
  agent,
  orderId: 'r-1',
  environment: 'gstg',
  fence: 1,
  target,
};
const orders = [upgrade, revert, prove, confirm, { program: 'look', agent } satisfies HostOrder];

const begin: HostStep = { step: 'begin', ok: true };
const end: HostStep = { step: 'end', ok: true, code: 0 };
const proof = (of: PackageRef, more: object = {}): HostStep => ({
  step: 'proof',
  ok: true,
  service: 'running',
  runningSha256: of.executableSha256,
  installedSha256: of.executableSha256,
  packageVersion: of.packageVersion,
  ...more,
});
const look = (of: PackageRef, more: object = {}): HostStep => ({
  step: 'look',
  ok: true,
  architecture: 'amd64',
  packageState: 'installed',
  packageVersion: of.packageVersion,
  activeState: 'active',
  subState: 'running',
  unitFileState: 'enabled',
  mainPid: 12,
  runningSha256: of.executableSha256,
  installedSha256: of.executableSha256,
  restarts: 0,
  kept: [of.sha256],
  freeKib: 1,
  bootId: 'x',
  ...more,
});
const answer = (exitCode: number, ...steps: HostStep[]) => ({ exitCode, steps, stderr: '' });

describe('outcomeOf', () => {
  it('believes a proof of the right executable only', () => {
    expect(outcomeOf(upgrade, answer(0, begin, proof(target), end)).kind).toBe('verified');
    expect(outcomeOf(revert, answer(0, begin, proof(previous), end)).kind).toBe('reverted');
    expect(outcomeOf(upgrade, answer(0, begin, proof(previous), end))).toMatchObject({
      kind: 'failed',
      failure: 'proof-failed',
    });
    expect(outcomeOf(revert, answer(0, begin, proof(target), end))).toMatchObject({ kind: 'failed' });
  });

  it('tells of a hold where it is why no agent runs', () => {
    const stopped = (held: boolean) =>
      outcomeOf(upgrade, answer(0, begin, proof(target, { service: 'left-stopped', held }), end));
    expect(stopped(true)).toMatchObject({ kind: 'verified', service: 'left-stopped', held: true });
    expect(stopped(false)).not.toHaveProperty('held');
  });

  it.each([
    ['no proof', [begin, end]],
    ['a failed proof', [begin, proof(target, { ok: false }), end]],
    ['a proof whose ok is a word', [begin, proof(target, { ok: 'true' }), end]],
    ['no end', [begin, proof(target)]],
    ['an end that is not well', [begin, proof(target), { step: 'end', ok: false, code: 79 }]],
    ['a proof without a service', [begin, proof(target, { service: 'perhaps' }), end]],
    ['another version', [begin, proof(target, { packageVersion: '9' }), end]],
    [
      'left stopped with another file on disk',
      [begin, proof(target, { service: 'left-stopped', installedSha256: '' }), end],
    ],
  ])('does not believe exit 0 with %s', (_name, steps) => {
    expect(outcomeOf(upgrade, answer(0, ...steps)).kind).toBe('failed');
  });

  it('gives every reserved exit code its own meaning', () => {
    const meanings = Object.values(HOST_EXIT).map((code) => {
      const outcome = outcomeOf(upgrade, answer(code, begin, { step: 'x', ok: false, message: 'why' }, end));
      return outcome.kind === 'blocked'
        ? outcome.why
        : outcome.kind === 'failed'
          ? outcome.failure
          : outcome.kind;
    });
    expect(meanings).toEqual([
      'crashed', // done, without a proof
      'crashed',
      'identity-unknown',
      'wrong-host',
      'unsupported',
      'busy',
      'fenced',
      'missing-package',
      'digest-mismatch',
      'no-space',
      'dpkg-locked',
      'drifted',
      'install-failed',
      'start-failed',
      'proof-failed',
      // Codes of the lifecycle's programs, which no upgrade ends with.
      'crashed',
      'crashed',
      'crashed',
      'arm-failed',
    ]);
  });

  it('names the failed step and its message', () => {
    const steps = [
      begin,
      { step: 'install', ok: false, message: 'postinst said no' },
      { step: 'end', ok: false },
    ];
    expect(outcomeOf(upgrade, answer(77, ...steps))).toEqual({
      kind: 'failed',
      failure: 'install-failed',
      step: 'install',
      message: 'postinst said no',
    });
  });

  it('does not take a code for a refusal when the program never began', () => {
    expect(outcomeOf(upgrade, { exitCode: 75, steps: [], stderr: '' })).toMatchObject({
      kind: 'no-answer',
      why: 'unknown',
    });
    expect(
      outcomeOf(upgrade, { exitCode: 1, steps: [], stderr: 'sudo: a password is required\n' }),
    ).toMatchObject({
      kind: 'no-answer',
      why: 'sudo-refused',
    });
  });
});

describe('a host that acts by itself', () => {
  const armed = (more: object = {}): HostStep => ({
    step: 'armed',
    ok: true,
    order: 'r-1',
    state: 'armed',
    msLeft: 5000,
    ...more,
  });
  const back = (more: object = {}): HostStep => ({
    step: 'went-back',
    ok: true,
    order: 'r-1',
    packageVersion: previous.packageVersion,
    sha256: previous.executableSha256,
    service: 'running',
    at: 1_700_000_000_000,
    note: 'went back by itself',
    ...more,
  });
  const failed = { step: 'proof', ok: false, message: 'not it' };

  it('is armed for as long as its last word says, for the order that is asked about', () => {
    const verified = (...steps: HostStep[]) =>
      outcomeOf(prove, answer(0, begin, look(target), ...steps, end));
    expect(verified(armed(), proof(target), armed({ msLeft: 4000 }))).toMatchObject({ armedMs: 4000 });
    for (const step of [
      armed({ order: 'r-2' }),
      armed({ state: 'reverting' }),
      armed({ msLeft: '5000' }),
      armed({ msLeft: -1 }),
      armed({ ok: false }),
    ])
      expect(verified(proof(target), step)).not.toHaveProperty('armedMs');
  });

  it('has gone back where its note says so and what is there agrees, whatever the exit status', () => {
    const expected = {
      kind: 'went-back',
      sha256: previous.executableSha256,
      packageVersion: previous.packageVersion,
      service: 'running',
      at: 1_700_000_000_000,
      note: 'went back by itself',
    };
    const proven = answer(79, begin, look(previous), back(), failed, end);
    expect(outcomeOf(prove, proven)).toEqual(expected);
    expect(inspectionOf(prove, proven, previous)).toEqual(expected);
    expect(outcomeOf(confirm, answer(0, begin, look(previous), back(), end))).toEqual(expected);
  });

  it.each([
    ['a note of another order', look(previous), back({ order: 'r-2' })],
    ['another version there than the note has', look(target), back()],
    ['another process than the note has', look(previous, { runningSha256: 'e'.repeat(64) }), back()],
    ['a package that is half there', look(previous, { packageState: 'broken' }), back()],
    ['a note without a digest', look(previous), back({ sha256: 'x' })],
    ['a note that says nothing of the service', look(previous), back({ service: 'maybe' })],
    [
      'a note that names the target',
      look(target),
      back({ packageVersion: target.packageVersion, sha256: target.executableSha256 }),
    ],
  ])('is not believed to have gone back by %s', (_, seen, note) => {
    expect(outcomeOf(prove, answer(79, begin, seen, note, failed, end)).kind).toBe('failed');
  });

  it('is confirmed or renewed by its own word for that order, and by no exit status', () => {
    const said = (...steps: HostStep[]) => outcomeOf(confirm, answer(0, begin, ...steps));
    expect(said({ step: 'confirm', ok: true, order: 'r-1' }, end)).toEqual({ kind: 'confirmed' });
    expect(said({ step: 'renew', ok: true, order: 'r-1', msLeft: 7 }, end)).toEqual({
      kind: 'renewed',
      armedMs: 7,
    });
    for (const steps of [
      [end],
      [{ step: 'confirm', ok: true, order: 'r-1' }],
      [{ step: 'confirm', ok: true, order: 'r-2' }, end],
      [{ step: 'confirm', ok: false, order: 'r-1' }, end],
      [{ step: 'renew', ok: true, order: 'r-1', msLeft: 'x' }, end],
    ])
      expect(said(...steps).kind).toBe('failed');
  });

  it('that moved its database aside says so beside the proof of its revert', () => {
    const moved = { step: 'database', ok: true, message: 'moved to /x' };
    expect(outcomeOf(revert, answer(0, begin, moved, proof(previous), end))).toMatchObject({
      kind: 'reverted',
      note: 'moved to /x',
    });
    expect(outcomeOf(revert, answer(0, begin, proof(previous), end))).not.toHaveProperty('note');
  });
});

describe('inspectionOf', () => {
  it('tells proven, untouched, touched and not known apart', () => {
    expect(inspectionOf(prove, answer(0, begin, look(target), proof(target), end)).kind).toBe('verified');
    const failed = { step: 'proof', ok: false, message: 'not it' };
    expect(inspectionOf(prove, answer(79, begin, look(previous), failed), previous).kind).toBe(
      'still-previous',
    );
    expect(inspectionOf(prove, answer(79, begin, look(previous), failed)).kind).toBe('failed');
    const half = look(previous, { installedSha256: target.executableSha256 });
    expect(inspectionOf(prove, answer(79, begin, half, failed), previous).kind).toBe('failed');
    const broken = look(previous, { packageState: 'broken' });
    expect(inspectionOf(prove, answer(79, begin, broken, failed), previous).kind).toBe('failed');
    expect(inspectionOf(prove, answer(70, begin), previous)).toMatchObject({
      kind: 'no-answer',
      why: 'unknown',
    });
    expect(inspectionOf(prove, answer(0, begin, look(previous, { busy: true }), end), previous).kind).toBe(
      'no-answer',
    );
  });
});

describe('an answer of another machine', () => {
  const identity = { step: 'identity', ok: false, message: 'this host is instance 2, meant was 1' };
  const proven = [begin, look(target), proof(target), identity, { step: 'end', ok: false }];

  it.each([
    [HOST_EXIT.wrongHost, 'wrong-host'],
    [HOST_EXIT.identityUnknown, 'identity-unknown'],
  ])('(exit status %i) proves nothing, whatever else it tells', (code, why) => {
    const untouched = [begin, look(previous), identity];
    for (const order of orders) {
      for (const steps of [proven, untouched]) {
        expect(outcomeOf(order, answer(code, ...steps))).toMatchObject({ kind: 'blocked', why });
        expect(inspectionOf(order, answer(code, ...steps), previous)).toMatchObject({ kind: 'blocked', why });
      }
    }
    expect(identityTroubleOf(answer(code, ...proven))).toBe(`${why}: ${identity.message}`);
  });

  it('is told from every other', () => {
    for (const code of Object.values(HOST_EXIT)) {
      if (code === HOST_EXIT.wrongHost || code === HOST_EXIT.identityUnknown) continue;
      expect(identityTroubleOf(answer(code, begin, end))).toBeNull();
    }
  });
});

describe('lookOf', () => {
  it('takes a hold in plain words, none from a host that does not tell, and nothing else', () => {
    const holdOf = (hold: unknown) => {
      const read = lookOf([begin, look(target, hold === undefined ? {} : { hold })]);
      return read.ok ? read.value.hold : read.error;
    };
    expect(holdOf(undefined)).toBe('');
    expect(holdOf('')).toBe('');
    expect(holdOf('dpkg hold and unit masked')).toBe('dpkg hold and unit masked');
    for (const odd of [null, 1, 'x'.repeat(101), 'a\u001b[2Jb', '<b>'])
      expect(holdOf(odd)).toContain('hold is');
  });

  it('takes a clock and a way to fetch as far as they make sense; a host that does not tell them is no worse', () => {
    const toldOf = (more: object) => {
      const read = lookOf([begin, look(target, more)]);
      return read.ok ? [read.value.clockMs, read.value.fetcher] : read.error;
    };
    expect(toldOf({})).toEqual([null, '']);
    expect(toldOf({ clockMs: 1_700_000_000_123, fetcher: 'curl' })).toEqual([1_700_000_000_123, 'curl']);
    expect(toldOf({ clockMs: 0, fetcher: 'wget' })).toEqual([0, 'wget']);
    for (const odd of [null, '1', -1, 1.5, Number.NaN, {}])
      expect(toldOf({ clockMs: odd, fetcher: odd })).toEqual([null, '']);
    expect(toldOf({ fetcher: 'curl; rm' })).toEqual([null, '']);
  });

  it('takes a whole look and refuses one with anything missing or odd', () => {
    expect(lookOf([begin, look(target)]).ok).toBe(true);
    for (const key of Object.keys(look(target)).filter((one) => one !== 'step' && one !== 'ok')) {
      for (const odd of [undefined, null, {}, Number.NaN, -1]) {
        const result = lookOf([look(target, { [key]: odd })]);
        expect(result).toMatchObject({ ok: false, error: expect.stringContaining(key) });
      }
    }
  });
});

/** Steps of any shape, biased towards words that mean something. */
const word = constantFrom('begin', 'look', 'proof', 'end', 'install', 'running', 'left-stopped', '');
const anyStep = oneof(
  anything(),
  dictionary(
    constantFrom('step', 'ok', 'message', 'service', 'busy', 'runningSha256', 'packageVersion', 'kept'),
    oneof(word, boolean(), anything()),
  ),
);
const anyAnswer = record({
  exitCode: oneof(constantFrom(...Object.values(HOST_EXIT)), integer()),
  steps: array(anyStep).map((steps) => [begin, ...steps] as HostStep[]),
  stderr: string(),
});

describe('any answer', () => {
  it('never throws, and is a success only with the right proof', () => {
    assert(
      property(constantFrom(...orders), anyAnswer, (order, given) => {
        lookOf(given.steps);
        for (const outcome of [outcomeOf(order, given), inspectionOf(order, given, previous)]) {
          expect(['verified', 'reverted']).not.toContain(outcome.kind);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
