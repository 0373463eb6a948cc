/** A page of a bucket's listing. */
import { type Answer, json } from './storage-answer.ts';
import { objectResource } from './storage-resources.ts';
import type { Asked } from './storage-routes.ts';
import { compareUtf8, type FakeBucket, type StoredObject } from './storage-state.ts';

/** What Google gives at most, and by default. */
const PAGE = 1000;

export function answerList(bucket: FakeBucket, { query }: Asked): Answer {
  const prefix = query.get('prefix') ?? '';
  const delimiter = query.get('delimiter') ?? '';
  const from = query.get('startOffset') ?? '';
  const until = query.get('endOffset');
  const token = query.get('pageToken');
  const limit = Math.min(PAGE, Number(query.get('maxResults') ?? PAGE));
  const after = token === null ? -1 : Number(Buffer.from(token, 'base64').toString());
  const all = query.get('versions') === 'true' ? bucket.versions : (bucket.frozenListing ?? bucket.objects);
  const items: StoredObject[] = [];
  const prefixes = new Set<string>();
  let next: string | undefined;
  for (let at = Math.max(after + 1, from === '' ? 0 : firstFrom(all, from)); at < all.length; at++) {
    const object = all[at];
    if (!object?.name.startsWith(prefix)) continue;
    if (until !== null && compareUtf8(object.name, until) >= 0) break;
    const cut = delimiter === '' ? -1 : object.name.indexOf(delimiter, prefix.length);
    const folder = cut < 0 ? undefined : object.name.slice(0, cut + delimiter.length);
    if (folder !== undefined && prefixes.has(folder)) continue;
    if (items.length + prefixes.size === limit) {
      next = Buffer.from(String(at - 1)).toString('base64');
      break;
    }
    if (folder === undefined) items.push(object);
    else prefixes.add(folder);
  }
  return json(200, {
    kind: 'storage#objects',
    ...(next === undefined ? {} : { nextPageToken: next }),
    ...(prefixes.size === 0 ? {} : { prefixes: [...prefixes] }),
    ...(items.length === 0
      ? {}
      : { items: items.map((object) => objectResource(bucket.settings.name, object)) }),
  });
}

function firstFrom(all: readonly StoredObject[], name: string): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareUtf8(all[middle]?.name ?? '', name) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
