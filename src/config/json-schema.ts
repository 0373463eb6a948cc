/** JSON Schema (draft 2020-12) of the files, so that editors complete and check them. Made from the schema that validates. */
import { z } from 'zod';
import { environmentSchema } from './schema/environment.ts';
import { playbookSchema } from './schema/playbook.ts';

export function environmentJsonSchema(): z.core.JSONSchema.BaseSchema {
  return jsonSchema(environmentSchema, 'rollout environment');
}

export function playbookJsonSchema(): z.core.JSONSchema.BaseSchema {
  return jsonSchema(playbookSchema, 'rollout playbook');
}

/** Notes of ours that are no words of JSON Schema. */
const OWN_WORDS = ['form', 'allowed', 'secret', 'unit', 'missing'];

/** What is written, not what it becomes: a duration is its text there. */
function jsonSchema(schema: z.ZodType, title: string): z.core.JSONSchema.BaseSchema {
  const made = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema: one }) => {
      if (typeof one.unit === 'string')
        one.description = `${one.description ?? ''} Unit: ${one.unit}.`.trim();
      for (const word of OWN_WORDS) delete one[word];
    },
  });
  return { title, ...made };
}
