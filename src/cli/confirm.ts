/** Asks before a change. Without a terminal and without --yes a change is refused, never assumed. */
import type { Environment } from '../domain/environment.ts';
import { EXIT } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { sayRefused } from './session.ts';

export type Consent = { readonly given: true } | { readonly given: false; readonly exit: number };

/** `what` completes "About to ...". A no ends with 1, since what was asked for is not done; Ctrl-C with 130. */
export async function askConsent(
  invocation: Invocation,
  environment: Environment,
  what: string,
): Promise<Consent> {
  if (invocation.yes) return { given: true };
  const { output } = invocation;
  if (!output.inIsTerminal || !output.errIsTerminal || invocation.json) {
    const why = invocation.json ? '--json asks no questions' : 'there is no terminal to ask on';
    const exit = sayRefused(invocation, [
      {
        exit: 'usage',
        code: 'not-confirmed',
        message: `about to ${what}, and ${why}`,
        details: [],
        next: 'the same command with --yes',
      },
    ]);
    return { given: false, exit };
  }
  const answer = await ask(invocation, environment, what);
  if (answer === 'yes') return { given: true };
  output.err(
    answer === 'other-name'
      ? `that is not ${environment.name}: nothing was changed`
      : 'not confirmed: nothing was changed',
  );
  return { given: false, exit: answer === 'interrupted' ? EXIT.interrupted : EXIT.failed };
}

async function ask(
  { output, signal }: Invocation,
  environment: Environment,
  what: string,
): Promise<'yes' | 'no' | 'other-name' | 'interrupted'> {
  const { default: inquirer } = await import('inquirer');
  const prompt = inquirer.createPromptModule({ output: output.promptStream, signal });
  output.live('');
  try {
    if (environment.confirm === 'type-name') {
      const { name } = await prompt<{ name: string }>([
        { type: 'input', name: 'name', message: `About to ${what}. Type ${environment.name} to go on:` },
      ]);
      return name.trim() === environment.name ? 'yes' : 'other-name';
    }
    const { go } = await prompt<{ go: boolean }>([
      { type: 'confirm', name: 'go', message: `About to ${what}. Go on?`, default: false },
    ]);
    return go ? 'yes' : 'no';
  } catch (error) {
    if (error instanceof Error && ENDED.has(error.name)) return 'interrupted';
    throw error;
  }
}

/** What the library throws at Ctrl-C, at the end of the input, and when the signal is raised. */
const ENDED: ReadonlySet<string> = new Set(['ExitPromptError', 'AbortPromptError', 'CancelPromptError']);
