/** `rollout sandbox up|down|status`: the embedded fleet, left running so that the real commands can be tried on it. */
import { basename } from 'node:path';
import { readAgents } from '../../adapters/sandbox/sandbox.ts';
import { refuse } from '../../engine/context.ts';
import type { CommandModule } from '../command-module.ts';
import { DEMO_VERSIONS, demoPackage } from '../demo-packages.ts';
import { EXIT } from '../exit-codes.ts';
import { flag } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { columns } from '../render/paint.ts';
import { findRunning, layoutFor, runSandbox, startInBackground, stopSandbox } from '../sandbox-process.ts';
import { sayRefused } from '../session.ts';
import { typedName } from '../typed-name.ts';

export const up: CommandModule = {
  run: async (invocation) => {
    if (flag(invocation, 'foreground')) {
      const running = await findRunning(layoutFor(invocation));
      if (running !== null)
        return sayRefused(invocation, [
          refuse('failed', 'already-running', `a sandbox runs already (pid ${running.pid})`, {
            next: 'rollout sandbox down',
          }),
        ]);
      const ran = await runSandbox(invocation);
      if (ran.ok) return EXIT.done;
      return sayRefused(invocation, [refuse('failed', 'sandbox-folder', ran.error)]);
    }
    const started = await startInBackground(invocation);
    if (!started.ok) {
      return sayRefused(invocation, [refuse('failed', 'sandbox-failed', started.error)]);
    }
    const layout = layoutFor(invocation);
    if (invocation.json) {
      jsonLine(invocation, 'sandbox', { ...started.value, root: layout.root });
      return EXIT.done;
    }
    // Short enough to read and to copy: the shell fills the folder in.
    const deb = (environment: string, version: string): string =>
      `sandbox-${environment}=$P/${basename(demoPackage(layout.packages, environment, version))}`;
    const name = typedName(invocation);
    const stage = (version: string): string =>
      `  ${name} stage ${version} --package ${deb('gstg', version)} --package ${deb('gprd', version)}`;
    const [base = '', good = ''] = DEMO_VERSIONS.map(({ version }) => version);
    invocation.output.out(
      [
        `the sandbox runs (pid ${started.value.pid}, files in ${layout.root}); every host has osquery ${base}. Try:`,
        `  P=${layout.packages}`,
        stage(base),
        stage(good),
        `  ${name} plan sandbox-gstg ${good}`,
        `  ${name} deploy sandbox-gstg ${good}`,
        `  ${name} promote sandbox-gprd`,
        `Bad versions lie beside them: 5.11.0 burns CPU, 5.12.0 does not start. To end: ${name} sandbox down`,
        ...(name === 'rollout'
          ? []
          : [
              `Where the program says rollout, ${name} is typed here; npm install -g . puts it on your PATH.`,
            ]),
      ].join('\n'),
    );
    return EXIT.done;
  },
};

export const down: CommandModule = {
  run: async (invocation) => {
    const stopped = await stopSandbox(invocation);
    if (!stopped.ok) return sayRefused(invocation, [refuse('failed', 'sandbox-folder', stopped.error)]);
    const ran = stopped.value;
    if (invocation.json) jsonLine(invocation, 'sandbox', { stopped: ran });
    else
      invocation.output.out(
        ran ? 'the sandbox is stopped and its files are deleted' : 'no sandbox was running',
      );
    return EXIT.done;
  },
};

export const status: CommandModule = {
  run: async (invocation) => {
    const layout = layoutFor(invocation);
    if ((await findRunning(layout)) === null) {
      return sayRefused(invocation, [
        refuse('failed', 'no-sandbox', 'no sandbox is running', { next: 'rollout sandbox up' }),
      ]);
    }
    const agents = await readAgents(layout);
    if (invocation.json) for (const agent of agents) jsonLine(invocation, 'agent', { ...agent });
    else
      invocation.output.out(
        columns(agents.map(({ host, active, running }) => [host.name, host.zone, active, running])).join(
          '\n',
        ),
      );
    return EXIT.done;
  },
};
