import type Router from '@koa/router';
import type { ActionRegistry } from '@bulk/action-types';
import type { AuthConfig } from '@bulk/auth';
import { createAsyncApiDocument, topicNames } from '@bulk/contracts';
import type { KafkaConfig } from '@bulk/kafka';
import { catalogOf } from './catalog.ts';
import { documentedOperations } from './documented-operations.ts';
import { createOpenApiDocument, type OpenApiDocument } from './document.ts';
import { createDocumentationRouter } from './router.ts';

/** The version of the platform's interfaces. */
export const API_VERSION = '1.0.0';

/** The account that has sample data (`npm run seed`). */
const SAMPLE_ACCOUNT = 'demo';

/** Builds the OpenAPI document of an installation with these types. */
export function openApiDocumentOf(registry: ActionRegistry): OpenApiDocument {
  const catalog = catalogOf(registry);
  return createOpenApiDocument({ catalog, operations: documentedOperations(catalog), version: API_VERSION });
}

/** Builds the AsyncAPI document of an installation with these topics. */
export function asyncApiDocumentOf(config: KafkaConfig): object {
  return createAsyncApiDocument({
    topics: topicNames(config.TOPIC_PREFIX),
    settings: config,
    version: API_VERSION,
  });
}

/**
 * Builds the documentation of an installation: its types, its topics and their numbers of
 * partitions.
 */
export function documentationOf(
  config: KafkaConfig & Pick<AuthConfig, 'AUTH_MODE'>,
  registry: ActionRegistry,
): Router {
  return createDocumentationRouter({
    openapi: openApiDocumentOf(registry),
    asyncapi: asyncApiDocumentOf(config),
    // With tokens, a sample account would only disturb.
    account: config.AUTH_MODE === 'header' ? SAMPLE_ACCOUNT : undefined,
  });
}
