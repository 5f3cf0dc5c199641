import type { ActionRegistry } from '@bulk/action-types';
import { createActionRequestSchema, uploadQuerySchema } from '@bulk/contracts';
import { DEFAULT_ENTITY_TYPE } from '@bulk/domain';
import { z } from 'zod';

/** The action types and entity types of an installation, as the document shows them. */
export interface Catalog {
  readonly actionTypes: readonly CatalogActionType[];
  readonly entityTypes: readonly CatalogEntityType[];
}

interface CatalogActionType {
  readonly name: string;
  /** The schema of `config`, named like `UpdateConfig`. */
  readonly config: NamedSchema;
}

interface CatalogEntityType {
  readonly name: string;
  /** The fields by which `matchBy` may find entities. */
  readonly matchFields: readonly string[];
  /** The schemas of a whole entity (`Contact`), and of some of its fields (`ContactPatch`). */
  readonly record: NamedSchema;
  readonly patch: NamedSchema;
}

interface NamedSchema {
  readonly name: string;
  readonly schema: z.ZodType;
}

/** Builds the catalog: what each action type takes as `config`, and each entity type as fields. */
export function catalogOf(registry: ActionRegistry): Catalog {
  // `meta` returns a copy, because two types may share one schema, and each has its own name here.
  const named = (name: string, schema: z.ZodType, description: string): NamedSchema => ({
    name,
    schema: schema.meta({ description }),
  });
  return {
    actionTypes: registry.requestable.map((handler) => ({
      name: handler.actionType,
      config: named(
        `${pascalCase(handler.actionType)}Config`,
        handler.getConfigSchema(),
        `\`config\` of an action of type \`${handler.actionType}\`.`,
      ),
    })),
    entityTypes: registry.entityTypes.map(({ name, matchFields, recordSchema, patchSchema }) => ({
      name,
      matchFields,
      record: named(pascalCase(name), recordSchema, `The fields of a whole ${name}, without its id.`),
      patch: named(
        `${pascalCase(name)}Patch`,
        patchSchema,
        `Some fields of a ${name}; null clears an optional one.`,
      ),
    })),
  };
}

/** Returns all schemas of a catalog by their names. */
export function namedSchemas({ actionTypes, entityTypes }: Catalog): Record<string, z.ZodType> {
  const all = [
    ...actionTypes.map(({ config }) => config),
    ...entityTypes.flatMap(({ record, patch }) => [record, patch]),
  ];
  return Object.fromEntries(all.map(({ name, schema }) => [name, schema]));
}

/**
 * Builds the schema of an upload's query with the types of this installation. A JSON body has no
 * such query.
 */
export function uploadParametersSchema({ actionTypes, entityTypes }: Catalog): z.ZodObject {
  const { entityType } = uploadQuerySchema.shape;
  return z.strictObject({
    ...uploadQuerySchema.partial().shape,
    actionType: z
      .enum(actionTypes.map(({ name }) => name))
      .optional()
      .meta({ description: 'What to do.' }),
    entityType: z
      .enum(entityTypes.map(({ name }) => name))
      .optional()
      .meta({ description: entityType.description }),
    matchBy: matchByOf(entityTypes),
  });
}

/**
 * Builds the schema of the JSON body of POST /bulk-actions with the configs and types of this
 * installation.
 */
export function createRequestSchema({ actionTypes, entityTypes }: Catalog): z.ZodObject {
  const { shape } = createActionRequestSchema;
  const [first, ...others] = actionTypes.map(({ config }) => config.schema);
  return createActionRequestSchema.extend({
    // The registry refuses any other name.
    actionType: z.enum(actionTypes.map(({ name }) => name)).meta({ description: 'What to do.' }),
    entityType: z
      .enum(entityTypes.map(({ name }) => name))
      .default(DEFAULT_ENTITY_TYPE)
      .meta({ description: 'What to do it to.' }),
    matchBy: matchByOf(entityTypes),
    config: (first === undefined ? shape.config : z.union([first, ...others]).optional()).meta({
      description: `The action type's own settings: ${list(actionTypes.map(({ config }) => config))}.`,
    }),
    entities: shape.entities.meta({
      description: `What to do it to, in order; in its place there may be a \`filter\`. An entity has an \`id\`, unless \`matchBy\` names a field or the action type is \`create\`. In addition to it and \`ref\` it has fields, those of ${list(entityTypes.map(({ patch }) => patch))}; a fault in them becomes the outcome of that entity and does not affect the others.`,
    }),
  });
}

/** Returns the schema of `matchBy` with the fields of each entity type. */
function matchByOf(entityTypes: readonly CatalogEntityType[]) {
  const { matchBy } = createActionRequestSchema.shape;
  const fields = entityTypes
    .filter(({ matchFields }) => matchFields.length > 0)
    .map(
      ({ name, matchFields }) => `${matchFields.map((field) => `\`${field}\``).join(' or ')} of a ${name}`,
    );
  return matchBy.meta({
    description: [matchBy.description, `Possible: ${fields.join('; ') || 'none'}.`].join(' '),
  });
}

function list(items: readonly { readonly name: string }[]): string {
  return items.map(({ name }) => `\`${name}\``).join(', ');
}

/** Turns `custom-thing` into `CustomThing`. */
function pascalCase(name: string): string {
  return name
    .split('-')
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join('');
}
