/** The lifecycle's part of the command table: verbs and options, the same for `rollout osqueryd VERB` and for `osqueryd VERB`. */
import { Option } from 'commander';
import type { LifecycleVerb } from '../domain/lifecycle.ts';
import type { CommandSpec } from './command-spec.ts';

const SELECTION = (): Option[] => [
  new Option('--fleet', 'every host that must have the agent'),
  new Option('--host <name...>', 'these: names, instance ids, or globs such as "web-*"'),
  new Option(
    '--where <expression>',
    'those that it matches, such as \'role == "web" and state == "failed"\'',
  ),
  new Option('--except <name...>', 'not these: names, instance ids or globs'),
  new Option('--env <name...>', 'only these environments (default: all that can be used)'),
];

const CARE = (): Option[] => [
  new Option('--dry-run', 'print the hosts and what would run on them; change nothing'),
  new Option(
    '--playbook <name>',
    'in waves, watched, as that playbook says; `restart`, `start` and so on ship',
  ),
];

const DEADLINE = (): Option[] => [
  new Option('--deadline <duration>', 'begin no attempt later than this (default: lifecycle.deadline)'),
  new Option('--until-complete', 'go on until every host is covered').conflicts('deadline'),
];

const HOLD = (): Option[] => [
  new Option('--for <duration>', 'the hold is due after so long (default: lifecycle.holdFor)'),
  new Option('--until <time>', 'the hold is due then: a date, or a time with its zone').conflicts('for'),
  new Option('--no-hold', 'leave no hold: whatever starts the agent next may do so').conflicts([
    'for',
    'until',
  ]),
];

const SETTLE = (): Option[] => [
  new Option('--settle <duration>', 'look again after so long, 0s: not at all (default: lifecycle.settle)'),
];

const NAMED_FLEET = (): Option[] => [
  new Option(
    '--confirm <name>',
    'beside --yes where all of a fleet is meant: its name, or `fleet` for several',
  ),
];

const ENDS = 'Ends with 0 when every host is covered and proven, 5 when some are not: they are listed.';
const CALM = `${ENDS} Takes the lease (6 when another has it); without --playbook all hosts at once, environment after environment; 4 when a gate or too many failures halted it between waves.`;

const verb = (
  name: LifecycleVerb,
  summary: string,
  help: string,
  options: readonly Option[],
  examples: readonly string[],
): CommandSpec => ({
  name: `osqueryd ${name}`,
  summary,
  help,
  examples: examples.map((line) => `osqueryd ${name} ${line}`),
  options,
  changes: true,
  excess: true,
  load: () => import('./commands/lifecycle-act.ts').then((m) => m.act(name)),
});

/** In the order in which a tired person needs them. */
export const LIFECYCLE_COMMANDS: readonly CommandSpec[] = [
  verb(
    'stop',
    'stop it now, everywhere, and keep it stopped: the emergency',
    'Needs no metrics, no bucket and no lease: takes a running rollout over and pauses it, uses the last known list of hosts where the cloud does not answer, tries slow hosts again until --deadline. Leaves a hold on each host, so that nothing starts the agent again, and looks once more after --settle. What is not covered is listed with its reason. An unusable environment stops no other. Exit 0: all stopped and proven; 5: some not; 1: nothing done, or done without a record; 130: interrupted.',
    [...SELECTION(), ...CARE(), ...HOLD(), ...SETTLE(), ...DEADLINE()],
    [
      '--fleet',
      '--fleet --env gprd --for 12h --reason INC-12',
      '--where \'role == "gitaly"\' --except gitaly-01',
    ],
  ),
  verb(
    'start',
    'lift the hold, start it, and prove that it stays up',
    `Undoes what the stop left: hold, mask, and what controllers were told. ${CALM}`,
    [...SELECTION(), ...CARE(), ...DEADLINE()],
    ['--fleet --env gstg', '--host web-01 web-02', '--fleet --playbook start'],
  ),
  verb(
    'restart',
    'restart it and prove that it stays up; a held host stays stopped',
    CALM,
    [...SELECTION(), ...CARE(), ...DEADLINE()],
    ['--host web-01', '--fleet --playbook restart'],
  ),
  verb(
    'enable',
    'start it at boot; --now starts it too',
    CALM,
    [new Option('--now', 'start it as well'), ...SELECTION(), ...CARE(), ...DEADLINE()],
    ['--host web-01 --now'],
  ),
  verb(
    'disable',
    'do not start it at boot; --now stops it too, as `stop` does',
    `With --now an emergency, as \`stop\`. Without: ${CALM}`,
    [
      new Option('--now', 'stop it as well, with a hold'),
      ...SELECTION(),
      ...CARE(),
      ...HOLD(),
      ...SETTLE(),
      ...DEADLINE(),
    ],
    ['--host web-01 --now', '--where \'role == "lab"\''],
  ),
  verb(
    'install',
    'install the pinned version where the agent is absent, and prove it',
    `Hosts that have the agent are left alone; a held host gets it and stays stopped. ${CALM}`,
    [...SELECTION(), ...CARE(), ...DEADLINE()],
    ['--fleet --env gprd', '--host web-77'],
  ),
  verb(
    'remove',
    'remove the package, and prove that no process is left',
    `Configuration files stay. All of a fleet needs its name typed, or --confirm NAME. ${CALM}`,
    [...SELECTION(), ...CARE(), ...DEADLINE(), ...NAMED_FLEET()],
    ['--host web-01', '--fleet --env gstg --yes --confirm gstg'],
  ),
  verb(
    'purge',
    'remove the package and its files, and prove that none is left',
    `Also what the agent has written (lifecycle.purgePaths). All of a fleet needs its name typed, or --confirm NAME. ${CALM}`,
    [...SELECTION(), ...CARE(), ...DEADLINE(), ...NAMED_FLEET()],
    ['--host web-01', '--fleet --env gstg --yes --confirm gstg'],
  ),
  {
    name: 'osqueryd status',
    summary: 'what runs where, worst first; changes nothing',
    help: 'Asks every host over SSH, at once: state, version of what runs, pid, uptime, restarts, CPU (a percentage of one core since its start, or over --sample), memory, hold. Large fleets are grouped. Ends with 0 when every host answered, whatever the agents do; 5 when some did not, or an environment could not be asked; 1 when no host matches.',
    examples: [
      'osqueryd status',
      'osqueryd status --env gprd --no-group',
      'osqueryd status --where \'state == "failed"\' --json',
    ],
    options: [
      ...SELECTION(),
      new Option('--sample <duration>', 'measure CPU over so long now, such as 2s'),
      new Option('--group', 'one line a state and version (by itself beyond 40 hosts)'),
      new Option('--no-group', 'one line a host'),
    ],
    excess: true,
    load: () => import('./commands/lifecycle-status.ts'),
  },
  {
    name: 'osqueryd holds',
    summary: 'who is held, by whom, why, when it is due; --due: only what is due now',
    help: 'From the journals: needs no host. Nothing lifts a hold by itself; one past its end is DUE. Ends with 0; with --due 4 when there are some, for a schedule that reminds.',
    examples: ['osqueryd holds', 'osqueryd holds --env gprd --due'],
    options: [
      new Option('--env <name...>', 'only these environments'),
      new Option('--due', 'only those past their end; ends with 4 when there are some'),
    ],
    excess: true,
    load: () => import('./commands/holds.ts'),
  },
];

/** The same under `rollout`, where it takes its environment as the other questions do. */
export const HOLDS_COMMAND: CommandSpec = {
  name: 'holds',
  args: '[env]',
  summary: 'whose agent is held stopped, by whom, why and when that is due',
  help: 'From the journals: needs no host. Nothing lifts a hold by itself; one past its end is DUE: `rollout osqueryd start` lifts it. Ends with 0; with --due 4 when there are some, for a schedule that reminds.',
  examples: ['holds', 'holds gprd --due'],
  options: [new Option('--due', 'only those past their end; ends with 4 when there are some')],
  load: () => import('./commands/holds.ts'),
};
