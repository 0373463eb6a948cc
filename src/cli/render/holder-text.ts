/** Who holds a lease, in words for people. */
import type { LeaseHolder } from '../../ports/lease.ts';
import { harmless, moment } from './paint.ts';

/** `ada@ops-1 (pid 7)`, or somebody of whom nothing can be read, and why. */
export function holderText({ actor, pid, unreadable }: LeaseHolder): string {
  return unreadable === undefined
    ? `${actor.user}@${actor.hostname} (pid ${pid})`
    : `somebody (${harmless(unreadable)})`;
}

/** The same with since when and with what command, as far as that is known. */
export function holderLine(holder: LeaseHolder): string {
  const who = holderText(holder);
  return holder.unreadable === undefined
    ? `${who} since ${moment(holder.since)}: ${harmless(holder.actor.command)}`
    : who;
}
