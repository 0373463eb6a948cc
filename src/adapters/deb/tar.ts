/**
 * Reads a tar as dpkg does: ustar and GNU headers, GNU long names, nothing else. dpkg refuses pax headers, and stops at the first
 * empty block; a reader that takes more than dpkg would judge another file than the one that gets installed.
 *
 * T1  Only plain files, directories, links: no devices, no unknown types.
 * T2  Sizes, counts and names are bounded before anything is kept of them.
 * T3  The end is an empty block, and only zeros follow it.
 */
import { unreachable } from '../../domain/result.ts';
import { DebFailure } from './failure.ts';

const BLOCK = 512;
/** Linux' PATH_MAX: a longer name could not be unpacked. */
const MAX_NAME_BYTES = 4096;

export interface TarEntry {
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink';
  /** As written in the archive, such as `./usr/bin/osqueryd`. */
  readonly name: string;
  /** Target of a link; empty for others. */
  readonly link: string;
  /** Permission bits. */
  readonly mode: number;
  /** Bytes of content that follow; 0 for all but files. */
  readonly size: number;
}

/** Takes one entry's content; called for files only. */
export interface TarContent {
  write(part: Uint8Array): void;
  end(): void;
}

export interface TarLimits {
  readonly entries: number;
  readonly nameBytes: number;
}

type State =
  | { readonly kind: 'header'; filled: number }
  | { readonly kind: 'content'; left: number; padding: number; readonly sink: TarContent | null }
  | {
      readonly kind: 'long-name';
      readonly of: 'name' | 'link';
      readonly bytes: Uint8Array;
      filled: number;
      padding: number;
    }
  | { readonly kind: 'padding'; left: number }
  | { readonly kind: 'ended' };

/** Push parser: `feed` it the bytes as they come, `end` it, and it calls `onEntry` for each entry in order. */
export class TarReader {
  readonly #onEntry: (entry: TarEntry) => TarContent | null;
  readonly #member: string;
  readonly #limits: TarLimits;
  readonly #header = new Uint8Array(BLOCK);
  #state: State = { kind: 'header', filled: 0 };
  #longName: string | null = null;
  #longLink: string | null = null;
  #entries = 0;
  #nameBytes = 0;

  /** `member` names the tar in errors; `onEntry` answers with where the content goes, or null to pass over it. */
  constructor(member: string, limits: TarLimits, onEntry: (entry: TarEntry) => TarContent | null) {
    this.#member = member;
    this.#limits = limits;
    this.#onEntry = onEntry;
  }

  feed(chunk: Uint8Array): void {
    let rest = chunk;
    while (rest.length > 0) rest = rest.subarray(this.#step(rest));
  }

  end(): void {
    if (this.#state.kind === 'ended') return;
    throw new DebFailure('truncated', `${this.#member} ends without its end mark`);
  }

  /** Uses up some of `bytes`, at least one, and says how many. */
  #step(bytes: Uint8Array): number {
    const state = this.#state;
    switch (state.kind) {
      case 'header': {
        const part = bytes.subarray(0, BLOCK - state.filled);
        this.#header.set(part, state.filled);
        state.filled += part.length;
        if (state.filled === BLOCK) this.#beginEntry();
        return part.length;
      }
      case 'content': {
        const part = bytes.subarray(0, state.left);
        state.sink?.write(part);
        state.left -= part.length;
        if (state.left === 0) {
          state.sink?.end();
          this.#pad(state.padding);
        }
        return part.length;
      }
      case 'long-name': {
        const part = bytes.subarray(0, state.bytes.length - state.filled);
        state.bytes.set(part, state.filled);
        state.filled += part.length;
        if (state.filled === state.bytes.length) {
          if (state.of === 'name') this.#longName = textOf(state.bytes);
          else this.#longLink = textOf(state.bytes);
          this.#pad(state.padding);
        }
        return part.length;
      }
      case 'padding': {
        const used = Math.min(bytes.length, state.left);
        this.#pad(state.left - used);
        return used;
      }
      case 'ended':
        if (bytes.some((byte) => byte !== 0)) throw this.#malformed('something follows its end mark'); // T3
        return bytes.length;
      default:
        return unreachable(state);
    }
  }

  #pad(left: number): void {
    this.#state = left > 0 ? { kind: 'padding', left } : { kind: 'header', filled: 0 };
  }

  #beginEntry(): void {
    const header = this.#header;
    if (header.every((byte) => byte === 0)) {
      if (this.#longName !== null || this.#longLink !== null)
        throw this.#malformed('a long name belongs to no entry');
      this.#state = { kind: 'ended' };
      return;
    }
    this.#entries += 1;
    if (this.#entries > this.#limits.entries) {
      throw new DebFailure('too-large', `${this.#member} has more than ${this.#limits.entries} entries`);
    }
    this.#checkSum();
    const magic = Buffer.from(header.subarray(257, 263)).toString('latin1');
    if (magic !== 'ustar\0' && magic !== 'ustar ')
      throw this.#malformed('an entry is neither in ustar nor in GNU form');
    const size = this.#number(124, 12, 'size');
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    const type = String.fromCharCode(header[156] ?? 0);
    if (type === 'L' || type === 'K') {
      if (size === 0 || size > MAX_NAME_BYTES + 1) throw this.#malformed(`a name is ${size} bytes long`);
      const of = type === 'L' ? 'name' : 'link';
      this.#state = { kind: 'long-name', of, bytes: new Uint8Array(size), filled: 0, padding };
      return;
    }
    const entry = this.#entry(type, magic, size);
    const sink = this.#onEntry(entry);
    if (size > 0) {
      this.#state = { kind: 'content', left: size, padding, sink };
    } else {
      if (entry.kind === 'file') sink?.end();
      this.#pad(0);
    }
  }

  #entry(type: string, magic: string, size: number): TarEntry {
    const short = textOf(this.#header.subarray(0, 100));
    const prefix = magic === 'ustar\0' ? textOf(this.#header.subarray(345, 500)) : '';
    const name = this.#longName ?? (prefix === '' ? short : `${prefix}/${short}`);
    const target = this.#longLink ?? textOf(this.#header.subarray(157, 257));
    this.#longName = null;
    this.#longLink = null;
    const kind = this.#kindOf(type, name);
    const link = kind === 'symlink' || kind === 'hardlink' ? target : '';
    this.#nameBytes += Buffer.byteLength(name) + Buffer.byteLength(link);
    if (this.#nameBytes > this.#limits.nameBytes) {
      throw new DebFailure(
        'too-large',
        `${this.#member}: its names alone are over ${this.#limits.nameBytes} bytes`,
      );
    }
    if (kind !== 'file' && size !== 0)
      throw this.#malformed(`${show(name)} is no file, yet has ${size} bytes of content`);
    return { kind, name, link, mode: this.#number(100, 8, 'mode') & 0o7777, size };
  }

  #kindOf(type: string, name: string): TarEntry['kind'] {
    switch (type) {
      case '0':
      case '\0':
        return name.endsWith('/') ? 'directory' : 'file';
      case '1':
        return 'hardlink';
      case '2':
        return 'symlink';
      case '5':
        return 'directory';
      case '3':
      case '4':
      case '6':
        throw new DebFailure(
          'malformed',
          `${this.#member} holds a device or a pipe (${show(name)}); an agent has none`,
        ); // T1
      case 'x':
      case 'g':
        throw new DebFailure(
          'unsupported',
          `${this.#member} uses pax headers, which dpkg refuses; build it in GNU tar form`,
        );
      default:
        throw this.#malformed(`${show(name)} has the unknown type ${JSON.stringify(type)}`); // T1
    }
  }

  #checkSum(): void {
    let sum = 0;
    for (const [at, byte] of this.#header.entries()) sum += at >= 148 && at < 156 ? 0x20 : byte;
    if (this.#number(148, 8, 'checksum') !== sum) throw this.#malformed('an entry has a wrong checksum');
  }

  /** Octal, or GNU's base 256 for large numbers. */
  #number(at: number, length: number, what: string): number {
    const field = this.#header.subarray(at, at + length);
    if (field[0] === 0x80) {
      let value = 0;
      for (const byte of field.subarray(1)) value = value * 256 + byte;
      if (Number.isSafeInteger(value)) return value;
      throw this.#malformed(`an entry's ${what} is beyond all reason`);
    }
    const text = /^ *([0-7]*)[ \0]*$/.exec(Buffer.from(field).toString('latin1'))?.[1];
    if (text === undefined) throw this.#malformed(`an entry's ${what} is not a number`);
    return text === '' ? 0 : Number.parseInt(text, 8);
  }

  #malformed(why: string): DebFailure {
    return new DebFailure('malformed', `${this.#member}: ${why}`);
  }
}

function textOf(field: Uint8Array): string {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('utf8');
}

/** A name from the archive, made safe to print. */
export function show(name: string): string {
  return JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}...` : name);
}
