import {
  ACTION_HANDLERS,
  ActionRegistry,
  ENTITY_TYPES,
  type ActionPayload,
  type BulkActionHandler,
} from '@bulk/action-types';
import { success, type Entity, type Outcome } from '@bulk/domain';
import { z } from 'zod';

// Takes the place of @bulk/action-types in the services that a benchmark builds: the same, with two more
// action types. An installation of a user never has them.

export * from '@bulk/action-types';

/** Longest wait of a batch, in ms. */
const MAX_WAIT_MS = 60_000;

const configSchema = z
  .strictObject({ waitMs: z.int().min(0).max(MAX_WAIT_MS).default(0) })
  .meta({ description: 'Time that each batch takes, in ms.' });
type Config = z.infer<typeof configSchema>;

/** Changes no entity, so that only the platform's own work is left. */
class NoopHandler implements BulkActionHandler<Config> {
  readonly actionType: string = 'noop';

  getConfigSchema(): z.ZodType<Config> {
    return configSchema;
  }

  async validatePayload({ config }: ActionPayload): Promise<Config> {
    return Promise.resolve(configSchema.parse(config));
  }

  async processEntity(_entity: Entity, { waitMs }: Config): Promise<Outcome> {
    await pause(waitMs);
    return success();
  }

  async processBatch(entities: readonly Entity[], { waitMs }: Config): Promise<Outcome[]> {
    await pause(waitMs);
    return entities.map(() => success());
  }
}

/** Waits like a call of another system. Without a time it does not even yield. */
async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Creates the registry of the services under measurement. */
export function createRegistry(): ActionRegistry {
  return new ActionRegistry([...ACTION_HANDLERS, new NoopHandler()], ENTITY_TYPES);
}
