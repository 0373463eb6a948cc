/** The three ways in which bytes come to Cloud Storage, taken apart: media, multipart, and resumable in chunks. */
import type { NewObject } from './storage-state.ts';

/** An object resource as a client sends it, in the parts that matter here. */
export interface SentResource {
  readonly name?: string;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly crc32c?: string;
  readonly md5Hash?: string;
}

/** What a client says the checksums are. */
export interface Announced {
  readonly crc32c?: string;
  readonly md5Hash?: string;
}

export interface Upload {
  readonly object: NewObject;
  readonly announced: Announced;
}

export interface ResumableSession {
  readonly bucket: string;
  readonly query: URLSearchParams;
  readonly resource: SentResource;
  bytes: Buffer;
  /** The finished object, as JSON. */
  done: unknown;
}

/** null when the body is no multipart/related message of two parts. */
export function readMultipart(contentType: string, body: Buffer, query: URLSearchParams): Upload | null {
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) return null;
  const [, first, second] = splitOn(body, Buffer.from(`--${boundary}`));
  if (first === undefined || second === undefined) return null;
  const json = partOf(first);
  const media = partOf(second);
  if (json === null || media === null) return null;
  return uploadOf(JSON.parse(json.content.toString()) as SentResource, media.content, query, media.type);
}

export function uploadOf(
  resource: SentResource,
  bytes: Buffer,
  query: URLSearchParams,
  contentType?: string,
): Upload {
  return {
    object: {
      name: query.get('name') ?? resource.name ?? '',
      bytes,
      contentType: resource.contentType ?? contentType ?? 'application/octet-stream',
      metadata: resource.metadata ?? {},
    },
    announced: {
      ...(resource.crc32c === undefined ? {} : { crc32c: resource.crc32c }),
      ...(resource.md5Hash === undefined ? {} : { md5Hash: resource.md5Hash }),
    },
  };
}

/** `x-goog-hash: crc32c=...,md5=...` */
export function announcedIn(header: string | undefined): Announced {
  const of = (kind: string): string | undefined =>
    new RegExp(`(?:^|,)\\s*${kind}=([^,]+)`).exec(header ?? '')?.[1];
  const crc32c = of('crc32c');
  const md5Hash = of('md5');
  return { ...(crc32c === undefined ? {} : { crc32c }), ...(md5Hash === undefined ? {} : { md5Hash }) };
}

export type ContentRange =
  | { readonly kind: 'status' }
  | { readonly kind: 'bytes'; readonly from: number; readonly total: number | null };

/** `bytes 0-99/200`, `bytes 0-99/*`, `bytes 0-*\/200`, and `bytes *\/N`, which asks. */
export function contentRangeOf(header: string | undefined): ContentRange | null {
  if (header === undefined) return { kind: 'bytes', from: 0, total: null };
  const parts = /^bytes (?:(\*)|(\d+)-(?:\d+|\*))\/(\d+|\*)$/.exec(header);
  if (parts === null) return null;
  const total = parts[3] === '*' ? null : Number(parts[3]);
  return parts[1] === '*' ? { kind: 'status' } : { kind: 'bytes', from: Number(parts[2]), total };
}

/** Whether these bytes end the object: an unknown total means that more may come, unless nobody said how much there is. */
export function endsWith(header: string | undefined, range: ContentRange, held: number): boolean {
  if (range.kind === 'status') return false;
  return range.total === null ? !/\d+-\d+\/\*$/.test(header ?? '') : held >= range.total;
}

function splitOn(body: Buffer, mark: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = body.indexOf(mark); at >= 0; at = body.indexOf(mark, from)) {
    parts.push(body.subarray(from, at));
    from = at + mark.length;
  }
  parts.push(body.subarray(from));
  return parts;
}

function partOf(part: Buffer): { readonly content: Buffer; readonly type?: string } | null {
  const end = part.indexOf('\r\n\r\n');
  if (end < 0) return null;
  const type = /content-type:\s*([^\r\n]+)/i.exec(part.subarray(0, end).toString())?.[1];
  const content = part.subarray(end + 4, part.length - 2);
  return { content, ...(type === undefined ? {} : { type }) };
}
