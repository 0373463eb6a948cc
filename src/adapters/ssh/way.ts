/** A stream to a host that is no TCP connection of our own: a channel of a jump host, or a program's stdin and stdout. */
import type { Duplex } from 'node:stream';

export interface WayEnd {
  /** How it ended, for people. */
  readonly message: string;
  /** The host let it drop, so that another try is worth it. */
  readonly dropped: boolean;
}

export interface Way {
  /** Ends when the way has ended; destroying it ends the way. */
  readonly stream: Duplex;
  /** How it ended, where it knows better than the stream; null before that. */
  ended?(): WayEnd | null;
  /** What it has said of itself, to be put behind a sentence; empty: nothing. */
  said?(): string;
}
