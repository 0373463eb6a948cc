/** The command table: names, arguments, options and what to load. Nothing here loads more than commander. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { CommandModule } from './command-module.ts';
import { EXIT } from './exit-codes.ts';
import type { Output } from './invocation.ts';

interface CommandSpec {
  readonly name: string;
  /** Arguments in commander's notation. */
  readonly args?: string;
  readonly summary: string;
  readonly help?: string;
  readonly options?: readonly Option[];
  /** Changes something: takes --yes and --reason. */
  readonly changes?: boolean;
  readonly load: () => Promise<CommandModule>;
}

const MAX_HOLD = new Option(
  '--give-up-after <duration>',
  'end with exit 4 when held for so long without a break',
).default('30m');
const DETACH = new Option(
  '--detach',
  'end (exit 4) as soon as there is nothing to do now; carry on with `rollout advance`',
);

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'stage',
    args: '<version>',
    summary: 'check packages and put them into the artifact stores',
    changes: true,
    options: [
      new Option(
        '--package <env=file...>',
        'an environment and its .deb; repeat for every environment and architecture',
      ),
      new Option('--sha256 <env=hex...>', "what the file's sha256 must be"),
    ],
    load: () => import('./commands/stage.ts'),
  },
  {
    name: 'releases',
    args: '[env]',
    summary: 'list what is staged, pinned, proven and quarantined',
    load: () => import('./commands/releases.ts'),
  },
  {
    name: 'plan',
    args: '<env> [version]',
    summary: 'show the waves, who is left out and why, and what blocks; changes nothing',
    load: () => import('./commands/plan.ts'),
  },
  {
    name: 'deploy',
    args: '<env> <version>',
    summary: 'roll a version out to an environment that nothing precedes',
    changes: true,
    options: [DETACH, MAX_HOLD],
    load: () => import('./commands/deploy.ts'),
  },
  {
    name: 'promote',
    args: '<env>',
    summary: 'roll out the version that the preceding environment has proven',
    changes: true,
    options: [
      DETACH,
      MAX_HOLD,
      new Option(
        '--without-receipt <version>',
        'promote VERSION without proof from the preceding environment; needs --reason',
      ),
    ],
    load: () => import('./commands/promote.ts'),
  },
  {
    name: 'canary',
    args: '<env> <version>',
    summary: 'one host of every kind and a verdict, then back again',
    changes: true,
    options: [DETACH, MAX_HOLD, new Option('--keep', 'leave the canaries on the version when they pass')],
    load: () => import('./commands/canary.ts'),
  },
  {
    name: 'status',
    args: '[env]',
    summary: 'where every rollout stands, and why nothing moves',
    load: () => import('./commands/status.ts'),
  },
  {
    name: 'watch',
    args: '[env]',
    summary: 'status, again and again until Ctrl-C',
    options: [new Option('--every <duration>', 'how often').default('2s')],
    load: () => import('./commands/watch.ts'),
  },
  {
    name: 'advance',
    args: '<env>',
    summary: 'go on as far as is possible now, then end: for CI, on a schedule',
    changes: true,
    options: [MAX_HOLD, new Option('--wait', 'wait through soak and bake as deploy does')],
    load: () => import('./commands/advance.ts'),
  },
  {
    name: 'pause',
    args: '<env>',
    summary: 'begin nothing new until resume',
    changes: true,
    load: () => import('./commands/requests.ts').then((m) => m.pause),
  },
  {
    name: 'resume',
    args: '<env>',
    summary: 'go on after a pause or a halt',
    changes: true,
    load: () => import('./commands/requests.ts').then((m) => m.resume),
  },
  {
    name: 'approve',
    args: '<env>',
    summary: 'let the next wave begin',
    changes: true,
    load: () => import('./commands/requests.ts').then((m) => m.approve),
  },
  {
    name: 'abort',
    args: '<env>',
    summary: 'end the rollout and leave the hosts as they are',
    changes: true,
    load: () => import('./commands/requests.ts').then((m) => m.abort),
  },
  {
    name: 'rollback',
    args: '<env>',
    summary: 'put every host that the last rollout touched back',
    changes: true,
    options: [
      MAX_HOLD,
      new Option('--to <version>', 'go to this staged version instead of each host’s previous one'),
    ],
    load: () => import('./commands/rollback.ts'),
  },
  {
    name: 'history',
    args: '<env>',
    summary: 'who changed what, when and why',
    options: [
      new Option('--limit <n>', 'newest entries').argParser(wholeNumber).default(200),
      new Option('--verify', 'check the whole chain and say so'),
    ],
    load: () => import('./commands/history.ts'),
  },
  {
    name: 'quarantine list',
    args: '[env]',
    summary: 'digests that were rolled back',
    load: () => import('./commands/quarantine.ts').then((m) => m.list),
  },
  {
    name: 'quarantine lift',
    args: '<sha256>',
    summary: 'let a digest be rolled out again; needs --reason',
    changes: true,
    load: () => import('./commands/quarantine.ts').then((m) => m.lift),
  },
  {
    name: 'config check',
    summary: 'read every file and print all problems',
    load: () => import('./commands/config.ts').then((m) => m.check),
  },
  {
    name: 'config reference',
    args: '[part]',
    summary: 'every key with its unit, default and meaning; PART shows one of them, such as limits',
    load: () => import('./commands/config.ts').then((m) => m.reference),
  },
  {
    name: 'config schema',
    args: '[kind]',
    summary: 'JSON Schema of environment or playbook files, for editors',
    load: () => import('./commands/config.ts').then((m) => m.schema),
  },
  {
    name: 'demo',
    summary: 'the whole story on an embedded fleet, in about a minute',
    options: [new Option('--keep', 'leave the sandbox running')],
    load: () => import('./commands/demo.ts'),
  },
  {
    name: 'sandbox up',
    summary: 'start the embedded fleet and leave it running',
    options: [new Option('--foreground', 'stay until Ctrl-C')],
    load: () => import('./commands/sandbox.ts').then((m) => m.up),
  },
  {
    name: 'sandbox down',
    summary: 'stop the embedded fleet and delete what it wrote',
    load: () => import('./commands/sandbox.ts').then((m) => m.down),
  },
  {
    name: 'sandbox status',
    summary: 'what each embedded host really runs',
    load: () => import('./commands/sandbox.ts').then((m) => m.status),
  },
];

const GROUPS: Readonly<Record<string, string>> = {
  quarantine: 'digests that were rolled back and go nowhere',
  config: 'check and explain the configuration',
  sandbox: 'the embedded fleet that needs nothing but Node',
};

export interface CommandCall {
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  /** Works on hosts, so that an interruption is worth a word. */
  readonly changes: boolean;
}

export interface ProgramOptions {
  readonly version: string;
  readonly output: Output;
  /** Called with the command chosen; answers with the exit code. */
  readonly execute: (module: CommandModule, call: CommandCall) => Promise<number>;
}

/** Runs the command that `argv` names; answers with the exit code. */
export async function runProgram(argv: readonly string[], options: ProgramOptions): Promise<number> {
  let exit: number = EXIT.done;
  const program = configured(new Command('rollout'), options.output)
    .description(
      'Changes the osquery agent on a fleet of VMs in waves, watches it, and takes the change back by itself.',
    )
    .version(options.version)
    .addHelpText('after', AFTER_HELP);
  const groups = new Map<string, Command>();
  for (const spec of COMMANDS) {
    const [first = '', second] = spec.name.split(' ');
    let parent = program;
    if (second !== undefined) {
      parent =
        groups.get(first) ??
        configured(program.command(first), options.output).description(GROUPS[first] ?? '');
      groups.set(first, parent);
    }
    const command = configured(parent.command(`${second ?? first} ${spec.args ?? ''}`.trim()), options.output)
      .summary(spec.summary)
      .description(spec.summary);
    for (const option of spec.options ?? []) command.addOption(option);
    addCommonOptions(command, spec.changes === true);
    command.action(async (...given: unknown[]) => {
      const args = given.slice(0, -2).filter((arg) => typeof arg === 'string');
      const call = { args, options: command.opts(), changes: spec.changes === true };
      exit = await options.execute(await spec.load(), call);
    });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}

function configured(command: Command, output: Output): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError(true)
    .showHelpAfterError('(rollout --help lists the commands)')
    .configureHelp({ helpWidth: output.width, showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => output.out(text.replace(/\n$/u, '')),
      writeErr: (text) => output.err(text.replace(/\n$/u, '')),
    });
}

function addCommonOptions(command: Command, changes: boolean): void {
  command.option(
    '--config <dir>',
    'folder that holds environments/ and playbooks/ (default: ./, then what ships with rollout)',
  );
  command.option('--json', 'NDJSON on stdout, one object a line');
  command.option('--no-color', 'no colours');
  if (!changes) return;
  command.option('--yes', 'do not ask; needed where there is no terminal');
  command.option('--reason <text>', 'why; goes into the journal');
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/u.test(text)) throw new InvalidArgumentError('It must be a whole number from 1.');
  return Number(text);
}

const AFTER_HELP = `
Try it without a fleet:      rollout demo
A version through staging:   rollout stage 5.10.2 --package gstg=a.deb --package gprd=b.deb
                             rollout deploy gstg 5.10.2
And on, once it has baked:   rollout promote gprd
Where things stand:          rollout status

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 rolled back, 4 held, 5 incomplete, 6 locked, 130 interrupted.`;
