import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { ActionRegistry } from '@bulk/action-types';
import type { ActionParameters } from '@bulk/contracts';
import { CodedError, defaultChangesKept, type IncomingRow } from '@bulk/domain';
import type { ActionDocument } from '@bulk/mongo';
import { z } from 'zod';
import type { QuotaState } from '../quotas/quota.ts';
import type { Quotas } from '../quotas/quotas.ts';
import type { ActionDraft, AtAcceptance, StagingArea } from './staging-area.ts';
import type { Webhooks } from '../webhooks/webhooks.ts';
import type { CreateRecorder } from './create-recorder.ts';
import {
  checkSameRequest,
  inProgress,
  isKeyTaken,
  type IdempotencyKey,
  type IdempotencyKeys,
} from './idempotency.ts';
import { withEntityIds } from '../matching/entity-ids.ts';
import type { RowMatcher } from '../matching/matched-rows.ts';
import { checkMatchBy } from '../matching/match-rule.ts';
import { failureLimitOf } from './failure-limit.ts';
import { startOf, type ScheduleOptions } from './schedule.ts';

/**
 * A request with checked parameters. Its entities may still be arriving, and throw their own
 * faults.
 */
export interface CreateRequest {
  readonly parameters: ActionParameters;
  readonly entities: Iterable<IncomingRow> | AsyncIterable<IncomingRow>;
  readonly idempotency?: IdempotencyKey | undefined;
}

/** The action of a request, and whether an earlier request with the same key created it. */
export interface CreateResult {
  readonly action: ActionDocument;
  readonly replayed: boolean;
  /**
   * The quotas of the account including the action; absent for a replay, and if there is no quota.
   */
  readonly quotas?: readonly QuotaState[];
}

export interface CreateActionOptions {
  readonly registry: ActionRegistry;
  readonly staging: StagingArea;
  readonly keys: IdempotencyKeys;
  readonly webhooks: Webhooks;
  /** `undefined` if no account has a quota. */
  readonly quotas: Quotas | undefined;
  readonly matcher: RowMatcher;
  readonly newActionId: () => string;
  /** Returns the id of a new entity whose row has none. */
  readonly newEntityId: () => string;
  /** Called after each acceptance of an action that is not dispatched yet. */
  readonly onAccepted: () => void;
  /** Called after the acceptance of an action that has ended with it, because it has no positions. */
  readonly onEnded: (action: ActionDocument) => void;
  readonly recorder: CreateRecorder;
  readonly schedule: ScheduleOptions;
}

const configSchema = z.record(z.string(), z.unknown());

/** Accepts actions. */
export class CreateAction {
  readonly #options: CreateActionOptions;

  constructor(options: CreateActionOptions) {
    this.#options = options;
  }

  /**
   * Validates what belongs to the action type, stages the entities and accepts the action.
   *
   * If it throws, nothing is left behind (G1). With an idempotency key the same request may be
   * repeated and leads to the same action.
   *
   * @throws InvalidInputError that names the field; RestError for a key in use or a callback URL;
   * QuotaExceededError; StoreError; what the entities throw.
   */
  async execute(accountId: string, request: CreateRequest): Promise<CreateResult> {
    const { parameters, entities, idempotency } = request;
    return this.stage(await this.draft(accountId, parameters), entities, idempotency);
  }

  /**
   * Validates what belongs to the action type, without any entity.
   *
   * @throws InvalidInputError that names the field.
   */
  async draft(accountId: string, parameters: ActionParameters): Promise<ActionDraft> {
    const { registry, newActionId, schedule } = this.#options;
    const handler = registry.requestableHandler(parameters.actionType);
    const entityType = registry.entityType(parameters.entityType);
    checkMatchBy(handler, entityType, parameters.matchBy);
    const scheduledFor = startOf(parameters.scheduledFor, schedule);
    const config = await handler.validatePayload({ entityType, config: parameters.config });
    return {
      identity: {
        actionId: newActionId(),
        accountId,
        actionType: parameters.actionType,
        entityType: parameters.entityType,
        lane: parameters.priority,
      },
      config: configSchema.parse(config),
      dryRun: parameters.dryRun,
      ...(parameters.matchBy === undefined ? {} : { matchBy: parameters.matchBy }),
      scheduledFor,
      retryOf: null,
      ...keptChanges(parameters),
      ...failureLimitOf(parameters),
      ...(parameters.retry === undefined ? {} : { retry: parameters.retry }),
      ...(parameters.callbackUrl === undefined ? {} : { callbackUrl: parameters.callbackUrl }),
    };
  }

  /**
   * Stages and accepts a validated draft; see `execute` and `StagingArea.stage`.
   *
   * @param entities rows with ids. With `matchBy`, the others are matched; those of new entities get ids.
   */
  async stage(
    draft: ActionDraft,
    entities: CreateRequest['entities'],
    idempotency?: IdempotencyKey,
    atAcceptance?: AtAcceptance,
  ): Promise<CreateResult> {
    const { webhooks } = this.#options;
    if (draft.callbackUrl !== undefined) webhooks.checkCallback(draft.callbackUrl);
    if (idempotency === undefined) return this.#accept(draft, entities, idempotency, atAcceptance);
    try {
      // Most keys are new: the unique index finds the others, before any entity is read.
      return await this.#accept(draft, entities, idempotency, atAcceptance);
    } catch (error) {
      if (!isKeyTaken(error)) throw error;
    }
    // The request is the same one only if its whole body is the same.
    // The records of a filter are no part of it, and are not read again.
    const sent = draft.filter === undefined ? entities : [];
    const replay = await this.findReplay(draft.identity.accountId, idempotency, sent);
    if (replay !== undefined) return replay;
    try {
      return await this.#accept(draft, entities, idempotency, atAcceptance);
    } catch (error) {
      if (isKeyTaken(error)) throw inProgress(idempotency.key);
      throw error;
    }
  }

  /**
   * Finds the action that an earlier request with the same key created.
   *
   * @param entities the entities that the digest covers, unless the key has a body. They are read to
   * the end before the digests are compared.
   * @returns `undefined` if there is no such action.
   * @throws RestError if the key belongs to another request, or its upload is under way;
   * StoreError; what the entities throw.
   */
  async findReplay(
    accountId: string,
    idempotency: IdempotencyKey,
    entities: CreateRequest['entities'] = [],
  ): Promise<CreateResult | undefined> {
    const { keys, recorder } = this.#options;
    const earlier = await keys.find(accountId, idempotency.key);
    if (earlier === undefined) return undefined;
    await readToEnd(idempotency.body?.() ?? entities);
    checkSameRequest(earlier, idempotency);
    recorder.replayed();
    return { action: earlier, replayed: true };
  }

  async #accept(
    draft: ActionDraft,
    entities: CreateRequest['entities'],
    idempotency: IdempotencyKey | undefined,
    atAcceptance: AtAcceptance | undefined,
  ): Promise<CreateResult> {
    const { staging, quotas, onAccepted, onEnded, recorder } = this.#options;
    const claim = quotas?.claim(draft.identity.accountId, draft.identity.actionId);
    const startedAt = performance.now();
    const seconds = (): number => (performance.now() - startedAt) / 1_000;
    try {
      const identified = this.#identified(draft, entities);
      const action = await staging.stage(draft, identified, idempotency, claim, atAcceptance);
      recorder.accepted(action.lane, action.total, seconds());
      if (action.dispatch.done) onEnded(action);
      else if (action.dispatch.lease === null) onAccepted();
      return { action, replayed: false, ...(claim === undefined ? {} : { quotas: claim.states }) };
    } catch (error) {
      if (idempotency !== undefined && isKeyTaken(error)) throw error;
      const refused = error instanceof CodedError && !error.retryable;
      recorder.notAccepted(refused ? 'refused' : 'failed', seconds());
      throw error;
    }
  }

  /** Gives ids to rows without one. */
  #identified(draft: ActionDraft, entities: CreateRequest['entities']): CreateRequest['entities'] {
    const { registry, matcher, newEntityId } = this.#options;
    const { identity, matchBy: field } = draft;
    const { targets = 'existing' } = registry.handler(identity.actionType);
    if (targets === 'new') return withEntityIds(entities, newEntityId);
    if (field === undefined) return entities;
    return matcher.matched(entities, {
      accountId: identity.accountId,
      entityType: registry.entityType(identity.entityType),
      targets,
      field,
    });
  }
}

/** Returns what an action keeps of its changes; nothing for `none`. */
function keptChanges({
  dryRun,
  changes = defaultChangesKept(dryRun),
}: ActionParameters): Pick<ActionDraft, 'changes'> {
  return changes === 'none' ? {} : { changes };
}

/** @throws what the entities throw. */
function readToEnd(entities: Iterable<unknown> | AsyncIterable<unknown>): Promise<void> {
  return finished(Readable.from(entities).resume());
}
