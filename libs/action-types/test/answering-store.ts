import type { Entity, Fields, Outcome } from '@bulk/domain';
import type { ChangeResult, EntityChange, EntityStore } from '../src/entity-store.ts';
import { contact } from '../src/entity-types/contact/contact.ts';
import type { ActionContext, BulkActionHandler } from '../src/handler.ts';

/** Answers each change with the answer of its entity, and records the requests. */
export class AnsweringStore implements EntityStore {
  readonly changes: EntityChange[] = [];
  readonly #answers: Readonly<Record<string, ChangeResult>>;

  /** @param answers entity id → result. @default `applied` */
  constructor(answers: Readonly<Record<string, ChangeResult>> = {}) {
    this.#answers = answers;
  }

  write(_scope: unknown, changes: readonly EntityChange[]): Promise<ChangeResult[]> {
    this.changes.push(...changes);
    return Promise.resolve(
      changes.map(({ entityId }) => this.#answers[entityId] ?? { kind: 'applied', effect: 'updated' }),
    );
  }
}

/** Processes contacts as one batch. */
export async function process<Config>(
  handler: BulkActionHandler<Config>,
  config: Config,
  entities: Readonly<Record<string, Fields>>,
  store: EntityStore = new AnsweringStore(),
): Promise<Outcome[]> {
  const context: ActionContext = {
    identity: {
      actionId: 'a1',
      accountId: 'acme',
      actionType: handler.actionType,
      entityType: contact.name,
      lane: 'normal',
    },
    entityType: contact,
    at: { lane: 'normal', partition: 0, offset: 0 },
    store,
    now: new Date(0),
    dryRun: false,
    idempotencyToken: (position) => `a1:${position}`,
  };
  const list = Object.entries(entities).map(([id, fields], position): Entity => ({
    position,
    id,
    ref: null,
    fields,
  }));
  const batch = await handler.processBatch?.(list, config, context);
  const one = await Promise.all(list.map((entity) => handler.processEntity(entity, config, context)));
  // The engine searches for an entity that breaks a batch one by one, and must get the same results.
  if (JSON.stringify(batch) !== JSON.stringify(one))
    throw new Error('processBatch and processEntity disagree');
  return one.map((answer) => {
    if (answer.status === 'retry') throw new Error('expected an outcome');
    return answer;
  });
}
