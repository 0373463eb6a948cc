/** Which self-checks an environment needs, by what it is made of. Only this file and wire.ts know which adapter stands where. */
import { systemClock } from '../adapters/clock/system-clock.ts';
import { commandCheck } from '../adapters/command-witness/checks.ts';
import type { GoogleAccess } from '../adapters/google/access.ts';
import { type GoogleAsker, googleAsker, whenSignedIn } from '../adapters/google/checks/ask.ts';
import { stateCheck } from '../adapters/google/checks/bucket-state.ts';
import { computeChecks } from '../adapters/google/checks/compute.ts';
import { credentialCheck, defaultCredentialFiles } from '../adapters/google/checks/credentials.ts';
import { deliveryCheck } from '../adapters/google/checks/delivery.ts';
import { permissionCheck } from '../adapters/google/checks/permissions.ts';
import { endpointsFrom } from '../adapters/google/endpoints.ts';
import { googleBucket } from '../adapters/google/storage/bucket.ts';
import type { Objects } from '../adapters/google/storage/objects.ts';
import { prometheusChecks } from '../adapters/prometheus/checks.ts';
import { secretReader } from '../adapters/secrets/secret-reader.ts';
import { sshChecks } from '../adapters/ssh/checks.ts';
import type { GoogleCredentials } from '../domain/cloud.ts';
import type { Environment } from '../domain/environment.ts';
import type { EngineContext } from '../engine/context.ts';
import { fleetChecks } from '../engine/doctor-fleet.ts';
import { hostChecks, sampleCheck } from '../engine/doctor-hosts.ts';
import { asksPrometheus, metricsChecks } from '../engine/doctor-metrics.ts';
import { recordChecks } from '../engine/doctor-record.ts';
import { witnessChecks } from '../engine/doctor-witnesses.ts';
import type { SelfCheck } from '../ports/self-check.ts';
import type { Invocation } from './invocation.ts';

/** Everything that can be asked of an environment from here; `sample` hosts are looked at. */
export function wireChecks(context: EngineContext, invocation: Invocation, sample: number): SelfCheck[] {
  const { environment } = context;
  const { env } = invocation;
  const secrets = secretReader(env);
  const agentSocket = env.SSH_AUTH_SOCK;
  const { file, inventory } = environment;
  const fleet = fleetChecks(context);
  const signIns = wireSignIns(environment, invocation);
  const { askerFor } = signIns;
  /** What waits for credentials that cannot be had is not told as so many failures. */
  const guarded = (checks: readonly SelfCheck[]): SelfCheck[] =>
    checks.map((check) => {
      const place =
        check.area === 'artifacts' || check.area === 'journal' ? environment[check.area] : inventory;
      return 'credentials' in place ? whenSignedIn(askerFor(place.credentials), check) : check;
    });
  return [
    ...signIns.checks,
    ...guarded(googleChecks(context, askerFor)),
    ...sshChecks({
      settings: environment.ssh,
      secrets,
      ...(agentSocket === undefined ? {} : { agentSocket }),
      published: inventory.kind === 'gce' && inventory.publishedHostKeys,
      file,
    }),
    ...guarded(fleet.checks),
    sampleCheck(fleet.source, sample),
    ...hostChecks(context, fleet.source, sample),
    ...guarded(recordChecks(context)),
    // Where the file has none, no gate asks it.
    ...(environment.prometheus.url === '' && !asksPrometheus(environment.policy.gates)
      ? []
      : prometheusChecks({
          settings: environment.prometheus,
          metrics: context.metrics,
          secrets,
          clock: systemClock,
          file,
        })),
    ...metricsChecks(context, fleet.source),
    ...witnessChecks(context, fleet.source),
    ...commandChecks(environment, env),
  ];
}

function commandChecks({ witnesses = {}, file }: Environment, env: Invocation['env']): SelfCheck[] {
  return Object.entries(witnesses).flatMap(([name, settings]) =>
    settings.kind === 'command' ? [commandCheck({ settings, name, env, file })] : [],
  );
}

type AskerFor = (credentials: GoogleCredentials) => GoogleAsker;

/** None where nothing of the environment is in Google Cloud. */
function googleChecks({ environment, store }: EngineContext, askerFor: AskerFor): SelfCheck[] {
  const { inventory, artifacts, journal, ssh, file } = environment;
  const now = (): number => systemClock.now();
  const checks: SelfCheck[] = [];
  if (inventory.kind === 'gce')
    checks.push(
      ...computeChecks({ settings: inventory, asker: askerFor(inventory.credentials), osLogin: ssh.osLogin }),
    );
  if (artifacts.kind === 'gcs') {
    const asker = askerFor(artifacts.credentials);
    const options = { place: artifacts, use: 'artifacts', asker, file } as const;
    const objects = (): Objects =>
      googleBucket({ place: artifacts, access: asker.access, clock: systemClock });
    checks.push(
      permissionCheck(options),
      stateCheck({ ...options, now }),
      deliveryCheck({ settings: artifacts, store, objects, asker, file }),
    );
  }
  if (journal.kind === 'gcs') {
    const options = { place: journal, use: 'journal', asker: askerFor(journal.credentials), file } as const;
    const toldElsewhere = artifacts.kind === 'gcs' && artifacts.bucket === journal.bucket;
    checks.push(permissionCheck(options), stateCheck({ ...options, now, toldElsewhere }));
  }
  return checks;
}

/** One sign-in, and one check of it, for parts that share their credentials. */
function wireSignIns(
  { inventory, artifacts, journal }: Environment,
  invocation: Invocation,
): { askerFor: AskerFor; checks: SelfCheck[] } {
  const parts: readonly (readonly [string, GoogleCredentials | null])[] = [
    ['inventory', inventory.kind === 'gce' ? inventory.credentials : null],
    ['artifacts', artifacts.kind === 'gcs' ? artifacts.credentials : null],
    ['journal', journal.kind === 'gcs' ? journal.credentials : null],
  ];
  const known = new Map<string, { readonly asker: GoogleAsker; readonly uses: string[] }>();
  for (const [use, credentials] of parts) {
    if (credentials === null) continue;
    const key = JSON.stringify([credentials.keyFile, credentials.impersonate]);
    const before = known.get(key);
    if (before === undefined)
      known.set(key, { asker: googleAsker(accessOf(credentials, invocation)), uses: [use] });
    else before.uses.push(use);
  }
  const defaultFiles = defaultCredentialFiles(invocation.env, invocation.home);
  return {
    askerFor: (credentials) => {
      const found = known.get(JSON.stringify([credentials.keyFile, credentials.impersonate]));
      if (found === undefined) throw new Error('bug: credentials that no part has');
      return found.asker;
    },
    checks: [...known.values()].map(({ asker, uses }) =>
      credentialCheck({ asker, usedFor: uses.join(', '), defaultFiles }),
    ),
  };
}

function accessOf(credentials: GoogleCredentials, { env }: Invocation): GoogleAccess {
  const endpoints = endpointsFrom(env);
  // Session.open has refused a wrong one.
  if (!endpoints.ok) throw new Error(`bug: unchecked endpoint: ${endpoints.error}`);
  return { credentials, endpoints: endpoints.value };
}
