/** Asks before a change. Without a terminal and without --yes a change is refused, never assumed. */
import type { Environment } from '../domain/environment.ts';
import type { Invocation } from './invocation.ts';
import { sayRefused } from './session.ts';

export type Consent = { readonly given: true } | { readonly given: false; readonly exit: number };

/** `what` completes "About to ...". */
export async function askConsent(
  invocation: Invocation,
  environment: Environment,
  what: string,
): Promise<Consent> {
  if (invocation.yes) return { given: true };
  const { output } = invocation;
  if (!output.inIsTerminal || !output.errIsTerminal || invocation.json) {
    const exit = sayRefused(invocation, [
      {
        exit: 'usage',
        code: 'not-confirmed',
        message: `about to ${what}, and there is no terminal to ask on`,
        details: [],
        next: 'the same command with --yes',
      },
    ]);
    return { given: false, exit };
  }
  const given = await ask(environment, what);
  if (given) return { given: true };
  output.err('not confirmed: nothing was changed');
  return { given: false, exit: 130 };
}

async function ask(environment: Environment, what: string): Promise<boolean> {
  const { default: inquirer } = await import('inquirer');
  try {
    if (environment.confirm === 'type-name') {
      const { name } = await inquirer.prompt<{ name: string }>([
        { type: 'input', name: 'name', message: `About to ${what}. Type ${environment.name} to go on:` },
      ]);
      return name.trim() === environment.name;
    }
    const { go } = await inquirer.prompt<{ go: boolean }>([
      { type: 'confirm', name: 'go', message: `About to ${what}. Go on?`, default: false },
    ]);
    return go;
  } catch {
    // Ctrl-C at the prompt is a no.
    return false;
  }
}
