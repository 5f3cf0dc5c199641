import type { Operation } from '../operation.ts';
import {
  DELETE_COLUMN_MAPPING,
  GET_COLUMN_MAPPING,
  LIST_COLUMN_MAPPINGS,
  PUT_COLUMN_MAPPING,
} from './column-mappings.ts';
import { CANCEL_ACTION, PAUSE_ACTION, RESUME_ACTION, RETRY_ACTION } from './controls.ts';
import { CREATE_ACTION } from './create.ts';
import { FIND_ACTIONS, GET_STATUS_SUMMARY, LIST_ACTIONS } from './lists.ts';
import { GET_ACTION, GET_ACTION_LOGS, GET_ACTION_LOG_SUMMARY, GET_ACTION_STATS } from './reads.ts';
import { EXPORT_ENTITIES, GET_ENTITY, LIST_ENTITIES } from './records.ts';
import { DOWNLOAD_RESULTS } from './results.ts';
import { UNDO_ACTION } from './undo.ts';
import { GET_WEBHOOK_SECRET } from './webhooks.ts';

export type { ResultFormat } from './results.ts';

/** Every operation of the REST API, in the order in which the documentation shows them. */
export const OPERATIONS = {
  createAction: CREATE_ACTION,
  listActions: LIST_ACTIONS,
  findActions: FIND_ACTIONS,
  getStatusSummary: GET_STATUS_SUMMARY,
  getAction: GET_ACTION,
  getActionStats: GET_ACTION_STATS,
  getActionLogs: GET_ACTION_LOGS,
  getActionLogSummary: GET_ACTION_LOG_SUMMARY,
  downloadResultsCsv: DOWNLOAD_RESULTS.csv,
  downloadResultsNdjson: DOWNLOAD_RESULTS.ndjson,
  cancelAction: CANCEL_ACTION,
  pauseAction: PAUSE_ACTION,
  resumeAction: RESUME_ACTION,
  retryAction: RETRY_ACTION,
  listColumnMappings: LIST_COLUMN_MAPPINGS,
  getColumnMapping: GET_COLUMN_MAPPING,
  putColumnMapping: PUT_COLUMN_MAPPING,
  deleteColumnMapping: DELETE_COLUMN_MAPPING,
  undoAction: UNDO_ACTION,
  listEntities: LIST_ENTITIES,
  exportEntitiesCsv: EXPORT_ENTITIES.csv,
  exportEntitiesNdjson: EXPORT_ENTITIES.ndjson,
  getEntity: GET_ENTITY,
  getWebhookSecret: GET_WEBHOOK_SECRET,
} as const satisfies Readonly<Record<string, Operation>>;
