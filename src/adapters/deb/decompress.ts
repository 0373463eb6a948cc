/**
 * Unpacks one member of a `.deb` while it streams. A packer's own error becomes a DebFailure; an error of the source (the file ends,
 * the disk fails) is passed on as it is, since it is the cause and the packer's complaint only follows from it.
 */
import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ReadableStream } from 'node:stream/web';
import zlib from 'node:zlib';
import xz from 'xz-decompress';
import { DebFailure } from './failure.ts';

// A CommonJS bundle: plain Node finds no named exports in it (bundlers and test runners do).
const { XzReadableStream } = xz;

type Bytes = AsyncIterable<Uint8Array>;

export type Compression = 'none' | 'gz' | 'xz' | 'zst';

const BY_SUFFIX: Readonly<Record<string, Compression>> = {
  '': 'none',
  '.gz': 'gz',
  '.xz': 'xz',
  '.zst': 'zst',
};

/** Compression of `control.tar*` or `data.tar*` by its name; null when this is no such member. */
export function compressionOf(member: string, base: 'control.tar' | 'data.tar'): Compression | null {
  if (!member.startsWith(base)) return null;
  const suffix = member.slice(base.length);
  const compression = BY_SUFFIX[suffix];
  if (compression !== undefined) return compression;
  if (suffix === '.bz2' || suffix === '.lzma') {
    throw new DebFailure(
      'unsupported',
      `${member}: only plain, gz, xz and zst are read; rebuild it with dpkg-deb -Zxz`,
    );
  }
  return null;
}

/** Unpacks `packed`, `size` bytes long in all. Fails when the packed stream ends before `size`. */
export async function* decompress(
  packed: Bytes,
  compression: Compression,
  member: { readonly name: string; readonly size: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  if (compression === 'none') {
    yield* packed;
    return;
  }
  if (member.size === 0) throw new DebFailure('malformed', `${member.name} is empty`);
  const source = watched(packed);
  try {
    if (compression === 'xz') yield* unpackXz(source, member);
    else yield* unpackZlib(source.bytes, compression, member);
  } catch (cause) {
    if (source.failure !== undefined) throw source.failure;
    if (cause instanceof DebFailure) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DebFailure('malformed', `${member.name} does not unpack as ${compression}: ${explainXz(why)}`);
  }
}

interface WatchedBytes {
  readonly bytes: Bytes;
  failure: unknown;
  /** The last two bytes that went through. */
  tail: string;
}

/** Passes bytes on; remembers how they ended. */
function watched(packed: Bytes): WatchedBytes {
  const state: { -readonly [K in keyof WatchedBytes]: WatchedBytes[K] } = {
    bytes: packed,
    failure: undefined,
    tail: '',
  };
  state.bytes = (async function* () {
    // By hand, since a stream that gives up throws its own error into `yield`: only what `next` throws is the source's.
    const source = packed[Symbol.asyncIterator]();
    try {
      for (;;) {
        const step = await source.next().catch((cause: unknown) => {
          state.failure = cause;
          throw cause;
        });
        if (step.done === true) return;
        state.tail = (state.tail + Buffer.from(step.value.subarray(-2)).toString('latin1')).slice(-2);
        yield step.value;
      }
    } finally {
      await source.return?.();
    }
  })();
  return state;
}

async function* unpackZlib(
  packed: Bytes,
  compression: 'gz' | 'zst',
  member: { readonly name: string; readonly size: number },
): AsyncGenerator<Uint8Array, void, undefined> {
  const unpacker = compression === 'gz' ? zlib.createGunzip() : createZstd(member.name);
  const feeding = pipeline(Readable.from(packed), unpacker).catch(() => undefined);
  try {
    for await (const chunk of unpacker as AsyncIterable<Uint8Array>) yield chunk;
  } finally {
    // Destroyed when the reader stops early: only then the feeding ends, and nothing reads the file behind our back.
    unpacker.destroy();
    await feeding;
  }
  const unused = member.size - (unpacker as Transform & { bytesWritten: number }).bytesWritten;
  if (unused !== 0) {
    throw new DebFailure(
      'malformed',
      `${member.name}: ${unused} bytes of garbage follow its ${compression} stream`,
    );
  }
}

function createZstd(member: string): Transform {
  // Absent in Node 22.12 to 22.14, which this program still runs on.
  const create = (zlib as Partial<typeof zlib>).createZstdDecompress;
  if (create === undefined) {
    throw new DebFailure(
      'unsupported',
      `${member} needs zstd, which this Node (${process.version}) lacks; use Node 22.15 or later, or dpkg-deb -Zxz`,
    );
  }
  return create();
}

async function* unpackXz(
  source: WatchedBytes,
  member: { readonly name: string },
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = new XzReadableStream(
    ReadableStream.from(source.bytes) as ConstructorParameters<typeof XzReadableStream>[0],
  );
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    if (chunk.length > 0) yield chunk;
  }
  // The library does not say how much of the last part it left; but an xz stream ends in these two bytes.
  if (source.tail !== 'YZ')
    throw new DebFailure('malformed', `${member.name}: garbage follows its xz stream`);
}

/** xz-embedded's codes (xz.h, enum xz_ret), which the library passes on as bare numbers. */
function explainXz(message: string): string {
  const code = /error code (\d+)$/.exec(message)?.[1];
  if (code === undefined) return message;
  const meanings: Readonly<Record<string, string>> = {
    '4': 'its dictionary is larger than 64 MiB',
    '5': 'it does not begin as xz does',
    '6': 'it uses an xz option that is not supported',
    '7': 'its data is damaged',
    '8': 'its data ends too early',
  };
  return meanings[code] ?? message;
}
