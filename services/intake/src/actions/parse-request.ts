import { fieldIssues } from '@bulk/actions';
import { actionParametersSchema, type ActionParameters } from '@bulk/contracts';
import {
  incomingEntitySchema,
  InvalidInputError,
  jsonObjectSchema,
  protoKeys,
  type FieldIssue,
  type IncomingEntity,
} from '@bulk/domain';
import { checkedSize } from '../staging/entity-size.ts';

/** A JSON request that has been checked as a whole. */
export interface ParsedRequest {
  readonly parameters: ActionParameters;
  readonly entities: readonly IncomingEntity[];
}

export interface EntityLimits {
  readonly maxEntities: number;
  /** Largest JSON of one entity, in bytes. */
  readonly maxEntityBytes: number;
}

/** Faults that are collected at most: a body with a million faulty rows is not checked to its end. */
const MAX_COLLECTED_ISSUES = 100;

/**
 * Checks the JSON body of POST /bulk-actions, all but what belongs to the action type.
 *
 * @throws InvalidInputError naming every field at fault.
 */
export function parseCreateRequest(body: unknown, limits: EntityLimits): ParsedRequest {
  const object = jsonObjectSchema.safeParse(body);
  if (!object.success) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: '(body)', message: 'expected a JSON object' },
    ]);
  }
  const { entities, ...rest } = object.data;
  const parameters = actionParametersSchema.safeParse(rest);
  const issues = [...protoKeys(rest), ...(parameters.success ? [] : fieldIssues(parameters.error))];
  const parsed = parseEntities(entities, limits, issues);
  if (!parameters.success || issues.length > 0) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues);
  }
  return { parameters: parameters.data, entities: parsed };
}

function parseEntities(
  entities: unknown,
  { maxEntities, maxEntityBytes }: EntityLimits,
  issues: FieldIssue[],
): IncomingEntity[] {
  if (!Array.isArray(entities) || entities.length === 0) {
    issues.push({ field: 'entities', message: 'expected a list of at least one entity' });
    return [];
  }
  if (entities.length > maxEntities) {
    issues.push({
      field: 'entities',
      message: `expected at most ${maxEntities} entities, found ${entities.length}`,
    });
    return [];
  }
  const parsed: IncomingEntity[] = [];
  for (const [i, entity] of entities.entries()) {
    const result = incomingEntitySchema.safeParse(entity);
    // The entity as it was sent: zod's copy lacks a field `__proto__`, which is the handler's to refuse.
    if (result.success) parsed.push(entity as IncomingEntity);
    else issues.push(...fieldIssues(result.error, ['entities', i]));
    if (issues.length >= MAX_COLLECTED_ISSUES) break;
  }
  if (issues.length === 0) parsed.forEach((entity, i) => checkedSize(entity, i, maxEntityBytes));
  return parsed;
}
