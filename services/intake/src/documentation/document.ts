import {
  answerHeadersSchema,
  NAMED_SCHEMAS,
  rateLimitHeadersSchema,
  requestHeadersSchema,
  TAGS,
  type Body,
  type Operation,
  type Success,
} from '@bulk/contracts';
import {
  createDocument,
  type CreateDocumentOptions,
  type ZodOpenApiLinksObject,
  type ZodOpenApiMediaTypeObject,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponseObject,
} from 'zod-openapi';
import { z } from 'zod';
import { namedSchemas, type Catalog } from './catalog.ts';
import { INTRODUCTION } from './introduction.ts';
import { Refusals } from './refusals.ts';

export type OpenApiDocument = ReturnType<typeof createDocument>;

export interface DocumentOptions {
  readonly catalog: Catalog;
  readonly operations: readonly Operation[];
  /** Version of the API. */
  readonly version: string;
}

/**
 * Name of the security scheme of the account. The page fills the account in, so that every
 * operation can be tried at once.
 */
export const ACCOUNT_SCHEME = 'account';

/** Builds the OpenAPI 3.1 document of the REST API from the schemas that validate requests. */
export function createOpenApiDocument({ catalog, operations, version }: DocumentOptions): OpenApiDocument {
  const refusals = new Refusals();
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const operation of operations) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method]: operationObject(operation, refusals),
    };
  }
  return createDocument(
    {
      openapi: '3.1.0',
      info: { title: 'Bulk Action Platform', version, description: INTRODUCTION },
      // Relative to this document, which is below api/, so that it is correct behind any proxy
      // prefix.
      servers: [{ url: '..', description: 'this installation' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      security: [{ [ACCOUNT_SCHEME]: [] }, { bearer: [] }],
      paths,
      components: {
        schemas: { ...NAMED_SCHEMAS, ...namedSchemas(catalog) },
        securitySchemes: {
          [ACCOUNT_SCHEME]: {
            type: 'apiKey',
            in: 'header',
            name: 'x-account-id',
            description: 'The account, where the installation trusts its callers. `demo` has sample data.',
          },
          bearer: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'Where the installation authenticates: a token that names the account.',
          },
        },
      },
    },
    { override: readable },
  );
}

const READABLE_FORMATS: ReadonlySet<unknown> = new Set(['uuid', 'date-time', 'email']);

/**
 * Leaves out patterns that say nothing to a reader.
 *
 * These are the patterns of the text of a number that is documented as a number, and those that
 * spell out a format. It also keeps the default of such a number, which zod drops because it is not
 * a text.
 */
const readable: NonNullable<CreateDocumentOptions['override']> = ({ jsonSchema, zodSchema }) => {
  const isNumber = jsonSchema.type === 'integer';
  if (isNumber || READABLE_FORMATS.has(jsonSchema.format)) delete jsonSchema.pattern;
  const { def } = zodSchema._zod;
  if (isNumber && def.type === 'default') jsonSchema.default = def.defaultValue;
};

function operationObject(operation: Operation, refusals: Refusals): ZodOpenApiOperationObject {
  const { operationId, tag, summary, description, pathParameters, query, headers, body, success } = operation;
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    requestParams: {
      ...(pathParameters === undefined ? {} : { path: pathParameters }),
      ...(query === undefined ? {} : { query }),
      header: headers === undefined ? requestHeadersSchema : requestHeadersSchema.extend(headers.shape),
    },
    ...(body === undefined
      ? {}
      : { requestBody: { required: operation.bodyOptional !== true, content: contentOf(body) } }),
    responses: { [success.status]: successObject(success), ...refusals.of(operation.errors) },
  };
}

function contentOf(content: Readonly<Record<string, Body>>): Record<string, ZodOpenApiMediaTypeObject> {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, examples }]) => [
      type,
      { schema, examples: { ...examples } },
    ]),
  );
}

function successObject({ description, content, headers, links }: Success): ZodOpenApiResponseObject {
  return {
    description,
    headers: z.object({
      ...answerHeadersSchema.shape,
      ...rateLimitHeadersSchema.shape,
      ...headers?.shape,
    }),
    content: contentOf(content),
    ...(links === undefined ? {} : { links: linksOf(links) }),
  };
}

function linksOf(links: NonNullable<Success['links']>): ZodOpenApiLinksObject {
  return Object.fromEntries(
    Object.entries(links).map(([name, { operationId, parameters }]) => [
      name,
      { operationId, parameters: { ...parameters } },
    ]),
  );
}
