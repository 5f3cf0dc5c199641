import type { ActionContext, BulkActionHandler } from '@bulk/actions';
import {
  CodedError,
  failure,
  isRetryable,
  OUTCOME_CODES,
  outcomeCodeSchema,
  PermanentError,
  RetryableError,
  retryLater,
  SupersededError,
  type Entity,
  type Outcome,
  type RetryRequest,
} from '@bulk/domain';

/**
 * Processes one entity; what is its own fault becomes its answer (G6).
 *
 * @param overtaken whether later batches may have gone before this one; then an entity that one of them has changed is
 * its failure. In a lane it is thrown: there it tells that the partition has another owner, who has reported.
 * @throws only what concerns the whole batch: a lost partition, a dependency that is away. The platform's adapters give
 * those as coded errors; a foreign network fault is of a call that the action type made for this entity.
 */
export async function processGuarded(
  handler: BulkActionHandler,
  entity: Entity,
  config: unknown,
  context: ActionContext,
  overtaken: boolean,
): Promise<Outcome | RetryRequest> {
  try {
    return await handler.processEntity(entity, config, context);
  } catch (error) {
    if (error instanceof SupersededError) {
      if (!overtaken) throw error;
      return failure(OUTCOME_CODES.SUPERSEDED, 'a later action has changed it');
    }
    if (isRetryable(error)) {
      if (error instanceof CodedError && !(error instanceof RetryableError)) throw error;
      return retryLater(messageOf(error));
    }
    const permanent = error instanceof PermanentError && outcomeCodeSchema.safeParse(error.code).success;
    return failure(permanent ? error.code : OUTCOME_CODES.PROCESSING_ERROR, messageOf(error));
  }
}

/**
 * Gives every entity to `process`, at most `concurrency` at the same time. After an error no further one is begun; it is
 * thrown when those under way have ended, so that nothing goes on behind a later try.
 */
export async function eachEntity(
  entities: readonly Entity[],
  concurrency: number,
  process: (entity: Entity) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const queue = entities.values();
  const work = async (): Promise<void> => {
    for (const entity of queue) {
      try {
        await process(entity);
      } catch (error) {
        errors.push(error);
      }
      if (errors.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, entities.length) }, work));
  if (errors.length > 0) throw errors[0];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
