/**
 * Host keys that VMs publish of themselves as guest attributes, by instance id.
 *
 * G1  What was published once is remembered; only `fresh` asks again.
 * G2  When Compute Engine does not answer, it is asked about one VM every 15 s until it does, not about each of ten thousand.
 */
import pLimit from 'p-limit';
import type { GoogleCredentials } from '../../../domain/cloud.ts';
import type { Result } from '../../../domain/result.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { HostKeySource, HostKeysAnswer, PublishedKey } from '../../../ports/host-keys.ts';
import type { RemoteHost } from '../../../ports/remote.ts';
import type { GoogleAccess } from '../access.ts';
import { memberOf } from '../access-errors.ts';
import type { GuestAttributesAnswer } from './answers.ts';
import type { CallFailure } from './call-failure.ts';
import { computeCalls } from './calls.ts';
import { keyCache } from './key-cache.ts';
import { persist } from './persist.ts';
import { keyOf } from './published-key.ts';

export interface GuestAttributeOptions {
  readonly access: GoogleAccess;
  readonly clock: Clock;
  /** Folder of this machine where keys are remembered by instance id; made with mode 0700. */
  readonly cacheFolder: string;
  /** For one VM, all attempts together, ms. Default 15,000. */
  readonly askMs?: number;
  /** For one request, ms. Default 5,000. */
  readonly requestMs?: number;
}

/** A wave of thousands is no burst for the project's read quota. */
const ASKED_AT_ONCE = 32;

/** G2. */
const LEFT_ALONE_MS = 15_000;

type Placed = RemoteHost & { readonly project: string; readonly zone: string };

export function guestAttributeKeys(options: GuestAttributeOptions): HostKeySource {
  const { access, clock, cacheFolder, askMs = 15_000, requestMs = 5_000 } = options;
  const calls = computeCalls(access);
  const cache = keyCache(cacheFolder);
  const limit = pLimit(ASKED_AT_ONCE);
  const underWay = new Map<string, Promise<HostKeysAnswer>>();
  let away: { readonly since: number; readonly message: string } | null = null;

  const ask = async (host: Placed): Promise<HostKeysAnswer> => {
    if (away !== null) {
      const forMs = clock.now() - away.since;
      if (forMs >= 0 && forMs < LEFT_ALONE_MS)
        return {
          kind: 'unavailable',
          message: `${host.name} was not asked about, since a moment ago ${away.message}`,
        };
      // This one finds out; the others need not wait for it.
      away = { ...away, since: clock.now() };
    }
    const request = {
      project: host.project,
      zone: host.zone,
      // A name may be another VM's by now.
      instance: host.id,
      queryPath: 'hostkeys/',
    };
    const answer = await persist((timeoutMs) => calls.guestAttributes(request, { timeoutMs }), {
      clock,
      until: clock.now() + askMs,
      requestMs,
    });
    const found = read(host, answer, access.credentials);
    const isAway = !answer.ok && (answer.error.retryable || answer.error.kind === 'credentials');
    away = isAway && found.kind === 'unavailable' ? { since: clock.now(), message: found.message } : null;
    if (found.kind === 'published') await cache.write(host.id, found.keys);
    return found;
  };

  return {
    async keysOf(host, { fresh = false, signal } = {}) {
      if (!isPlaced(host))
        return {
          kind: 'none',
          mend: `the inventory does not say in which project and zone ${host.name} is; write its key into a known_hosts file`,
        };
      if (!fresh) {
        const keys = await cache.read(host.id);
        if (keys !== null) return { kind: 'published', keys, source: sourceOf(host) };
      }
      // Two who need the same key ask once; each may stop waiting without stopping the other.
      const asked = underWay.get(host.id) ?? limit(() => ask(host));
      underWay.set(host.id, asked);
      const forget = (): void => void (underWay.get(host.id) === asked && underWay.delete(host.id));
      asked.then(forget, forget);
      return signal === undefined ? asked : until(signal, host, asked);
    },
  };
}

function isPlaced(host: RemoteHost): host is Placed {
  return host.project !== undefined && host.zone !== undefined && host.project !== '' && host.zone !== '';
}

function sourceOf({ name, project, zone }: Placed): string {
  return `guest attributes of ${name} (${project}/${zone})`;
}

function read(
  host: Placed,
  answer: Result<GuestAttributesAnswer, CallFailure>,
  credentials: GoogleCredentials,
): HostKeysAnswer {
  if (!answer.ok) return explain(host, answer.error, credentials);
  const items = (answer.value.queryValue?.items ?? []).filter(({ namespace }) => namespace === 'hostkeys');
  const keys: PublishedKey[] = [];
  for (const { key, value } of items) {
    const published = keyOf(key ?? '', (value ?? '').trim());
    if (published !== null) keys.push(published);
  }
  if (keys.length > 0) return { kind: 'published', keys, source: sourceOf(host) };
  return {
    kind: 'none',
    mend:
      items.length === 0
        ? mendOf(host)
        : `${host.name} publishes ${items.length} host key(s), but none that is one; restart google-guest-agent on it, or write its key into a known_hosts file`,
  };
}

function mendOf({ name, zone, project }: Placed): string {
  return `have ${name} publish its keys: gcloud compute instances add-metadata ${name} --zone=${zone} --project=${project} --metadata=enable-guest-attributes=TRUE, then on it: sudo systemctl restart google-guest-agent (or reboot it); or write its key into a known_hosts file`;
}

function explain(host: Placed, failure: CallFailure, credentials: GoogleCredentials): HostKeysAnswer {
  const { name, project, zone } = host;
  if (/disableGuestAttributesAccess/.test(failure.message))
    return {
      kind: 'none',
      mend: `an organization policy keeps guest attributes from being read in ${project} (constraints/compute.disableGuestAttributesAccess); write the key of ${name} into a known_hosts file and set inventory.hostKeys: known-hosts`,
    };
  const unavailable = (message: string): HostKeysAnswer => ({ kind: 'unavailable', message });
  switch (failure.kind) {
    case 'not-found':
      return /guest attribute|hostkeys/i.test(failure.message)
        ? { kind: 'none', mend: mendOf(host) }
        : {
            kind: 'none',
            mend: `Compute Engine knows no instance ${host.id} (${name}) in ${project}/${zone} any more; list the fleet again`,
          };
    case 'denied':
      return unavailable(
        `these credentials may not read the guest attributes of ${name} (${failure.message}); grant compute.instances.getGuestAttributes: gcloud projects add-iam-policy-binding ${project} --member=${memberOf(credentials)} --role=roles/compute.viewer`,
      );
    case 'disabled':
      return unavailable(
        `Compute Engine is not enabled in project ${project}; run: gcloud services enable compute.googleapis.com --project=${project}`,
      );
    case 'credentials':
      return unavailable(failure.message);
    default:
      return unavailable(`the guest attributes of ${name} could not be read: ${failure.message}`);
  }
}

/** Ends when the signal does, whatever is under way. */
async function until(
  signal: AbortSignal,
  { name }: RemoteHost,
  asked: Promise<HostKeysAnswer>,
): Promise<HostKeysAnswer> {
  let end = (): void => undefined;
  const calledOff = new Promise<HostKeysAnswer>((resolve) => {
    end = () =>
      resolve({ kind: 'unavailable', message: `asking for the host keys of ${name} was called off` });
  });
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  try {
    return await Promise.race([calledOff, asked]);
  } finally {
    // One signal may be that of ten thousand hosts.
    signal.removeEventListener('abort', end);
  }
}
