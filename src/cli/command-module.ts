/** What a command's file exports: loaded only when the command is typed, so that --help stays fast. */
import type { Invocation } from './invocation.ts';

export interface CommandModule {
  /** Answers with the exit code. */
  run(invocation: Invocation): Promise<number>;
}
