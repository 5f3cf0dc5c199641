import type { ActionDocument } from '@bulk/mongo';

/** What a request for an action of account `acme` that updates contacts in lane normal leaves in its document. */
export const CONTACT_UPDATE = {
  accountId: 'acme',
  actionType: 'update',
  entityType: 'contact',
  lane: 'normal',
  config: {},
  dryRun: false,
  retryOf: null,
  scheduledFor: null,
} as const satisfies Partial<ActionDocument>;

/**
 * Builds the document of an action that is accepted and published, without an outcome.
 *
 * @param fields replace those of `CONTACT_UPDATE` and of a queued action.
 * @param at time of its acceptance.
 */
export function acceptedAction(
  fields: Pick<ActionDocument, '_id' | 'total' | 'batchCount'> & Partial<ActionDocument>,
  at = new Date(0),
): ActionDocument {
  return {
    ...CONTACT_UPDATE,
    cancelRequestedAt: null,
    status: 'queued',
    version: 2,
    countedBatches: 0,
    counts: { success: 0, failure: 0, skipped: 0 },
    codes: {},
    applied: {},
    dispatch: { nextBatch: fields.batchCount, done: true, lease: null },
    createdAt: at,
    queuedAt: at,
    startedAt: null,
    finishedAt: null,
    updatedAt: at,
    ...fields,
  };
}
