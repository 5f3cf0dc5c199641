import { z } from 'zod';
import { WEBSOCKET_CLOSE_CODES, WEBSOCKET_ERROR_CODES } from '../websocket/codes.ts';
import { clientFrameSchema, serverFrameSchema } from '../websocket/frames.ts';
import { ref, type DocumentParts, type Json } from './parts.ts';

/** The meaning of each frame, by its event. A test finds a frame that is missing here. */
export const FRAMES: Readonly<Record<string, string>> = {
  subscribe:
    'Subscribes to an action: the server sends its state at once, then each change. The answer is `subscribed` or `error`. If a client subscribes again within SNAPSHOT_INTERVAL_MS, it gets the answer at once and the state, once, when that time has passed.',
  unsubscribe: 'Ends the subscription to an action. The answer is `unsubscribed`.',
  subscribeAccount:
    "Subscribes to every action of the connection's account. The answer is `subscribedAccount` or `error`. Repetitions are treated like those of `subscribe`.",
  unsubscribeAccount: 'Ends the subscription to the account. The answer is `unsubscribedAccount`.',
  subscribed: 'The client is subscribed to the action.',
  unsubscribed: 'The client is no longer subscribed to the action.',
  subscribedAccount: 'The client is subscribed to the account.',
  unsubscribedAccount: 'The client is no longer subscribed to the account.',
  error:
    'The server refused a frame or ended a subscription. The connection stays open. `x-error-codes` of the channel lists the codes.',
  actionUpdate:
    'The state of an action: first a snapshot, then its changes, at most PROGRESS_HZ per second and always the last one. `version` rises, and the updates of one action never go backwards.',
};

const frameSchema = z.looseObject({
  properties: z.looseObject({ event: z.looseObject({ const: z.string() }) }),
});

/** Returns the WebSocket part of the document: JSON text frames of notifier, in each direction. */
export function webSocketParts(): DocumentParts {
  const received = framesOf(clientFrameSchema, 'input');
  const sent = framesOf(serverFrameSchema, 'output');
  const messages = { ...named(received), ...named(sent) };
  return {
    servers: {
      websocket: {
        host: '{notifier}',
        protocol: 'ws',
        description: 'Any instance of notifier.',
        variables: { notifier: { default: 'localhost:3001', description: 'Host and port of notifier.' } },
      },
    },
    channels: {
      websocket: {
        address: '/',
        description:
          'Live progress. A browser cannot set headers on a WebSocket, so a client may name the account as `?accountId=` instead. With AUTH_MODE=header, a connection that names no account may subscribe to actions whose ids it knows.',
        servers: [ref('servers', 'websocket')],
        'x-error-codes': WEBSOCKET_ERROR_CODES,
        'x-close-codes': WEBSOCKET_CLOSE_CODES,
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, ref('components', 'messages', name)]),
        ),
        bindings: {
          ws: {
            method: 'GET',
            query: { type: 'object', properties: { accountId: { type: 'string' } } },
            headers: { type: 'object', properties: { 'x-account-id': { type: 'string' } } },
            bindingVersion: '0.1.0',
          },
        },
      },
    },
    operations: {
      'receive.websocket': operation('receive', Object.keys(named(received))),
      'send.websocket': operation('send', Object.keys(named(sent))),
    },
    messages,
  };
}

/** Returns the JSON Schema of each frame of a union, by its event. */
function framesOf(union: { options: readonly z.ZodType[] }, io: 'input' | 'output'): Map<string, Json> {
  return new Map(
    union.options.map((option) => {
      // AsyncAPI's own dialect is a superset of draft 7. The schemas do not name it.
      const schema = { ...z.toJSONSchema(option, { target: 'draft-7', io }), $schema: undefined };
      return [frameSchema.parse(schema).properties.event.const, schema];
    }),
  );
}

function named(frames: ReadonlyMap<string, Json>): Record<string, Json> {
  return Object.fromEntries(
    [...frames].map(([event, payload]) => {
      const summary = FRAMES[event];
      const message = { name: event, contentType: 'application/json', payload };
      return [event, summary === undefined ? message : { ...message, summary }];
    }),
  );
}

function operation(action: 'send' | 'receive', messages: readonly string[]): Json {
  return {
    action,
    channel: ref('channels', 'websocket'),
    messages: messages.map((name) => ref('channels', 'websocket', 'messages', name)),
  };
}
