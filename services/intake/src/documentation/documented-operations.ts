import { OPERATIONS, type Operation } from '@bulk/contracts';
import { createRequestSchema, uploadParametersSchema, type Catalog } from './catalog.ts';

/** Returns every operation of an installation, with its action types and entity types. */
export function documentedOperations(catalog: Catalog): Operation[] {
  const { createAction, ...others } = OPERATIONS;
  return [withCatalog(createAction, catalog), ...Object.values(others)];
}

function withCatalog(operation: typeof OPERATIONS.createAction, catalog: Catalog): Operation {
  const known = new Set(catalog.actionTypes.map(({ name }) => name));
  const json = operation.body['application/json'];
  const examples = Object.entries(json.examples).filter(([, { value }]) => known.has(value.actionType));
  return {
    ...operation,
    description: [operation.description, '', ...catalogText(catalog)].join('\n'),
    query: uploadParametersSchema(catalog),
    body: {
      ...operation.body,
      'application/json': { schema: createRequestSchema(catalog), examples: Object.fromEntries(examples) },
    },
  };
}

/** Lists the types of an installation, for the description of the operation that uses them. */
function catalogText({ actionTypes, entityTypes }: Catalog): string[] {
  const actions = actionTypes.map(({ name, config }) => `\`${name}\` (${config.name})`);
  const entities = entityTypes.map(
    ({ name, record, patch }) => `\`${name}\` (${record.name}, ${patch.name})`,
  );
  return [
    `**Action types**, with the schemas of their \`config\`: ${actions.join(', ')}.`,
    '',
    `**Entity types**, with the schemas of a whole entity and of some of its fields: ${entities.join(', ')}.`,
    '',
    'These schemas are at the end of this page.',
  ];
}
