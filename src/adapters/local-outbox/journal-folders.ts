/**
 * Which folders of the outbox are whose: `ENVIRONMENT-DIGEST`, the digest being of the journal's place. The name is for people, the digest
 * decides.
 */
import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../../domain/result.ts';
import { errorCode } from './folder-error.ts';

const NAME = /^(.+)-([0-9a-f]{16})$/;

export interface JournalFolders {
  /** Where is written. */
  readonly own: string;
  /** `ours`: of this journal, under whatever name, the own one last. `others`: of this name, for other journals. The error is a Node error. */
  find(): Promise<Result<{ readonly ours: readonly string[]; readonly others: readonly string[] }, unknown>>;
}

export function foldersFor(root: string, environment: string, journal: string): JournalFolders {
  const digest = createHash('sha256').update(journal).digest('hex').slice(0, 16);
  const own = `${environment}-${digest}`;
  return {
    own: join(root, own),
    async find() {
      let names: string[];
      try {
        names = await readdir(root);
      } catch (cause) {
        return errorCode(cause) === 'ENOENT' ? ok({ ours: [], others: [] }) : err(cause);
      }
      const parts = names.sort().flatMap((name) => {
        const [, of, place] = NAME.exec(name) ?? [];
        return of === undefined || place === undefined || name === own ? [] : [{ name, of, place }];
      });
      const pathsOf = (some: typeof parts): string[] => some.map(({ name }) => join(root, name));
      return ok({
        ours: [...pathsOf(parts.filter(({ place }) => place === digest)), join(root, own)],
        others: pathsOf(parts.filter(({ of, place }) => of === environment && place !== digest)),
      });
    },
  };
}
