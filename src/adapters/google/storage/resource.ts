/** An object as the JSON API tells of it, as facts. */
import type { ObjectFacts } from './objects.ts';

/** Nothing of it is believed before it was looked at. */
export function factsOf(resource: unknown, folder: string): ObjectFacts | null {
  if (typeof resource !== 'object' || resource === null) return null;
  const { name, generation, size, metadata, timeCreated, crc32c, md5Hash } = resource as Readonly<
    Record<string, unknown>
  >;
  const bytes = Number(size);
  const writtenAt = typeof timeCreated === 'string' ? Date.parse(timeCreated) : Number.NaN;
  if (typeof name !== 'string' || !name.startsWith(folder)) return null;
  // A JSON number would have lost its last digits.
  if (typeof generation !== 'string' || !/^\d+$/.test(generation)) return null;
  if (!Number.isSafeInteger(bytes) || size === '' || size === null || Number.isNaN(writtenAt)) return null;
  return {
    name: name.slice(folder.length),
    generation,
    size: bytes,
    metadata: textsOf(metadata),
    writtenAt,
    ...(typeof crc32c === 'string' ? { crc32c } : {}),
    ...(typeof md5Hash === 'string' ? { md5: md5Hash } : {}),
  };
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  const texts = Object.entries(value).filter((each): each is [string, string] => typeof each[1] === 'string');
  return Object.fromEntries(texts);
}
