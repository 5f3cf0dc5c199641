import { company } from './entity-types/company/company.ts';
import { contact } from './entity-types/contact/contact.ts';
import { lead } from './entity-types/lead/lead.ts';
import { CreateHandler } from './action-types/create.ts';
import { DeleteHandler } from './action-types/delete.ts';
import { UndoHandler } from './action-types/undo.ts';
import { UpdateHandler } from './action-types/update.ts';
import { UpsertHandler } from './action-types/upsert.ts';
import { ActionRegistry } from './registry.ts';

/** The entity types of this installation, one per line. */
export const ENTITY_TYPES = [contact, company, lead];

/** The action types of this installation, one per line. */
export const ACTION_HANDLERS = [
  new UpdateHandler(),
  new CreateHandler(),
  new UpsertHandler(),
  new DeleteHandler(),
  new UndoHandler(),
];

export function createRegistry(): ActionRegistry {
  return new ActionRegistry(ACTION_HANDLERS, ENTITY_TYPES);
}
