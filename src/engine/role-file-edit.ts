/** One value in one JSON file of a checkout, as a lifecycle action would set it: planned within a time, never thrown (RF3). */
import type { Controller, RoleFileChange } from '../domain/lifecycle.ts';
import { err, type Result } from '../domain/result.ts';
import type { PlannedRoleFileEdit, RoleFileEdit } from '../ports/role-files.ts';
import type { LifecycleContext } from './context.ts';
import { fillIn, fillingsOf, isStart } from './lifecycle-orders.ts';
import type { LifecycleRequest, RoleFilePlan, RoleFileReport } from './lifecycle-types.ts';
import { within } from './within.ts';

/** How long one file may take to be read, ms: checkouts may lie on a disk that hangs. */
export const PLAN_MS = 10_000;

export const NOTHING: RoleFilePlan = { edits: [], undoes: [], failed: [], notes: [] };

export type RoleFileController = Extract<Controller, { kind: 'role-file' }>;

export async function plan(
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
    branch: branch === null ? null : fillIn(branch, { ...fillings, by: branchWord(fillings.by) }),
    message: messageOf(context, request),
  };
  const late = 'it could not be read in time';
  const planned = await guarded(context, { ms: PLAN_MS, file, late }, () => context.roleFiles.plan(edit));
  return planned.ok ? planned.value : failedReport(edit, planned.error);
}

/** Who it is, as far as git takes it in a branch's name: `CORP\\ops@laptop` is somebody's name too. */
function branchWord(by: string): string {
  return by
    .replaceAll(/[^A-Za-z0-9._@-]+/g, '-')
    .replaceAll(/\.{2,}/g, '.')
    .replaceAll(/(^[.-]+)|(\.|\.lock)$/g, '');
}

/** Who, why, and when it is due. */
function messageOf(context: LifecycleContext, request: LifecycleRequest): string {
  const { reason, by, until, environment } = fillingsOf(context, request);
  const { package: agent } = context.environment.policy.agent;
  const lines = [
    isStart(request) ? `Run ${agent} in ${environment} again` : `Keep ${agent} stopped in ${environment}`,
    '',
    ...(reason === '' ? [] : [`Reason: ${reason}`]),
    `By: ${by}`,
    ...(until === '' ? [] : [`Due: ${until}`]),
    `Action: ${request.actionId}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** RF3. */
export async function guarded<T>(
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

export function sorted(
  planned: readonly (PlannedRoleFileEdit | RoleFileReport)[],
): Pick<RoleFilePlan, 'edits' | 'failed'> {
  return {
    edits: planned.flatMap((one) => ('result' in one ? [] : [one])),
    failed: planned.flatMap((one) => ('result' in one ? [one] : [])),
  };
}

export function failedReport(
  { name, file }: { readonly name: string; readonly file: string },
  message: string,
): RoleFileReport {
  return { name, file, result: { kind: 'failed', message } };
}

type Place = Pick<RoleFileChange, 'file' | 'path'>;

export function isSamePlace(a: Place, b: Place): boolean {
  return a.file === b.file && isSamePath(a.path, b.path);
}

function isSamePath(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The controller that the change came from names another file now. */
export function isMovedTo(
  change: RoleFileChange,
  { name, path }: { readonly name: string } & Pick<Place, 'path'>,
): boolean {
  return change.name === name && isSamePath(change.path, path);
}

/** The stop's own change turned round. */
export function turnedRound({
  name,
  file,
  path,
  before,
  after,
}: RoleFileChange): Omit<RoleFileChange, 'commit'> {
  return { name, file, path, before: after, after: before };
}

/** The same value, however it is written. */
export function isSameJson(a: string | null, b: string | null): boolean {
  if (a === null || b === null || a === b) return a === b;
  try {
    return JSON.stringify(JSON.parse(a)) === JSON.stringify(JSON.parse(b));
  } catch {
    return false;
  }
}
