/** A thread for SSH as the real one, except at hosts by whose name it is lost: `web-dies`, `web-throws`, `web-hangs`. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../../src/adapters/clock/system-clock.ts';
import { createSshRemote } from '../../../src/adapters/ssh/remote.ts';
import { serveThread } from '../../../src/adapters/ssh/serve-thread.ts';
import type { ThreadSetup } from '../../../src/adapters/ssh/thread-messages.ts';
import { TRIVIAL } from './ssh-rig.ts';

const setup = workerData as ThreadSetup;
if (parentPort !== null)
  serveThread(parentPort, setup, (asked) => {
    const remote = createSshRemote({
      settings: setup.settings,
      sharers: setup.sharers,
      secrets: { read: async () => ({ ok: false, error: 'no secrets here' }) },
      programs: { text: async () => TRIVIAL },
      clock: systemClock,
      ...asked,
    });
    return {
      ...remote,
      run(host, job, signal) {
        const onStep: typeof job.onStep = (step) => {
          job.onStep?.(step);
          if (host.name === 'web-dies') process.exit(7);
          if (host.name === 'web-throws')
            queueMicrotask(() => {
              throw new Error('thrown in a thread');
            });
          for (; host.name === 'web-hangs'; );
        };
        return remote.run(host, { ...job, onStep }, signal);
      },
    };
  });
