export { BulkClient, type BulkClientOptions, type LogsOptions, type LogsPage } from './client.ts';
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
export type { Fetch } from './http-api.ts';
export type { ReconnectOptions } from './progress-connection.ts';
export type { WebSocketConstructor, WebSocketLike } from './web-socket.ts';
