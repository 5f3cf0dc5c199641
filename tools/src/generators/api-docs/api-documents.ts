import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRegistry } from '@bulk/action-types';
import { kafkaConfigSchema, type KafkaConfig } from '@bulk/kafka';
import { z } from 'zod';

const MODULE = 'services/intake/src/documentation/documentation.ts';

const isFunction = (value: unknown): boolean => typeof value === 'function';
const moduleSchema = z.object({
  openApiDocumentOf: z.custom<(registry: ReturnType<typeof createRegistry>) => object>(isFunction),
  asyncApiDocumentOf: z.custom<(config: KafkaConfig) => object>(isFunction),
});

/** The documents that intake serves as its documentation. */
export interface ApiDocuments {
  readonly openapi: object;
  readonly asyncapi: object;
}

/**
 * Builds the documents of an installation with the catalog of @bulk/action-types and the default
 * configuration.
 */
export async function apiDocuments(workspaceRoot: string): Promise<ApiDocuments> {
  // Imports the functions by path: a service exports nothing to other packages, and this tool reads
  // its code.
  const module: unknown = await import(pathToFileURL(join(workspaceRoot, MODULE)).href);
  const { openApiDocumentOf, asyncApiDocumentOf } = moduleSchema.parse({ ...(module as object) });
  return {
    openapi: openApiDocumentOf(createRegistry()),
    asyncapi: asyncApiDocumentOf(kafkaConfigSchema.parse({})),
  };
}
