/** Is a bucket kept as what it holds deserves: nothing lost by a slip, nothing open to the world, nothing in the lease's way. */
import {
  broken,
  brokenAs,
  doubtful,
  type Finding,
  fine,
  type SelfCheck,
  skipped,
} from '../../../ports/self-check.ts';
import { type BucketCheckOptions, payer, refusedFinding, storageBase } from './permissions.ts';

/** Our clock against Google's beyond which it is named, ms: samples are judged by ours, tokens by theirs. */
const SKEW_MS = 5_000;
/** Beyond this tokens and signed URLs begin to be refused, ms. */
const BAD_SKEW_MS = 60_000;

/** The part of https://cloud.google.com/storage/docs/json_api/v1/buckets that is looked at. */
export interface BucketState {
  readonly versioning?: { readonly enabled?: boolean };
  readonly retentionPolicy?: { readonly retentionPeriod?: string };
  readonly softDeletePolicy?: { readonly retentionDurationSeconds?: string };
  readonly defaultEventBasedHold?: boolean;
  readonly iamConfiguration?: {
    readonly uniformBucketLevelAccess?: { readonly enabled?: boolean };
    readonly publicAccessPrevention?: string;
  };
  readonly lifecycle?: {
    readonly rule?: readonly {
      readonly action?: { readonly type?: string };
      readonly condition?: Readonly<Record<string, unknown>>;
    }[];
  };
}

export interface StateCheckOptions extends BucketCheckOptions {
  /** Another part lies in the same bucket, and what is the bucket's own is told there. */
  readonly toldElsewhere?: boolean;
  readonly now: () => number;
}

export function stateCheck(options: StateCheckOptions): SelfCheck {
  const { place, use, asker, now } = options;
  const what = `state of gs://${place.bucket}`;
  return {
    area: use,
    what,
    whenSilent: "look at this machine's way to storage.googleapis.com",
    async run(signal) {
      const url = `${storageBase(asker.access)}/storage/v1/b/${encodeURIComponent(place.bucket)}?projection=noAcl${payer(place)}`;
      const asked = now();
      const answer = await asker.ask({ method: 'GET', url, signal });
      const between = (asked + now()) / 2;
      if (answer.kind === 'no-answer') return [brokenAs(what, answer.message, 'try again')];
      const clock =
        answer.serverTime === null || options.toldElsewhere === true
          ? []
          : [clockFinding(answer.serverTime + 500 - between)];
      if (answer.status === 403) {
        const member = await asker.member();
        const mend = `gcloud storage buckets add-iam-policy-binding gs://${place.bucket} --member=${member} --role=roles/storage.legacyBucketReader`;
        return [
          doubtful(what, `${member} may not look at it (storage.buckets.get), so nobody knows`, mend),
          ...clock,
        ];
      }
      if (answer.status !== 200) return [refusedFinding(what, answer, options), ...clock];
      if (answer.body === null) return [skipped(what, 'the answer is no JSON'), ...clock];
      return [...stateFindings(answer.body as BucketState, options), ...clock];
    },
  };
}

/** Of the server's clock minus ours, ms. Its Date header has whole seconds: half a second is in the middle. */
export function clockFinding(skew: number): Finding {
  const what = "this machine's clock";
  const text = `${Math.abs(skew / 1000).toFixed(1)} s ${skew > 0 ? 'behind' : 'ahead of'} Google's`;
  const mend = 'timedatectl set-ntp true, then: timedatectl';
  if (Math.abs(skew) > BAD_SKEW_MS)
    return broken(what, `${text}: tokens and signed URLs will be refused`, mend);
  return Math.abs(skew) > SKEW_MS ? doubtful(what, text, mend) : fine(what, `within 5 s of Google's`);
}

/** What a bucket's own description shows. Pure. */
export function stateFindings(
  state: BucketState,
  { place, use, toldElsewhere = false }: Pick<StateCheckOptions, 'place' | 'use' | 'toldElsewhere'>,
): Finding[] {
  const bucket = `gs://${place.bucket}`;
  return [
    keptFinding(state, use, bucket),
    ...inTheWay(state, use, bucket),
    ...(toldElsewhere ? [] : accessFindings(state, bucket)),
    ...lifecycleFindings(state, place.prefix, bucket),
  ];
}

function accessFindings(state: BucketState, bucket: string): Finding[] {
  const update = (flag: string): string => `gcloud storage buckets update ${bucket} ${flag}`;
  const uniform = state.iamConfiguration?.uniformBucketLevelAccess?.enabled === true;
  const isPrivate = state.iamConfiguration?.publicAccessPrevention === 'enforced';
  return [
    uniform
      ? fine(`access to ${bucket}`, 'uniform: IAM alone decides')
      : doubtful(
          `access to ${bucket}`,
          'single objects have lists of their own beside IAM',
          update('--uniform-bucket-level-access'),
        ),
    isPrivate
      ? fine(`openness of ${bucket}`, 'public access is prevented')
      : doubtful(
          `openness of ${bucket}`,
          'nothing but its IAM policy keeps it from being made public',
          update('--public-access-prevention'),
        ),
  ];
}

function keptFinding(state: BucketState, use: BucketCheckOptions['use'], bucket: string): Finding {
  const what = `versions in ${bucket}`;
  const retentionS = Number(state.retentionPolicy?.retentionPeriod ?? 0);
  const softS = Number(state.softDeletePolicy?.retentionDurationSeconds ?? 0);
  const soft = softS > 0 ? `; deleted objects can be had back for ${days(softS)}` : '';
  if (state.versioning?.enabled === true) return fine(what, `old generations are kept${soft}`);
  if (use === 'artifacts' && retentionS > 0)
    return fine(what, `nothing can be deleted for ${days(retentionS)}${soft}`);
  const mend = `gcloud storage buckets update ${bucket} --versioning${use === 'artifacts' ? ` (or, where no journal is in it: --retention-period=1y)` : ''}`;
  return doubtful(what, `an object that is overwritten or deleted by a slip is gone${soft}`, mend);
}

/**
 * The lease is one object that is written anew every few seconds. Retention forbids that; beside versioning, which it could not stand
 * beside for long, it forbids at least to take old generations away.
 */
function inTheWay(state: BucketState, use: BucketCheckOptions['use'], bucket: string): Finding[] {
  if (use !== 'journal') return [];
  const what = `lease in ${bucket}`;
  const retentionS = Number(state.retentionPolicy?.retentionPeriod ?? 0);
  if (retentionS > 0) {
    const mend = `gcloud storage buckets update ${bucket} --clear-retention-period --versioning (or keep the journal in a bucket of its own)`;
    return [
      state.versioning?.enabled === true
        ? doubtful(
            what,
            `a retention of ${days(retentionS)} keeps every generation of the lease, one each renewal`,
            mend,
          )
        : broken(
            what,
            `a retention of ${days(retentionS)} forbids to overwrite the lease, so that nobody could ever work`,
            mend,
          ),
    ];
  }
  return state.defaultEventBasedHold === true
    ? [
        broken(
          what,
          'every new object is held, also the lease, which has to be overwritten',
          `gcloud storage buckets update ${bucket} --no-default-event-based-hold`,
        ),
      ]
    : [];
}

/** Conditions that spare what is live. */
const OLD_ONLY = ['numNewerVersions', 'daysSinceNoncurrentTime', 'noncurrentTimeBefore'];

function lifecycleFindings(state: BucketState, prefix: string, bucket: string): Finding[] {
  const deleting = (state.lifecycle?.rule ?? []).filter(({ action, condition = {} }) => {
    if (action?.type !== 'Delete' || condition.isLive === false) return false;
    if (OLD_ONLY.some((key) => Number(condition[key] ?? 0) > 0 || typeof condition[key] === 'string'))
      return false;
    const prefixes = Array.isArray(condition.matchesPrefix) ? condition.matchesPrefix.map(String) : [];
    const folder = prefix === '' ? '' : `${prefix}/`;
    return prefixes.length === 0 || prefixes.some((one) => one.startsWith(folder) || folder.startsWith(one));
  });
  const what = `lifecycle of ${bucket}`;
  const [first] = deleting;
  if (first === undefined)
    return [fine(what, `no rule deletes what lives${prefix === '' ? '' : ` below ${prefix}/`}`)];
  return [
    doubtful(
      what,
      `a rule deletes what lives${prefix === '' ? '' : ` below ${prefix}/`}: ${JSON.stringify(first.condition ?? {})}`,
      `gcloud storage buckets describe ${bucket} --format="json(lifecycle_config)", then give that rule a matchesPrefix: gcloud storage buckets update ${bucket} --lifecycle-file=FILE`,
    ),
  ];
}

function days(seconds: number): string {
  const whole = Math.round(seconds / 86_400);
  return whole >= 1 ? `${whole} ${whole === 1 ? 'day' : 'days'}` : `${seconds} s`;
}
