/**
 * Maps that one fold has made: nobody else has seen them, so that they may be changed in place. A copy of 10,000 hosts for every
 * entry would make up most of a replay.
 */
export type OwnMaps = WeakSet<ReadonlyMap<unknown, unknown>>;

/** The map itself where it is this fold's own, else a copy that is. */
export function ownMap<Key, Value>(map: ReadonlyMap<Key, Value>, own: OwnMaps): Map<Key, Value> {
  if (own.has(map)) return map as Map<Key, Value>;
  const copy = new Map(map);
  own.add(copy);
  return copy;
}
