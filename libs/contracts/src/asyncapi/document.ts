import { kafkaParts, type KafkaFacts } from './kafka.ts';
import type { Json } from './parts.ts';
import { webSocketParts } from './websocket.ts';

export interface AsyncApiOptions extends KafkaFacts {
  /** Version of the platform. */
  readonly version: string;
}

/**
 * Creates the AsyncAPI 3.1 document of the Kafka topics and the WebSocket, from the registered Avro schemas and from
 * the zod schemas that validate frames.
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
        'The messages of the platform on Kafka and on its WebSocket. "send" and "receive" are meant from the point of view of the platform. openapi.json describes its REST API.',
    },
    defaultContentType: 'application/json',
    servers: { ...kafka.servers, ...webSocket.servers },
    channels: { ...kafka.channels, ...webSocket.channels },
    operations: { ...kafka.operations, ...webSocket.operations },
    components: { messages: { ...kafka.messages, ...webSocket.messages } },
  };
}
