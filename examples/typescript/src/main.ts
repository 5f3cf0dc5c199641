/*
 * Shows how another system reads the results of bulk actions. This external client prints one JSON line on standard
 * output per outcome. It knows the topic's contract (docs/reference/events.md) and none of the platform's code.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry';
import { Kafka, logLevel } from 'kafkajs';

/** What we use of bulk.v1.BatchResult; the schema has more, and may grow. */
interface BatchResult {
  readonly resultId: string;
  readonly actionId: string;
  readonly generation?: number;
  readonly outcomes: readonly {
    readonly position: number;
    readonly entityId: string;
    readonly ref: string | null;
    readonly status: 'success' | 'failure' | 'skipped';
    readonly code: string | null;
    readonly message: string | null;
  }[];
}

const env = process.env;
const topic = env['RESULTS_TOPIC'] || 'bulk.results';
const stateFile = env['STATE_FILE'] || 'results-consumer.state.jsonl';

/** resultId → the highest generation that was taken, here and by the runs before. */
const taken = new Map<string, number>();
for (const line of existsSync(stateFile) ? readFileSync(stateFile, 'utf8').split('\n') : []) {
  // A last line without an end was torn by a crash: its result comes again.
  if (!line.endsWith('}')) continue;
  const { resultId, generation } = JSON.parse(line) as { resultId: string; generation: number };
  taken.set(resultId, generation);
}

const registry = new SchemaRegistry({
  host: env['SCHEMA_REGISTRY_URL'] || 'http://127.0.0.1:8081/apis/ccompat/v7',
});
const kafka = new Kafka({
  clientId: 'results-consumer',
  brokers: (env['KAFKA_BROKERS'] || '127.0.0.1:9092').split(','),
  logLevel: logLevel.ERROR,
});
const consumer = kafka.consumer({ groupId: env['GROUP_ID'] || 'results-consumer' });

/** Takes a result once; a repetition is recognised by its id and generation, a replacement by a higher one. */
function take(result: BatchResult): void {
  const { resultId, actionId, outcomes } = result;
  const generation = result.generation ?? 0;
  const before = taken.get(resultId);
  if (before !== undefined && generation <= before) {
    console.error(JSON.stringify({ repeated: resultId, generation }));
    return;
  }
  const kind = before === undefined ? 'outcome' : 'replacement';
  for (const { position, entityId, ref, status, code, message } of outcomes) {
    console.log(
      JSON.stringify({ kind, actionId, position, entityId, ref, status, code, message, generation }),
    );
  }
  // After the effect, before the offset is committed: a crash in between repeats this result, and loses none.
  appendFileSync(stateFile, `\n${JSON.stringify({ resultId, generation })}`);
  taken.set(resultId, generation);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    // Finishes the message at hand, commits the offsets and leaves the group.
    void consumer.disconnect().then(() => process.exit(0));
  });
}
consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
  console.error(JSON.stringify({ failed: error.message, restart }));
  // What cannot be decoded would stop us for ever; who runs us has to see it.
  if (!restart) process.exit(1);
});

await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    if (message.value !== null) take((await registry.decode(message.value)) as BatchResult);
  },
});
