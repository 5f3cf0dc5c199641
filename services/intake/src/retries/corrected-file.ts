import { isDeepStrictEqual } from 'node:util';
import type { ActionRegistry } from '@bulk/action-types';
import { RestError, type ActionParameters } from '@bulk/contracts';
import {
  FaultyRow,
  InvalidInputError,
  jsonObjectSchema,
  type FieldIssue,
  type IncomingRow,
  type RowIdentity,
} from '@bulk/domain';
import type { Database } from '@bulk/mongo';
import type { AccountAction, ActionStore } from '../actions/action-store.ts';
import { rowIdentityOf } from '../matching/match-rule.ts';
import type { CorrectedQuery, RepeatedParameters } from './corrected-query.ts';
import type { CreateAction, CreateResult } from '../submission/create-action.ts';
import type { IdempotencyKey } from '../submission/idempotency.ts';
import { checkRetryable, type RetryAction } from '../submission/retry-action.ts';
import { namesInHeader } from '@bulk/uploads';
import { CorrectedRows } from './corrected-rows.ts';
import { withEarlierIds } from './earlier-ids.ts';
import { failedPositions } from './failed-positions.ts';
import type { InputReader } from '../input/input-reader.ts';
import { parseUploadQuery, type FileParameters } from '../submission/upload-parameters.ts';
import type { RetryChain } from './retry-chain.ts';

export interface CorrectedFileOptions {
  readonly database: Database;
  readonly registry: ActionRegistry;
  readonly actions: ActionStore;
  readonly chain: RetryChain;
  readonly input: InputReader;
  readonly retryAction: RetryAction;
  readonly createAction: CreateAction;
}

/** An action whose results are sent again. */
export interface CorrectedAction {
  readonly action: AccountAction;
  readonly parameters: ActionParameters;
  readonly file: FileParameters;
  /** The delimiter of the file of the action; undefined if there was none. */
  readonly likelyDelimiter: string | undefined;
  /** How the rows name their entities. */
  readonly identity: RowIdentity;
}

const EXPECTED_OWN = 'expected the value of the action that retryOf names, or none';
const NO_LIMIT = 'expected none, because a retry has no failure limit';
/** The parameters that no retry has, whatever those of the action are. */
const NEVER: ReadonlySet<string> = new Set(['maxFailures', 'onMaxFailures']);

/** @throws RestError `UNSUPPORTED_MEDIA_TYPE` if a corrected file is not a CSV. */
export function checkCorrectable(mediaType: string): void {
  if (mediaType === 'text/csv') return;
  throw new RestError(
    'UNSUPPORTED_MEDIA_TYPE',
    `expected content-type text/csv for an upload with retryOf, found ${mediaType}`,
  );
}

/** Tries the failed rows of an action again from its results, which a person has corrected. */
export class CorrectedFile {
  readonly #options: CorrectedFileOptions;

  constructor(options: CorrectedFileOptions) {
    this.#options = options;
  }

  /**
   * Finds the action that a file corrects; undefined if the request names none.
   *
   * @throws RestError `ACTION_NOT_FOUND`; InvalidInputError naming each parameter that differs from the action's;
   *   StoreError.
   */
  async parent(
    accountId: string,
    corrected: CorrectedQuery | undefined,
  ): Promise<CorrectedAction | undefined> {
    if (corrected === undefined) return undefined;
    const { retryOf, others, given } = corrected;
    const action = await this.#options.actions.get(accountId, retryOf);
    const { actionType, entityType, dryRun, lane: priority, matchBy, retry, callback, changes } = action;
    const parameters: ActionParameters = {
      actionType,
      entityType,
      config: { ...action.config },
      dryRun,
      priority,
      changes: changes ?? 'none',
      ...(matchBy === undefined ? {} : { matchBy }),
      ...(retry === undefined ? {} : { retry }),
      ...(callback === undefined ? {} : { callbackUrl: callback.url }),
    };
    const own: RepeatedParameters = parameters;
    const repeated = { ...given, config: await this.#validated(parameters, given.config) };
    const issues = Object.entries(repeated).flatMap(([field, value]): FieldIssue[] =>
      value === undefined || isDeepStrictEqual(value, own[field as keyof RepeatedParameters])
        ? []
        : [{ field, message: NEVER.has(field) ? NO_LIMIT : EXPECTED_OWN }],
    );
    if (issues.length > 0) throw new InvalidInputError('INVALID_REQUEST', 'the request is invalid', issues);
    const { file } = parseUploadQuery({ ...others, actionType });
    const sent = await this.#options.input.file(retryOf);
    // The cells of a download are those that were sent.
    const { registry } = this.#options;
    const hasIds = sent === undefined || namesInHeader(sent, registry.entityType(entityType)).has('id');
    const escaped = others['escaped'] === undefined ? (sent?.escaped ?? false) : file.escaped;
    return {
      action,
      parameters,
      file: { ...file, columns: file.columns ?? sent?.columns, escaped },
      likelyDelimiter: sent?.delimiter,
      // The download of an action without a file has a column of the ids that were found, and so have its corrections.
      identity: matchBy !== undefined && hasIds ? { by: 'optional-id' } : rowIdentityOf(registry, parameters),
    };
  }

  /** Returns a config in the form in which it is stored. @throws InvalidInputError if it fits no action. */
  async #validated({ actionType, entityType }: ActionParameters, config: unknown): Promise<unknown> {
    const { registry } = this.#options;
    const object = jsonObjectSchema.safeParse(config);
    if (!object.success) return config;
    return registry
      .handler(actionType)
      .validatePayload({ entityType: registry.entityType(entityType), config: object.data });
  }

  /**
   * Accepts a retry of an action from the rows of a corrected file; see `CorrectedRows`.
   *
   * @param rows the rows with their sources.
   * @throws RestError if the action has not ended, nothing is left to retry, or another retry was accepted meanwhile;
   *   InvalidInputError naming the lines at fault; StoreError; what the rows throw.
   */
  async execute(
    action: AccountAction,
    rows: AsyncIterable<IncomingRow>,
    idempotency: IdempotencyKey | undefined,
  ): Promise<CreateResult> {
    const { database, registry, chain, retryAction, createAction } = this.#options;
    const { _id: actionId, accountId, total } = action;
    // First, since the rows of a repeated request are those that its first one has tried.
    const replay =
      idempotency === undefined ? undefined : await createAction.findReplay(accountId, idempotency);
    if (replay !== undefined) return replay;
    checkRetryable(action);
    const { link, ...next } = await chain.next(action);
    const positions = await failedPositions(database, action);
    const corrected = new CorrectedRows({ actionId, total, positions, next });
    const { targets } = registry.handler(action.actionType);
    const isNew = targets === 'new';
    // A download shows the id that an upsert derived from the value that was sent. The corrected value decides again.
    const rematched =
      action.matchBy !== undefined && targets === 'either' ? withoutIds(rows, action.matchBy) : rows;
    const selected = corrected.select(rematched);
    const tried = isNew ? withEarlierIds(selected, database, { actionId, positions }) : selected;
    return createAction.stage(retryAction.draftOf(action), tried, idempotency, () => ({
      retryChain: link,
      leftOut: corrected.leftOut,
    }));
  }
}

/** Drops the ids of rows that have a value of a field, so that they are matched by it. Their notes stay. */
async function* withoutIds(rows: AsyncIterable<IncomingRow>, field: string): AsyncGenerator<IncomingRow> {
  for await (const row of rows)
    yield row instanceof FaultyRow || row[field] === undefined ? row : { ...row, id: undefined };
}
