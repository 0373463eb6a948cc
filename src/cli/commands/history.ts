/** `rollout history ENV`: the journal in words, newest last; `--verify` says whether the whole chain holds. */
import { type Entry, GENESIS_HASH, verifyChain } from '../../domain/journal.ts';
import { journalTrouble } from '../../engine/ledger.ts';
import { EXIT } from '../exit-codes.ts';
import type { Invocation } from '../invocation.ts';
import { jsonLine } from '../json-lines.ts';
import { entryLine, type HostNames, learnNames, reasonBeside } from '../render/entry-line.ts';
import { moment } from '../render/paint.ts';
import { sendWaitingFirst } from '../send-waiting.ts';
import { sayRefused, withSession } from '../session.ts';

export function run(invocation: Invocation): Promise<number> {
  const [name = ''] = invocation.args;
  return withSession(invocation, async (session) => {
    const context = session.open(name);
    if (!context.ok) return sayRefused(invocation, [context.error]);
    await sendWaitingFirst(session, [context.value]);
    const read = await context.value.journal.read(0);
    if (!read.ok) {
      const message = journalTrouble(read.error);
      return sayRefused(invocation, [
        { exit: 'failed', code: `journal-${read.error.kind}`, message, details: [] },
      ]);
    }
    const entries = read.value;
    const broken = verifyChain(entries, context.value.digest);
    const limit = typeof invocation.options.limit === 'number' ? invocation.options.limit : 200;
    const names: HostNames = new Map();
    for (const entry of entries) learnNames(entry, names);
    let quiet = 0;
    for (const entry of entries.slice(-limit)) {
      const line = entryLine(entry, names, session.paint);
      if (invocation.json) jsonLine(invocation, 'entry', { environment: name, entry });
      else if (line === null) quiet += 1;
      else sayEntry(invocation, entry, line, session.paint.dim);
    }
    if (quiet > 0)
      invocation.output.out(
        session.paint.dim(
          `${quiet} more ${quiet === 1 ? 'entry' : 'entries'}, of leases and of what the fleet looked like: --json shows them`,
        ),
      );
    if (broken !== null) {
      return sayRefused(invocation, [
        {
          exit: 'failed',
          code: 'journal-corrupt',
          message: `the journal of ${name} is not whole: ${JSON.stringify(broken)}; nothing is done on such a record`,
          details: [],
        },
      ]);
    }
    if (invocation.options.verify === true && !invocation.json) {
      const head = entries.at(-1)?.hash ?? GENESIS_HASH;
      invocation.output.out(`chain whole: ${entries.length} entries, head ${head}`);
    }
    if (entries.length === 0 && !invocation.json) invocation.output.out(`${name}: the journal is empty`);
    return EXIT.done;
  });
}

function sayEntry(invocation: Invocation, entry: Entry, text: string, dim: (text: string) => string): void {
  const who = `${entry.actor.user}@${entry.actor.hostname}`;
  invocation.output.out(
    `${dim(`${String(entry.seq).padStart(5)}  ${moment(entry.at)}  ${who}`)}  ${text}${reasonBeside(entry)}`,
  );
}
