/** The lifecycle in words: verbs, outcomes, reasons and what to do about them; the same everywhere. */
import { formatDuration } from '../../domain/duration.ts';
import type { Eligibility } from '../../domain/host.ts';
import type { BlockedKind, NoAnswerKind } from '../../domain/host-outcome.ts';
import type { LifecycleOutcome, LifecycleVerb } from '../../domain/lifecycle.ts';
import type { InventoryUsed, Targets } from '../../engine/lifecycle-types.ts';
import { harmless, moment } from './paint.ts';

export const DONE_WORDS: Readonly<Record<LifecycleVerb, string>> = {
  stop: 'stopped',
  start: 'started',
  restart: 'restarted',
  enable: 'enabled',
  disable: 'disabled',
  install: 'installed',
  remove: 'removed',
  purge: 'purged',
};

/** `disable --now` both disables and stops. */
export function doneWord(verb: LifecycleVerb, now: boolean): string {
  if (!now) return DONE_WORDS[verb];
  return verb === 'disable' ? 'disabled and stopped' : 'enabled and started';
}

/** Meant to run, and left stopped since a hold is on it. */
export function isLeftHeld(outcome: LifecycleOutcome): boolean {
  return outcome.kind === 'proven' && outcome.service === 'left-held';
}

export function lifecycleOutcomeInWords(outcome: LifecycleOutcome): string {
  switch (outcome.kind) {
    case 'proven':
      return provenWord(outcome);
    case 'failed': {
      const held = outcome.held ? '; it is held' : '';
      return `${outcome.failure} at ${harmless(outcome.step)}: ${harmless(outcome.message)}${held}`;
    }
    case 'blocked':
      return `${outcome.why}: ${harmless(outcome.message)}`;
    case 'no-answer':
      return `${outcome.why}: ${harmless(outcome.message)}`;
    case 'gone':
      return 'the VM is gone';
    default:
      return outcome satisfies never;
  }
}

function provenWord({ service, version, held }: Extract<LifecycleOutcome, { kind: 'proven' }>): string {
  const of = version === '' ? '' : ` (${harmless(version)})`;
  switch (service) {
    case 'running':
      return `runs${of}`;
    case 'stopped':
      return held ? `stopped and held${of}` : `stopped${of}`;
    case 'left-held':
      return `left stopped: a hold is on it${of}`;
    case 'absent':
      return 'no agent is left';
    default:
      return service satisfies never;
  }
}

const NO_ANSWER_NEXT: Readonly<Record<NoAnswerKind, string>> = {
  cancelled: 'nothing was begun there: the same command again',
  unreachable: 'look at the VM (is it up, does a firewall let SSH through?), then the same command again',
  denied: 'the SSH user or key is not taken: `rollout doctor ENV` says which',
  'host-key-mismatch':
    'another machine answers there, or it was made anew: check its key before anything else',
  'host-key-unknown': 'its host key is not known: `rollout doctor ENV` says where keys come from',
  'sudo-refused': 'sudo asks for a password or refuses: allow the SSH user `sudo -n sh`',
  'delivery-failed': 'the package did not reach it: `rollout doctor ENV`, then the same command again',
  'timed-out': 'it answers too slowly or hangs: look at the VM, then the same command again',
  unknown:
    'the connection broke off, and it may be done: `osqueryd status` looks; the same command again does no harm',
};

const BLOCKED_NEXT: Readonly<Record<BlockedKind, string>> = {
  busy: 'another host program is at work there: the same command again in a minute',
  'dpkg-locked': 'another dpkg or apt runs there: the same command again when it is over',
  'arm-failed': 'its way back could not be armed: look at /var/lib/rollout and /etc/systemd/system there',
  'no-space': 'make room on its disk, then the same command again',
  'digest-mismatch': 'the package arrived spoilt: `rollout releases`, then the same command again',
  'missing-package': 'its package is not there: `rollout releases`, then the same command again',
  drifted: 'another version is installed than the one meant: `rollout fleet ENV` shows which',
  fenced: 'a newer action has been there: `rollout history ENV` shows it',
  'wrong-host': 'its address is another VM’s by now: the list of hosts is old',
  'identity-unknown':
    'its metadata server does not say who it is: nothing was done to a host that may be another',
  unsupported: 'it has no systemd and no init script of the agent, or no dpkg: nothing can be done this way',
};

/** What to do about a host that is not covered; empty where nothing need be done. */
export function nextFor(outcome: LifecycleOutcome): string {
  switch (outcome.kind) {
    case 'proven':
      return '';
    case 'gone':
      return '';
    case 'no-answer':
      return NO_ANSWER_NEXT[outcome.why];
    case 'blocked':
      return BLOCKED_NEXT[outcome.why];
    case 'failed':
      switch (outcome.failure) {
        case 'still-runs':
          return 'a process of the agent is still there: log in and look (`ps -C osqueryd`), kill it by its pid';
        case 'start-failed':
          return outcome.message.includes('there is no unit')
            ? 'the package may be missing: `osqueryd install --host NAME` brings the pinned version'
            : 'read `journalctl -u osqueryd` there';
        case 'remains':
          return 'files are left that it could not delete: delete them by hand';
        case 'install-failed':
        case 'remove-failed':
          return 'read /var/log/dpkg.log and /var/log/apt/term.log there';
        case 'proof-failed':
        case 'crashed':
          return '`osqueryd status` shows what it is like now; the same command again does no harm';
        default:
          return outcome.failure satisfies never;
      }
    default:
      return outcome satisfies never;
  }
}

/** Where the list of hosts is from and how old it is, at `now`. */
export function inventoryWords(inventory: InventoryUsed, now: number): string {
  const ago = (at: number): string =>
    `${formatDuration(Math.max(0, Math.floor((now - at) / 1_000) * 1_000))} old`;
  switch (inventory.kind) {
    case 'listed':
      return `of ${moment(inventory.at)}`;
    case 'last-known': {
      const from = inventory.from === 'journal' ? 'the journal' : 'this machine’s last listing';
      return `LAST KNOWN, ${ago(inventory.at)} (${moment(inventory.at)}, from ${from}): ${harmless(inventory.why)}. VMs made since are not in it`;
    }
    case 'listed-in-part': {
      const zones = inventory.unknownZones.map(({ zone, why }) => `${zone}: ${why}`).join('; ');
      const rest =
        inventory.restAt === null
          ? 'of their VMs none is known'
          : `their VMs are as last known, ${ago(inventory.restAt)}`;
      return `IN PART, of ${moment(inventory.at)}; ${rest}: ${harmless(zones)}`;
    }
    default:
      return inventory satisfies never;
  }
}

type LeftOutWhy = Targets['leftOut'][number]['why'];

/** Short: the rule, not its evidence. Hosts with the same one are told together. */
export function leftOutWord(why: LeftOutWhy): string {
  if (why.kind === 'excepted') return `--except ${harmless(why.by)}`;
  return eligibilityWord(why);
}

function eligibilityWord(why: Exclude<Eligibility, { kind: 'eligible' }>): string {
  switch (why.kind) {
    case 'exempt':
      return `exempt, ${harmless(why.rule)}: ${harmless(why.reason)}`;
    case 'undecided':
      return 'undecided: a person must say whether it must have the agent';
    case 'not-running':
      return `the VM is ${why.status}`;
    case 'unsupported':
      return `unsupported${why.rule === undefined ? '' : `, ${harmless(why.rule)}`}`;
    case 'excluded':
      return `excluded, ${harmless(why.rule)}`;
    default:
      return why satisfies never;
  }
}
