import { InvalidInputError, type InputErrorCode } from '@bulk/domain';
import type { EntityType } from './entity-type.ts';
import type { BulkActionHandler } from './handler.ts';

/** The action types and entity types of an installation, by name. */
export class ActionRegistry {
  readonly #handlers: ReadonlyMap<string, BulkActionHandler>;
  readonly #entityTypes: ReadonlyMap<string, EntityType>;

  /** Creates a registry. @throws Error if two types share a name. */
  constructor(handlers: readonly BulkActionHandler[], entityTypes: readonly EntityType[]) {
    this.#handlers = byName(handlers, (handler) => handler.actionType);
    this.#entityTypes = byName(entityTypes, (type) => type.name);
  }

  get handlers(): BulkActionHandler[] {
    return [...this.#handlers.values()];
  }

  /** The action types that a request may name. */
  get requestable(): BulkActionHandler[] {
    return this.handlers.filter(({ isInternal = false }) => !isInternal);
  }

  get entityTypes(): EntityType[] {
    return [...this.#entityTypes.values()];
  }

  /** Returns an action type. @throws InvalidInputError `UNKNOWN_ACTION_TYPE`, naming those that a request may name. */
  handler(actionType: string): BulkActionHandler {
    return this.#handlers.get(actionType) ?? this.#unknownActionType(actionType);
  }

  /**
   * Returns an action type that a request may name. @throws InvalidInputError `UNKNOWN_ACTION_TYPE`, naming all of them.
   */
  requestableHandler(actionType: string): BulkActionHandler {
    const handler = this.handler(actionType);
    return handler.isInternal === true ? this.#unknownActionType(actionType) : handler;
  }

  /** Returns an entity type. @throws InvalidInputError `UNKNOWN_ENTITY_TYPE`, naming the existing ones. */
  entityType(name: string): EntityType {
    return (
      this.#entityTypes.get(name) ??
      unknown('entityType', name, 'UNKNOWN_ENTITY_TYPE', [...this.#entityTypes.keys()])
    );
  }

  #unknownActionType(actionType: string): never {
    const known = this.requestable.map((handler) => handler.actionType);
    return unknown('actionType', actionType, 'UNKNOWN_ACTION_TYPE', known);
  }
}

function byName<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    if (map.has(nameOf(item))) throw new Error(`"${nameOf(item)}" is registered twice`);
    map.set(nameOf(item), item);
  }
  return map;
}

function unknown(field: string, name: string, code: InputErrorCode, known: readonly string[]): never {
  throw new InvalidInputError(code, `unknown ${field} "${name}"`, [
    { field, message: `expected one of: ${known.join(', ')}` },
  ]);
}
