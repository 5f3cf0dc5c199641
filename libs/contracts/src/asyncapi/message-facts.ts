import { MESSAGES } from '../kafka/messages.ts';

/** What is the same for all messages of one kind. */
export interface MessageFacts {
  readonly type: (typeof MESSAGES)[keyof typeof MESSAGES];
  readonly key: string;
  /** Header → what it says. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers that a message has only where there is something to say. */
  readonly optionalHeaders?: Readonly<Record<string, string>>;
}

const ACTION_KEY = 'The action (`actionId`), as UTF-8.';
const ACCOUNT = "The action's account: to filter without decoding.";
const ACTION = 'The action.';
const BATCH = 'The batch within its action, from 0.';
const GENERATION = 'How often the batch was replayed from the dead letters, as text; absent: never.';

const TRACE = 'W3C Trace Context of the span that sent it; absent where nothing is traced.';

export const MESSAGE_FACTS: readonly MessageFacts[] = [
  {
    type: MESSAGES.actionSubmitted,
    key: ACTION_KEY,
    headers: { 'action-id': ACTION, 'account-id': ACCOUNT },
    optionalHeaders: { traceparent: TRACE },
  },
  {
    type: MESSAGES.entityBatch,
    key: `${ACTION_KEY} The partition is that of the entities, by hash of (entityType, entityId).`,
    headers: { 'action-id': ACTION, 'batch-no': BATCH },
    optionalHeaders: { generation: GENERATION, traceparent: TRACE },
  },
  {
    type: MESSAGES.batchResult,
    key: ACTION_KEY,
    headers: {
      'result-id': 'The same for every repetition of this result.',
      'account-id': ACCOUNT,
    },
    optionalHeaders: { generation: GENERATION, traceparent: TRACE },
  },
  {
    type: MESSAGES.actionProgress,
    key: ACTION_KEY,
    headers: { 'account-id': ACCOUNT },
    optionalHeaders: { traceparent: TRACE },
  },
  {
    type: MESSAGES.deadLetter,
    key: 'That of the original message.',
    headers: {
      'dead-letter-code': 'Stable code of the cause.',
      'dead-letter-service': 'Who gave it up.',
      'dead-letter-attempts': 'How often it was tried.',
      'dead-letter-origin': 'topic/partition/offset.',
    },
    optionalHeaders: {
      'action-id': `${ACTION} Where it is known.`,
      'batch-no': `${BATCH} Where it is known.`,
      generation: GENERATION,
    },
  },
];
