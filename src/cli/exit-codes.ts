/** How every command ends; the same number means the same everywhere (DESIGN, "Commands"). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  rolledBack: 3,
  held: 4,
  incomplete: 5,
  locked: 6,
  bug: 70,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
