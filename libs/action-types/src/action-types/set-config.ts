import { InvalidInputError, type Fields } from '@bulk/domain';
import { z } from 'zod';
import { fieldIssues } from '../entity-type.ts';
import type { ActionPayload } from '../handler.ts';

/** The config of action types that set fields. */
export interface SetConfig {
  readonly set?: Fields | undefined;
}

/** Creates the schema of such a config. @param description description of `config.set` in the API's documentation. */
export function setConfigSchema(description: string): z.ZodType<SetConfig> {
  return z.strictObject({
    set: z.record(z.string(), z.unknown()).optional().meta({ description }),
  });
}

/**
 * Validates the form of a config.
 *
 * @throws InvalidInputError `INVALID_CONFIG` naming each field at fault.
 */
export function parseConfig<Config>(schema: z.ZodType<Config>, config: Fields): Config {
  const parsed = schema.safeParse(config);
  if (parsed.success) return parsed.data;
  throw new InvalidInputError('INVALID_CONFIG', INVALID, fieldIssues(parsed.error, ['config']));
}

/**
 * Validates the config of an action that sets fields, and the fields it sets.
 *
 * @throws InvalidInputError `INVALID_CONFIG` naming each field at fault, e.g. `config.set.email`.
 */
export function parseSetConfig(
  schema: z.ZodType<SetConfig>,
  { entityType, config }: ActionPayload,
): SetConfig {
  const parsed = parseConfig(schema, config);
  const set = entityType.validatePatch(parsed.set ?? {});
  if (set.ok) return parsed;
  const issues = set.issues.map(({ field, message }) => ({ field: `config.set.${field}`, message }));
  throw new InvalidInputError('INVALID_CONFIG', INVALID, issues);
}

const INVALID = 'the config of this action is invalid';
