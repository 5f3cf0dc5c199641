import { kafkaParts, type KafkaFacts } from './kafka.ts';
import type { Json } from './parts.ts';
import { webSocketParts } from './websocket.ts';

export interface AsyncApiOptions extends KafkaFacts {
  /** Version of the platform. */
  readonly version: string;
}

/**
 * The AsyncAPI 3.1 document of the Kafka topics and the WebSocket, made of the Avro schemas that are registered and the
 * zod schemas that validate frames.
 */
export function createAsyncApiDocument({ version, ...facts }: AsyncApiOptions): Json {
  const kafka = kafkaParts(facts);
  const webSocket = webSocketParts();
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'Bulk Action Platform: messages',
      version,
      description:
        'What the platform says on Kafka and on its WebSocket, from its own point of view: it sends what others receive. Its REST API is described by openapi.json.',
    },
    defaultContentType: 'application/json',
    servers: { ...kafka.servers, ...webSocket.servers },
    channels: { ...kafka.channels, ...webSocket.channels },
    operations: { ...kafka.operations, ...webSocket.operations },
    components: { messages: { ...kafka.messages, ...webSocket.messages } },
  };
}
