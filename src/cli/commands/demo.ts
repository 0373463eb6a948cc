/**
 * `rollout demo`: the whole story on the embedded fleet, told by the real commands: each is this very program, run as a
 * person would run it. What is stand-in is said first.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../adapters/clock/system-clock.ts';
import { sandboxLayout } from '../../adapters/sandbox/layout.ts';
import { stateDirOf } from '../configuration.ts';
import { demoPackage } from '../demo-packages.ts';
import { EXIT } from '../exit-codes.ts';
import { flag, type Invocation } from '../invocation.ts';
import { createPaint } from '../render/paint.ts';
import { typedName } from '../typed-name.ts';

interface Step {
  readonly say: string;
  readonly type: readonly string[];
  /** Exit code that the story expects. */
  readonly exit: number;
}

export async function run(invocation: Invocation): Promise<number> {
  const keep = flag(invocation, 'keep');
  // A demo of its own must not touch a sandbox that somebody left running.
  const stateDir = keep ? undefined : await mkdtemp(join(tmpdir(), 'rollout-demo-'));
  const env = { ...invocation.env, ...(stateDir === undefined ? {} : { ROLLOUT_STATE_DIR: stateDir }) };
  const told = { ...invocation, env };
  try {
    return await tell(told, keep);
  } finally {
    if (stateDir !== undefined) {
      await typed(told, ['sandbox', 'down'], 'ignore');
      await rm(stateDir, { recursive: true, force: true });
    }
  }
}

async function tell(invocation: Invocation, keep: boolean): Promise<number> {
  const paint = createPaint(invocation.output.color, invocation.output.foldAt);
  const { output } = invocation;
  const started = systemClock.now();
  output.out(INTRODUCTION.join('\n'));
  for (const step of story(invocation)) {
    if (invocation.signal.aborted) return EXIT.interrupted;
    output.out(
      `\n${paint.strong(`# ${step.say}`)}\n${paint.dim('$')} rollout ${step.type.map(shown).join(' ')}`,
    );
    const exit = await typed(invocation, step.type, 'inherit');
    if (invocation.signal.aborted) return EXIT.interrupted;
    output.out(paint.dim(`(exit ${exit})`));
    if (exit !== step.exit) {
      output.err(`the demo expected exit ${step.exit} here and stops; this is a bug`);
      return EXIT.bug;
    }
  }
  const seconds = Math.round((systemClock.now() - started) / 1000);
  output.out(
    `\n${paint.strong('That was the whole story')}, in ${seconds} s: staged, deployed, baked, promoted; a bad version caught on its canaries and taken back; the agent stopped everywhere and started again.`,
  );
  const name = typedName(invocation);
  if (keep)
    output.out(
      `The sandbox is still running: ${name} status, ${name} history sandbox-gprd; ${name} sandbox down ends it.`,
    );
  else
    output.out(
      `To type the commands yourself: ${name} sandbox up. For your own fleet: see the README, "Your own project in Google Cloud".`,
    );
  return EXIT.done;
}

const INTRODUCTION = [
  'rollout demo: 24 VMs in two environments on this machine; nothing outside it is touched.',
  'Real here: the engine, SSH with checked host keys, the host programs in a real shell, the journal, gates over HTTP.',
  'Stand-in here: the VMs are folders; systemctl, dpkg and sudo are small scripts in them; the agent is a text that says',
  'how much CPU it uses; the metrics endpoint answers only the built-in gates. Soak and bake take seconds, not hours.',
];

function story(invocation: Invocation): Step[] {
  const { packages } = sandboxLayout(stateDirOf(invocation));
  const both = (version: string): string[] => [
    '--package',
    `sandbox-gstg=${demoPackage(packages, 'gstg', version)}`,
    '--package',
    `sandbox-gprd=${demoPackage(packages, 'gprd', version)}`,
  ];
  return [
    { say: 'Start the fleet: every host runs 5.9.1', type: ['sandbox', 'up', '--json'], exit: EXIT.done },
    {
      say: 'Stage what runs now: without it there is no way back',
      type: ['stage', '5.9.1', ...both('5.9.1')],
      exit: EXIT.done,
    },
    {
      say: 'Stage the new version: two files, two sha256, one version',
      type: ['stage', '5.10.2', ...both('5.10.2')],
      exit: EXIT.done,
    },
    { say: 'Production may not have it yet', type: ['promote', 'sandbox-gprd', '--yes'], exit: EXIT.held },
    { say: 'What would happen in staging?', type: ['plan', 'sandbox-gstg', '5.10.2'], exit: EXIT.done },
    {
      say: 'Staging: canaries, verdict, waves, soak, bake',
      type: ['deploy', 'sandbox-gstg', '5.10.2', '--yes'],
      exit: EXIT.done,
    },
    {
      say: 'Production: the version that staging has proven',
      type: ['promote', 'sandbox-gprd', '--yes'],
      exit: EXIT.done,
    },
    {
      say: 'A bad version: 5.11.0 burns CPU, though nobody knows it yet',
      type: ['stage', '5.11.0', ...both('5.11.0')],
      exit: EXIT.done,
    },
    {
      say: 'Its canaries are watched, and it comes back by itself',
      type: ['deploy', 'sandbox-gstg', '5.11.0', '--yes'],
      exit: EXIT.rolledBack,
    },
    {
      say: 'At 03:00: stop the agent everywhere, and keep it stopped',
      type: ['osqueryd', 'stop', '--fleet', '--yes', '--reason', 'INC-12'],
      exit: EXIT.done,
    },
    {
      say: 'In the morning: lift the holds, start it, prove that it runs',
      type: ['osqueryd', 'start', '--fleet', '--yes'],
      exit: EXIT.done,
    },
    { say: 'Where things stand', type: ['status'], exit: EXIT.done },
    { say: 'What every host really runs', type: ['sandbox', 'status'], exit: EXIT.done },
  ];
}

/** Long paths are shortened to their file for the eye. */
function shown(word: string): string {
  return word.replace(/=\/.*\//u, '=');
}

function typed(
  invocation: Invocation,
  words: readonly string[],
  output: 'inherit' | 'ignore',
): Promise<number> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const child = spawn(process.execPath, [main, ...words], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    env: invocation.env,
    stdio: ['ignore', output, output],
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? EXIT.bug));
  });
}
