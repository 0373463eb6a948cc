/** What an expression can ask of the agent on a host, read from what the host told of it. Pure. */
import type { AgentStatus } from './lifecycle.ts';
import { nearestWord } from './nearest.ts';

/** Attributes that only the host itself can tell. */
export const AGENT_ATTRIBUTES = ['version', 'state', 'hold'] as const;
/** Those that a host may lack: nothing is installed, nobody holds it. */
export const OPTIONAL_AGENT_ATTRIBUTES = ['version', 'hold'] as const;

export type AgentAttributeName = (typeof AGENT_ATTRIBUTES)[number];

/** systemd's words for ActiveState, and one of ours. */
export const AGENT_STATES = [
  'active',
  'inactive',
  'failed',
  'activating',
  'deactivating',
  'reloading',
  'refreshing',
  'maintenance',
  'absent',
] as const;

/** What people write for a state of a service, and systemd's word for it. */
const STATE_WORDS: Readonly<Record<string, string>> = {
  running: 'active',
  started: 'active',
  up: 'active',
  stopped: 'inactive',
  dead: 'inactive',
  down: 'inactive',
  crashed: 'failed',
  missing: 'absent',
  none: 'absent',
};

/** The state that was meant by a word that is none; null: nobody can tell. */
export function meantState(word: string): string | null {
  const lower = word.toLowerCase();
  return Object.hasOwn(STATE_WORDS, lower) ? (STATE_WORDS[lower] ?? null) : nearestWord(lower, AGENT_STATES);
}

/**
 * The attribute's texts, any of which a comparison may meet; none: the host has it not; null: it is not known.
 *
 * `version`: of what runs, else of what is installed, as a release (`5.10.2`) and, where that is what runs, with Debian's revision.
 * `state`: ActiveState, or `absent` where neither a package nor a process is there.
 * `hold`: the reason of the hold that is in force.
 */
export function agentTexts(name: AgentAttributeName, status: AgentStatus | null): readonly string[] | null {
  if (status === null) return null;
  switch (name) {
    case 'version':
      return versionsOf(status);
    case 'state':
      if (isAbsent(status)) return ['absent'];
      return status.activeState === '' ? null : [status.activeState];
    case 'hold':
      return status.hold === null ? [] : [status.hold.reason];
    default:
      return name satisfies never;
  }
}

/** Nothing of the agent is there: no package and no process. */
export function isAbsent({ packageState, mainPid, strays }: AgentStatus): boolean {
  return packageState === 'absent' && mainPid === 0 && strays.length === 0;
}

function versionsOf(status: AgentStatus): readonly string[] | null {
  const { mainPid, runningVersion, runsInstalled, packageVersion } = status;
  if (mainPid === 0) return packageVersion === '' ? [] : bothForms(packageVersion);
  if (runsInstalled === true && packageVersion !== '')
    return [...new Set([...(runningVersion === '' ? [] : [runningVersion]), ...bothForms(packageVersion)])];
  return runningVersion === '' ? null : [runningVersion];
}

/** `5.10.2-1.linux` is also called `5.10.2`. */
function bothForms(packageVersion: string): string[] {
  const release = packageVersion.replace(/^\d+:/, '').replace(/-[^-]*$/, '');
  return release === packageVersion ? [packageVersion] : [release, packageVersion];
}
