import { UNDO } from '@bulk/action-types';
import { RestError } from '@bulk/contracts';
import type { IncomingRow } from '@bulk/domain';
import type { AccountAction, ActionStore } from '../actions/action-store.ts';
import { checkEnded } from '../actions/refusals.ts';
import type { LogReader } from '../reading/log-reader.ts';
import type { CreateAction, CreateResult } from './create-action.ts';
import { undoRowOf } from './undo-row.ts';

export interface UndoActionOptions {
  readonly actions: ActionStore;
  readonly createAction: CreateAction;
  readonly logs: Pick<LogReader, 'outcomes' | 'holdsAll'>;
  /** Largest JSON of one entity, in bytes. */
  readonly maxEntityBytes: number;
  readonly newActionId: () => string;
}

/** Puts back what was there before an action, as a new action. */
export class UndoAction {
  readonly #options: UndoActionOptions;

  constructor(options: UndoActionOptions) {
    this.#options = options;
  }

  /**
   * Accepts a new action that undoes the successes of another one, in their order.
   *
   * The call is idempotent: an action has one undo, until a replay of its dead letters adds successes. The undo keeps
   * values too, so that it can be undone. A dry run has no key, because it may be repeated.
   *
   * @throws RestError if there is no such action, it has not ended, it kept no values, it was a dry run, there is
   * nothing to undo, or its outcomes are no longer kept; QuotaExceededError; StoreError.
   */
  async execute(accountId: string, actionId: string, dryRun: boolean): Promise<CreateResult> {
    const { actions, createAction, newActionId } = this.#options;
    const action = await actions.get(accountId, actionId);
    // A caller's key holds no space, so that this key is unique.
    const key = dryRun
      ? undefined
      : { key: `undo ${actionId} ${action.counts.success}`, digest: () => actionId };
    const undone = key === undefined ? undefined : await createAction.findReplay(accountId, key);
    if (undone !== undefined) return undone;
    checkUndoable(action);
    const { entityType, lane, retry, callback } = action;
    const draft = {
      identity: { actionId: newActionId(), accountId, actionType: UNDO, entityType, lane },
      config: {},
      dryRun,
      scheduledFor: null,
      retryOf: null,
      undoOf: actionId,
      changes: 'values' as const,
      ...(retry === undefined ? {} : { retry }),
      ...(callback === undefined ? {} : { callbackUrl: callback.url }),
    };
    return createAction.stage(draft, this.#rows(action), key);
  }

  /**
   * Yields a row for each record to put back, in order of position.
   *
   * @throws RestError `UNDO_EXPIRED` if outcomes are missing, `NOTHING_TO_UNDO` if there is no row; StoreError.
   */
  async *#rows(action: AccountAction): AsyncGenerator<IncomingRow> {
    const { logs, maxEntityBytes } = this.#options;
    const { _id, counts, retryOf } = action;
    const isRetry = (retryOf ?? null) !== null;
    let successes = 0;
    let rows = 0;
    for await (const entry of logs.outcomes(action, { type: 'success' })) {
      successes += 1;
      const row = undoRowOf(entry, isRetry, maxEntityBytes);
      if (row === undefined) continue;
      rows += 1;
      yield row;
    }
    // A replay may have replaced successes since the action was read.
    if (successes < counts.success && !(await logs.holdsAll(action))) throw undoExpired(_id);
    if (rows === 0) throw nothingToUndo(_id);
  }
}

/** @throws RestError if an action cannot be undone. */
function checkUndoable(action: AccountAction): void {
  const { _id, dryRun, changes, counts } = action;
  checkEnded(action, 'undo');
  if (dryRun) throw new RestError('DRY_RUN_NOT_UNDOABLE', `action ${_id} was a dry run and changed nothing`);
  if (changes !== 'values') {
    throw new RestError(
      'CHANGES_NOT_KEPT',
      `action ${_id} kept no values: only an action with changes=values can be undone`,
      { details: { changes: changes ?? 'none' } },
    );
  }
  if (counts.success === 0) throw nothingToUndo(_id);
}

function nothingToUndo(actionId: string): RestError {
  return new RestError('NOTHING_TO_UNDO', `action ${actionId} has changed no record`);
}

function undoExpired(actionId: string): RestError {
  return new RestError('UNDO_EXPIRED', `the outcomes of action ${actionId} are no longer kept`);
}
