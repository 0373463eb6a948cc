#!/usr/bin/env node
/** The `osqueryd` program: the lifecycle commands alone, under the name that hands type at 03:00. */
import { EXIT } from './exit-codes.ts';
import { main } from './process.ts';

/** Flags that only the agent itself knows; whoever gives one meant the agent. */
const AGENT_FLAGS =
  /^--?(flagfile|config_path|config_plugin|pidfile|database_path|logger_|verbose|disable_|enable_|tls_|ephemeral|D$|S$)/u;

await main('osqueryd', async (argv, { output }) => {
  if (argv.some((word) => AGENT_FLAGS.test(word))) {
    output.err(
      'This is rollout’s osqueryd, which starts and stops the agent on a fleet; it is not the agent itself.',
    );
    output.err('The agent is /opt/osquery/bin/osqueryd on a host; check your PATH.');
    return EXIT.usage;
  }
  output.err(
    'osqueryd: starting, stopping, enabling and disabling the agent comes with the lifecycle commands.',
  );
  output.err(
    'They are not in this version. Until then: `rollout pause ENV` stops a rollout, `rollout rollback ENV` takes it back.',
  );
  return EXIT.usage;
});
