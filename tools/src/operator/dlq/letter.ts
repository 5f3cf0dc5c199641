import { batchNameOf, generationOf, type DeadLetter, type MessageHeaders } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import { z } from 'zod';

/** A dead letter, with its place in its topic. */
export interface Letter {
  /** `partition:offset` in the topic of dead letters. */
  readonly id: string;
  readonly content: DeadLetter;
  readonly actionId: string | null;
  readonly batchNo: number | null;
  /** The generation of the message that was given up. */
  readonly generation: number;
}

/** Selects dead letters. Every given condition must be true. */
export interface LetterFilter {
  readonly service?: string | undefined;
  readonly code?: string | undefined;
  readonly action?: string | undefined;
}

/** `partition:offset`. */
export const letterIdSchema = z
  .string()
  .regex(/^\d{1,9}:\d{1,15}$/, 'expected partition:offset, as list shows it');

/** Thrown when a place holds no dead letter: none was there, or Kafka no longer keeps it. */
export class LetterNotFoundError extends CodedError {
  constructor(id: string) {
    super(
      'DEAD_LETTER_NOT_FOUND',
      `there is no dead letter ${id}; list all of them with: npm run dlq -- list --all`,
    );
  }
}

/**
 * Builds a dead letter.
 *
 * @param headers headers of the dead letter itself, which name the batch if the original's do not.
 */
export function toLetter(id: string, content: DeadLetter, headers: MessageHeaders): Letter {
  const name = batchNameOf(headers) ?? batchNameOf(content.headers);
  return {
    id,
    content,
    actionId: name?.actionId ?? null,
    batchNo: name?.batchNo ?? null,
    generation: readableGeneration(content.headers),
  };
}

export function matches({ content, actionId }: Letter, { service, code, action }: LetterFilter): boolean {
  return (
    (service === undefined || content.service === service) &&
    (code === undefined || content.code === code) &&
    (action === undefined || actionId === action)
  );
}

/** Returns the headers of the original message, byte for byte. */
export function originalHeaders({ content }: Letter): Record<string, Buffer> {
  return { ...content.headers };
}

/**
 * Returns the generation. An unreadable one counts as the first one, as it does for the services.
 */
function readableGeneration(headers: MessageHeaders): number {
  try {
    return generationOf(headers);
  } catch (error) {
    if (error instanceof CodedError) return 0;
    throw error;
  }
}
