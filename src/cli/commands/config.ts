/** `rollout config check|reference|schema`: what is wrong with the files, and what they may hold. */
import { environmentJsonSchema, playbookJsonSchema } from '../../config/json-schema.ts';
import { renderProblems } from '../../config/problem.ts';
import { renderReference } from '../../config/reference-text.ts';
import { refuse } from '../../engine/context.ts';
import type { CommandModule } from '../command-module.ts';
import { readConfiguration } from '../configuration.ts';
import { EXIT } from '../exit-codes.ts';
import { jsonLine } from '../json-lines.ts';
import { columns, createPaint } from '../render/paint.ts';
import { sayRefused } from '../session.ts';

export const check: CommandModule = {
  run: async (invocation) => {
    const read = await readConfiguration(invocation, 'own');
    if (!read.ok) return sayRefused(invocation, [read.error]);
    const { environments, problems } = read.value;
    const exit = problems.length > 0 ? EXIT.usage : EXIT.done;
    if (invocation.json) {
      for (const problem of problems) jsonLine(invocation, 'problem', { problem });
      jsonLine(invocation, 'result', {
        exit,
        code: problems.length > 0 ? 'config-invalid' : 'config-ok',
        environments: [...environments.values()].map(({ name, kind }) => ({ name, kind })),
      });
      return exit;
    }
    const rows = [...environments.values()].map((one) => [
      one.name,
      one.kind === 'ready' ? 'ok' : one.kind,
      one.file,
      one.kind === 'not-there' ? (one.problems[0]?.message ?? '') : '',
    ]);
    if (rows.length > 0) invocation.output.out(columns(rows).join('\n'));
    if (problems.length > 0)
      invocation.output.err(`\n${renderProblems(problems)}\n\n${problems.length} problem(s)`);
    return exit;
  },
};

export const reference: CommandModule = {
  run: (invocation) => {
    const { args, output } = invocation;
    const [part] = args;
    const { strong } = createPaint(output.color);
    const width = Math.min(output.width, 100);
    const text = renderReference(part === undefined ? { width, strong } : { part, width, strong });
    if (text.ok) {
      output.out(text.value);
      return Promise.resolve(EXIT.done);
    }
    const { allowed, suggestion } = text.error;
    const next = suggestion === undefined ? undefined : `rollout config reference ${suggestion}`;
    const message = `there is no key ${JSON.stringify(part)}; there are ${allowed.join(', ')}`;
    return Promise.resolve(
      sayRefused(invocation, [refuse('usage', 'bad-part', message, next === undefined ? {} : { next })]),
    );
  },
};

export const schema: CommandModule = {
  run: (invocation) => {
    const [kind = 'environment'] = invocation.args;
    if (kind !== 'environment' && kind !== 'playbook') {
      return Promise.resolve(
        sayRefused(invocation, [
          refuse(
            'usage',
            'bad-kind',
            `no schema for ${JSON.stringify(kind)}: expected environment or playbook`,
            {
              next: 'rollout config schema environment > environment.schema.json',
            },
          ),
        ]),
      );
    }
    const text = kind === 'environment' ? environmentJsonSchema() : playbookJsonSchema();
    invocation.output.out(JSON.stringify(text, null, 2));
    return Promise.resolve(EXIT.done);
  },
};
