/** Why a host is in no wave, in words: the same for a plan, a history, a status and an ending. */
import type { NotPlanned } from '../../domain/plan.ts';
import { harmless } from './paint.ts';

export function whyText(why: NotPlanned): string {
  switch (why.kind) {
    case 'exempt':
      return harmless(`${why.reason} [${why.rule}: ${why.evidence}]`);
    case 'undecided':
      return harmless(`a person must say [${why.evidence}]`);
    case 'unsupported':
    case 'incapable':
      return harmless(why.evidence);
    case 'excluded':
      return harmless(why.rule);
    case 'not-running':
      return why.status;
    case 'agent-absent':
      return 'has no agent to upgrade';
    case 'already-there':
      return `runs ${why.packageVersion} already`;
    case 'unreachable':
      return harmless(why.why);
    case 'born-late':
      return 'came when no wave could take it any more: the next rollout of the version covers it';
    case 'unproven-build':
      return `came since the plan, and no host before it has run the package for ${why.architecture}: the next rollout of the version covers it`;
    case 'no-artifact':
      return `no package for ${why.architecture}`;
    case 'no-way-back':
      return `runs ${why.packageVersion} (${why.architecture}), ${why.twice === true ? 'of which different packages are staged' : 'which is not staged'}`;
    default:
      return why satisfies never;
  }
}
