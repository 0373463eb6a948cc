/**
 * Can a package be fetched as hosts will fetch it: the URL is really signed, and one byte of it is really asked for, from here.
 *
 * DL1  The URL is a secret and gets into no message.
 */
import type { GcsArtifacts } from '../../../domain/cloud.ts';
import type { ArtifactStore } from '../../../ports/artifact-store.ts';
import {
  broken,
  brokenAs,
  doubtful,
  type Finding,
  fine,
  type SelfCheck,
  skipped,
} from '../../../ports/self-check.ts';
import type { Objects } from '../storage/objects.ts';
import type { GoogleAsker } from './ask.ts';

export interface DeliveryCheckOptions {
  readonly settings: GcsArtifacts;
  readonly store: ArtifactStore;
  readonly objects: () => Objects;
  readonly asker: GoogleAsker;
  /** The environment's file, for mends. */
  readonly file: string;
}

const LIFETIME_MS = 60_000;

export function deliveryCheck(options: DeliveryCheckOptions): SelfCheck {
  const { settings, store } = options;
  const what = `delivery by ${settings.delivery}`;
  return {
    area: 'artifacts',
    what,
    whenSilent: "look at this machine's way to storage.googleapis.com and iamcredentials.googleapis.com",
    async run(signal) {
      if (settings.delivery === 'sftp')
        return [fine(what, 'packages go from here over SSH: look at the way to hosts')];
      if (settings.delivery === 'service-account')
        return [
          skipped(
            what,
            `hosts ask as their own service accounts, which cannot be tried from here: each needs roles/storage.objectViewer on gs://${settings.bucket} and the scope devstorage.read_only`,
          ),
        ];
      const listed = await store.list();
      const [artifact] = listed.ok ? listed.value : [];
      if (artifact === undefined) return [await signOnly(what, options)];
      const source = store.sourceOf(artifact);
      if (source.kind !== 'url') return [skipped(what, 'the store gives no URL')];
      const request = await source.request();
      if (!request.ok) return [await unsigned(what, request.error, options)];
      return [await fetchOne(what, request.value.url, `package of ${artifact.version}`, options, signal)];
    },
  };
}

async function signOnly(what: string, options: DeliveryCheckOptions): Promise<Finding> {
  const signed = await options.objects().signedUrl('doctor-asks-and-writes-nothing', '1', LIFETIME_MS);
  return signed.ok
    ? fine(what, 'a URL can be signed; nothing is staged yet that could be fetched with it')
    : unsigned(what, signed.error, options);
}

async function unsigned(what: string, message: string, { asker }: DeliveryCheckOptions): Promise<Finding> {
  const member = await asker.member();
  const account = /^serviceAccount:(.+)$/.exec(member)?.[1];
  const mend =
    account === undefined
      ? 'a person cannot sign: set artifacts.credentials.impersonate to a service account, or artifacts.delivery to service-account or sftp'
      : `gcloud iam service-accounts add-iam-policy-binding ${account} --member=${member} --role=roles/iam.serviceAccountTokenCreator`;
  return brokenAs(what, `no URL can be signed: ${message}`, mend);
}

async function fetchOne(
  what: string,
  url: string,
  name: string,
  { settings, file }: DeliveryCheckOptions,
  signal: AbortSignal,
): Promise<Finding> {
  const where = new URL(url).origin;
  try {
    // The method is part of the signature, so that HEAD would be refused.
    const answer = await fetch(url, { headers: { range: 'bytes=0-0' }, redirect: 'manual', signal });
    await answer.body?.cancel();
    if (answer.status === 200 || answer.status === 206)
      return fine(what, `the ${name} can be fetched from ${where} with a signed URL`);
    const mend =
      answer.status === 403
        ? 'look at the clock of this machine, and that whose key signs may read the bucket (storage.objects.get)'
        : `look at artifacts.fetchFrom in ${file}`;
    return broken(what, `${where} answers HTTP ${answer.status} to a signed URL of the ${name}`, mend);
  } catch (cause) {
    // DL1: fetch's own message may hold the URL.
    const inner = cause instanceof Error ? cause.cause : undefined;
    const code = inner instanceof Error && 'code' in inner ? String(inner.code) : 'no answer';
    const found = `${where} cannot be reached from here (${code})`;
    return settings.fetchFrom === undefined
      ? broken(
          what,
          found,
          "look at this machine's network and proxy; hosts need a way to storage.googleapis.com too",
        )
      : doubtful(
          what,
          `${found}; hosts may reach it all the same`,
          `on a host: curl -sI ${where}; artifacts.fetchFrom in ${file}`,
        );
  }
}
