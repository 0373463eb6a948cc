/** From argv to one command: commander's parsing, help and complaints, in the words and exit codes of this program. */
import { Command, CommanderError } from 'commander';
import type { CommandModule } from './command-module.ts';
import type { CommandSpec } from './command-spec.ts';
import { COMMANDS, GROUPS } from './command-table.ts';
import { EXIT } from './exit-codes.ts';
import type { Output } from './invocation.ts';
import { jsonText } from './json-lines.ts';

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

/** One of the two programs that are made from the table. */
export interface Program {
  readonly name: string;
  readonly description: string;
  readonly commands: readonly CommandSpec[];
  /** Commands of two words, by their first. */
  readonly groups: Readonly<Record<string, string>>;
  /** What stands before the table's examples. */
  readonly typed: string;
  readonly afterHelp: string;
}

/** `rollout`: runs the command that `argv` names; answers with the exit code. */
export function runProgram(argv: readonly string[], options: ProgramOptions): Promise<number> {
  return runCommands(ROLLOUT, argv, options);
}

/** Runs the program's command that `argv` names; answers with the exit code. */
export async function runCommands(
  described: Program,
  argv: readonly string[],
  options: ProgramOptions,
): Promise<number> {
  let exit: number = EXIT.done;
  const { name: own, typed } = described;
  const configured = (command: Command, name = ''): Command =>
    configure(command, { own, name, output: options.output });
  const program = configured(new Command(own))
    .description(described.description)
    .version(options.version)
    .addHelpText('after', described.afterHelp);
  const groups = new Map<string, Command>();
  for (const spec of described.commands) {
    const [first = '', second] = spec.name.split(' ');
    let parent = program;
    if (second !== undefined) {
      parent =
        groups.get(first) ??
        configured(program.command(first), first).description(described.groups[first] ?? '');
      groups.set(first, parent);
    }
    const added = parent.command(`${second ?? first} ${spec.args ?? ''}`.trim());
    const examples = spec.examples.map((line) => `  ${typed}${line}`).join('\n');
    const command = configured(added, spec.name)
      .summary(spec.summary)
      .description(describe(spec))
      .allowExcessArguments(spec.excess === true)
      .addHelpText('after', `\nExamples:\n${examples}`);
    for (const option of spec.options ?? []) command.addOption(option);
    addCommonOptions(command, spec);
    command.action(async (...given: unknown[]) => {
      const args =
        spec.excess === true ? command.args : given.slice(0, -2).filter((arg) => typeof arg === 'string');
      const call = { args, options: command.opts(), changes: spec.changes === true };
      exit = await options.execute(await spec.load(), call);
    });
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.done;
    if (argv.includes('--json') && error.code !== 'commander.help') {
      const message = error.message.replace(/^error: /u, '');
      options.output.out(jsonText('refusal', { exit: EXIT.usage, code: 'usage', message, details: [] }));
    }
    return EXIT.usage;
  }
}

function describe({ summary, help }: CommandSpec): string {
  const sentence = `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
  return help === '' ? sentence : `${sentence} ${help}`;
}

interface Configured {
  readonly own: string;
  /** Empty for the program itself. */
  readonly name: string;
  readonly output: Output;
}

function configure(command: Command, { own, name, output }: Configured): Command {
  const help = name === '' ? `${own} --help lists the commands` : `${own} ${name} --help says more`;
  return command
    .exitOverride()
    .showSuggestionAfterError(true)
    .showHelpAfterError(`  next: ${help}`)
    .configureHelp({ helpWidth: output.width, showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => output.out(text.replace(/\n$/u, '')),
      writeErr: (text) => output.err(text.replace(/\n$/u, '')),
      outputError: (text, write) =>
        write(`${text.replace(/^error: /u, `${own}: `)}${meantBy(text, command)}`),
    });
}

/** What people type for an option that has another name, and that is not near it letter by letter. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['--all', '--fleet'],
  ['-a', '--fleet'],
  ['--everything', '--fleet'],
  ['--everywhere', '--fleet'],
  ['-y', '--yes'],
]);

function meantBy(complaint: string, { options }: Command): string {
  const typed = /unknown option '([^']*)'/u.exec(complaint)?.[1] ?? '';
  const meant = MEANT.get(typed);
  const isThere = options.some(({ long }) => long === meant);
  return meant === undefined || !isThere || complaint.includes('Did you mean')
    ? ''
    : `(Did you mean ${meant}?)\n`;
}

function addCommonOptions(
  command: Command,
  { changes = false, metrics = changes, neverAsks = false }: CommandSpec,
): void {
  command.option(
    '--config <dir>',
    'folder that holds environments/ and playbooks/ (default: ./, then what ships with rollout)',
  );
  command.option('--json', 'NDJSON on stdout, one object a line');
  command.option('--no-color', 'no colours');
  if (metrics) {
    command.option('--metrics-port <port>', "serve the program's own metrics while it runs; HOST:PORT too");
    command.option('--metrics-push <url>', 'push them to a Pushgateway at the end');
    command.option(
      '--metrics-file <file>',
      "write them at the end, for node-exporter's textfile collector (NAME.prom)",
    );
  }
  if (!changes) return;
  command.option(
    '--yes',
    neverAsks
      ? 'not needed: this command never asks; taken so that a script may give it everywhere'
      : 'do not ask; needed where there is no terminal',
  );
  command.option('--reason <text>', 'why; goes into the journal');
}

const ROLLOUT: Program = {
  name: 'rollout',
  description:
    'Changes the osquery agent on a fleet of VMs in waves, watches it, and takes the change back by itself.',
  commands: COMMANDS,
  groups: GROUPS,
  typed: 'rollout ',
  afterHelp: `
Stop the agent, now:         rollout osqueryd stop --fleet
Try it without a fleet:      rollout demo
A version through staging:   rollout stage 5.10.2 --package gstg=a.deb --package gprd=b.deb
                             rollout deploy gstg 5.10.2
And on, once it has baked:   rollout promote gprd
Where things stand:          rollout status

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 rolled back, 4 held, 5 incomplete, 6 locked, 130 interrupted.`,
};
