/** JSON Schema (draft 2020-12) of the files, so that editors complete and check them. Made from the schema that validates. */
import { z } from 'zod';
import { environmentSchema } from './schema/environment.ts';
import { playbookSchema } from './schema/playbook.ts';

export function environmentJsonSchema(): unknown {
  return jsonSchema(environmentSchema, 'rollout environment');
}

export function playbookJsonSchema(): unknown {
  return jsonSchema(playbookSchema, 'rollout playbook');
}

/** What is written, not what it becomes: a duration is its text there. */
function jsonSchema(schema: z.ZodType, title: string): unknown {
  return { title, ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) };
}
