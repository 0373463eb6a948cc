/**
 * What a lifecycle action changes in JSON files of checkouts, such as Chef roles: planned, shown, done, journaled.
 *
 * RF1  Such a file is about every host of the environment. Only what stops all of them with a hold changes it, and only what leaves no
 *      hold elsewhere puts it back; otherwise it is left alone, and that is said.
 * RF2  A start puts back what the journal says was there before a stop, and nothing that anybody else has set since: that is told once,
 *      and is theirs from then on.
 * RF3  Nothing here throws or hangs, and nothing here holds up a stop: what goes wrong is a report that makes the end incomplete.
 * RF4  What is changed is what was shown: the adapter refuses a file that is no longer as it was planned from. Of several values in one
 *      file the second is planned anew behind the first, and must still be as it was shown.
 *
 * A stop changes files while its hosts are being stopped; a start must do it before, or what reads them stops the agent again. Who is
 * killed between a change and its entry leaves a value that the journal does not know of: the next start says so.
 */
import type { EntryBody } from '../domain/journal.ts';
import type { ActionPart } from '../domain/lifecycle.ts';
import { err, ok, type Result } from '../domain/result.ts';
import type { EnvironmentState } from '../domain/state.ts';
import type { PlannedRoleFileEdit } from '../ports/role-files.ts';
import type { LifecycleContext } from './context.ts';
import { isStart, isStop } from './lifecycle-orders.ts';
import type { LifecycleRequest, RoleFilePlan, RoleFileReport } from './lifecycle-types.ts';
import {
  failedReport,
  guarded,
  isMovedTo,
  isSameJson,
  isSamePlace,
  NOTHING,
  PLAN_MS,
  plan,
  type RoleFileController,
  sorted,
  turnedRound,
} from './role-file-edit.ts';
import { planStart } from './role-files-back.ts';

/** How long one file may take to be changed and committed, ms. */
const APPLY_MS = 30_000;

/**
 * What the action would change. Changes nothing; may be repeated. `state` null: the journal cannot be read, which matters to a start
 * alone.
 */
export async function planRoleFiles(
  context: LifecycleContext,
  request: LifecycleRequest,
  state: EnvironmentState | null,
): Promise<RoleFilePlan> {
  const controllers = context.environment.lifecycle.controllers.filter((one) => one.kind === 'role-file');
  if (isStop(request) && request.hold !== null) return planStop(context, request, controllers);
  if (isStart(request)) return planStart(context, request, { controllers, state });
  return NOTHING;
}

export interface ApplyTools {
  /** Gives the numbers of the action's parts. */
  readonly part: () => ActionPart;
  /** Writes the entry where entries of the action go; what becomes of it is the caller's to know. */
  readonly record: (body: EntryBody) => unknown;
}

/** Does what `plan` says, one file after the other, each change journaled as soon as it is made. Not to be repeated with one plan. */
export async function applyRoleFiles(
  context: LifecycleContext,
  plan: RoleFilePlan,
  { part, record }: ApplyTools,
): Promise<RoleFileReport[]> {
  const reports: RoleFileReport[] = [...plan.failed];
  for (const given of plan.givenUp ?? [])
    await record({ kind: 'role-file-changed', ...part(), change: { ...turnedRound(given), commit: null } });
  const texts = new Set<string>();
  for (const shown of plan.edits) {
    const { name, file } = shown.edit;
    const unknown = 'it was not done in time; whether it will be is not known';
    const text = JSON.stringify([file, shown.edit.branch]);
    const planned = texts.has(text) ? await planAgain(context, shown) : ok(shown);
    const applied = planned.ok
      ? await guarded(context, { ms: APPLY_MS, file, late: unknown }, () =>
          context.roleFiles.apply(planned.value),
        )
      : planned;
    if (!applied.ok) {
      reports.push(failedReport(shown.edit, applied.error));
      continue;
    }
    // Not where somebody else has made it so since it was shown.
    const isChanged = shown.diff !== '' && !isSameJson(applied.value.before, applied.value.after);
    if (isChanged) texts.add(text);
    const undone =
      plan.undoes.find((one) => isSamePlace(one, shown.edit)) ??
      plan.undoes.find((one) => isMovedTo(one, shown.edit));
    // Told as the stop's own change turned round: by that it leaves the journal's list, also where it was so already.
    const change =
      undone === undefined ? applied.value : { ...turnedRound(undone), name, commit: applied.value.commit };
    if (isChanged || undone !== undefined) await record({ kind: 'role-file-changed', ...part(), change });
    reports.push({
      name,
      file,
      result: isChanged ? { kind: 'changed', diff: shown.diff, change } : { kind: 'already-so' },
    });
  }
  return reports;
}

/** RF4. */
async function planAgain(
  context: LifecycleContext,
  { edit, before }: PlannedRoleFileEdit,
): Promise<Result<PlannedRoleFileEdit, string>> {
  const { file, path } = edit;
  const late = 'it could not be read in time';
  const again = await guarded(context, { ms: PLAN_MS, file, late }, () => context.roleFiles.plan(edit));
  if (!again.ok || isSameJson(again.value.before, before) || again.value.diff === '') return again;
  const message = `${file}: ${path.join('.')} has been changed by somebody else since the change was shown; run the command again`;
  return err(message);
}

/** Plans unless the request brings what was shown, and does it. Its notes are told as notices. */
export async function changeRoleFiles(
  context: LifecycleContext,
  request: LifecycleRequest,
  state: EnvironmentState | null,
  tools: ApplyTools,
): Promise<RoleFileReport[]> {
  const plan = request.roleFiles ?? (await planRoleFiles(context, request, state));
  const { name } = context.environment;
  for (const message of plan.notes) {
    const reason = { code: 'role-file-left-alone', message };
    context.tell({ kind: 'notice', environment: name, at: context.clock.now(), reason });
  }
  return applyRoleFiles(context, plan, tools);
}

async function planStop(
  context: LifecycleContext,
  request: LifecycleRequest,
  controllers: readonly RoleFileController[],
): Promise<RoleFilePlan> {
  const { name } = context.environment;
  if (request.wholeFleet !== true) {
    const notes = controllers.map(
      ({ file, path }) =>
        `${file} is left as it is: ${path.join('.')} is about every host of ${name}, and not all are stopped; the hold on each host keeps it down`,
    );
    return { ...NOTHING, notes };
  }
  const planned = await Promise.all(
    controllers.map((controller) => plan(context, request, controller, JSON.stringify(controller.onStop))),
  );
  return { ...NOTHING, ...sorted(planned), notes: planned.flatMap(noteOnEarlier) };
}

/** Made by another stop and not merged: maybe a minute ago, maybe long ago. */
function noteOnEarlier(planned: PlannedRoleFileEdit | RoleFileReport): string[] {
  if ('result' in planned || planned.diff !== '' || planned.edit.branch === null) return [];
  const { file, path, branch } = planned.edit;
  return [
    `${path.join('.')} of ${file} is so already on the branch ${branch} or where it would begin: no commit is added; it counts once that is merged`,
  ];
}
