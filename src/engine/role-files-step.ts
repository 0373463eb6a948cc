/**
 * What a lifecycle action changes in JSON files of checkouts, such as Chef roles: planned, shown, done, journaled.
 *
 * RF1  Such a file is about every host of the environment. Only what stops all of them with a hold changes it, and only what leaves no
 *      hold elsewhere puts it back; otherwise it is left alone, and that is said.
 * RF2  A start puts back what the journal says was there before a stop, and nothing that anybody else has set since.
 * RF3  Nothing here throws or hangs, and nothing here holds up a stop: what goes wrong is a report that makes the end incomplete.
 * RF4  What is changed is what was shown: the adapter refuses a file that is no longer as it was planned from.
 *
 * A stop changes files while its hosts are being stopped; a start must do it before, or what reads them stops the agent again. Who is
 * killed between a change and its entry leaves a value that the journal does not know of: the next start says so.
 */
import type { EntryBody } from '../domain/journal.ts';
import type { ActionPart, Controller, RoleFileChange } from '../domain/lifecycle.ts';
import { err, type Result } from '../domain/result.ts';
import type { EnvironmentState } from '../domain/state.ts';
import type { PlannedRoleFileEdit, RoleFileEdit } from '../ports/role-files.ts';
import type { LifecycleContext } from './context.ts';
import { fillIn, fillingsOf, isStart, isStop } from './lifecycle-orders.ts';
import type { LifecycleRequest, RoleFilePlan, RoleFileReport } from './lifecycle-types.ts';
import { within } from './within.ts';

/** How long one file may take to be read, and to be changed and committed, ms: checkouts may lie on a disk that hangs. */
const PLAN_MS = 10_000;
const APPLY_MS = 30_000;

const NOTHING: RoleFilePlan = { edits: [], undoes: [], failed: [], notes: [] };

type RoleFileController = Extract<Controller, { kind: 'role-file' }>;

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
  for (const planned of plan.edits) {
    const { name, file } = planned.edit;
    const unknown = 'it was not done in time; whether it will be is not known';
    const applied = await guarded(context, { ms: APPLY_MS, file, late: unknown }, () =>
      context.roleFiles.apply(planned),
    );
    if (!applied.ok) {
      reports.push(failedReport(planned.edit, applied.error));
      continue;
    }
    const isChanged = planned.diff !== '';
    const undone = plan.undoes.find((one) => isSamePlace(one, planned.edit));
    // Told as the stop's own change turned round: by that it leaves the journal's list, also where it was so already.
    const change =
      undone === undefined ? applied.value : { ...applied.value, before: undone.after, after: undone.before };
    if (isChanged || undone !== undefined) await record({ kind: 'role-file-changed', ...part(), change });
    reports.push({
      name,
      file,
      result: isChanged ? { kind: 'changed', diff: planned.diff, change } : { kind: 'already-so' },
    });
  }
  return reports;
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
  return { ...NOTHING, ...sorted(planned) };
}

interface Known {
  readonly controllers: readonly RoleFileController[];
  readonly state: EnvironmentState | null;
}

/** RF2. */
async function planStart(
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
  const undone = await Promise.all(
    state.roleFiles.map((change) => planBack(context, request, change, controllers)),
  );
  const unknown = controllers.filter((one) => !state.roleFiles.some((change) => isSamePlace(change, one)));
  const notes = await Promise.all(unknown.map((one) => noteOnUnknown(context, request, one)));
  return {
    ...sorted(undone),
    undoes: state.roleFiles,
    notes: notes.flatMap((note) => (note === null ? [] : [note])),
  };
}

/** RF2. Whoever has set another value since had a reason. */
async function planBack(
  context: LifecycleContext,
  request: LifecycleRequest,
  change: RoleFileChange,
  controllers: readonly RoleFileController[],
): Promise<PlannedRoleFileEdit | RoleFileReport> {
  const { file, path, before, after } = change;
  const was = before === null ? 'it was not there' : `it was ${before}`;
  const controller = controllers.find((one) => isSamePlace(change, one));
  if (controller === undefined) {
    const message = `${file}: a stop has set ${path.join('.')} to ${after}, before that ${was}; no controller of ${context.environment.name} names it any more: put it back by hand`;
    return failedReport(change, message);
  }
  const planned = await plan(context, request, controller, before);
  if ('result' in planned || planned.diff === '' || isSameJson(planned.before, after)) return planned;
  const now = planned.before === null ? 'is not there' : `is ${planned.before}`;
  const message = `${file}: ${path.join('.')} ${now}, which is neither what the stop set (${after}) nor what was before it: somebody has changed it since, so it is left as it is`;
  return failedReport(change, message);
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

async function plan(
  context: LifecycleContext,
  request: LifecycleRequest,
  controller: RoleFileController,
  value: string | null,
): Promise<PlannedRoleFileEdit | RoleFileReport> {
  const { name, file, path, branch } = controller;
  const fillings = { ...fillingsOf(context, request), verb: request.verb, actionId: request.actionId };
  const edit: RoleFileEdit = {
    name,
    file,
    path,
    value,
    branch: branch === null ? null : fillIn(branch, fillings),
    message: messageOf(context, request),
  };
  const late = 'it could not be read in time';
  const planned = await guarded(context, { ms: PLAN_MS, file, late }, () => context.roleFiles.plan(edit));
  return planned.ok ? planned.value : failedReport(edit, planned.error);
}

/** Who, why, until when. */
function messageOf(context: LifecycleContext, request: LifecycleRequest): string {
  const { reason, by, until, environment } = fillingsOf(context, request);
  const { package: agent } = context.environment.policy.agent;
  const lines = [
    isStart(request) ? `Run ${agent} in ${environment} again` : `Keep ${agent} stopped in ${environment}`,
    '',
    ...(reason === '' ? [] : [`Reason: ${reason}`]),
    `By: ${by}`,
    ...(until === '' ? [] : [`Until: ${until}`]),
    `Action: ${request.actionId}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** RF3. */
async function guarded<T>(
  { clock }: LifecycleContext,
  { ms, file, late }: { readonly ms: number; readonly file: string; readonly late: string },
  work: () => Promise<Result<T, string>>,
): Promise<Result<T, string>> {
  try {
    const done = await within(clock, ms, work);
    return done ?? err(`${file}: ${late} (${ms / 1000} s)`);
  } catch (cause) {
    return err(`${file}: a bug in this program: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function sorted(
  planned: readonly (PlannedRoleFileEdit | RoleFileReport)[],
): Pick<RoleFilePlan, 'edits' | 'failed'> {
  return {
    edits: planned.flatMap((one) => ('result' in one ? [] : [one])),
    failed: planned.flatMap((one) => ('result' in one ? [one] : [])),
  };
}

function failedReport(
  { name, file }: { readonly name: string; readonly file: string },
  message: string,
): RoleFileReport {
  return { name, file, result: { kind: 'failed', message } };
}

type Place = Pick<RoleFileChange, 'file' | 'path'>;

function isSamePlace(a: Place, b: Place): boolean {
  return a.file === b.file && JSON.stringify(a.path) === JSON.stringify(b.path);
}

/** The same value, however it is written. */
function isSameJson(a: string | null, b: string | null): boolean {
  if (a === null || b === null || a === b) return a === b;
  try {
    return JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b));
  } catch {
    return false;
  }
}
