/** Ports whose adapters bring libraries with them, loaded with the first call: whoever only reads a journal waits for none of them. */
import type { Remote } from '../ports/remote.ts';
import type { RoleFiles } from '../ports/role-files.ts';

export function lazyRemote(open: () => Promise<Remote>): Remote {
  const opened = once(open);
  return {
    run: async (host, job, signal) => (await opened.get()).run(host, job, signal),
    close: async () => {
      if (opened.isBegun()) await (await opened.get()).close();
    },
  };
}

export function lazyRoleFiles(open: () => Promise<RoleFiles>): RoleFiles {
  const opened = once(open);
  return {
    plan: async (edit) => (await opened.get()).plan(edit),
    apply: async (planned) => (await opened.get()).apply(planned),
  };
}

function once<T>(open: () => Promise<T>): { get(): Promise<T>; isBegun(): boolean } {
  let opened: Promise<T> | null = null;
  return {
    get: () => (opened ??= open()),
    isBegun: () => opened !== null,
  };
}
