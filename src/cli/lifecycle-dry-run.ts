/** `--dry-run`: who is meant and exactly what would run there. Nothing is changed and nothing is written. */

import { err, ok, type Result } from '../domain/result.ts';
import type { Refusal } from '../engine/context.ts';
import { describeLifecycle, lifecycleOrder } from '../engine/lifecycle-orders.ts';
import { type InstallPlan, prepareInstall } from '../engine/lifecycle-packages.ts';
import type { LifecycleRequest } from '../engine/lifecycle-types.ts';
import { planLifecycleWaves } from '../engine/lifecycle-waves.ts';
import { readState } from '../engine/start-rollout.ts';
import { EXIT } from './exit-codes.ts';
import { jsonLine } from './json-lines.ts';
import type { GatheredAction } from './lifecycle-choice.ts';
import type { Step } from './lifecycle-steps.ts';
import { columns, count, fold, harmless } from './render/paint.ts';
import { type Session, sayRefused } from './session.ts';

interface DryRun {
  readonly environment: string;
  readonly waves: readonly (readonly string[])[];
  /** What the first host would be sent; the others' differ in the instance id that they are asked for. Empty: nobody is acted on. */
  readonly program: string;
  readonly notes: readonly string[];
}

export async function sayDryRun(session: Session, steps: readonly Step[]): Promise<number> {
  const { invocation, paint } = session;
  const dry: DryRun[] = [];
  for (const step of steps) {
    const one = await dryRunOf(step, invocation.signal);
    if (!one.ok) return sayRefused(invocation, [one.error]);
    dry.push(one.value);
  }
  session.narrator.close();
  for (const { environment, waves, program, notes } of dry) {
    if (invocation.json) {
      jsonLine(invocation, 'dry-run', { environment, waves, program, notes });
      continue;
    }
    const hosts = waves.reduce((sum, wave) => sum + wave.length, 0);
    const how = waves.length > 1 ? `in ${count(waves.length, 'wave')}` : 'all at once';
    invocation.output.out(
      [
        `${paint.strong(environment)}  ${count(hosts, 'host')} ${how}`,
        ...waves.flatMap((names, index) =>
          columns(
            [[`  ${waves.length > 1 ? `wave ${index + 1}` : 'hosts'}`, harmless(names.join(' '))]],
            paint.width,
          ),
        ),
        ...notes.flatMap((note) => fold(`  note  ${harmless(note)}`, paint.width)),
        ...(program === ''
          ? []
          : [`  on each (the first as it would be sent; src/host/*.sh):`, `  ${program}`]),
      ].join('\n'),
    );
  }
  if (!invocation.json) invocation.output.out('dry run: nothing was changed');
  return EXIT.done;
}

async function dryRunOf(
  { action, request, playbook }: Step,
  signal: AbortSignal,
): Promise<Result<DryRun, Refusal>> {
  const { context } = action;
  const install = request.verb === 'install' ? await installPlan(action, request, signal) : ok(null);
  if (!install.ok) return install;
  const hosts = install.value === null ? request.hosts : install.value.hosts;
  const waves = playbook === null ? [hosts] : planLifecycleWaves(hosts, playbook);
  const [first] = waves[0] ?? [];
  const artifact = first === undefined ? null : (install.value?.artifacts.get(first.id) ?? null);
  return ok({
    environment: context.environment.name,
    waves: waves.map((wave) => wave.map(({ name }) => name)),
    program:
      first === undefined
        ? ''
        : describeLifecycle(lifecycleOrder(context, request, 0, artifact, first).order),
    notes: (install.value?.leftOut ?? []).map(({ host, why }) => `${host.name}: ${why}`),
  });
}

async function installPlan(
  { context }: GatheredAction,
  { hosts }: LifecycleRequest,
  signal: AbortSignal,
): Promise<Result<InstallPlan, Refusal>> {
  const state = await readState(context);
  return state.ok ? prepareInstall(context, { chosen: hosts, state: state.value }, signal) : err(state.error);
}
