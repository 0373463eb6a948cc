/** One row of the command table: what is typed, what it does, and what to load when it is typed. */
import type { Option } from 'commander';
import type { CommandModule } from './command-module.ts';

export interface CommandSpec {
  readonly name: string;
  /** Arguments in commander's notation. */
  readonly args?: string;
  readonly summary: string;
  /** What the summary leaves out: what it needs, what it leaves behind, how it ends. */
  readonly help: string;
  /** Behind `rollout `; each on a line of its own. */
  readonly examples: readonly string[];
  readonly options?: readonly Option[];
  /** Changes hosts or a journal: takes --yes and --reason. */
  readonly changes?: boolean;
  /** It never asks, so that --yes, which it takes all the same, says nothing. */
  readonly neverAsks?: boolean;
  /** Takes --metrics-port, --metrics-push and --metrics-file; absent: where it changes something. */
  readonly metrics?: boolean;
  /** Words that no argument takes reach the command, which says what was meant. */
  readonly excess?: boolean;
  readonly load: () => Promise<CommandModule>;
}
