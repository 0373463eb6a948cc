/**
 * How many hosts are worked on at once: begins low, doubles while connections come up, halves when many of them drop. Behind a
 * jump host or a proxy it begins at 8, so that none of them is met with hundreds of connections in the first second. Straight to
 * hosts, each has its own sshd and only the network is shared: it begins wider and widens sooner.
 *
 * RA1  An attempt whose host says nothing steps aside: another takes its place, while it goes on waiting in a side room, and it
 * counts again from the host's next word on. What waits aside never keeps a host that answers from its turn.
 * RA2  No more attempts are under way than the width and the side room together. Whoever finds the room full keeps its place
 * and goes in as soon as there is room, first come first served.
 * RA3  Who comes back does so at once, beyond the width if need be; then nobody new begins until there is room within it.
 */
import type { Clock } from '../../ports/clock.ts';
import { after } from './timing.ts';

/** One attempt's place. */
export interface Slot {
  /** From here on the host is expected to speak; also after it has spoken. */
  readonly heard: () => void;
  /** From here on silence means nothing: the program works, or packages are sent. */
  readonly settle: () => void;
  /** A connection was dropped before the key exchange, or got no answer in time. */
  readonly strained: () => void;
}

export interface Ramp {
  /** Runs it when there is room. */
  run<T>(work: (slot: Slot) => Promise<T>): Promise<T>;
  /** A connection came up, or the host said no: the way to it is clear. */
  readonly reached: () => void;
  /** How many may run now. */
  readonly width: number;
  /** How many run within the width, and how many wait aside. */
  readonly running: number;
  readonly aside: number;
}

export interface RampOptions {
  readonly clock: Clock;
  /** The widest. */
  readonly most: number;
  /**
   * What lies between us and the hosts: `direct` nothing but the network; `jump` a jump host that all share; `program` a program
   * a connection, too dear (gcloud takes 100 MB) to have more of than `most`.
   */
  readonly way: 'direct' | 'jump' | 'program';
  /** How many ramps divide all of this among them, each in a thread of its own. Default 1. */
  readonly sharers?: number;
}

/** Where it begins. */
const FIRST = { direct: 32, jump: 8, program: 8 } as const;
/** It does not halve below this. */
const LEAST = 2;
/** Most that wait aside straight to hosts: a socket each, and Linux gives a process 1,024 unless told otherwise. */
const MOST_ASIDE = 768;
/**
 * A silence that makes one step aside, ms: four times what is usual, within these bounds. A handshake takes 3 to 4 round trips of
 * at most some 300 ms around the world, each of them a word.
 */
const QUIET_MS = { least: 500, most: 3_000 } as const;

interface Place {
  where: 'slot' | 'queue for the room' | 'room' | 'gone';
  heardAt: number;
  words: number;
  longest: number;
  watching: boolean;
  stop: () => void;
}

export function createRamp({ clock, most, way, sharers = 1 }: RampOptions): Ramp {
  const part = (of: number): number => Math.max(1, Math.floor(of / sharers));
  const top = part(most);
  const room = { direct: Math.min(part(MOST_ASIDE), 8 * top), jump: top, program: 0 }[way];
  const queue: (() => void)[] = [];
  const wantRoom = new Set<Place>();
  let next = 0;
  let width = Math.min(part(FIRST[way]), top);
  let running = 0;
  let aside = 0;
  let reached = 0;
  let strained = 0;
  /** The usual longest silence of a host that answers, ms. */
  let usual = 0;

  const setWidth = (to: number): void => {
    width = to;
    reached = 0;
    strained = 0;
    admit();
  };
  const admit = (): void => {
    while (running < width && next < queue.length) {
      running += 1;
      queue[next++]?.();
    }
    if (next > 0 && next === queue.length) {
      queue.length = 0;
      next = 0;
    }
  };
  const enterRoom = (place: Place): void => {
    place.where = 'room';
    aside += 1;
    running -= 1;
  };
  const leaveRoom = (): void => {
    aside -= 1;
    const [waiting] = wantRoom;
    if (waiting === undefined) return;
    wantRoom.delete(waiting);
    enterRoom(waiting);
    admit();
  };
  const comeBack = (place: Place): void => {
    if (place.where === 'room') {
      running += 1;
      leaveRoom();
    }
    wantRoom.delete(place);
    place.where = 'slot';
  };
  const stepAside = (place: Place): void => {
    if (place.where !== 'slot' || !place.watching) return;
    if (aside < room) {
      enterRoom(place);
      admit();
    } else {
      place.where = 'queue for the room';
      wantRoom.add(place);
    }
  };
  const watch = (place: Place): void => {
    const limit = Math.min(QUIET_MS.most, Math.max(QUIET_MS.least, 4 * usual));
    place.stop = after(clock, limit, () => {
      const before = place.words;
      // What the host has said may lie unread while we were busy: it is read before this.
      setImmediate(() => {
        if (place.words === before) stepAside(place);
      });
    });
  };
  const remember = (place: Place): void => {
    const now = clock.now();
    if (place.watching) place.longest = Math.max(place.longest, Math.min(QUIET_MS.most, now - place.heardAt));
    place.heardAt = now;
    place.words += 1;
  };
  const slotOf = (place: Place): Slot => ({
    heard() {
      if (place.where === 'gone') return;
      remember(place);
      place.watching = true;
      place.stop();
      comeBack(place);
      if (room > 0) watch(place);
    },
    settle() {
      if (place.where === 'gone' || !place.watching) return;
      remember(place);
      usual += (place.longest - usual) / 16;
      place.watching = false;
      place.stop();
      comeBack(place);
    },
    strained() {
      // Straight to hosts a silent one speaks for itself alone.
      if (way === 'direct' && place.where !== 'slot') return;
      strained += 1;
      if (strained >= Math.max(LEAST, Math.ceil(width / 2)))
        setWidth(Math.max(Math.min(LEAST, top), Math.floor(width / 2)));
    },
  });
  const leave = (place: Place): void => {
    place.stop();
    wantRoom.delete(place);
    if (place.where === 'room') leaveRoom();
    else running -= 1;
    place.where = 'gone';
    admit();
  };

  return {
    async run(work) {
      await new Promise<void>((resolve) => {
        queue.push(resolve);
        admit();
      });
      const place: Place = {
        where: 'slot',
        heardAt: 0,
        words: 0,
        longest: 0,
        watching: false,
        stop: () => {},
      };
      try {
        return await work(slotOf(place));
      } finally {
        leave(place);
      }
    },
    reached() {
      reached += 1;
      if (reached >= (way === 'direct' ? width / 2 : width)) setWidth(Math.min(top, width * 2));
    },
    get width() {
      return width;
    },
    get running() {
      return running;
    },
    get aside() {
      return aside;
    },
  };
}
