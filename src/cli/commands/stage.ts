/**
 * `rollout stage VERSION --package ENV=FILE ...`: checks every package before any is stored. Asks nothing: what is stored touches no
 * host, and what is there already is never changed. Interrupted, it ends at once: the same command again goes on from there.
 */
import { basename, resolve } from 'node:path';
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { debReader } from '../../adapters/deb/read.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { type EngineContext, type Refusal, refuse } from '../../engine/context.ts';
import { stage } from '../../engine/stage.ts';
import type {
  StagedPackage,
  StageEnvironment,
  StageOutcome,
  StageProgress,
} from '../../engine/stage-types.ts';
import { EXIT } from '../exit-codes.ts';
import { type Invocation, listOption } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { type Paint, sizeText } from '../render/paint.ts';
import { type Session, sayRefused, withSession } from '../session.ts';
import { actorOf } from '../wire.ts';

interface Pair {
  readonly environment: string;
  readonly value: string;
}

export async function run(invocation: Invocation): Promise<number> {
  const exit = await begin(invocation);
  // An upload that was called off must not keep whoever called it off.
  if (exit === EXIT.interrupted) process.exit(exit);
  return exit;
}

async function begin(invocation: Invocation): Promise<number> {
  const [version = ''] = invocation.args;
  const packages = pairs(invocation, 'package', 'FILE');
  if (!packages.ok) return sayRefused(invocation, [packages.error]);
  const digests = pairs(invocation, 'sha256', 'HEX');
  if (!digests.ok) return sayRefused(invocation, [digests.error]);
  const first = packages.value[0];
  if (first === undefined) {
    return sayRefused(invocation, [
      refuse('usage', 'no-package', 'nothing to stage: no --package was given', {
        next: `rollout stage ${version} --package gstg=FILE --package gprd=FILE`,
      }),
    ]);
  }
  return withSession(invocation, async (session) => {
    for (const { environment } of packages.value) {
      const opened = session.open(environment);
      if (!opened.ok) return sayRefused(invocation, [opened.error]);
    }
    const line = session.line(first.environment);
    if (!line.ok) return sayRefused(invocation, [line.error]);
    const staging = stage(
      {
        line: line.value.map(stageEnvironment),
        reader: debReader,
        clock: systemClock,
        actor: actorOf(invocation),
        onProgress: (progress) => invocation.output.live(progressText(progress)),
      },
      {
        version,
        packages: packages.value.map(({ environment, value }) => ({
          environment,
          file: resolve(invocation.cwd, value),
        })),
        expected: digests.value.map(({ environment, value }) => ({
          environment,
          sha256: value.toLowerCase(),
        })),
      },
    );
    const outcome = await Promise.race([staging, interruption(invocation.signal)]);
    invocation.output.live('');
    return outcome === 'interrupted' ? sayInterrupted(invocation) : sayOutcome(session, outcome);
  });
}

function interruption(signal: AbortSignal): Promise<'interrupted'> {
  return new Promise((resolve) => {
    const tell = (): void => resolve('interrupted');
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true });
  });
}

function sayInterrupted(invocation: Invocation): number {
  const exit = EXIT.interrupted;
  if (invocation.json) jsonLine(invocation, 'result', { exit, code: 'interrupted' });
  else
    invocation.output.err(
      'interrupted: what was not stored whole is not there; the same command again goes on from there',
    );
  return exit;
}

/** `gprd  osquery.deb  25.0 MB of 60.0 MB stored (41 %)`. */
function progressText({ environment, file, stored, size }: StageProgress): string {
  const percent = size === 0 ? 100 : Math.floor((100 * stored) / size);
  return `${environment}  ${basename(file)}  ${sizeText(stored)} of ${sizeText(size)} stored (${percent} %)`;
}

function stageEnvironment({ environment, store }: EngineContext): StageEnvironment {
  return {
    name: environment.name,
    agent: environment.policy.agent,
    architectures: environment.architectures,
    store,
  };
}

function pairs(invocation: Invocation, option: string, what: string): Result<Pair[], Refusal> {
  const found: Pair[] = [];
  for (const text of listOption(invocation, option)) {
    const at = text.indexOf('=');
    if (at < 1 || at === text.length - 1) {
      return err(
        refuse('usage', 'bad-option', `--${option} ${text}: expected ENV=${what}`, {
          next: `write it like --${option} gstg=${what}`,
        }),
      );
    }
    found.push({ environment: text.slice(0, at), value: text.slice(at + 1) });
  }
  return ok(found);
}

const EXITS = { staged: EXIT.done, refused: EXIT.failed, incomplete: EXIT.incomplete } as const;

function sayOutcome({ invocation, paint }: Session, outcome: StageOutcome): number {
  const exit = EXITS[outcome.kind];
  const { output } = invocation;
  if (invocation.json) {
    jsonLine(invocation, 'staged', { ...outcome, exit });
    return exit;
  }
  for (const problem of outcome.problems) output.err(`${paint.bad('rollout:')} ${problem.message}`);
  for (const each of outcome.packages) sayPackage(invocation, each, paint);
  for (const note of outcome.notes) output.err(`${paint.warn('note:')} ${note.message}`);
  if (outcome.kind === 'refused') {
    output.err('nothing was stored');
    return exit;
  }
  for (const gap of outcome.gaps) output.err(`${paint.warn('note:')} ${gap.message}`);
  if (outcome.kind === 'incomplete')
    output.err('not everything was stored; the same command again goes on from there');
  return exit;
}

function sayPackage(
  { output }: Invocation,
  { environment, file, facts, result }: StagedPackage,
  paint: Paint,
): void {
  switch (result.kind) {
    case 'published':
    case 'already-there': {
      const { version, architecture, sha256, size } = result.artifact;
      const word = result.kind === 'published' ? paint.good('staged') : 'already staged';
      output.out(`${environment}  ${version} ${architecture}  ${word}  ${sizeText(size)}  sha256 ${sha256}`);
      return;
    }
    case 'refused':
      for (const problem of result.problems) output.err(`${paint.bad('rollout:')} ${problem.message}`);
      return;
    case 'held-back':
      if (facts !== null) output.err(`${environment}: ${file} is in order, and waits for the others`);
      return;
    case 'failed':
      output.err(`${paint.bad('rollout:')} ${environment}: ${file}: ${result.error.message}`);
      return;
    default:
      result satisfies never;
  }
}
