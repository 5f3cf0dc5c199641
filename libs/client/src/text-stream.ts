import { InvalidAnswerError } from './errors.ts';
import type { FetchAnswer } from './fetch.ts';

/** Longest line of a stream of lines, in characters. */
const MAX_LINE = 4_194_304;

/** Returns the text of an answer piece by piece, and cancels the rest if the reader stops. */
export async function* textOf(answer: FetchAnswer): AsyncGenerator<string> {
  // A substitute for fetch may have no streams.
  if (answer.body === undefined || answer.body === null) {
    yield await answer.text();
    return;
  }
  const decoder = new TextDecoder();
  const reader = answer.body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = done ? decoder.decode() : decoder.decode(value, { stream: true });
      if (text !== '') yield text;
      if (done) return;
    }
  } finally {
    // It resolves if the stream has ended. A broken stream rejects, but its reader already got that error.
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * Splits a text that arrives in pieces into lines, without their ends and without empty ones.
 *
 * @throws InvalidAnswerError if a line is too long.
 */
export async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of text) {
    const lines = (rest + piece).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > MAX_LINE) throw new InvalidAnswerError(`a line is longer than ${MAX_LINE} characters`);
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (rest.trim() !== '') yield rest;
}
