import { ConsumerLag, type ConsumerRecorder } from '@bulk/kafka';
import {
  addConsumers,
  bounded,
  SECONDS,
  serviceMetrics,
  type IdentityConfig,
  type Metrics,
  type Readiness,
} from '@bulk/runtime/telemetry';
import type { ConnectionRecorder } from './connection/connection-recorder.ts';
import type { WebhookRecorder } from './webhooks/webhook-recorder.ts';

/** Values that are read at each scrape. */
export interface NotifierGauges {
  readonly connections: () => number;
  readonly subscriptions: () => { readonly action: number; readonly account: number };
}

/** Everything that notifier measures. */
export interface NotifierMetrics {
  readonly metrics: Metrics;
  readonly connections: ConnectionRecorder;
  readonly webhooks: WebhookRecorder;
  readonly lag: ConsumerLag;
  readonly consumer: ConsumerRecorder;
  /** Records the age of a progress event when it is handed to the subscribers, in seconds. */
  readonly progressed: (seconds: number) => void;
  /** Reads these gauges from now on. */
  readonly watch: (gauges: NotifierGauges) => void;
}

/** Codes with which an upgrade is refused. */
const REFUSALS = [
  'NOT_FOUND',
  'ORIGIN_FORBIDDEN',
  'TOO_MANY_CONNECTIONS',
  'TOO_MANY_ACCOUNT_CONNECTIONS',
  'UNAUTHENTICATED',
  'ACCOUNT_FORBIDDEN',
  'AUTH_KEYS_UNAVAILABLE',
  'INVALID_ACCOUNT',
];

/** Declares the instruments of notifier. */
export function createNotifierMetrics(identity: IdentityConfig, readiness: Readiness): NotifierMetrics {
  const metrics = serviceMetrics('notifier', identity, readiness);
  const lag = new ConsumerLag();
  const consumer = addConsumers(metrics, { progress: () => lag.read() })('progress');
  return {
    metrics,
    lag,
    consumer,
    progressed: progressRecorder(metrics),
    connections: connectionRecorder(metrics),
    webhooks: webhookRecorder(metrics),
    watch: addGauges(metrics),
  };
}

function progressRecorder(metrics: Metrics): NotifierMetrics['progressed'] {
  const ages = metrics.histogram({
    name: 'bulk_progress_age_seconds',
    help: 'Age of a progress event when this instance hands it to its subscribers: time since the counts of the action changed. Clocks of the services must agree.',
    buckets: SECONDS,
  });
  return (seconds) => ages.observe(Math.max(0, seconds));
}

function addGauges(metrics: Metrics): NotifierMetrics['watch'] {
  let watched: NotifierGauges | undefined;
  metrics.sampled({ name: 'bulk_websocket_connections', help: 'Open WebSocket connections.' }, () =>
    watched === undefined ? [] : [{ labels: {}, value: watched.connections() }],
  );
  metrics.sampled(
    {
      name: 'bulk_websocket_subscriptions',
      help: 'Subscriptions of all connections, by kind: to single actions or to accounts.',
      labels: ['kind'],
    },
    () =>
      Object.entries(watched?.subscriptions() ?? {}).map(([kind, value]) => ({ labels: { kind }, value })),
  );
  return (gauges) => (watched = gauges);
}

function connectionRecorder(metrics: Metrics): ConnectionRecorder {
  const opened = metrics.counter({
    name: 'bulk_websocket_connections_opened_total',
    help: 'WebSocket connections that were accepted.',
  });
  const refused = metrics.counter({
    name: 'bulk_websocket_refused_total',
    help: 'Refused requests for a WebSocket connection, by code.',
    labels: ['code'],
  });
  const ended = metrics.counter({
    name: 'bulk_websocket_ended_total',
    help: 'Connections that the server has ended: unresponsive (no sign of life between two pings), token_expired, not_subscribed (neither an account nor a subscription in time), rate_limited (frames beyond the limit), stopping.',
    labels: ['reason'],
  });
  const limited = metrics.counter({
    name: 'bulk_websocket_rate_limited_frames_total',
    help: 'Client frames that were refused because they exceed the rate limit.',
  });
  const sent = metrics.counter({
    name: 'bulk_websocket_frames_sent_total',
    help: 'Frames that were handed to sockets, by event.',
    labels: ['event'],
  });
  const dropped = metrics.counter({
    name: 'bulk_websocket_frames_dropped_total',
    help: 'Updates that a newer one replaced before they were sent, by reason: interval (limited by PROGRESS_HZ), slow_client (more than MAX_BUFFERED_BYTES unsent, or MAX_TOTAL_BUFFERED_BYTES over all connections).',
    labels: ['reason'],
  });
  const refusalCodes = bounded(REFUSALS);
  // The counters start at 0, so that the first event is an increase.
  for (const reason of ['interval', 'slow_client']) dropped.inc({ reason }, 0);
  return {
    opened: () => opened.inc(),
    refused: (code) => refused.inc({ code: refusalCodes(code) }),
    ended: (reason) => ended.inc({ reason }),
    limited: () => limited.inc(),
    sent: (event) => sent.inc({ event }),
    dropped: (reason) => dropped.inc({ reason }),
  };
}

function webhookRecorder(metrics: Metrics): WebhookRecorder {
  const tries = metrics.histogram({
    name: 'bulk_webhook_duration_seconds',
    help: 'Duration of one try of a webhook, by result: delivered, retry (another try follows), given-up, handed-back (by a stop).',
    labels: ['result'],
    buckets: SECONDS,
  });
  // The histogram starts at 0, so that the first webhook that is given up is an increase.
  for (const result of ['delivered', 'retry', 'given-up', 'handed-back']) tries.zero({ result });
  return { tried: (result, seconds) => tries.observe({ result }, seconds) };
}
