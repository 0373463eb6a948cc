/** Values in JSON files of a checkout that decide whether configuration management runs the agent, such as a Chef role. */
import type { RoleFileChange } from '../domain/lifecycle.ts';
import type { Result } from '../domain/result.ts';

export interface RoleFileEdit {
  readonly name: string;
  /** Absolute. */
  readonly file: string;
  readonly path: readonly string[];
  /** JSON text of the value to set; null: take the key out. */
  readonly value: string | null;
  /** Commit to this branch, which is made where it is not there; null: change the file and commit nothing. */
  readonly branch: string | null;
  /** Commit message. */
  readonly message: string;
}

/** What an edit would do. Nothing has been changed yet. */
export interface PlannedRoleFileEdit {
  readonly edit: RoleFileEdit;
  /** JSON text of what is there; null: nothing. */
  readonly before: string | null;
  /** Unified diff; empty: it is so already. */
  readonly diff: string;
}

/** Errors are sentences that name the file. */
export interface RoleFiles {
  plan(edit: RoleFileEdit): Promise<Result<PlannedRoleFileEdit, string>>;
  /** Refuses where the file is no longer as it was planned from. The rest of the file keeps its formatting. */
  apply(planned: PlannedRoleFileEdit): Promise<Result<RoleFileChange, string>>;
}
