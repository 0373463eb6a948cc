/** What `osqueryd` is: the lifecycle commands alone, and a word for whoever meant the agent itself. */
import { EXIT } from './exit-codes.ts';
import { LIFECYCLE_COMMANDS } from './lifecycle-table.ts';
import { type Program, type ProgramOptions, runCommands } from './program.ts';

/** Flags that only the agent itself knows; whoever gives one meant the agent. */
const AGENT_FLAGS =
  /^--?(flagfile|config_path|config_plugin|pidfile|database_path|logger_|verbose|disable_|enable_|tls_|ephemeral|D$|S$)/u;

const OSQUERYD: Program = {
  name: 'osqueryd',
  description:
    'Stops and starts the osquery agent on a fleet. (The agent itself is /opt/osquery/bin/osqueryd on a host.)',
  commands: LIFECYCLE_COMMANDS.map((spec) => ({ ...spec, name: spec.name.replace(/^osqueryd /u, '') })),
  groups: {},
  typed: '',
  afterHelp: `
Stop it everywhere, now:   osqueryd stop --fleet
Only in production:        osqueryd stop --fleet --env gprd
Only some hosts:           osqueryd stop --host web-01 "db-*"
What runs where:           osqueryd status
Start it again:            osqueryd start --fleet

Exit: 0 done, 5 some hosts not covered (listed), 1 failed, 2 usage, 4 halted, 6 locked, 130 interrupted.`,
};

/** Runs the command that `argv` names; answers with the exit code. */
export async function runOsqueryd(argv: readonly string[], options: ProgramOptions): Promise<number> {
  if (argv.some((word) => AGENT_FLAGS.test(word))) {
    options.output.err(
      'This is rollout’s osqueryd, which starts and stops the agent on a fleet; it is not the agent itself.',
    );
    options.output.err('The agent is /opt/osquery/bin/osqueryd on a host; check your PATH.');
    return EXIT.usage;
  }
  return runCommands(OSQUERYD, argv, options);
}
