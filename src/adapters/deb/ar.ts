/**
 * The outer container of a `.deb`: an `ar` archive as deb(5) narrows it. Magic, then members of a 60-byte header, content, and a
 * newline where the content has an odd length.
 */
import type { ByteCursor } from './byte-cursor.ts';
import { DebFailure } from './failure.ts';

export const AR_MAGIC = '!<arch>\n';
const HEADER_BYTES = 60;

export interface ArMember {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Reads the magic. What else the file might be is guessed, since the commonest mistake is another file. */
export async function readArMagic(cursor: ByteCursor): Promise<void> {
  const head: number[] = [];
  while (head.length < AR_MAGIC.length && !(await cursor.atEnd())) {
    head.push(...(await cursor.take(1, 'the magic')));
  }
  const text = Buffer.from(head).toString('latin1');
  if (text === AR_MAGIC) return;
  if (text === '') throw new DebFailure('truncated', 'it is empty');
  if (AR_MAGIC.startsWith(text)) throw new DebFailure('truncated', `it ends after ${text.length} bytes`);
  throw new DebFailure(
    'not-a-deb',
    `it is no Debian package: it begins with ${describeMagic(text)}, expected "!<arch>"`,
  );
}

function describeMagic(text: string): string {
  if (text.startsWith('\xed\xab\xee\xdb')) return 'the magic of an RPM package';
  if (text.startsWith('\x1f\x8b')) return 'the magic of a gzip file';
  if (text.startsWith('\xfd7zXZ')) return 'the magic of an xz file';
  if (text.startsWith('PK')) return 'the magic of a zip file';
  if (/^\s*<(!doc|html|\?xml)/i.test(text))
    return 'HTML or XML (an error or login page instead of the download?)';
  if (text.startsWith('version ')) return '"version " (a Git LFS pointer instead of the file?)';
  return JSON.stringify(text);
}

/** Next member's header; null at the end of the file. The cursor then stands at its content. */
export async function readArHeader(cursor: ByteCursor): Promise<ArMember | null> {
  if (await cursor.atEnd()) return null;
  const at = cursor.position;
  const header = Buffer.from(await cursor.take(HEADER_BYTES, 'a member header')).toString('latin1');
  const wrong = (what: string): DebFailure =>
    new DebFailure(
      'malformed',
      `at byte ${at} there is no archive member: ${what} (damaged, or garbage at its end?)`,
    );
  if (header.slice(58) !== '`\n') throw wrong('its header does not end as it must');
  // GNU ar ends names with a slash, dpkg-deb does not; both are accepted by deb(5).
  const name = header.slice(0, 16).trimEnd().replace(/\/$/, '');
  if (!/^[A-Za-z0-9._+-]+$/.test(name)) throw wrong(`its name is ${JSON.stringify(name)}`);
  const size = header.slice(48, 58).trimEnd();
  if (!/^\d+$/.test(size)) throw wrong(`its size is ${JSON.stringify(size)}`);
  return { name, size: Number(size) };
}

/** Reads the filler that follows an odd-sized member. */
export async function readArPadding(cursor: ByteCursor, member: ArMember): Promise<void> {
  if (member.size % 2 === 0) return;
  const [filler] = await cursor.take(1, `the filler behind ${member.name}`);
  if (filler !== 0x0a) throw new DebFailure('malformed', `the filler behind ${member.name} is not a newline`);
}
