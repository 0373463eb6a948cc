/** Why a host could not fetch a package, in sentences that say what mends it. No part of a URL's query is in them. */
import type { FetchRequest } from '../../ports/remote.ts';

/** The host's `fetch` step that failed, read as numbers and bare words, and what is known of it here. */
export interface FetchTrouble {
  readonly why: string;
  /** `curl` or `wget`. */
  readonly tool: string;
  /** How that ended. */
  readonly exit: number;
  /** Of HTTP; 0: there was no answer. */
  readonly status: number;
  /** The store's own word such as `ExpiredToken`; or the size, or the digest, that came. */
  readonly reason: string;
  /** The VM's service account; empty where it is not known. */
  readonly account: string;
  readonly attempts: number;
  readonly freeKib: number;
  readonly needKib: number;
  /** Bytes. */
  readonly size: number;
  /** Host and path. */
  readonly where: string;
  readonly authorization: FetchRequest['authorization'];
  /** Why the store gave no URL. */
  readonly storeSays: string;
}

const BY_SFTP = 'set artifacts.delivery: sftp';

/** Host and path of a URL, which may be shown; bounded. */
export function whereOf(url: string): string {
  const { host, pathname } = new URL(url);
  const where = `${host}${pathname}`;
  return where.length <= 200 ? where : `${where.slice(0, 200)}...`;
}

export function explainFetch(trouble: FetchTrouble): string {
  const { where } = trouble;
  switch (trouble.why) {
    case 'no-url':
      return `the host does not keep it, and the store cannot have it fetched: ${trouble.storeSays}`;
    case 'odd-home':
      return `the home folder of the user there has a name that cannot be used here; ${BY_SFTP}`;
    case 'no-folder':
      return 'the folder .cache/rollout in the home of the user there cannot be made or written to';
    case 'no-space':
      return `no space in .cache/rollout of the user's home: ${trouble.freeKib} KiB free, the package needs ${trouble.needKib} KiB`;
    case 'no-client':
      return `the host has neither curl nor wget to fetch it with; install curl there, or ${BY_SFTP}`;
    case 'no-curl':
      return 'the host has no curl, and wget cannot be given a token without showing it; install curl there, or set artifacts.delivery: signed-url';
    case 'no-token':
      return `the VM's metadata server gave no token${trouble.account === '' ? ', and no service account' : ` for ${trouble.account}`}; attach a service account to the VM that may read the bucket, or set artifacts.delivery: signed-url`;
    case 'status':
      return explainStatus(trouble);
    case 'client':
      return `${explainClient(trouble)}${again(trouble)}`;
    case 'write-failed':
      return `it could not be written in .cache/rollout of the user's home (${trouble.freeKib} KiB free there)`;
    case 'too-large':
      return `${where} gives more than the ${trouble.size} bytes that were staged: it is another object`;
    case 'size':
      return `${where} gave ${trouble.reason} bytes instead of ${trouble.size}${again(trouble)}`;
    case 'digest':
      return `${where} gave bytes with sha256 ${trouble.reason}: the package was altered after staging, or on its way`;
    default:
      return `the host could not fetch it from ${where} and gave no reason that is known here`;
  }
}

function explainStatus(trouble: FetchTrouble): string {
  const { status, where, reason, authorization } = trouble;
  const answered = `${where} answered ${status}${reason === '' ? '' : ` (${reason})`}`;
  if (status === 404) return `${answered}: the object or that generation of it is not there any more`;
  if (status === 407) return `${answered}: the proxy that the host uses wants a password`;
  if (status >= 300 && status < 400)
    return `${answered}: a redirect, which is not followed; is artifacts.fetchFrom the right address?`;
  if (status === 400 || status === 401 || status === 403) {
    return authorization === 'vm-service-account'
      ? `${answered}: the VM's service account${trouble.account === '' ? '' : ` ${trouble.account}`} may not read it; it needs roles/storage.objectViewer on the bucket, and the VM an access scope for storage`
      : `${answered}: the signed URL has expired, or the clock of the machine that signed it is wrong, or the account that signed it lacks roles/storage.objectViewer on the bucket`;
  }
  return `${answered}${again(trouble)}`;
}

/** By the exit codes in curl's and wget's manuals. */
function explainClient({ tool, exit, where }: FetchTrouble): string {
  const host = where.split('/', 1)[0];
  const way = `the host needs a way to ${host} (Private Google Access, NAT or a proxy), or ${BY_SFTP}`;
  const met = `(${tool} ended with ${exit})`;
  switch (`${tool}:${exit}`) {
    case 'curl:5':
      return `the proxy that the host uses has a name that does not resolve there ${met}`;
    case 'curl:6':
      return `the name of ${host} does not resolve there ${met}; ${way}`;
    case 'curl:7':
      return `${host} cannot be reached from there ${met}; ${way}`;
    case 'curl:18':
    case 'curl:52':
    case 'curl:56':
    case 'curl:92':
      return `the transfer from ${host} broke off ${met}`;
    case 'curl:28':
    case 'wget:124':
    case 'wget:137':
      return `${host} did not answer, or too slowly ${met}; ${way}`;
    case 'curl:35':
    case 'curl:60':
    case 'curl:77':
    case 'wget:5':
      return `the certificate of ${host} is not trusted there ${met}: is ca-certificates installed, is the host's clock right, does a proxy stand between?`;
    case 'wget:4':
      return `the transfer from ${host} did not come about or broke off ${met}; ${way}`;
    case 'wget:2':
      return `wget does not know its options ${met}; install curl there`;
    default:
      return `the transfer from ${host} failed ${met}`;
  }
}

function again({ attempts }: FetchTrouble): string {
  return attempts > 1 ? `, after ${attempts} attempts` : '';
}
