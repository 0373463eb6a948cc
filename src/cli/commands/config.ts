/** `rollout config check|reference|schema`: what is wrong with the files, and what they may hold. */
import { environmentJsonSchema, playbookJsonSchema } from '../../config/json-schema.ts';
import type { LoadedConfig, LoadedEnvironment } from '../../config/load.ts';
import { type Problem, renderProblems } from '../../config/problem.ts';
import { renderReference } from '../../config/reference-text.ts';
import { nearestWord } from '../../domain/nearest.ts';
import { err, ok, type Result } from '../../domain/result.ts';
import { type Refusal, refuse } from '../../engine/context.ts';
import type { CommandModule } from '../command-module.ts';
import { configPlaces, isFallback, readConfiguration } from '../configuration.ts';
import { EXIT } from '../exit-codes.ts';
import { jsonLine } from '../json-lines.ts';
import { columns, createPaint } from '../render/paint.ts';
import { sayRefused } from '../session.ts';

export const check: CommandModule = {
  run: async (invocation) => {
    const places = configPlaces(invocation, 'own');
    const read = await readConfiguration(invocation, 'own');
    if (!places.ok) return sayRefused(invocation, [places.error]);
    if (!read.ok) return sayRefused(invocation, [read.error]);
    const chosen = chooseOne(invocation.args[0], read.value);
    if (!chosen.ok) return sayRefused(invocation, [chosen.error]);
    const { environments, problems } = chosen.value;
    const files = environments.map(({ file }) => file);
    const notes = read.value.notes.filter(({ file }) => files.includes(file));
    const { dir } = places.value;
    const fallback = isFallback(invocation, dir);
    const exit = problems.length > 0 ? EXIT.usage : EXIT.done;
    if (invocation.json) {
      for (const problem of problems) jsonLine(invocation, 'problem', { problem });
      for (const note of notes) jsonLine(invocation, 'note', { note });
      jsonLine(invocation, 'result', {
        exit,
        code: problems.length > 0 ? 'config-invalid' : 'config-ok',
        folder: dir,
        fallback,
        environments: environments.map(({ name, kind }) => ({ name, kind })),
      });
      return exit;
    }
    if (fallback)
      invocation.output.err(
        `there is no environments/ in ${invocation.cwd}: this is what ships with rollout, in ${dir} (rollout init makes one of your own)`,
      );
    const rows = environments.map((one) => [
      one.name,
      one.kind === 'ready' ? 'ok' : one.kind,
      one.file,
      one.kind === 'not-there' || one.kind === 'example' ? (one.problems[0]?.message ?? '') : '',
    ]);
    if (rows.length > 0) invocation.output.out(columns(rows).join('\n'));
    if (notes.length > 0)
      invocation.output.err(`\n${renderProblems(notes)}\n\n${notes.length} note(s): right, and worth a look`);
    if (problems.length > 0)
      invocation.output.err(`\n${renderProblems(problems)}\n\n${problems.length} problem(s)`);
    return exit;
  },
};

/** All of it, or what concerns the environment that is named. */
function chooseOne(
  name: string | undefined,
  { environments, problems }: LoadedConfig,
): Result<{ environments: readonly LoadedEnvironment[]; problems: readonly Problem[] }, Refusal> {
  if (name === undefined) return ok({ environments: [...environments.values()], problems });
  const found = environments.get(name);
  if (found !== undefined)
    return ok({ environments: [found], problems: found.kind === 'invalid' ? found.problems : [] });
  const known = [...environments.keys()];
  const meant = nearestWord(name, known);
  const message = `no environment is called ${JSON.stringify(name)}; there ${known.length === 0 ? 'are none' : `are ${known.join(', ')}`}`;
  const next = meant === null ? '--config DIR names another folder' : `did you mean ${meant}?`;
  return err(refuse('usage', 'unknown-environment', message, { next }));
}

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
