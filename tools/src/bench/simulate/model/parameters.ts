/** Where the value of a parameter comes from. */
type Source = 'setting' | 'measured here' | 'fitted' | 'assumed';

/** A number that the simulation depends on. */
export interface ParameterRow {
  /** Its value in the cluster that is predicted. */
  readonly cluster: number;
  /** Its value on the machine that the figures of the README come from. */
  readonly here: number;
  readonly what: string;
  readonly source: Source;
}

const row = (cluster: number, here: number, source: Source, what: string): ParameterRow => ({
  cluster,
  here,
  source,
  what,
});
/** A value that is the same everywhere. */
const same = (value: number, source: Source, what: string): ParameterRow => row(value, value, source, what);

/**
 * Every parameter of the simulation. Each one is an option of the command.
 *
 * A fitted value was chosen by hand, so that the CPU per batch by process, the rates and the time of a
 * small action come near those of `npm run bench -- compare` and `noop`. No benchmark measures it alone.
 * On the machine of these figures, the round trip and the cores of MongoDB are fitted, too.
 */
export const PARAMETERS = {
  intakes: row(3, 1, 'assumed', 'instances of intake'),
  handlers: row(12, 1, 'assumed', 'instances of handler'),
  aggregators: row(6, 1, 'assumed', 'instances of stats-aggregator'),
  notifiers: row(2, 1, 'assumed', 'instances of notifier'),
  brokers: row(3, 1, 'assumed', 'Kafka brokers'),
  partitions: row(48, 6, 'setting', 'partitions of a lane'),
  resultsPartitions: row(12, 6, 'setting', 'partitions of the results'),

  sharedCores: row(0, 2, 'assumed', 'cores that all processes share; 0: each process has its own'),
  mongoCores: row(8, 1, 'assumed', 'commands that MongoDB works on at the same time'),
  kafkaCores: row(4, 2, 'assumed', 'requests that a broker works on at the same time'),
  roundTripMs: row(0.5, 1, 'assumed', 'round trip between two pods, in ms'),
  majorityMs: row(5, 0, 'assumed', 'replication of a majority write, in ms'),
  acksMs: row(3, 0, 'assumed', 'replication of a produce request, in ms'),
  jitterPercent: same(25, 'assumed', 'largest deviation of these latencies, in percent'),

  batchSize: same(100, 'setting', 'entities of a batch'),
  places: same(12, 'setting', 'PARTITION_CONCURRENCY of handler'),
  groupBatches: same(16, 'setting', 'GROUP_BATCHES'),
  countingPlaces: same(3, 'setting', 'PARTITION_CONCURRENCY of stats-aggregator'),
  countingIntervalMs: same(20, 'setting', 'COUNTING_INTERVAL_MS'),
  chunkSize: same(200, 'setting', 'CHUNK_SIZE of stats-aggregator'),
  fetchLingerMs: same(5, 'setting', 'KAFKA_FETCH_LINGER_MS'),
  stagingGroupBatches: same(20, 'setting', 'STAGING_GROUP_BATCHES'),
  windowBatches: same(50, 'setting', 'DISPATCH_WINDOW_BATCHES'),
  parallelWindows: same(4, 'setting', 'DISPATCH_PARALLEL_WINDOWS'),
  leases: same(100, 'setting', 'DISPATCH_CONCURRENCY'),
  actionBatches: same(200, 'setting', 'DISPATCH_IN_FLIGHT_BATCHES'),
  accountBatches: same(200, 'setting', 'DISPATCH_IN_FLIGHT_ACCOUNT_BATCHES'),
  laneMinPercent: same(100, 'assumed', 'DISPATCH_IN_FLIGHT_LANE_MIN_BATCHES, in percent of its default'),
  laneMaxBatches: same(1_000, 'setting', 'DISPATCH_IN_FLIGHT_LANE_BATCHES'),
  tolerancePercent: same(150, 'setting', 'DISPATCH_IN_FLIGHT_TOLERANCE_PERCENT'),
  probeMs: same(10_000, 'setting', 'DISPATCH_IN_FLIGHT_PROBE_MS'),
  pollMs: same(20, 'setting', 'DISPATCH_POLL_MS'),

  requestCpuMs: same(5, 'fitted', 'CPU of intake for a request, in ms'),
  stagingEntityUs: same(10, 'measured here', 'CPU of intake to stage an entity, in µs'),
  commandCpuMs: same(0.6, 'fitted', 'CPU of a service for a command to MongoDB, in ms'),
  produceCpuMs: same(0.6, 'fitted', 'CPU of a service for a produce request, in ms'),
  fetchCpuMs: same(0.6, 'fitted', 'CPU of a service for a fetch with messages, in ms'),
  publishBatchMs: same(0.2, 'fitted', 'CPU of intake to publish a batch, in ms'),
  publishEntityUs: same(4, 'fitted', 'CPU of intake to publish an entity, in µs'),
  groupCpuMs: same(0.5, 'fitted', 'CPU of handler for a group, in ms'),
  batchCpuMs: same(0.4, 'fitted', 'CPU of handler for a batch, in ms'),
  entityCpuUs: same(8, 'fitted', 'CPU of handler for an entity, in µs'),
  updateCpuUs: same(31, 'measured here', 'CPU of handler to update an entity, in µs'),
  resultCpuMs: same(0.3, 'fitted', 'CPU of stats-aggregator for a result, in ms'),
  resultEntityUs: same(4, 'fitted', 'CPU of stats-aggregator for an outcome, in µs'),
  frameCpuMs: same(1.2, 'fitted', 'CPU of notifier for a progress event, in ms'),
  clientCpuMs: same(0.5, 'fitted', 'CPU of the client for a frame, in ms'),
  kafkaRequestMs: same(1.5, 'fitted', 'CPU of a broker for a request, in ms'),
  redisBatchMs: same(0.1, 'fitted', 'CPU of Redis to claim a batch, in ms'),
  redisEntityUs: same(4, 'fitted', 'CPU of Redis to claim an entity, in µs'),
  mongoCommandMs: same(0.6, 'fitted', 'CPU of MongoDB for a command, in ms'),
  mongoEntityUs: same(2, 'fitted', 'CPU of MongoDB for an entity of a staged batch or a log, in µs'),
  mongoUpdateUs: same(180, 'measured here', 'CPU of MongoDB to update an entity behind its fence, in µs'),
} as const satisfies Record<string, ParameterRow>;

export type ParameterName = keyof typeof PARAMETERS;
export type Parameters = Readonly<Record<ParameterName, number>>;

export const PARAMETER_NAMES = Object.keys(PARAMETERS) as readonly ParameterName[];

/** Returns the values of one column of the table. */
export function parametersOf(column: 'cluster' | 'here'): Parameters {
  const values = PARAMETER_NAMES.map((name) => [name, PARAMETERS[name][column]]);
  return Object.fromEntries(values) as Parameters;
}
