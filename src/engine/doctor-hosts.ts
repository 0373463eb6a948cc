/**
 * Self-checks of a few hosts, one each: do the way there, the host's key, sudo and the host program work, is its clock right, can
 * packages reach it. Changes nothing there.
 */
import { formatDuration } from '../domain/duration.ts';
import type { Environment } from '../domain/environment.ts';
import type { Host } from '../domain/host.ts';
import { identityTroubleOf, lookOf } from '../domain/host-answer.ts';
import { HOST_EXIT, type HostLook } from '../domain/host-order.ts';
import { waysBack } from '../domain/planning.ts';
import type { RemoteAnswer } from '../ports/remote.ts';
import { broken, doubtful, type Finding, fine, type SelfCheck } from '../ports/self-check.ts';
import type { EngineContext } from './context.ts';
import { eligibleOf, type FleetSource, skippedForFleet } from './doctor-fleet.ts';
import { oneLine, unansweredFinding } from './doctor-unanswered.ts';
import { meantInstance } from './meant-instance.ts';

/** Hosts that are asked when nobody says how many. */
export const SAMPLE = 3;

/**
 * Free space below which a host is named, KiB: a package of 60 MB is kept twice, unpacked once beside the running one, and
 * dpkg needs room besides.
 */
const LEAST_FREE_KIB = 512 * 1024;

/**
 * A host's clock against ours beyond which it is named, and beyond which it is a failure, ms: the same as for our own clock
 * against Google's, whose certificates and logs it is held against.
 */
const SKEW_MS = 5_000;
const BAD_SKEW_MS = 60_000;

/** When a host was heard of, by our clock, ms since the epoch: it read its own clock in between. */
interface Heard {
  /** Its program had begun. */
  from: number;
  /** What it saw had come. */
  to: number;
}

/** That it is a sample, and of how many: three good hosts are not a good fleet. */
export function sampleCheck(fleet: FleetSource, sample: number): SelfCheck {
  const what = 'sample of hosts';
  return {
    area: 'hosts',
    what,
    whenSilent: 'look at the list of VMs, which it is taken from',
    waits: true,
    async run() {
      const listed = await fleet();
      const all = listed === null ? 0 : eligibleOf(listed).length;
      // Where there is none, the check of the first host says why.
      if (all === 0) return [];
      return [
        fine(
          what,
          all <= sample
            ? `all ${all} that must have the agent are looked at`
            : `${sample} of ${all} that must have the agent are looked at, and nothing is known of the others: --hosts ${all} looks at all`,
        ),
      ];
    },
  };
}

export function hostChecks(context: EngineContext, fleet: FleetSource, sample: number): SelfCheck[] {
  const { environment } = context;
  const way = wayBackFindings(context);
  const check = (index: number): SelfCheck => ({
    area: 'hosts',
    what: `host ${index + 1} of the sample`,
    whenSilent: `ssh to it by hand; ssh.connectTimeout in ${environment.file} bounds the wait`,
    waits: true,
    async run(signal) {
      const listed = await fleet();
      if (listed === null) return index === 0 ? skippedForFleet('a sample of hosts') : [];
      const host = sampleOf(eligibleOf(listed), sample)[index];
      if (host === undefined)
        return index === 0
          ? [{ kind: 'skipped', what: 'a sample of hosts', found: 'no VM must have the agent' }]
          : [];
      const now = (): number => context.clock.now();
      const heard: Heard = { from: now(), to: Number.POSITIVE_INFINITY };
      const answer = await context.remote.run(
        host,
        {
          order: { program: 'look', agent: environment.policy.agent, ...meantInstance(environment, host.id) },
          packages: [],
          timeoutMs: environment.policy.stepTimeouts.lookMs,
          onStep({ step }) {
            if (step === 'begin') heard.from = now();
            if (step === 'look') heard.to = now();
          },
        },
        signal,
      );
      heard.to = Math.min(heard.to, now());
      const found = hostFindings(host, answer, { environment, heard });
      const look = answer.kind === 'answered' ? lookOf(answer.steps) : null;
      return look?.ok === true ? [...found, ...(await way(host, look.value))] : found;
    },
  });
  return Array.from({ length: sample }, (_, index) => check(index));
}

/**
 * What runs on a host and is not staged: a rollout would be refused for want of a way back. Each version once; nothing where the store
 * tells nothing, or has nothing at all, which its own check says.
 */
function wayBackFindings({
  store,
  environment: { name },
}: EngineContext): (host: Host, look: HostLook) => Promise<Finding[]> {
  let listing: ReturnType<typeof store.list> | undefined;
  const told = new Set<string>();
  return async (host, { packageState, packageVersion, architecture }) => {
    if (packageState !== 'installed') return [];
    listing ??= store.list();
    const listed = await listing;
    if (!listed.ok || listed.value.length === 0) return [];
    const way = waysBack(listed.value)({ packageVersion, architecture });
    const build = `${packageVersion} (${architecture})`;
    if ((way !== undefined && way !== null) || told.has(build)) return [];
    told.add(build);
    const runs = `${nameOf(host)} runs ${build}`;
    const so = 'a rollout would be refused, as nothing could put it back';
    return [
      way === null
        ? doubtful(
            'way back',
            `${runs}, of which different packages are staged: ${so}`,
            `rollout releases ${name} shows them; bring such hosts to a package with a Debian revision of its own`,
          )
        : doubtful(
            'way back',
            `${runs}, which is not staged: ${so}`,
            `rollout stage VERSION --package ${name}=FILE, with the package of ${build}`,
          ),
    ];
  };
}

/** `count` hosts: of every zone in turn, and in a zone of every role before a role's second. Pure, and the same each time. */
export function sampleOf(hosts: readonly Host[], count: number): Host[] {
  const zones = new Map<string, Host[]>();
  for (const host of hosts) zones.set(host.zone, [...(zones.get(host.zone) ?? []), host]);
  const queues = [...zones].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, inZone]) => inZone);
  const taken: Host[] = [];
  const perRole = new Map<string, number>();
  while (taken.length < count && queues.some((queue) => queue.length > 0)) {
    for (const queue of queues) {
      if (taken.length >= count || queue.length === 0) continue;
      const rarest = queue.reduce((best, host) =>
        (perRole.get(host.role) ?? 0) < (perRole.get(best.role) ?? 0) ? host : best,
      );
      queue.splice(queue.indexOf(rarest), 1);
      perRole.set(rarest.role, (perRole.get(rarest.role) ?? 0) + 1);
      taken.push(rarest);
    }
  }
  return taken;
}

function nameOf({ name, zone }: Host): string {
  return `${name} (${zone})`;
}

/** What a host's answer shows. */
function hostFindings(
  host: Host,
  answer: RemoteAnswer,
  { environment, heard }: { readonly environment: Environment; readonly heard: Heard },
): Finding[] {
  const what = nameOf(host);
  if (answer.kind === 'no-answer') return [unansweredFinding(what, host, { answer, environment })];
  const other = identityTroubleOf(answer);
  if (other !== null) {
    const mend =
      answer.exitCode === HOST_EXIT.wrongHost
        ? `look at inventory.address in ${environment.file}: that address is another VM's now`
        : `let the host reach its metadata server, or set inventory.instanceCheck: false in ${environment.file}`;
    return [broken(what, oneLine(other), mend)];
  }
  if (answer.exitCode === HOST_EXIT.unsupported)
    return [
      broken(
        what,
        `it cannot carry the agent: ${saidBy(answer)}`,
        `exempt it in targeting of ${environment.file}, with the reason`,
      ),
    ];
  const look = lookOf(answer.steps);
  if (!look.ok)
    return [
      broken(
        what,
        `the host program did not answer as it should: ${look.error} (${saidBy(answer)})`,
        `ssh to it and run: sudo -n sh -c 'command -v dpkg systemctl sha256sum flock'`,
      ),
    ];
  const { clockMs } = look.value;
  const clock = clockFindings({ host, clockMs, heard });
  const clockIsRight = clockMs !== null && clock.length === 0;
  return [
    stateFinding(host, look.value, { environment, clockIsRight }),
    ...clock,
    ...deliveryFindings(host, look.value, environment),
  ];
}

function stateFinding(
  host: Host,
  look: HostLook,
  { environment, clockIsRight }: { readonly environment: Environment; readonly clockIsRight: boolean },
): Finding {
  const what = nameOf(host);
  const identity = environment.inventory.kind === 'gce' && environment.inventory.instanceCheck;
  const ways = `host key, ssh and sudo are right${identity ? ', it is the VM that is meant' : ''}`;
  const fetches = canFetch(look, environment) === true ? `, can fetch with ${look.fetcher}` : '';
  const found = `${ways}; ${agentWords(look)}, ${freeWords(look)} free${fetches}${clockIsRight ? ', clock within 5 s' : ''}`;
  if (look.freeKib < LEAST_FREE_KIB)
    return doubtful(
      what,
      found,
      'make room: /var/lib/rollout needs 512 MiB; look with: df -h /var/lib, and: apt-get clean',
    );
  if (look.packageState === 'broken')
    return doubtful(what, found, 'on the host: dpkg --audit, then: dpkg --configure -a');
  return fine(what, found);
}

/** Nothing where its clock may be right, or is not told. Pure. */
export function clockFindings({
  host,
  clockMs,
  heard: { from, to },
}: {
  readonly host: Host;
  readonly clockMs: number | null;
  readonly heard: Readonly<Heard>;
}): Finding[] {
  if (clockMs === null) return [];
  const skew = clockMs > to ? clockMs - to : Math.min(0, clockMs - from);
  const off = Math.abs(skew);
  if (off <= SKEW_MS) return [];
  const what = `clock of ${nameOf(host)}`;
  const amount =
    off < 100_000 ? `${(off / 1000).toFixed(1)} s` : formatDuration(Math.round(off / 1000) * 1000);
  const text = `${amount} ${skew > 0 ? 'ahead of' : 'behind'} this machine`;
  const mend =
    'on the host: timedatectl set-ntp true, then: timedatectl; if every host shows this, on this machine';
  return off > BAD_SKEW_MS
    ? [broken(what, `${text}: certificates may be refused there, and what it logs has wrong times`, mend)]
    : [doubtful(what, text, mend)];
}

/** Null where nothing is fetched by hosts. As fetch.sh has it: a token must not be in wget's words. */
function canFetch({ fetcher }: HostLook, { artifacts }: Environment): boolean | null {
  if (artifacts.kind === 'local' || artifacts.delivery === 'sftp') return null;
  return fetcher === 'curl' || (fetcher === 'wget' && artifacts.delivery === 'signed-url');
}

function deliveryFindings(host: Host, look: HostLook, environment: Environment): Finding[] {
  const { artifacts, file } = environment;
  if (artifacts.kind === 'local' || canFetch(look, environment) !== false) return [];
  const found =
    artifacts.delivery === 'service-account'
      ? 'it has no curl, which it needs to fetch packages as its own service account'
      : 'it has neither curl nor wget to fetch packages with';
  const mend = `on the host: apt-get install -y curl; or set artifacts.delivery: sftp in ${file}`;
  return [broken(`delivery to ${nameOf(host)}`, found, mend)];
}

function agentWords({ packageState, packageVersion, activeState, hold }: HostLook): string {
  const held = hold === '' ? '' : `, held (${hold})`;
  if (packageState === 'absent') return 'it has no agent yet';
  if (packageState === 'broken') return `the agent's package is half installed${held}`;
  return `agent ${packageVersion} ${activeState}${held}`;
}

function freeWords({ freeKib }: HostLook): string {
  const mib = freeKib / 1024;
  return mib >= 1024 ? `${(mib / 1024).toFixed(1)} GiB` : `${Math.round(mib)} MiB`;
}

function saidBy(answer: Extract<RemoteAnswer, { kind: 'answered' }>): string {
  const said = answer.steps.findLast((step) => !step.ok && typeof step.message === 'string')?.message;
  const text = typeof said === 'string' ? said : answer.stderr.trim().slice(-200);
  return text === '' ? `exit ${answer.exitCode}` : oneLine(text);
}
