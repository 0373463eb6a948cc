/**
 * Which permissions on a bucket are there, asked of Cloud Storage itself.
 *
 * BP1  Nothing is written. Where the bucket as a whole does not give a permission, a condition may give it for the folder: that is
 *      asked there by calls which, permitted, change nothing (a resumable upload that is begun and never sent, the deletion of
 *      an object that is not there).
 * https://cloud.google.com/storage/docs/access-control/iam-json
 */
import type { GcsPlace } from '../../../domain/cloud.ts';
import { broken, brokenAs, doubtful, type Finding, fine, type SelfCheck } from '../../../ports/self-check.ts';
import type { GoogleAsker } from './ask.ts';

export type BucketUse = 'artifacts' | 'journal';

export interface BucketCheckOptions {
  readonly place: GcsPlace;
  readonly use: BucketUse;
  readonly asker: GoogleAsker;
  /** The environment's file, for mends. */
  readonly file: string;
}

/**
 * What each use needs. The lease is overwritten and taken away, which Cloud Storage counts as delete; packages are never.
 * Only `rollout stage` creates packages, so a CI account may do without.
 */
const NEEDS: Readonly<Record<BucketUse, { readonly must: readonly Verb[]; readonly may: readonly Verb[] }>> =
  {
    artifacts: { must: ['get', 'list'], may: ['create'] },
    journal: { must: ['create', 'get', 'list', 'delete'], may: [] },
  };

type Verb = 'create' | 'get' | 'list' | 'delete';

/** Never written; its name says so to whoever reads an audit log. */
const PROBE = 'doctor-asks-and-writes-nothing';

export function storageBase({ endpoints }: GoogleAsker['access']): string {
  return endpoints.storage ?? 'https://storage.googleapis.com';
}

/** `userProject`, where the requester pays. */
export function payer({ project }: GcsPlace): string {
  return project === undefined ? '' : `&userProject=${encodeURIComponent(project)}`;
}

export function permissionCheck(options: BucketCheckOptions): SelfCheck {
  const { place, use, asker } = options;
  const what = `permissions on gs://${place.bucket}`;
  return {
    area: use,
    what,
    whenSilent: "look at this machine's way to storage.googleapis.com",
    async run(signal) {
      const { must, may } = NEEDS[use];
      const wanted = [...must, ...may];
      const query = wanted.map((verb) => `permissions=storage.objects.${verb}`).join('&');
      const url = `${storageBase(asker.access)}/storage/v1/b/${encodeURIComponent(place.bucket)}/iam/testPermissions?${query}${payer(place)}`;
      const answer = await asker.ask({ method: 'GET', url, signal });
      if (answer.kind === 'no-answer') return [brokenAs(what, answer.message, 'try again')];
      if (answer.status !== 200) return [refusedFinding(what, answer, options)];
      const { permissions = [] } = (answer.body ?? {}) as { permissions?: readonly string[] };
      const missing = wanted.filter((verb) => !permissions.includes(`storage.objects.${verb}`));
      const inFolder = await Promise.all(missing.map((verb) => grantedInFolder(verb, options, signal)));
      const gone = missing.filter((_, index) => inFolder[index] !== true);
      const byCondition = missing.length > gone.length ? ', some by a condition on the folder' : '';
      const member = await asker.member();
      return permissionFindings(what, { wanted, gone, must, byCondition, member, bucket: place.bucket, use });
    },
  };
}

interface Outcome {
  readonly wanted: readonly Verb[];
  readonly gone: readonly Verb[];
  readonly must: readonly Verb[];
  readonly byCondition: string;
  readonly member: string;
  readonly bucket: string;
  readonly use: BucketUse;
}

function permissionFindings(what: string, outcome: Outcome): Finding[] {
  const { wanted, gone, must, byCondition, member, bucket, use } = outcome;
  const has = wanted.filter((verb) => !gone.includes(verb));
  if (gone.length === 0) return [fine(what, `objects: ${has.join(', ')}${byCondition}`)];
  const names = gone.map((verb) => `storage.objects.${verb}`).join(', ');
  const roles = use === 'journal' ? ['storage.objectUser'] : rolesFor(gone);
  const mend = roles
    .map(
      (role) =>
        `gcloud storage buckets add-iam-policy-binding gs://${bucket} --member=${member} --role=roles/${role}`,
    )
    .join(' && ');
  return gone.some((verb) => must.includes(verb))
    ? [broken(what, `${member} lacks ${names}`, mend)]
    : [doubtful(what, `${member} lacks ${names}: it can deploy, but not stage`, mend)];
}

function rolesFor(gone: readonly Verb[]): string[] {
  return [
    ...(gone.includes('get') || gone.includes('list') ? ['storage.objectViewer'] : []),
    ...(gone.includes('create') ? ['storage.objectCreator'] : []),
  ];
}

/** What it means when the bucket itself cannot be asked about. */
export function refusedFinding(
  what: string,
  { status, message }: { readonly status: number; readonly message: string },
  { place, use, file }: BucketCheckOptions,
): Finding {
  const said = `HTTP ${status}: ${message}`;
  if (status === 404)
    return broken(
      what,
      `there is no bucket ${place.bucket} (${said})`,
      `look at ${use}.bucket in ${file}, or make it: gcloud storage buckets create gs://${place.bucket} --location=REGION --uniform-bucket-level-access --public-access-prevention`,
    );
  if (status === 400 && /user project|requester pays/i.test(message))
    return broken(
      what,
      `the requester pays for this bucket, and nobody is named (${said})`,
      `set ${use}.project in ${file}`,
    );
  return broken(
    what,
    `Cloud Storage refuses the question (${said})`,
    `gcloud storage buckets describe gs://${place.bucket}`,
  );
}

/** BP1. null: nobody knows. */
async function grantedInFolder(
  verb: Verb,
  { place, asker }: BucketCheckOptions,
  signal: AbortSignal,
): Promise<boolean | null> {
  const base = storageBase(asker.access);
  const bucket = encodeURIComponent(place.bucket);
  const folder = place.prefix === '' ? '' : `${place.prefix}/`;
  const name = encodeURIComponent(`${folder}${PROBE}`);
  const object = `${base}/storage/v1/b/${bucket}/o/${name}`;
  switch (verb) {
    case 'get':
      return permitted(
        await asker.ask({ method: 'GET', url: `${object}?fields=name${payer(place)}`, signal }),
      );
    case 'list': {
      const url = `${base}/storage/v1/b/${bucket}/o?maxResults=1&fields=kind&prefix=${encodeURIComponent(folder)}${payer(place)}`;
      return permitted(await asker.ask({ method: 'GET', url, signal }));
    }
    case 'delete':
      // Of a generation that no object has.
      return permitted(
        await asker.ask({ method: 'DELETE', url: `${object}?generation=1${payer(place)}`, signal }),
      );
    case 'create': {
      // Begun and never sent, and bound to a generation that no object has: it cannot become an object.
      const url = `${base}/upload/storage/v1/b/${bucket}/o?uploadType=resumable&ifGenerationMatch=1&name=${name}${payer(place)}`;
      return permitted(await asker.ask({ method: 'POST', url, signal, headers: { 'content-length': '0' } }));
    }
    default:
      return verb satisfies never;
  }
}

/** What is not there, or does not fit its condition, was looked for: that is permitted. */
function permitted(asked: Awaited<ReturnType<GoogleAsker['ask']>>): boolean | null {
  if (asked.kind === 'no-answer') return null;
  if (asked.status === 401 || asked.status === 403) return false;
  return asked.status < 300 || asked.status === 404 || asked.status === 412 ? true : null;
}
