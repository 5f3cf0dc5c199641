import { parseFilter, type ActionRegistry, type EntityFilter, type EntityType } from '@bulk/action-types';
import { RestError, type ActionParameters } from '@bulk/contracts';
import { InvalidInputError, type Fields, type IncomingEntity } from '@bulk/domain';
import type { RecordReader } from '@bulk/mongo';
import type { Budget } from '../http/budget.ts';
import type { CutOff } from '../http/stopping.ts';
import type { CreateAction, CreateResult } from './create-action.ts';
import type { IdempotencyKey } from './idempotency.ts';

/** The records that a request names by a filter, in place of entities. */
export interface FilterTarget {
  readonly filter: Fields;
  /** Whether to refuse a filter that matches nothing. */
  readonly failOnEmpty: boolean;
}

/** A request with checked parameters and a filter. */
export interface FilteredRequest {
  readonly parameters: ActionParameters;
  readonly target: FilterTarget;
  readonly idempotency?: IdempotencyKey | undefined;
  /** Aborts when the client leaves. */
  readonly gone: AbortSignal;
}

export interface CreateFilteredOptions {
  readonly createAction: CreateAction;
  readonly registry: ActionRegistry;
  readonly records: RecordReader;
  /** Bounds the reads of records at once. */
  readonly reads: Budget;
  /** Maximum number of records of one action. */
  readonly maxEntities: number;
  /** Ends reads when the service stops. */
  readonly cutOff: CutOff;
}

/** Accepts actions on the records that match a filter. */
export class CreateFiltered {
  readonly #options: CreateFilteredOptions;

  constructor(options: CreateFilteredOptions) {
    this.#options = options;
  }

  /**
   * Stages the ids of the records that match, in the order of their ids, and accepts the action. It throws like
   * `CreateAction.execute`. A request whose key belongs to an earlier one reads no records.
   *
   * @throws RestError `FILTER_MATCHES_NOTHING`, `ACCOUNT_TOO_BUSY`, `TOO_BUSY`; RecordReadTimeoutError;
   * ServiceStoppingError.
   */
  async execute(accountId: string, request: FilteredRequest): Promise<CreateResult> {
    const { createAction, registry, records, reads, cutOff } = this.#options;
    const { parameters, target, idempotency, gone } = request;
    const draft = await createAction.draft(accountId, parameters);
    const entityType = registry.entityType(parameters.entityType);
    const filter = this.#parse(entityType, parameters.actionType, target);
    const replay = idempotency && (await createAction.findReplay(accountId, idempotency));
    if (replay !== undefined) return replay;
    return reads.within(accountId, async () => {
      const signal = AbortSignal.any([gone, cutOff.signal]);
      const filterPlan = await cutOff.orElse(records.plan(accountId, entityType, filter, signal));
      const matches = { accountId, entityType, filter, failOnEmpty: target.failOnEmpty, signal };
      // Each iteration reads again: a request may have to be staged a second time.
      const entities = { [Symbol.asyncIterator]: () => this.#matches(matches) };
      return createAction.stage({ ...draft, filter: target.filter, filterPlan }, entities, idempotency);
    });
  }

  #parse(entityType: EntityType, actionType: string, { filter }: FilterTarget): EntityFilter {
    if (this.#options.registry.handler(actionType).takesFilter !== true) {
      throw invalid(`the action type ${actionType} takes no filter; expected entities`);
    }
    const parsed = parseFilter(entityType, filter);
    if (!parsed.ok) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', parsed.issues);
    // An empty object is more often a mistake than the wish to change everything.
    if (parsed.value.length === 0) {
      throw invalid('expected at least one condition; {"id":{"exists":true}} matches every record');
    }
    return parsed.value;
  }

  async *#matches({
    accountId,
    entityType,
    filter,
    failOnEmpty,
    signal,
  }: Matches): AsyncGenerator<IncomingEntity> {
    const { records, maxEntities, cutOff } = this.#options;
    const ids = records.ids(accountId, entityType, filter, signal);
    let count = 0;
    try {
      for (;;) {
        signal.throwIfAborted();
        const next = await cutOff.orElse(ids.next());
        if (next.done === true) break;
        count += 1;
        if (count > maxEntities)
          throw invalid(`expected a filter that matches at most ${maxEntities} records`);
        yield { id: next.value };
      }
    } finally {
      // Not awaited: a requested answer may never arrive.
      ids.return(undefined).catch(() => undefined);
    }
    if (count === 0 && failOnEmpty) {
      throw new RestError(
        'FILTER_MATCHES_NOTHING',
        `no ${entityType.name} of this account matches the filter`,
      );
    }
  }
}

interface Matches {
  readonly accountId: string;
  readonly entityType: EntityType;
  readonly filter: EntityFilter;
  readonly failOnEmpty: boolean;
  /** Aborts when the client leaves or the service stops. */
  readonly signal: AbortSignal;
}

function invalid(message: string): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [{ field: 'filter', message }]);
}
