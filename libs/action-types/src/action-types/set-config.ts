import { CHANGE_KINDS, InvalidInputError, type FieldChanges, type Fields } from '@bulk/domain';
import { z } from 'zod';
import { changeShapes } from '../change-fields.ts';
import { fieldIssues, type Validated } from '../entity-type.ts';
import type { ActionPayload } from '../handler.ts';

/** The config of action types that set fields. */
export type SetConfig = Pick<FieldChanges, 'set'>;

/** The config of action types that change fields. */
export type ChangeConfig = FieldChanges;

/** Creates the schema of such a config. @param description description of `config.set` in the API's documentation. */
export function setConfigSchema(description: string): z.ZodType<SetConfig> {
  return z.strictObject({ set: changeShapes.set.meta({ description }) });
}

/** Creates the schema of the config of changes. @param set description of `config.set` in the API's documentation. */
export function changeConfigSchema(set: string): z.ZodType<ChangeConfig> {
  const { unset, increment, addToList, removeFromList } = changeShapes;
  return z.strictObject({
    set: changeShapes.set.meta({ description: set }),
    unset: unset.meta({ description: 'Names of optional fields to clear on every entity.' }),
    increment: increment.meta({
      description:
        'A number for each field that is added to the stored value. An absent value counts as 0. A negative number subtracts.',
    }),
    addToList: addToList.meta({
      description: 'Values for each field that are appended to its list, unless the list has them already.',
    }),
    removeFromList: removeFromList.meta({
      description: 'Values for each field that are removed from its list, wherever they occur.',
    }),
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
  throwIfInvalid(entityType.validatePatch(parsed.set ?? {}));
  return parsed;
}

/**
 * Validates the config of an action that changes fields, and the changes.
 *
 * @throws InvalidInputError `INVALID_CONFIG` naming each field at fault, e.g. `config.increment.email`.
 */
export function parseChangeConfig(
  schema: z.ZodType<ChangeConfig>,
  { entityType, config }: ActionPayload,
): ChangeConfig {
  const parsed = parseConfig(schema, config);
  throwIfInvalid(entityType.validateChanges(parsed));
  return parsed;
}

function throwIfInvalid(validated: Validated<unknown>): void {
  if (validated.ok) return;
  const issues = validated.issues.map(({ field, message }) => ({
    field: `config.${inChanges(field)}`,
    message,
  }));
  throw new InvalidInputError('INVALID_CONFIG', INVALID, issues);
}

const OTHER_THAN_SET = new RegExp(`^(?:${CHANGE_KINDS.filter((kind) => kind !== 'set').join('|')})[.[]`, 'u');

/** A fault of a value to set names only the field. */
function inChanges(field: string): string {
  return OTHER_THAN_SET.test(field) ? field : `set.${field}`;
}

const INVALID = 'the config of this action is invalid';
