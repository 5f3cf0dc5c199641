import { z } from 'zod';

const parameterSchema = z.object({
  in: z.enum(['path', 'query', 'header']),
  name: z.string(),
  schema: z.object({ enum: z.array(z.unknown()).optional() }).optional(),
});
const operationSchema = z.object({
  parameters: z.array(parameterSchema).default([]),
  requestBody: z
    .object({
      content: z.record(
        z.string(),
        z.object({ examples: z.record(z.string(), z.object({ value: z.unknown() })).default({}) }),
      ),
    })
    .optional(),
});
const documentSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), operationSchema)) });

/** A route of a service. */
export interface Route {
  /** The method in upper case. */
  readonly method: string;
  /** The path with parameters in braces. */
  readonly path: string;
  readonly query: readonly QueryParameter[];
  /** Examples of JSON bodies; empty if the route takes no body. */
  readonly bodies: readonly unknown[];
}

export interface QueryParameter {
  readonly name: string;
  /** Valid values, as far as the document lists them. */
  readonly values: readonly string[];
}

/**
 * Reads the routes of a REST API from its OpenAPI document.
 *
 * @throws ZodError if the document is not an OpenAPI document.
 */
export function routesOf(openapi: object): Route[] {
  return Object.entries(documentSchema.parse(openapi).paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { parameters, requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      query: parameters
        .filter((parameter) => parameter.in === 'query')
        .map(({ name, schema }) => ({ name, values: (schema?.enum ?? []).map(String) })),
      bodies: Object.values(requestBody?.content['application/json']?.examples ?? {}).map(
        ({ value }) => value,
      ),
    })),
  );
}

/** Paths outside of the API: the documentation of intake, and the probes of every admin port. */
export const DOCUMENTATION_PATHS = ['/api', '/api/openapi.json', '/api/asyncapi.json', '/favicon.ico'];
export const ADMIN_PATHS = ['/livez', '/readyz', '/healthz', '/metrics', '/log-level'];
