import type { ActionContext, BulkActionHandler } from '@bulk/action-types';
import {
  CodedError,
  customerMessage,
  failure,
  isRetryable,
  OUTCOME_CODES,
  outcomeCodeSchema,
  PermanentError,
  RetryableError,
  retryLater,
  success,
  SupersededError,
  type Entity,
  type Outcome,
  type RetryRequest,
} from '@bulk/domain';
import type { Places } from '@bulk/runtime';

const UNEXPECTED = 'the action type failed on this entity in an unexpected way';
const NO_ANSWER = 'a system that the action type calls for this entity did not answer';

/**
 * Processes one entity. An error that the entity causes becomes its answer (G6).
 *
 * @param overtaken whether later batches may have overtaken this one. If so, an entity that a later
 * batch has changed fails, unless an earlier try is known to have made its change. In a lane the error is thrown instead, because there it shows that the
 * partition has another owner, which has reported.
 * @param onFault gets an error whose text the customer must not see. It is for the operator's log.
 * @throws only what concerns the whole batch: a lost partition, an unavailable dependency. The
 * platform's adapters throw these as coded errors. Any other network error comes from a call that
 * the action type made for this entity.
 */
export async function processGuarded(
  handler: BulkActionHandler,
  entity: Entity,
  config: unknown,
  context: ActionContext,
  overtaken: boolean,
  onFault: (error: unknown, entity: Entity) => void,
): Promise<Outcome | RetryRequest> {
  try {
    return await handler.processEntity(entity, config, context);
  } catch (error) {
    if (error instanceof SupersededError) {
      if (!overtaken) throw error;
      // An earlier try made the change and its answer was lost. The later batch changed the entity after it.
      if (error.made !== undefined) return success(error.made.effect, error.made.version, error.made.changes);
      return failure(OUTCOME_CODES.SUPERSEDED, 'a later action has changed this entity');
    }
    if (isRetryable(error)) {
      if (error instanceof CodedError && !(error instanceof RetryableError)) throw error;
      return retryLater(customerMessage(error, NO_ANSWER));
    }
    const permanent = error instanceof PermanentError && outcomeCodeSchema.safeParse(error.code).success;
    if (!(error instanceof PermanentError)) onFault(error, entity);
    return failure(
      permanent ? error.code : OUTCOME_CODES.PROCESSING_ERROR,
      customerMessage(error, UNEXPECTED),
    );
  }
}

/**
 * Gives every entity to `process`, at most `concurrency` at the same time and each in a slot.
 *
 * After an error no further entity is started. The error is thrown when those under way have ended,
 * so that no work continues during a later try.
 */
export async function eachEntity(
  entities: readonly Entity[],
  concurrency: number,
  slots: Pick<Places, 'run'>,
  process: (entity: Entity) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const queue = entities.values();
  const work = async (): Promise<void> => {
    for (const entity of queue) {
      await slots.run(async () => {
        if (errors.length > 0) return;
        try {
          await process(entity);
        } catch (error) {
          errors.push(error);
        }
      });
      if (errors.length > 0) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, entities.length) }, work));
  if (errors.length > 0) throw errors[0];
}
