/** A thread that talks with hosts: wires its own Remote. Started by src/adapters/ssh/spread.ts, and by nothing else. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../adapters/clock/system-clock.ts';
import { secretReader } from '../adapters/secrets/secret-reader.ts';
import { createHostPrograms } from '../adapters/ssh/programs.ts';
import { createSshRemote } from '../adapters/ssh/remote.ts';
import { serveThread } from '../adapters/ssh/serve-thread.ts';
import type { ThreadSetup } from '../adapters/ssh/thread-messages.ts';

if (parentPort === null) throw new Error('bug: this is no program of its own');
const setup = workerData as ThreadSetup;
serveThread(parentPort, setup, (asked) =>
  createSshRemote({
    settings: setup.settings,
    sharers: setup.sharers,
    secrets: secretReader(process.env),
    programs: createHostPrograms(),
    clock: systemClock,
    ...(setup.agentSocket === undefined ? {} : { agentSocket: setup.agentSocket }),
    ...asked,
  }),
);
