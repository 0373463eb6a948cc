/** Which process a holder is, and whether it has ended. */

/** What tells one process from all others; fields are absent where there is no /proc. */
export interface ProcessMark {
  readonly hostname: string;
  readonly pid: number;
  /** Kernel's id of this boot. */
  readonly bootId?: string;
  /** Pid namespace: two containers on one machine may share hostname and boot, not pids. */
  readonly pidNamespace?: string;
  /** Start of the process in clock ticks since boot, as /proc/PID/stat has it. */
  readonly startTicks?: string;
}

export interface ProcessTable {
  /** The mark of a process of this machine, such as our own. */
  mark(hostname: string, pid: number): Promise<ProcessMark>;
  /**
   * True only where it is certain that the process has ended: same machine, same boot, same pid namespace, and the pid
   * is free, a zombie, or younger. From elsewhere nothing is certain.
   */
  hasEnded(mark: ProcessMark, here: ProcessMark): Promise<boolean>;
}
