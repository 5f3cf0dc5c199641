import { batchNameOf, generationOf, type DeadLetter, type MessageHeaders } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import { z } from 'zod';

/** A dead letter, where it lies in its topic. */
export interface Letter {
  /** `partition:offset` in the topic of dead letters. */
  readonly id: string;
  readonly content: DeadLetter;
  readonly actionId: string | null;
  readonly batchNo: number | null;
  /** Of the message that was given up. */
  readonly generation: number;
}

/** Which letters are meant; all of what is given must be true. */
export interface LetterFilter {
  readonly service?: string | undefined;
  readonly code?: string | undefined;
  readonly action?: string | undefined;
}

/** `partition:offset`. */
export const letterIdSchema = z
  .string()
  .regex(/^\d{1,9}:\d{1,15}$/, 'expected partition:offset, as list shows it');

/** Thrown when there is no dead letter at a place: none was there, or Kafka does not keep it any more. */
export class LetterNotFoundError extends CodedError {
  constructor(id: string) {
    super(
      'DEAD_LETTER_NOT_FOUND',
      `there is no dead letter ${id} (any more); npm run dlq -- list --all shows them`,
    );
  }
}

/** @param headers of the dead letter itself, which name the batch where the original's do not. */
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

/** Headers of the original, byte for byte. */
export function originalHeaders({ content }: Letter): Record<string, Buffer> {
  return { ...content.headers };
}

/** A generation that cannot be read counts as the first one, as it does for the services. */
function readableGeneration(headers: MessageHeaders): number {
  try {
    return generationOf(headers);
  } catch (error) {
    if (error instanceof CodedError) return 0;
    throw error;
  }
}
