import { setImmediate as turn } from 'node:timers/promises';
import { fieldIssues } from '@bulk/action-types';
import { actionParametersSchema, filterTargetShape, type ActionParameters } from '@bulk/contracts';
import {
  inexactNumbers,
  InvalidInputError,
  jsonObjectSchema,
  protoKeys,
  type FieldIssue,
  type Fields,
  rowSchema,
  type IncomingEntity,
  type RowIdentity,
} from '@bulk/domain';
import type { FilterTarget } from './create-filtered.ts';
import { checkedSize } from './entity-size.ts';

/** Entities that may be parsed again on each iteration. */
export interface EntityList<T = unknown> extends Iterable<T> {
  readonly length: number;
}

/** A JSON body as it was read. */
export interface RequestBody {
  /** The body. If `entities` holds the entities, an empty list keeps their place. */
  readonly rest: unknown;
  /** `undefined` if the body has no list of entities. */
  readonly entities: EntityList | undefined;
}

/** A JSON request that has been checked as a whole. */
export interface ParsedRequest {
  readonly parameters: ActionParameters;
  /** Empty if there is a target. */
  readonly entities: EntityList<IncomingEntity>;
  /** The filter that names the entities, in place of a list. */
  readonly target: FilterTarget | undefined;
}

const jsonParametersSchema = actionParametersSchema.extend(filterTargetShape);

export interface EntityLimits {
  readonly maxEntities: number;
  /** Largest JSON of one entity, in bytes. */
  readonly maxEntityBytes: number;
}

/**
 * Maximum number of collected faults. A body with a million faulty rows is not checked to its end.
 */
export const MAX_COLLECTED_ISSUES = 100;

/** Number of entities that are checked before other work of the process has a turn. */
const ENTITIES_PER_TURN = 500;

/**
 * Checks the JSON body of POST /bulk-actions, except what belongs to the action type.
 *
 * @param identityOf returns how the entities of a request with these parameters are named.
 * @throws InvalidInputError that names every field at fault; what the entities throw.
 */
export async function parseCreateRequest(
  body: RequestBody,
  limits: EntityLimits,
  identityOf: (parameters: Fields) => RowIdentity,
): Promise<ParsedRequest> {
  const object = jsonObjectSchema.safeParse(body.rest);
  if (!object.success) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
      { field: '(body)', message: 'expected a JSON object' },
    ]);
  }
  // fromEntries, because a key may be called __proto__.
  const rest = Object.fromEntries(Object.entries(object.data).filter(([key]) => key !== 'entities'));
  const parameters = jsonParametersSchema.safeParse(rest);
  const issues: FieldIssue[] = [
    ...protoKeys(rest),
    ...inexactNumbers(rest),
    ...(parameters.success ? [] : fieldIssues(parameters.error)),
  ];
  const isFiltered = Object.hasOwn(rest, 'filter');
  issues.push(...targetIssues(body, rest));
  const entities = isFiltered ? [] : await checkedEntities(body.entities, limits, identityOf(rest), issues);
  if (!parameters.success || issues.length > 0) {
    throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues);
  }
  const { filter, failOnEmpty = false, ...others } = parameters.data;
  return {
    parameters: others,
    entities,
    target: filter === undefined ? undefined : { filter, failOnEmpty },
  };
}

function targetIssues({ entities }: RequestBody, rest: Readonly<Record<string, unknown>>): FieldIssue[] {
  const isFiltered = Object.hasOwn(rest, 'filter');
  return [
    ...(isFiltered && entities !== undefined
      ? [{ field: 'filter', message: 'expected either entities or filter, not both' }]
      : []),
    ...(isFiltered && Object.hasOwn(rest, 'matchBy')
      ? [{ field: 'matchBy', message: 'expected only with entities: a filter finds the records itself' }]
      : []),
    ...(!isFiltered && Object.hasOwn(rest, 'failOnEmpty')
      ? [{ field: 'failOnEmpty', message: 'expected only with a filter' }]
      : []),
  ];
}

async function checkedEntities(
  entities: EntityList | undefined,
  { maxEntities, maxEntityBytes }: EntityLimits,
  identity: RowIdentity,
  issues: FieldIssue[],
): Promise<EntityList<IncomingEntity>> {
  if (entities === undefined || entities.length === 0) {
    issues.push({ field: 'entities', message: 'expected a list of at least one entity, or a filter' });
    return [];
  }
  if (entities.length > maxEntities) {
    issues.push({
      field: 'entities',
      message: `expected at most ${maxEntities} entities, found ${entities.length}`,
    });
    return [];
  }
  const schema = rowSchema(identity);
  let position = 0;
  let oversized: InvalidInputError | undefined;
  for (const entity of entities) {
    const result = schema.safeParse(entity);
    if (!result.success) issues.push(...fieldIssues(result.error, ['entities', position]));
    else if (issues.length === 0)
      oversized ??= faultOfSize(entity as IncomingEntity, position, maxEntityBytes);
    if (issues.length >= MAX_COLLECTED_ISSUES) break;
    position += 1;
    if (position % ENTITIES_PER_TURN === 0) await turn();
  }
  if (issues.length === 0 && oversized !== undefined) throw oversized;
  // The entities as they were sent: zod's copies lack a field `__proto__`, which the handler must
  // refuse.
  return entities as EntityList<IncomingEntity>;
}

function faultOfSize(
  entity: IncomingEntity,
  position: number,
  maxBytes: number,
): InvalidInputError | undefined {
  try {
    checkedSize(entity, position, maxBytes);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidInputError) return error;
    throw error;
  }
}
