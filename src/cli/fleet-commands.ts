/** The fleet's part of the command table: what every VM runs, whether it must have the agent, and who had an address. */
import { Option } from 'commander';
import type { CommandSpec } from './command-spec.ts';

const AT = new Option(
  '--at <time>',
  'from the journal alone, as it was then: a time with its zone, a date (its end, UTC), or how long ago, such as 2h',
);
const NO_LOOK = new Option(
  '--no-look',
  'no SSH: agents are as the journal has them, and the answer says of when',
);
const RECORD = new Option(
  '--record',
  'write what was seen into the journal, for questions with --at',
).conflicts('at');

export const FLEET_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'fleet',
    args: '<env>',
    summary: 'every VM: must it have the agent and why, version, service, hold, when last seen',
    options: [
      AT,
      NO_LOOK,
      RECORD,
      new Option('--where <expression>', 'only VMs that it matches, such as \'role == "web"\''),
      new Option('--only <what>', 'show only those').choices([
        'eligible',
        'exempt',
        'undecided',
        'not-running',
        'unsupported',
        'excluded',
        'running',
        'stopped',
        'absent',
        'silent',
        'unseen',
        'uncovered',
      ]),
    ],
    help: 'Lists the inventory and looks at every VM that must have the agent, over SSH; changes nothing. Running is a process that was seen; its version is told by its digest where a rollout has made that known, else by dpkg. Zones that could not be listed come first: what is there is unknown. --record writes a record and needs neither lease nor confirmation. Ends with 4 when a zone is unknown, else with 5 when a VM that must have the agent does not answer. --at shows the last record by that time, says of when it and the next one are, and ends with 1 when there is none.',
    examples: [
      'fleet gprd',
      'fleet gprd --only uncovered',
      'fleet gprd --where \'role == "gitaly" and region == "us-east1"\'',
      'fleet gprd --no-look --record --json',
      'fleet gprd --at 2026-11-20T18:00Z',
    ],
    load: () => import('./commands/fleet.ts'),
  },
  {
    name: 'coverage',
    args: '[env]',
    metrics: true,
    summary: 'the compliance table: who has the agent, who lacks it since when, who is exempt by what',
    options: [
      AT,
      NO_LOOK,
      RECORD,
      new Option('--format <format>', 'never cut short but as a table on a terminal')
        .choices(['table', 'json', 'csv', 'markdown'])
        .default('table'),
    ],
    help: 'Covered is a VM that must have the agent and was seen to run it; one that does not answer, that nobody has looked at or that nobody has decided on is not. Ends with 0 at or above the environment’s coverage.target; 1 below it; 4 when a zone could not be listed, a VM is undecided or there is no VM at all: what must be known first is listed, whatever the share. Without ENV all environments, the highest code; one whose file cannot be used ends with 2. The share is rounded down. --json writes one `coverage` line an environment.',
    examples: [
      'coverage',
      'coverage gprd --format csv --record > coverage.csv',
      'coverage gprd --at 2026-09-30 --format markdown',
      'coverage gprd --no-look --json',
    ],
    load: () => import('./commands/coverage.ts'),
  },
  {
    name: 'whois',
    args: '<address> [env]',
    summary: 'which VM had an address at a time, and what ran there',
    options: [AT],
    help: 'From journals alone, of ENV or of every environment that can be used: as they are now without --at. Says which listings the answer rests on: between two of them nobody looked. VMs that had the address one after the other are told apart by instance id. Ends with 1 when no VM that was listed had it or nothing was recorded by then, 4 when it may be one in a zone that could not be listed, 5 when somebody had it but not every journal could be read. Records come from rollouts, and from `rollout fleet ENV --record`.',
    examples: ['whois 10.128.0.7 --at 2026-11-20T03:12Z', 'whois 10.128.0.7 gprd --at 2h'],
    load: () => import('./commands/whois.ts'),
  },
];
