import { z } from 'zod';
import { WEBSOCKET_CLOSE_CODES, WEBSOCKET_ERROR_CODES } from '../websocket/codes.ts';
import { clientFrameSchema, serverFrameSchema } from '../websocket/frames.ts';
import { ref, type DocumentParts, type Json } from './parts.ts';

/** What each frame means, by its event. A test finds one that is not here. */
export const FRAMES: Readonly<Record<string, string>> = {
  subscribe:
    'Follow an action: its state comes at once, then each change. Answered by `subscribed` or `error`. A client that asks again within SNAPSHOT_INTERVAL_MS gets the answer at once and the state when that time has passed, once.',
  unsubscribe: 'Follow an action no more. Answered by `unsubscribed`.',
  subscribeAccount:
    "Follow every action of the connection's account. Answered by `subscribedAccount` or `error`. Repetitions are treated as those of `subscribe`.",
  unsubscribeAccount: 'Follow the account no more. Answered by `unsubscribedAccount`.',
  subscribed: 'The subscription is there.',
  unsubscribed: 'The subscription is gone.',
  subscribedAccount: 'The subscription of the account is there.',
  unsubscribedAccount: 'The subscription of the account is gone.',
  error:
    'A frame was refused, or a subscription has ended; the connection stays open. `x-error-codes` of the channel lists the codes.',
  actionUpdate:
    "An action's state: a snapshot, then changes, at most PROGRESS_HZ a second and always the last one. `version` rises; updates of one action never go backwards.",
};

const frameSchema = z.looseObject({
  properties: z.looseObject({ event: z.looseObject({ const: z.string() }) }),
});

/** The WebSocket of notifier: JSON text frames, one shape each way. */
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
          'Live progress. A browser cannot set headers on a WebSocket: the account may come as `?accountId=` instead. With AUTH_MODE=header a connection that names no account may follow actions whose ids it knows.',
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

/** A JSON Schema for each frame of a union, by its event. */
function framesOf(union: { options: readonly z.ZodType[] }, io: 'input' | 'output'): Map<string, Json> {
  return new Map(
    union.options.map((option) => {
      // AsyncAPI's own dialect is a superset of draft 7, and is not named.
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
