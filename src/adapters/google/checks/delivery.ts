/**
 * Can a package be fetched as hosts will fetch it: the URL is really signed, and the first bytes are really asked for, from here.
 *
 * DL1  The URL is a secret and gets into no message.
 * DL2  A success is the package itself: its first bytes came, out of as many as it has. Whoever stands in the way may answer 200 too.
 */
import type { Artifact } from '../../../domain/artifact.ts';
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
/** That many are asked for. */
const FIRST_BYTES = 8;

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
      if (!listed.ok) return [skipped(what, 'the staged packages cannot be listed: see staged packages')];
      const [artifact] = listed.value;
      if (artifact === undefined) return [await signOnly(what, options)];
      const source = store.sourceOf(artifact);
      if (source.kind !== 'url') return [skipped(what, 'the store gives no URL')];
      const request = await source.request();
      if (!request.ok) return [await unsigned(what, request.error, options)];
      return [await fetchFirst({ what, url: request.value.url, artifact, signal }, options)];
    },
  };
}

async function signOnly(what: string, options: DeliveryCheckOptions): Promise<Finding> {
  const signed = await options.objects().signedUrl('doctor-asks-and-writes-nothing', '1', LIFETIME_MS);
  return signed.ok
    ? fine(what, 'a URL can be signed; nothing is staged yet that could be fetched with it')
    : unsigned(what, signed.error, options);
}

async function unsigned(
  what: string,
  message: string,
  { asker, settings }: DeliveryCheckOptions,
): Promise<Finding> {
  if (!/\bsign/i.test(message))
    return brokenAs(what, message, `see permissions on gs://${settings.bucket}, and: rollout releases`);
  const member = await asker.member();
  const account = /^serviceAccount:(.+)$/.exec(member)?.[1];
  const mend =
    account === undefined
      ? 'a person cannot sign: set artifacts.credentials.impersonate to a service account, or artifacts.delivery to service-account or sftp'
      : `gcloud iam service-accounts add-iam-policy-binding ${account} --member=${member} --role=roles/iam.serviceAccountTokenCreator`;
  return brokenAs(what, `no URL can be signed: ${message}`, mend);
}

interface Fetch {
  readonly what: string;
  readonly url: string;
  readonly artifact: Artifact;
  readonly signal: AbortSignal;
}

async function fetchFirst(fetching: Fetch, options: DeliveryCheckOptions): Promise<Finding> {
  const { what, url, artifact, signal } = fetching;
  const where = new URL(url).origin;
  const name = `package of ${artifact.version}`;
  try {
    // The method is part of the signature, so that HEAD would be refused.
    const headers = { range: `bytes=0-${FIRST_BYTES - 1}` };
    const answer = await fetch(url, { headers, redirect: 'manual', signal });
    const first = await beginningOf(answer, answer.ok ? FIRST_BYTES : MOST_OF_AN_ERROR);
    if (!answer.ok)
      return await refusal(fetching, { status: answer.status, text: first.toString() }, options);
    // DL2
    const wanted = Math.min(FIRST_BYTES, artifact.size);
    return first.length >= wanted && lengthToldIn(answer) === artifact.size
      ? fine(what, `the ${name} can be fetched from ${where} with a signed URL`)
      : broken(
          what,
          `${where} answers a signed URL of the ${name} with something that is not that package`,
          `look at artifacts.fetchFrom in ${options.file}, and for a proxy or a sign-in page of the network in between`,
        );
  } catch (cause) {
    // DL1: fetch's own message may hold the URL.
    return unreached(what, where, codeOf(cause), options);
  }
}

/** An error's XML is shorter, bytes. */
const MOST_OF_AN_ERROR = 4_096;

/** The first bytes of a body, `most` at most; rejects when it breaks off before. */
async function beginningOf({ body }: Response, most: number): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let size = 0;
  // Leaving the loop calls the rest off.
  for await (const part of body ?? []) {
    parts.push(part);
    size += part.length;
    if (size >= most) break;
  }
  return Buffer.concat(parts).subarray(0, most);
}

/** How long the whole is; null where that is not told. */
function lengthToldIn({ status, headers }: Response): number | null {
  const text =
    status === 206
      ? /\/(\d+)$/.exec(headers.get('content-range') ?? '')?.[1]
      : (headers.get('content-length') ?? undefined);
  return text === undefined ? null : Number(text);
}

interface Refused {
  readonly status: number;
  readonly text: string;
}

/** By the code in https://cloud.google.com/storage/docs/xml-api/reference-status, for what it can be mended with. */
async function refusal(
  { what, url, artifact }: Fetch,
  { status, text }: Refused,
  { settings, asker, file }: DeliveryCheckOptions,
): Promise<Finding> {
  const code = /<Code>([A-Za-z]{1,40})<\/Code>/.exec(text)?.[1] ?? '';
  const found = `${new URL(url).origin} answers HTTP ${status}${code === '' ? '' : ` (${code})`} to a signed URL of the package of ${artifact.version}`;
  const clock = 'timedatectl set-ntp true, then: timedatectl';
  if (code === 'ExpiredToken' || /not yet valid/.test(text))
    return broken(what, `${found}: by its clock that is not valid now, and it was signed just now`, clock);
  if (code === 'NoSuchKey' || status === 404)
    return broken(
      what,
      `${found}: its bytes are gone, though its manifest is there`,
      `rollout stage ${artifact.version} with the same file again`,
    );
  if (status === 403 && code !== 'SignatureDoesNotMatch')
    return broken(
      what,
      `${found}: whose key signs may not read the bucket`,
      `gcloud storage buckets add-iam-policy-binding gs://${settings.bucket} --member=${await asker.member()} --role=roles/storage.objectViewer`,
    );
  return broken(what, found, `look at artifacts.fetchFrom in ${file}`);
}

function unreached(
  what: string,
  where: string,
  code: string,
  { settings, file }: DeliveryCheckOptions,
): Finding {
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

function codeOf(cause: unknown): string {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return inner instanceof Error && 'code' in inner ? String(inner.code) : 'no answer';
}
