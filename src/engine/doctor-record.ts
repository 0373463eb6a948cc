/** Self-checks of what an environment has on record: its journal, who holds its lease, what is staged, and rules with a date. */
import type { Environment } from '../domain/environment.ts';
import { expiringSoon, lapsedExemptions } from '../domain/targeting.ts';
import { broken, brokenAs, doubtful, type Finding, fine, type SelfCheck } from '../ports/self-check.ts';
import type { EngineContext } from './context.ts';
import { readState } from './start-rollout.ts';

const DAY_MS = 86_400_000;

/** How long before its end an exemption is named, ms. */
const SOON_MS = 30 * DAY_MS;

/** How long before it begins a freeze window is named, ms. */
const NEAR_MS = 7 * DAY_MS;

export function recordChecks(context: EngineContext): SelfCheck[] {
  const { journal, artifacts, name } = context.environment;
  const journalPlace = placeText(journal);
  const storePlace = placeText(artifacts);
  return [
    {
      area: 'artifacts',
      what: 'staged packages',
      whenSilent: `look at the way to ${storePlace}`,
      async run() {
        const listed = await context.store.list();
        if (!listed.ok) return [brokenAs('staged packages', listed.error.message, `look at ${storePlace}`)];
        const versions = [...new Set(listed.value.map(({ version }) => version))];
        if (versions.length === 0)
          return [
            doubtful(
              'staged packages',
              `none yet in ${storePlace}: no rollout can begin, and what the hosts run now has no way back`,
              `rollout stage VERSION --package ${name}=FILE, for the version that runs now as well`,
            ),
          ];
        const shown = versions.slice(-3).join(', ');
        const found =
          versions.length <= 3 ? `versions ${shown}` : `${versions.length} versions, such as ${shown}`;
        return [fine('staged packages', versions.length === 1 ? `version ${shown}` : found)];
      },
    },
    {
      area: 'journal',
      what: 'journal',
      whenSilent: `look at the way to ${journalPlace}`,
      async run() {
        const read = await readState(context);
        if (!read.ok)
          return [
            brokenAs(
              'journal',
              read.error.message,
              `look at ${journalPlace}; rollout history ${name} --verify`,
            ),
          ];
        const { head, rollout } = read.value;
        if (head === null) return [fine('journal', `empty, in ${journalPlace}`)];
        const under = rollout === null ? '' : `; last rollout ${rollout.version}: ${rollout.phase.kind}`;
        return [fine('journal', `${head.seq} entries, the chain is whole${under}`)];
      },
    },
    {
      area: 'journal',
      what: 'lease',
      whenSilent: `look at the way to ${journalPlace}`,
      async run() {
        const holder = await context.lease.holder();
        if (holder === null) return [fine('lease', 'nobody is at work')];
        const { actor, since, expiresAt, unreadable } = holder;
        if (unreadable !== undefined) return [brokenAs('lease', unreadable, `look at ${journalPlace}`)];
        const who = `${actor.user}@${actor.hostname} since ${stamp(since)}: ${actor.command}`;
        return expiresAt <= context.clock.now()
          ? [
              doubtful(
                'lease',
                `${who} let it lapse at ${stamp(expiresAt)}`,
                `rollout advance ${name} takes it over and carries on`,
              ),
            ]
          : [fine('lease', `held by ${who}`)];
      },
    },
  ];
}

/** Freeze windows and exemptions, by the time alone. Pure. */
export function datedFindings(environment: Environment, now: number): Finding[] {
  return [...freezeFindings(environment, now), ...exemptionFindings(environment, now)];
}

function freezeFindings({ freeze, file }: Environment, now: number): Finding[] {
  const active = freeze.filter((window) => window.from <= now && now < window.until);
  const near = freeze.filter((window) => now < window.from && window.from - now <= NEAR_MS);
  if (active.length === 0 && near.length === 0)
    return [fine('freeze windows', `none now or within 7 days (${freeze.length} in the file)`)];
  return [
    ...active.map(({ until, reason }) =>
      doubtful(
        'freeze windows',
        `nothing new begins before ${stamp(until)}: ${reason}`,
        `wait, or change freeze in ${file}; a rollback always may`,
      ),
    ),
    ...near.map(({ from, reason }) =>
      doubtful(
        'freeze windows',
        `one begins at ${stamp(from)}: ${reason}`,
        `finish soak and bake before, or change freeze in ${file}`,
      ),
    ),
  ];
}

function exemptionFindings({ targeting, file }: Environment, now: number): Finding[] {
  const lapsed = lapsedExemptions(targeting, now);
  const soon = expiringSoon(targeting, now, SOON_MS);
  if (lapsed.length === 0 && soon.length === 0)
    return [
      fine(
        'exemptions',
        targeting.exempt.length === 0
          ? 'none of your own'
          : `${targeting.exempt.length}, none ends within 30 days`,
      ),
    ];
  const edit = (rule: string): string => `prolong or take out targeting.${rule} in ${file}`;
  return [
    ...lapsed.map(({ rule, when, until, reason }) =>
      doubtful(
        'exemptions',
        `${rule} (${when}) ended ${stamp(until)} and counts no more: ${reason}`,
        edit(rule),
      ),
    ),
    ...soon.map(({ rule, when, until, reason }) =>
      doubtful(
        'exemptions',
        `${rule} (${when}) ends in ${Math.ceil((until - now) / DAY_MS)} days, at ${stamp(until)}: ${reason}`,
        edit(rule),
      ),
    ),
  ];
}

/** As a person writes it. */
export function placeText(place: Environment['journal'] | Environment['artifacts']): string {
  if (place.kind === 'local') return place.path;
  return `gs://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`;
}

/** Two things in one folder would overwrite each other. Pure. */
export function placesFinding({ artifacts, journal, file }: Environment): Finding {
  const packages = placeText(artifacts);
  const record = placeText(journal);
  if (packages === record)
    return broken(
      'places',
      `packages and journal share ${packages}`,
      `give journal another prefix or path in ${file}`,
    );
  return fine('places', `packages in ${packages}, journal in ${record}`);
}

function stamp(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}Z`;
}
