import type { ActionRegistry } from '@bulk/action-types';
import { RestError, type CorrectedEntity, type RetryParameters } from '@bulk/contracts';
import { InvalidInputError } from '@bulk/domain';
import type { AccountAction, ActionStore } from '../actions/action-store.ts';
import { Corrections } from '../retries/corrections.ts';
import type { InputReader } from '../input/input-reader.ts';
import type { RetryChain } from '../retries/retry-chain.ts';
import { rowIdentityOf } from '../matching/match-rule.ts';
import { selectedRows } from '../retries/selected-rows.ts';
import type { CreateAction, CreateResult } from './create-action.ts';
import type { ActionDraft } from './staging-area.ts';
import type { IdempotencyKey } from './idempotency.ts';
import type { FailedEntities } from './failed-entities.ts';
import { checkEnded } from '../actions/refusals.ts';

export interface RetryActionOptions {
  readonly actions: ActionStore;
  readonly createAction: CreateAction;
  readonly failedEntities: FailedEntities;
  readonly chain: RetryChain;
  readonly input: InputReader;
  readonly registry: ActionRegistry;
  readonly newActionId: () => string;
}

/** What a request with a body asks of a retry. */
export interface RetryDemand {
  readonly codes?: RetryParameters['codes'];
  /** Absent if the request corrects nothing. */
  readonly corrected?: readonly CorrectedEntity[];
  readonly idempotency: IdempotencyKey | undefined;
}

/** Tries the failed positions of an action again, as a new action. */
export class RetryAction {
  readonly #options: RetryActionOptions;

  constructor(options: RetryActionOptions) {
    this.#options = options;
  }

  /**
   * Accepts a new action of failed positions, in their order, with the config and retry policy of
   * the old one. It starts at once.
   *
   * Positions that another retry tries, or has fixed, are left out. Without a request the call is
   * idempotent: it has one retry.
   *
   * @throws RestError if there is no such action, it has not ended, nothing is left to retry, its
   * entities are no longer kept, or another retry was accepted at the same time; InvalidInputError
   * if a correction is at fault; StoreError.
   */
  async execute(accountId: string, actionId: string, request?: RetryDemand): Promise<CreateResult> {
    const { actions, createAction, failedEntities, chain, input, registry } = this.#options;
    // A caller's key holds no space, so that this key is unique.
    const given =
      request === undefined ? { key: `retry ${actionId}`, digest: () => actionId } : request.idempotency;
    // The request was read whole. Its rows are no longer failed when another request has tried them.
    const key = given && { ...given, body: () => [] };
    const action = await actions.get(accountId, actionId);
    // The batches of the old action may be gone by now, and reading them would add nothing.
    const retried = key === undefined ? undefined : await createAction.findReplay(accountId, key);
    if (retried !== undefined) return retried;
    checkRetryable(action);
    const { codes, corrected } = request ?? {};
    if (corrected !== undefined && registry.handler(action.actionType).isInternal === true)
      throw notCorrectable(action);
    const identity = rowIdentityOf(registry, action);
    const corrections = corrected === undefined ? undefined : new Corrections(corrected, { identity });
    const { link, ...sets } = await chain.next(action);
    const rows = selectedRows(failedEntities.read(actionId), {
      actionId,
      total: action.total,
      ...sets,
      codes,
      corrections,
      file: await input.file(actionId),
    });
    return createAction.stage(this.draftOf(action), rows, key, () => ({ retryChain: link }));
  }

  /** Builds the draft of a retry of an action. */
  draftOf(action: AccountAction): ActionDraft {
    const {
      _id,
      accountId,
      actionType,
      entityType,
      lane,
      config,
      dryRun,
      matchBy,
      retry,
      callback,
      changes,
    } = action;
    return {
      identity: { actionId: this.#options.newActionId(), accountId, actionType, entityType, lane },
      config,
      dryRun,
      // Rows that were not matched are matched again; the others keep their entities.
      ...(matchBy === undefined ? {} : { matchBy }),
      scheduledFor: null,
      retryOf: _id,
      // A failed position may have been applied: a dead letter, a lost outcome. So the whole chain shares its marks.
      rootActionId: action.rootActionId ?? _id,
      ...(retry === undefined ? {} : { retry }),
      ...(changes === undefined ? {} : { changes }),
      ...(callback === undefined ? {} : { callbackUrl: callback.url }),
    };
  }
}

/** Builds the refusal of corrections of rows that no caller has sent. */
function notCorrectable({ actionType }: AccountAction): InvalidInputError {
  return new InvalidInputError('INVALID_REQUEST', 'the request is invalid', [
    { field: 'entities', message: `expected none, because the rows of ${actionType} cannot be corrected` },
  ]);
}

/** @throws RestError if an action has not ended, or nothing of it has failed. */
export function checkRetryable(action: AccountAction): void {
  const { _id, counts } = action;
  const status = checkEnded(action, 'retry');
  if (counts.failure === 0) {
    throw new RestError('NOTHING_TO_RETRY', `nothing of action ${_id} has failed`, { details: { status } });
  }
}
