/** `rollout report ENV [ROLLOUT]`: one archive and one page of what is known of a rollout; changes nothing but those two files. */
import { join, resolve } from 'node:path';
import { writeOwn, writeTarGz } from '../../adapters/archive/tar-gz.ts';
import { refuse } from '../../engine/context.ts';
import { gatherReport, type Report } from '../../engine/gather-report.ts';
import { EXIT } from '../exit-codes.ts';
import { type Invocation, textOption } from '../invocation.ts';
import { JSON_VERSION, jsonLine } from '../json-lines.ts';
import { reportMarkdown } from '../render/report-markdown.ts';
import { sendWaitingFirst } from '../send-waiting.ts';
import { sayRefused, withSession } from '../session.ts';

export function run(invocation: Invocation): Promise<number> {
  const [name = '', rolloutId] = invocation.args;
  return withSession(invocation, async (session) => {
    const context = session.open(name, { wide: true });
    if (!context.ok) return sayRefused(invocation, [context.error]);
    await sendWaitingFirst(session, [context.value]);
    const question = {
      look: invocation.options.look !== false,
      ...(rolloutId === undefined ? {} : { rolloutId }),
    };
    const gathered = await gatherReport(context.value, question, invocation.signal);
    if (!gathered.ok) return sayRefused(invocation, [gathered.error]);
    const report = gathered.value;
    const folder = resolve(invocation.cwd, textOption(invocation, 'out') ?? '.');
    const stem = `rollout-report-${report.excerpt.rollout.id}-${stamp(report.at)}`;
    const texts = [...archived(report)];
    const page = reportMarkdown(report, ['report.md', ...texts.map(({ name: file }) => file)]);
    const archive = join(folder, `${stem}.tar.gz`);
    const markdown = join(folder, `${stem}.md`);
    const inFolder = [{ name: 'report.md', text: page }, ...texts].map((one) => ({
      ...one,
      name: `${stem}/${one.name}`,
    }));
    const written = await writeTarGz(archive, inFolder, report.at);
    const paged = written.ok ? await writeOwn(markdown, page) : written;
    session.narrator.close();
    if (!paged.ok) {
      const next = '--out DIR names a folder that can be written to';
      return sayRefused(invocation, [refuse('failed', 'not-written', paged.error, { next })]);
    }
    const silent = report.hosts.filter(({ looked }) => looked.kind === 'silent').map(({ host }) => host.name);
    if (invocation.json) {
      jsonLine(invocation, 'report', {
        environment: report.environment,
        rollout: report.excerpt.rollout.id,
        phase: report.excerpt.rollout.phase.kind,
        markdown,
        archive,
        silent,
        chainWhole: report.broken === null,
        exit: EXIT.done,
      });
    } else {
      invocation.output.out(`${markdown}\n${archive}`);
      if (silent.length > 0)
        invocation.output.err(`did not answer, and stand so in it: ${silent.join(', ')}`);
      if (report.broken !== null) invocation.output.err('the journal is not whole, and the report says so');
    }
    return EXIT.done;
  });
}

/** `20261121T113000Z`: sorts by time, and two reports of one rollout do not meet. */
function stamp(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:]/gu, '')}Z`;
}

function archived({ excerpt, answers, hosts, environment, at }: Report): { name: string; text: string }[] {
  const { rollout, entries, judgements } = excerpt;
  const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;
  const lines = (all: readonly unknown[]): string => all.map((one) => `${JSON.stringify(one)}\n`).join('');
  return [
    { name: 'journal.ndjson', text: lines(entries) },
    { name: 'verdicts.ndjson', text: lines(judgements) },
    { name: 'answers.ndjson', text: lines(answers) },
    { name: 'hosts.json', text: json([...rollout.hosts.values()]) },
    {
      name: 'rollout.json',
      text: json({
        v: JSON_VERSION,
        environment,
        madeAt: at,
        ...rollout,
        hosts: rollout.hosts.size,
        newcomers: [...rollout.newcomers],
      }),
    },
    ...hosts.flatMap(({ host, looked }) =>
      looked.kind === 'silent'
        ? [{ name: `hosts/${fileName(host.name)}/silent.txt`, text: `${looked.why}\n` }]
        : [...looked.parts].map(([part, said]) => ({
            name: `hosts/${fileName(host.name)}/${fileName(part)}.txt`,
            text: `${said.join('\n')}\n`,
          })),
    ),
  ];
}

/** Names come from outside: no slash, no dots that lead elsewhere. */
function fileName(text: string): string {
  return (
    text
      .replaceAll(/[^A-Za-z0-9._-]+/gu, '-')
      .replace(/^[.-]+/u, '')
      .slice(0, 100) || 'unnamed'
  );
}
