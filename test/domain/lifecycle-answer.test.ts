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
import { HOST_EXIT, type HostOrder, type HostStep, type PackageRef } from '../../src/domain/host-order.ts';
import type { HoldTerms } from '../../src/domain/lifecycle.ts';
import { lifecycleOutcomeOf } from '../../src/domain/lifecycle-answer.ts';

const agent = { package: 'osquery', service: 'osqueryd', executable: '/opt/osquery/bin/osqueryd' };
const hold: HoldTerms = {
  actionId: 'stop-1',
  environment: 'gprd',
  by: 'ada@ops-1',
  reason: 'CPU',
  since: 1,
  until: 2,
};
const target: PackageRef = {
  sha256: 'b'.repeat(64),
  size: 1,
  packageVersion: '5.10.2-1.linux',
  executablePath: agent.executable,
  executableSha256: 'd'.repeat(64),
};
const service = { program: 'service', agent, brake: 'mask', commands: [], starters: [], proveMs: 1 } as const;
const stop: HostOrder = { ...service, verb: 'stop', now: false, hold };
const bareStop: HostOrder = { ...service, verb: 'stop', now: false };
const start: HostOrder = { ...service, verb: 'start', now: false };
const restart: HostOrder = { ...service, verb: 'restart', now: false };
const enable: HostOrder = { ...service, verb: 'enable', now: false };
const enableNow: HostOrder = { ...service, verb: 'enable', now: true };
const disable: HostOrder = { ...service, verb: 'disable', now: false };
const disableNow: HostOrder = { ...service, verb: 'disable', now: true, hold };
const named = { agent, orderId: 'x-1', environment: 'gprd', fence: 1, lockTimeoutS: 1 };
const install: HostOrder = { ...named, program: 'install', target, proveMs: 1 };
const remove: HostOrder = { ...named, program: 'remove', purge: false, purgePaths: [] };
const purge: HostOrder = { ...remove, purge: true };
const status: HostOrder = { program: 'status', agent, sampleMs: 0, starters: [] };

const begin: HostStep = { step: 'begin', ok: true };
const end: HostStep = { step: 'end', ok: true, code: 0 };
const step = (name: string, fields: object = {}, ok = true): HostStep => ({ step: name, ok, ...fields });
const written = step('hold', { did: 'written', kept: 'disk' });
const masked = step('brake', { did: 'masked', brake: 'mask' });
const proof = (of: string, more: object = {}): HostStep =>
  step('proof', { service: of, packageVersion: target.packageVersion, ...more });
const told = (more: object = {}): HostStep =>
  step('status', { starters: [], strays: [], hold: null, ...more });
const answer = (exitCode: number, ...steps: HostStep[]) => ({ exitCode, steps, stderr: '' });
const stopped = [begin, written, masked, step('stop', { did: 'stopped' })];

describe('what is proven', () => {
  it('a stop: with its hold, the version that is installed, and nothing to note', () => {
    expect(lifecycleOutcomeOf(stop, answer(0, ...stopped, proof('stopped', { held: true }), end))).toEqual({
      kind: 'proven',
      service: 'stopped',
      version: '5.10.2-1.linux',
      held: true,
      notes: [],
    });
  });

  it.each<[string, HostOrder, string, boolean]>([
    ['a stop by a service that runs', stop, 'running', false],
    ['a stop by one that is left held', stop, 'left-held', false],
    ['a stop where there is nothing to stop', stop, 'absent', true],
    ['a start by a running service', start, 'running', true],
    ['a start by a stopped one', start, 'stopped', false],
    ['a start by one that is left held, whose hold it was to lift', start, 'left-held', false],
    ['a restart by one that a hold keeps stopped', restart, 'left-held', true],
    ['a restart by a stopped one', restart, 'stopped', false],
    ['disable --now by a stopped one', disableNow, 'stopped', true],
    ['disable --now by a running one', disableNow, 'running', false],
    ['a removal by its absence', remove, 'absent', true],
    ['a removal by a stopped service', remove, 'stopped', false],
    ['a purge by its absence', purge, 'absent', true],
  ])('%s: %#', (_what, order, proves, isProven) => {
    const outcome = lifecycleOutcomeOf(order, answer(0, begin, proof(proves), end));
    expect(outcome.kind).toBe(isProven ? 'proven' : 'failed');
    if (!isProven) expect(outcome).toMatchObject({ failure: 'proof-failed', step: 'proof' });
  });

  it.each<[string, HostStep[]]>([
    ['no proof', [...stopped, end]],
    ['a proof that failed', [...stopped, step('proof', { service: 'stopped' }, false), end]],
    ['no end', [...stopped, proof('stopped')]],
    ['an end that is not well', [...stopped, proof('stopped'), step('end', {}, false)]],
    ['a service that no program tells of', [...stopped, proof('perhaps'), end]],
  ])('is not believed by exit 0 with %s', (_name, steps) => {
    expect(lifecycleOutcomeOf(stop, answer(0, ...steps))).toMatchObject({
      kind: 'failed',
      failure: 'crashed',
      held: true,
    });
  });

  it('an install: only with the digest and the version that were meant', () => {
    const exact = { runningSha256: target.executableSha256, installedSha256: target.executableSha256 };
    const kindOf = (...steps: HostStep[]) =>
      lifecycleOutcomeOf(install, answer(0, begin, ...steps, end)).kind;
    expect(kindOf(proof('running', exact))).toBe('proven');
    expect(kindOf(proof('running', { ...exact, runningSha256: 'e'.repeat(64) }))).toBe('failed');
    expect(kindOf(proof('running', { ...exact, packageVersion: '5.9.1' }))).toBe('failed');
    expect(kindOf(proof('running'))).toBe('failed');
    expect(kindOf(proof('left-held', { ...exact, runningSha256: '' }))).toBe('proven');
    expect(kindOf(proof('left-held', { installedSha256: '' }))).toBe('failed');
  });

  it('enable and disable: only where the boot step says so', () => {
    const kindOf = (order: HostOrder, ...steps: HostStep[]) =>
      lifecycleOutcomeOf(order, answer(0, begin, ...steps, end)).kind;
    const boot = (unitFileState: string, ok = true) => step('boot', { did: 'x', unitFileState }, ok);
    expect(kindOf(enable, boot('enabled'), proof('stopped'))).toBe('proven');
    expect(kindOf(enable, proof('stopped'))).toBe('failed');
    expect(kindOf(enable, boot('disabled'), proof('running'))).toBe('failed');
    expect(kindOf(enable, boot('enabled', false), proof('running'))).toBe('failed');
    expect(kindOf(enableNow, boot('enabled'), proof('running'))).toBe('proven');
    expect(kindOf(disable, boot('disabled'), proof('running'))).toBe('proven');
    expect(kindOf(disable, boot('enabled'), proof('running'))).toBe('failed');
    expect(kindOf(disable, boot('enabled'), told({ unitFileState: 'masked' }), proof('stopped'))).toBe(
      'proven',
    );
    // The stop counts more than the boot: a note says what is left to do.
    expect(
      lifecycleOutcomeOf(
        disableNow,
        answer(0, ...stopped, step('boot', { message: 'cannot disable' }, false), proof('stopped'), end),
      ),
    ).toMatchObject({ kind: 'proven', notes: ['cannot disable'] });
  });
});

describe('whether a hold is in force', () => {
  const heldOf = (order: HostOrder, ...steps: HostStep[]) => {
    const outcome = lifecycleOutcomeOf(order, answer(0, begin, ...steps, end));
    return outcome.kind === 'proven' || outcome.kind === 'failed' ? outcome.held : outcome.kind;
  };

  it('is the last word that the host had on it', () => {
    expect(heldOf(stop, written, proof('stopped'))).toBe(true);
    expect(heldOf(stop, step('hold', { did: 'none', kept: 'none' }, false), proof('stopped'))).toBe(false);
    expect(heldOf(stop, step('hold', { did: 'written', kept: 'disk' }, false), proof('stopped'))).toBe(false);
    expect(heldOf(start, step('hold', { did: 'lifted' }), proof('running'))).toBe(false);
    expect(heldOf(restart, proof('left-held'))).toBe(true);
    expect(heldOf(enable, step('boot'), told({ hold: {} }), proof('stopped'))).toBe(true);
    expect(heldOf(stop, written, proof('stopped', { held: false }))).toBe(false);
    expect(heldOf(stop, proof('stopped'))).toBe(false);
  });

  it('is known of a stop that failed after it', () => {
    expect(
      lifecycleOutcomeOf(stop, answer(80, ...stopped, step('proof', { message: 'pid 7 still runs' }, false))),
    ).toEqual({
      kind: 'failed',
      failure: 'still-runs',
      step: 'proof',
      message: 'pid 7 still runs',
      held: true,
    });
  });
});

describe('what did not go well', () => {
  it.each<[number, string]>([
    [HOST_EXIT.installFailed, 'install-failed'],
    [HOST_EXIT.startFailed, 'start-failed'],
    [HOST_EXIT.proofFailed, 'proof-failed'],
    [HOST_EXIT.stillRuns, 'still-runs'],
    [HOST_EXIT.removeFailed, 'remove-failed'],
    [HOST_EXIT.remains, 'remains'],
    [HOST_EXIT.usage, 'crashed'],
    [1, 'crashed'],
    [137, 'crashed'],
  ])('exit %i is %s', (code, failure) => {
    expect(lifecycleOutcomeOf(start, answer(code, begin))).toMatchObject({
      kind: 'failed',
      failure,
      held: false,
    });
  });

  it.each<[number, string]>([
    [HOST_EXIT.identityUnknown, 'identity-unknown'],
    [HOST_EXIT.wrongHost, 'wrong-host'],
    [HOST_EXIT.unsupported, 'unsupported'],
    [HOST_EXIT.busy, 'busy'],
    [HOST_EXIT.fenced, 'fenced'],
    [HOST_EXIT.missingPackage, 'missing-package'],
    [HOST_EXIT.digestMismatch, 'digest-mismatch'],
    [HOST_EXIT.noSpace, 'no-space'],
    [HOST_EXIT.dpkgLocked, 'dpkg-locked'],
    [HOST_EXIT.drifted, 'drifted'],
  ])('exit %i is a refusal: %s', (code, why) => {
    const lock = step('lock', { message: 'because' }, false);
    expect(lifecycleOutcomeOf(install, answer(code, begin, lock))).toEqual({
      kind: 'blocked',
      why,
      message: 'because',
    });
  });

  it('a refusal after a change is a failure, and what is held stays known', () => {
    expect(lifecycleOutcomeOf(stop, answer(HOST_EXIT.busy, ...stopped))).toMatchObject({
      kind: 'failed',
      failure: 'crashed',
      held: true,
    });
    expect(
      lifecycleOutcomeOf(start, answer(HOST_EXIT.busy, begin, step('hold', { did: 'none', kept: 'none' }))),
    ).toMatchObject({ kind: 'blocked', why: 'busy' });
  });

  it.each<[string, string, string]>([
    ['nothing at all', '', 'unknown'],
    ['sudo that wants a password', 'sudo: a password is required\n', 'sudo-refused'],
  ])('%s is no answer', (_name, stderr, why) => {
    for (const code of [0, 1, 80])
      expect(lifecycleOutcomeOf(stop, { exitCode: code, steps: [], stderr })).toMatchObject({
        kind: 'no-answer',
        why,
      });
  });

  it('a status proves nothing, and no other order is one of the lifecycle', () => {
    expect(lifecycleOutcomeOf(status, answer(0, begin, told(), end))).toMatchObject({ kind: 'no-answer' });
    expect(lifecycleOutcomeOf({ program: 'look', agent }, answer(0, begin, proof('stopped'), end)).kind).toBe(
      'failed',
    );
  });
});

describe('notes', () => {
  const notesOf = (order: HostOrder, ...steps: HostStep[]) => {
    const outcome = lifecycleOutcomeOf(order, answer(0, begin, ...steps, end));
    if (outcome.kind !== 'proven') throw new Error(`not proven: ${outcome.kind}`);
    return outcome.notes;
  };
  const starters = told({ starters: ['chef-client', 'unit:x.timer'] });
  const heldStarters = told({ starters: ['chef-client', 'unit:x.timer'], hold: {} });

  it('a hold that only memory took', () => {
    expect(notesOf(stop, step('hold', { did: 'written', kept: 'memory' }), masked, proof('stopped'))).toEqual(
      ['the hold is only in memory: a reboot forgets it'],
    );
  });

  it('a hold that nothing took, and starters that nobody keeps away', () => {
    const none = step('hold', { did: 'none', kept: 'none', message: 'disk full' }, false);
    expect(notesOf(stop, none, masked, starters, proof('stopped'))).toEqual([
      'no hold could be recorded there: whoever starts the agent next is not told otherwise (disk full)',
      'may be started again by chef-client, unit:x.timer: nobody told it, and no brake holds',
    ]);
  });

  it('a brake that holds says nothing of starters; one that is not on, or none, does', () => {
    expect(notesOf(stop, written, masked, heldStarters, proof('stopped'))).toEqual([]);
    const off = step('brake', { did: 'none', brake: 'none', message: 'read-only' }, false);
    expect(notesOf(stop, written, off, heldStarters, proof('stopped'))).toEqual([
      'the brake is not on: read-only',
      'may be started again by chef-client, unit:x.timer: nobody told it, and no brake holds',
    ]);
    expect(
      notesOf(stop, written, step('brake', { did: 'none', brake: 'none' }), heldStarters, proof('stopped')),
    ).toHaveLength(1);
    expect(notesOf(bareStop, starters, proof('stopped'))).toHaveLength(1);
    expect(notesOf(start, starters, proof('running'))).toEqual([]);
  });

  it('a controller that failed, with its exit status and its words', () => {
    expect(
      notesOf(
        stop,
        written,
        masked,
        step('controller', { name: 'chef', did: 'told', exitCode: 3, message: 'no such\nnode' }, false),
        step('controller', { name: 'other', did: 'absent', exitCode: null }),
        proof('stopped'),
      ),
    ).toEqual(['controller chef was not told: exit status 3: no such node']);
  });

  it('processes that are not the service’s, and what the program itself notes', () => {
    expect(
      notesOf(purge, step('note', { message: 'chef was told' }), told({ strays: [7, 12] }), proof('absent')),
    ).toEqual(['chef was told', "processes of the agent that are not the service's: 7, 12"]);
  });
});

describe('any answer', () => {
  const word = constantFrom(
    'begin',
    'proof',
    'end',
    'hold',
    'brake',
    'boot',
    'controller',
    'status',
    'stop',
    'note',
  );
  const wildStep = oneof(
    record({
      step: word,
      ok: oneof(boolean(), anything()),
      service: oneof(constantFrom('running', 'stopped', 'left-held', 'absent'), anything()),
      did: oneof(constantFrom('written', 'none', 'told'), anything()),
      kept: anything(),
      message: anything(),
      starters: anything(),
      strays: anything(),
      held: anything(),
      packageVersion: oneof(constantFrom(target.packageVersion), anything()),
    }),
    dictionary(string(), anything()),
    anything(),
  );

  it('never throws, and is proven only with a proof, an end and exit 0', () => {
    const orders = [
      stop,
      start,
      restart,
      enable,
      enableNow,
      disable,
      disableNow,
      install,
      remove,
      purge,
      status,
    ];
    assert(
      property(
        constantFrom(...orders),
        oneof(constantFrom(...Object.values(HOST_EXIT)), integer()),
        array(wildStep, { maxLength: 8 }),
        string(),
        (order, exitCode, steps, stderr) => {
          const raw = steps as unknown as HostStep[];
          const outcome = lifecycleOutcomeOf(order, { exitCode, steps: raw, stderr });
          JSON.stringify(outcome);
          if (outcome.kind !== 'proven') return;
          const has = (name: string) => raw.findLast((one) => one?.step === name)?.ok === true;
          expect([exitCode, has('begin'), has('proof'), has('end')]).toEqual([0, true, true, true]);
          expect(outcome.notes.length).toBeLessThanOrEqual(20);
        },
      ),
      { numRuns: 500 },
    );
  });
});
