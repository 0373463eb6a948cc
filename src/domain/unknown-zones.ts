/**
 * What an inventory could not list. It is named as a zone (`us-east1-b`), as a zone of one project (`prod/us-east1-b`) or as
 * a whole project (`prod/*`); `*` is everything. Whoever is missing there is not gone: nobody could look.
 */

/** May the host be there although no listing has it? Where its project is not known, any project's zone counts. */
export function isUnknownPlace(
  { zone, project }: { readonly zone: string; readonly project?: string },
  unknown: ReadonlySet<string>,
): boolean {
  if (unknown.size === 0) return false;
  if (unknown.has('*') || unknown.has(zone)) return true;
  if (project === undefined) {
    for (const place of unknown) if (place.endsWith(`/${zone}`) || place.endsWith('/*')) return true;
    return false;
  }
  return unknown.has(`${project}/${zone}`) || unknown.has(`${project}/*`);
}
