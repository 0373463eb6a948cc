/** May the VMs of a project be listed, and one of them be asked what every host will be asked. */

import type { GceInventorySettings } from '../../../domain/cloud.ts';
import {
  broken,
  brokenAs,
  doubtful,
  type Finding,
  fine,
  type SelfCheck,
  skipped,
} from '../../../ports/self-check.ts';
import type { CallFailure } from '../compute/call-failure.ts';
import { type CallOptions, type ComputeCalls, computeCalls } from '../compute/calls.ts';
import { osLoginUser } from '../os-login.ts';
import type { GoogleAsker } from './ask.ts';

export interface ComputeCheckOptions {
  readonly settings: GceInventorySettings;
  readonly asker: GoogleAsker;
  /** The environment logs in by OS Login. */
  readonly osLogin: boolean;
}

const REQUEST_MS = 15_000;

export function computeChecks({ settings, asker, osLogin }: ComputeCheckOptions): SelfCheck[] {
  const calls = computeCalls(asker.access);
  const whenSilent = "look at this machine's way to compute.googleapis.com";
  return [
    ...settings.projects.map(
      (project): SelfCheck => ({
        area: 'inventory',
        what: `project ${project}`,
        whenSilent,
        run: (signal) =>
          projectFindings({ calls, project, settings, asker, osLogin }, { timeoutMs: REQUEST_MS, signal }),
      }),
    ),
    ...(osLogin
      ? [
          {
            area: 'credentials' as const,
            what: 'OS Login profile',
            whenSilent: "look at this machine's way to oslogin.googleapis.com",
            run: async () => {
              const user = await osLoginUser(asker.access)();
              return [
                user.ok
                  ? fine('OS Login profile', `logs in as ${user.value}`)
                  : brokenAs('OS Login profile', user.error, 'gcloud compute os-login describe-profile'),
              ];
            },
          },
        ]
      : []),
  ];
}

interface Project extends ComputeCheckOptions {
  readonly calls: ComputeCalls;
  readonly project: string;
}

interface Vm {
  readonly name: string;
  readonly zone: string;
}

async function projectFindings(at: Project, options: CallOptions): Promise<Finding[]> {
  const { calls, project } = at;
  const what = `compute.instances.list in ${project}`;
  const listed = await calls.aggregatedList({ project, maxResults: 1 }, options);
  if (!listed.ok) return [await failureFinding(what, listed.error, at, 'roles/compute.viewer')];
  const [vm] = Object.entries(listed.value.items ?? {}).flatMap(([scope, { instances }]): Vm[] =>
    (instances ?? []).map(({ name }) => ({ name: name ?? '', zone: scope.replace(/^zones\//, '') })),
  );
  if (vm === undefined) return [fine(what, 'permitted; there are no VMs, so nothing else can be asked')];
  return [
    fine(what, 'permitted'),
    ...(await keysFindings(at, vm, options)),
    ...(await loginFindings(at, vm, options)),
  ];
}

/** A real one: what the VM publishes is what hosts are known by. */
async function keysFindings(at: Project, { name, zone }: Vm, options: CallOptions): Promise<Finding[]> {
  const { calls, project, settings } = at;
  if (!settings.publishedHostKeys) return [];
  const what = `compute.instances.getGuestAttributes in ${project}`;
  const answer = await calls.guestAttributes(
    { project, zone, instance: name, queryPath: 'hostkeys/' },
    options,
  );
  const publish = `gcloud compute project-info add-metadata --project=${project} --metadata=enable-guest-attributes=TRUE, then reboot the VMs once; or put their keys into known_hosts`;
  if (answer.ok) {
    const keys = answer.value.queryValue?.items?.length ?? 0;
    return [
      keys > 0
        ? fine(what, `permitted; ${name} publishes ${keys} host ${keys === 1 ? 'key' : 'keys'}`)
        : doubtful(what, `permitted, but ${name} publishes no host key`, publish),
    ];
  }
  const { kind, message } = answer.error;
  // What is permitted and finds nothing: a VM without guest attributes, or with them switched off.
  if (kind === 'not-found' || (kind === 'refused' && /guest attribute/i.test(message)))
    return [doubtful(what, `permitted, but ${name} publishes no host key (${message})`, publish)];
  return [await failureFinding(what, answer.error, at, 'roles/compute.viewer')];
}

async function loginFindings(at: Project, { name, zone }: Vm, options: CallOptions): Promise<Finding[]> {
  if (!at.osLogin) return [];
  const { calls, project, asker } = at;
  const permission = 'compute.instances.osAdminLogin';
  const what = `${permission} in ${project}`;
  const answer = await calls.testPermissions(
    { project, zone, instance: name, permissions: [permission] },
    options,
  );
  if (!answer.ok) return [await failureFinding(what, answer.error, at, 'roles/compute.osAdminLogin')];
  if (answer.value.includes(permission)) return [fine(what, `permitted on ${name}`)];
  const member = await asker.member();
  return [
    broken(
      what,
      `${member} may not log in with sudo on ${name}`,
      `gcloud projects add-iam-policy-binding ${project} --member=${member} --role=roles/compute.osAdminLogin`,
    ),
  ];
}

async function failureFinding(
  what: string,
  failure: CallFailure,
  at: Project,
  role: string,
): Promise<Finding> {
  const { project, asker } = at;
  const { kind, message } = failure;
  switch (kind) {
    case 'credentials':
      return skipped(what, 'nobody is signed in');
    case 'denied':
      return broken(
        what,
        message,
        `gcloud projects add-iam-policy-binding ${project} --member=${await asker.member()} --role=${role}`,
      );
    case 'disabled':
      return broken(
        what,
        `Compute Engine is not enabled in ${project}`,
        `gcloud services enable compute.googleapis.com --project=${project}`,
      );
    case 'not-found':
      return broken(
        what,
        `there is no project ${project}, or these credentials may not know of it (${message})`,
        `look at inventory.projects and: gcloud projects describe ${project}`,
      );
    case 'refused':
      return broken(what, message, `gcloud compute instances list --project=${project} --limit=1`);
    case 'passing':
      return brokenAs(what, message, 'try again; see https://status.cloud.google.com');
    default:
      return kind satisfies never;
  }
}
