import { z } from 'zod';
import { fieldRows } from './avro-fields.ts';

const contractSchema = z.object({
  purpose: z.string(),
  producers: z.array(z.string()),
  consumers: z.array(z.string()),
  partitioning: z.string(),
  ordering: z.string(),
  delivery: z.string(),
  retention: z.string(),
  compatibility: z.string(),
});
const channelSchema = z.object({
  address: z.string(),
  messages: z.record(z.string(), z.unknown()),
  bindings: z.object({
    kafka: z.object({
      partitions: z.int(),
      topicConfiguration: z.object({ 'retention.ms': z.int() }),
    }),
  }),
  'x-contract': contractSchema,
});
const messageSchema = z.object({
  summary: z.string(),
  headers: z.object({
    properties: z.record(z.string(), z.object({ description: z.string() })),
    required: z.array(z.string()),
  }),
  payload: z.object({ schema: z.unknown() }),
  bindings: z.object({ kafka: z.object({ key: z.object({ description: z.string() }) }) }),
});
const documentSchema = z.object({
  servers: z.object({ kafka: z.object({ description: z.string() }) }),
  channels: z.record(z.string(), z.unknown()),
  components: z.object({ messages: z.record(z.string(), z.unknown()) }),
});

type Channel = z.infer<typeof channelSchema>;
type Message = z.infer<typeof messageSchema>;

const HOUR_MS = 3_600_000;

/**
 * The contract of every Kafka topic as Markdown, made of the AsyncAPI document, which holds the schemas of `schemas/`.
 *
 * @throws ZodError when the document lacks something of a topic's contract.
 */
export function eventsMarkdown(document: object): string {
  const { servers, channels, components } = documentSchema.parse(document);
  const topics = Object.values(channels).flatMap((channel) =>
    // The WebSocket is a channel, too, and no topic.
    isTopic(channel) ? [channelSchema.parse(channel)] : [],
  );
  const names = [...new Set(topics.map(messageNameOf))];
  const messages = new Map(names.map((name) => [name, messageSchema.parse(components.messages[name])]));
  return [
    '# Topics and messages',
    '',
    'Made by `npm run docs` of [schemas/](../schemas) and [asyncapi.json](asyncapi.json); a test fails when it is stale. Names begin with `TOPIC_PREFIX`, here `bulk.`; numbers are those of a configuration in which nothing is set. Programs that read results: [examples/](../examples).',
    '',
    servers.kafka.description,
    '',
    table(
      ['topic', 'message', 'what is on it'],
      topics.map((topic) => [
        `[\`${topic.address}\`](#${anchor(topic.address)})`,
        linkTo(messageNameOf(topic)),
        topic['x-contract'].purpose,
      ]),
    ),
    ...topics.flatMap((topic) => topicSection(topic, messages.get(messageNameOf(topic)))),
    ...[...messages].flatMap(([name, message]) => messageSection(name, message)),
    '',
  ].join('\n');
}

function isTopic(channel: unknown): boolean {
  return (
    z.object({ bindings: z.object({ kafka: z.unknown() }) }).safeParse(channel).data?.bindings.kafka !==
    undefined
  );
}

function topicSection(topic: Channel, message: Message | undefined): string[] {
  const { partitions, topicConfiguration } = topic.bindings.kafka;
  const { purpose, producers, consumers, ...contract } = topic['x-contract'];
  const hours = topicConfiguration['retention.ms'] / HOUR_MS;
  return [
    '',
    `## ${topic.address}`,
    '',
    purpose,
    '',
    `- **Message:** ${linkTo(messageNameOf(topic))}; schema in the registry: \`${topic.address}-value\``,
    `- **Key:** ${message?.bindings.kafka.key.description ?? ''}`,
    `- **Produced by:** ${producers.join(', ')}`,
    `- **Consumed by:** ${consumers.length === 0 ? 'no service' : consumers.join(', ')}`,
    `- **Partitions:** ${partitions}. ${contract.partitioning}`,
    `- **Order:** ${contract.ordering}`,
    `- **Delivery:** ${contract.delivery}`,
    `- **Retention:** ${hours} h. ${contract.retention}`,
    `- **Compatibility:** ${contract.compatibility}`,
  ];
}

function messageSection(name: string, { summary, headers, payload }: Message): string[] {
  return [
    '',
    `## ${name}`,
    '',
    summary,
    '',
    table(
      ['header', 'always', 'meaning'],
      Object.entries(headers.properties).map(([header, { description }]) => [
        `\`${header}\``,
        headers.required.includes(header) ? 'yes' : 'no',
        description,
      ]),
    ),
    '',
    table(
      ['field', 'type', 'default', 'meaning'],
      fieldRows(payload.schema).map(({ path, type, fallback, doc }) => [
        `\`${path}\``,
        type,
        fallback === undefined ? '' : `\`${fallback}\``,
        doc,
      ]),
    ),
  ];
}

function messageNameOf({ messages }: Channel): string {
  return Object.keys(messages).join();
}

function linkTo(heading: string): string {
  return `[${heading}](#${anchor(heading)})`;
}

/** As GitHub makes it of a heading: lower case, without punctuation. */
function anchor(heading: string): string {
  return heading.toLowerCase().replaceAll('.', '');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n');
}
