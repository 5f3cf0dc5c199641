import {
  ACTION_HANDLERS,
  ActionRegistry,
  ENTITY_TYPES,
  type ActionContext,
  type BulkActionHandler,
} from '@bulk/action-types';
import { encodeEntities, entityBatchEncoder, MESSAGES, type BatchResult } from '@bulk/contracts';
import {
  partitionOf,
  type ChangesKept,
  type Entity,
  type Lane,
  type Outcome,
  type RetryOverride,
  type RetryRequest,
} from '@bulk/domain';
import { entityKey, type EntityDocument } from '@bulk/mongo';
import { loadConfig } from '@bulk/runtime';
import {
  acceptedAction,
  eventually,
  harnessParts,
  ServiceHarness,
  type HarnessParts,
  type InProcessService,
  type TopicReader,
} from '@bulk/testing';
import { z } from 'zod';
import { handlerConfigSchema, type HandlerConfig } from '../src/config.ts';
import { handlerGroup } from '../src/consumers.ts';
import { startHandler } from '../src/container.ts';

export const PARTITIONS = 3;

/** A batch to publish. Every entity must belong to `partition`. */
export interface GivenBatch {
  readonly actionId: string;
  readonly batchNo: number;
  readonly partition: number;
  readonly entities: readonly Entity[];
  readonly lane?: Lane;
  readonly actionType?: string;
  readonly entityType?: string;
  readonly config?: Record<string, unknown>;
  readonly dryRun?: boolean;
  readonly cancelled?: boolean;
  readonly failed?: boolean;
  /** Above 0 for a replay. */
  readonly generation?: number;
  readonly retry?: RetryOverride;
  readonly rootActionId?: string;
  readonly changes?: ChangesKept;
}

/**
 * Runs handler in this process, on an installation of its own, and simulates the other services.
 */
export class HandlerHarness extends ServiceHarness {
  readonly results: TopicReader;
  readonly deadLetters: TopicReader;

  private constructor(parts: HarnessParts<'results' | 'deadLetters'>) {
    super(parts);
    this.results = parts.readers.results;
    this.deadLetters = parts.readers.deadLetters;
  }

  /** @param extra further environment variables. */
  static async create(extra: Readonly<Record<string, string>> = {}): Promise<HandlerHarness> {
    const variables = {
      KAFKA_LANE_PARTITIONS: String(PARTITIONS),
      KAFKA_SESSION_TIMEOUT_MS: '6000',
      KAFKA_HEARTBEAT_INTERVAL_MS: '500',
      RETRY_INITIAL_DELAY_MS: '5',
      RETRY_MAX_DELAY_MS: '50',
      COMMIT_INTERVAL_MS: '50',
      ...extra,
    };
    return new HandlerHarness(
      await harnessParts('handler', variables, ({ results, deadLetters }) => ({
        results: [results],
        deadLetters: [deadLetters],
      })),
    );
  }

  /**
   * Starts handler. `registry` sets other action and entity types; `extra` sets other environment
   * variables.
   */
  async start(
    registry?: ActionRegistry,
    extra: Readonly<Record<string, string>> = {},
  ): Promise<InProcessService> {
    const service = this.instance();
    this.adminPort = await startHandler(this.#config(extra), service.context, registry);
    return service;
  }

  /**
   * Resets the stopped handler's offsets, so that every batch of lane normal is delivered again.
   */
  async rewind(): Promise<void> {
    const admin = this.installation.kafka.admin();
    await admin.connect();
    await admin.setOffsets({
      groupId: handlerGroup(this.#config().TOPIC_PREFIX, 'normal'),
      topic: this.installation.topics.entityBatches.normal,
      partitions: Array.from({ length: PARTITIONS }, (_, partition) => ({ partition, offset: '0' })),
    });
    await admin.disconnect();
  }

  async publish(...batches: readonly GivenBatch[]): Promise<void> {
    for (const { actionId, batchNo, partition, entities, config = {}, ...given } of batches) {
      const lane = given.lane ?? 'normal';
      const identity = {
        actionId,
        accountId: 'acme',
        actionType: given.actionType ?? 'update',
        entityType: given.entityType ?? 'contact',
        lane,
      };
      await this.producer.send(this.installation.topics.entityBatches[lane], [
        {
          key: actionId,
          value: entityBatchEncoder(identity, config, {
            dryRun: given.dryRun ?? false,
            cancelled: given.cancelled ?? false,
            failed: given.failed ?? false,
            retry: given.retry ?? null,
            rootActionId: given.rootActionId ?? null,
            changes: given.changes ?? 'none',
          })({
            batchNo,
            entities: encodeEntities(entities),
            origins: entities.flatMap(({ origin }) => origin ?? []),
          }),
          partition,
          ...(given.generation === undefined ? {} : { headers: { generation: String(given.generation) } }),
        },
      ]);
    }
  }

  /** Stores an accepted action of lane normal, and one of its staged batches. */
  async givenStagedBatch(
    actionId: string,
    batchNo: number,
    partition: number,
    entities: readonly Entity[],
  ): Promise<void> {
    const action = acceptedAction({ _id: actionId, total: entities.length, batchCount: 1 });
    await this.database.actions.insertOne(action);
    await this.database.stagedBatches.insertOne({
      _id: `${actionId}:${batchNo}`,
      actionId,
      batchNo,
      partition,
      entities: encodeEntities(entities),
    });
  }

  async givenContacts(ids: readonly string[], collection = 'contacts'): Promise<void> {
    const at = new Date(0);
    await this.database.entities(collection).insertMany(
      ids.map((id) => ({
        _id: entityKey('acme', id),
        accountId: 'acme',
        id,
        version: 1,
        lastName: 'Before',
        createdAt: at,
        updatedAt: at,
      })),
    );
  }

  #config(extra: Readonly<Record<string, string>> = {}): HandlerConfig {
    return loadConfig(handlerConfigSchema, { ...this.installation.env, ...extra });
  }

  contact(id: string, collection = 'contacts'): Promise<EntityDocument | null> {
    return this.database.entities(collection).findOne({ _id: entityKey('acme', id) });
  }

  /** Returns every stored contact, including tombstones. */
  contacts(): Promise<EntityDocument[]> {
    return this.database.entities('contacts').find().sort({ _id: 1 }).toArray();
  }

  /** Returns every result of these actions so far, in the order of production. */
  async resultsOf(...actionIds: readonly string[]): Promise<BatchResult[]> {
    const all = await this.decoded(MESSAGES.batchResult, this.results);
    return all.filter(({ actionId }) => actionIds.includes(actionId));
  }

  awaitResults(count: number, ...actionIds: readonly string[]): Promise<BatchResult[]> {
    return eventually(`${count} results`, async () => {
      const results = await this.resultsOf(...actionIds);
      return results.length >= count ? results : undefined;
    });
  }
}

/** What an action type of a test's own does. */
export interface ActionTypeOfTest {
  readonly process: (entity: Entity, context: ActionContext) => Promise<Outcome | RetryRequest>;
  readonly retry?: RetryOverride;
  readonly processBatch?: (
    entities: readonly Entity[],
    context: ActionContext,
  ) => Promise<(Outcome | RetryRequest)[]>;
}

/** Builds a registry of the catalog and an action type of a test's own. */
export function withActionType(
  name: string,
  { process, processBatch, ...rest }: ActionTypeOfTest,
): ActionRegistry {
  const handler: BulkActionHandler<Record<string, unknown>> = {
    actionType: name,
    ...rest,
    getConfigSchema: () => z.record(z.string(), z.unknown()),
    validatePayload: ({ config }) => Promise.resolve(config),
    processEntity: (one, _config, context) => process(one, context),
    ...(processBatch === undefined
      ? {}
      : { processBatch: (entities, _config, context) => processBatch(entities, context) }),
  };
  return new ActionRegistry([...ACTION_HANDLERS, handler], ENTITY_TYPES);
}

/** Returns ids of contacts that are routed to `partition`. */
export function idsIn(partition: number, count: number, prefix = 'c', entityType = 'contact'): string[] {
  const ids: string[] = [];
  for (let i = 0; ids.length < count; i += 1) {
    const id = `${prefix}${i}`;
    if (partitionOf(entityType, id, PARTITIONS) === partition) ids.push(id);
  }
  return ids;
}

export function entity(
  position: number,
  id: string,
  fields: Record<string, unknown>,
  ref: string | null = null,
): Entity {
  return { position, id, ref, fields };
}
