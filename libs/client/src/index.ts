export type {
  ActionPagination,
  ActionStats,
  ActionUpdate,
  ActionView,
  CallbackView,
  CreateActionRequest,
  EntityRecordView,
  LogEntry,
  LogPagination,
  LogSummary,
  ResultWithInput,
  RetryRequest,
  StatusSummary,
} from '@bulk/contracts';
export {
  CodedError,
  type ActionStatus,
  type ChangesKept,
  type Effect,
  type EntityChanges,
  type FieldChanges,
  type Lane,
  type OutcomeStatus,
} from '@bulk/domain';
export type { TokenSource } from './arguments.ts';
export { BulkClient, type BulkClientOptions } from './client.ts';
export type { WaitOptions } from './completion.ts';
export {
  AbortedError,
  ActionEndedError,
  BulkApiError,
  ClientClosedError,
  CompletionTimeoutError,
  ConnectionLostError,
  InvalidAnswerError,
  InvalidArgumentError,
  NetworkError,
  SubscriptionRefusedError,
} from './errors.ts';
export type { Fetch } from './fetch.ts';
export type { ReconnectOptions } from './progress-connection.ts';
export { connect, ProgressSocket, type ConnectOptions, type ProgressEvents } from './progress-socket.ts';
export type { UploadBody } from './request-body.ts';
export type {
  ActionsPage,
  CreateOptions,
  ExportEntitiesOptions,
  ListActionsOptions,
  ListEntitiesOptions,
  LogsOptions,
  OutcomeFilter,
  LogsPage,
  RecordFilter,
  ResultsFile,
  ResultsOptions,
  UndoOptions,
  UploadOptions,
  UploadParameters,
} from './rest-types.ts';
export type { RetryOptions } from './retrying.ts';
export type { WebSocketConstructor, WebSocketLike } from './web-socket.ts';
