/** What a start puts back in JSON files of checkouts, and what it leaves and says why (role-files-step.ts, RF1 and RF2). */
import type { RoleFileChange } from '../domain/lifecycle.ts';
import type { EnvironmentState } from '../domain/state.ts';
import type { PlannedRoleFileEdit } from '../ports/role-files.ts';
import type { LifecycleContext } from './context.ts';
import type { LifecycleRequest, RoleFilePlan, RoleFileReport } from './lifecycle-types.ts';
import {
  failedReport,
  isMovedTo,
  isSameJson,
  isSamePlace,
  NOTHING,
  plan,
  type RoleFileController,
  sorted,
} from './role-file-edit.ts';

interface Known {
  readonly controllers: readonly RoleFileController[];
  readonly state: EnvironmentState | null;
}

/** RF2. */
export async function planStart(
  context: LifecycleContext,
  request: LifecycleRequest,
  { controllers, state }: Known,
): Promise<RoleFilePlan> {
  if (state === null) {
    const why = 'the journal cannot be read, so that nobody knows what was there before a stop';
    return { ...NOTHING, failed: controllers.map((one) => failedReport(one, `${one.file}: ${why}`)) };
  }
  const { name } = context.environment;
  const started = new Set(request.hosts.map(({ id }) => id));
  const heldElsewhere = [...state.holds.keys()].filter((id) => !started.has(id)).length;
  if (request.wholeFleet !== true && heldElsewhere > 0) {
    const notes = state.roleFiles.map(
      ({ file, path }) =>
        `${file} is left as it is, ${path.join('.')} still as a stop set it: it is about every host of ${name}, and ${heldElsewhere} other(s) are held; osqueryd start --fleet --env ${name} puts it back`,
    );
    return { ...NOTHING, notes };
  }
  const backs = await Promise.all(
    state.roleFiles.map((change) => planBack(context, request, change, controllers)),
  );
  const unknown = controllers.filter(
    (one) => !state.roleFiles.some((change) => isSamePlace(change, one) || isMovedTo(change, one)),
  );
  const notes = await Promise.all(unknown.map((one) => noteOnUnknown(context, request, one)));
  return {
    ...sorted(backs.map(({ planned }) => planned)),
    undoes: state.roleFiles,
    givenUp: backs.flatMap(({ change, isGivenUp }) => (isGivenUp ? [change] : [])),
    notes: [...backs.map(noteOnBranch), ...notes].flatMap((note) => (note === null ? [] : [note])),
  };
}

interface Back {
  readonly change: RoleFileChange;
  readonly planned: PlannedRoleFileEdit | RoleFileReport;
  /** Somebody has set another value since (RF2). */
  readonly isGivenUp: boolean;
}

/** RF2. Whoever has set another value since had a reason. */
async function planBack(
  context: LifecycleContext,
  request: LifecycleRequest,
  change: RoleFileChange,
  controllers: readonly RoleFileController[],
): Promise<Back> {
  const { name, file, path, before, after, commit } = change;
  const known =
    controllers.find((one) => isSamePlace(change, one)) ?? controllers.find((one) => isMovedTo(change, one));
  const branch = commit?.branch ?? null;
  const controller = known ?? { kind: 'role-file', name, file, path, onStop: false, branch };
  const planned = await plan(context, request, controller, before);
  const key = path.join('.');
  const did = `a stop has set ${key} to ${after ?? 'nothing'}, and before that ${before === null ? 'it was not there' : `it was ${before}`}`;
  if ('result' in planned) {
    const why = planned.result.kind === 'failed' ? planned.result.message : file;
    const message = `${why}; ${did}: put it back where that value is now`;
    return { change, planned: failedReport(change, message), isGivenUp: false };
  }
  if (planned.diff === '') return { change, planned, isGivenUp: false };
  if (!isSameJson(planned.before, after)) {
    const now = planned.before === null ? 'is not there' : `is ${planned.before}`;
    const message = `${controller.file}: ${key} ${now}, and ${did}: somebody has changed it since, so it is left as it is and not told again; set it by hand if the agent is not to be run by it so`;
    return { change, planned: failedReport(change, message), isGivenUp: true };
  }
  if (known !== undefined) return { change, planned, isGivenUp: false };
  const message = `${file}: ${did}; no controller of ${context.environment.name} names it any more: put it back by hand`;
  return { change, planned: failedReport(change, message), isGivenUp: false };
}

/** The stop's commit is on a branch of its own, and what the start is made from does not have it: nothing is to be put back there. */
function noteOnBranch({ change: { path, commit }, planned }: Back): string | null {
  if ('result' in planned || planned.diff !== '' || commit === null) return null;
  const { file, branch } = planned.edit;
  if (branch === commit.branch) return null;
  return `${file} has ${path.join('.')} as it was before the stop, whose commit ${commit.id.slice(0, 12)} is on the branch ${commit.branch}: drop that branch; if it was merged elsewhere, the value is to be put back there`;
}

/** A value as a stop would set it, of which the journal knows nothing: killed before its entry, or set by hand. */
async function noteOnUnknown(
  context: LifecycleContext,
  request: LifecycleRequest,
  controller: RoleFileController,
): Promise<string | null> {
  const { file, path, onStop } = controller;
  const stopped = JSON.stringify(onStop);
  const planned = await plan(context, request, controller, stopped);
  if ('result' in planned || planned.diff !== '') return null;
  return `${file} has ${path.join('.')} at ${stopped}, as a stop would set it, and the journal knows of no stop that did: whoever reads it keeps the agent stopped until it is changed by hand`;
}
