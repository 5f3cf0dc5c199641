import { InvalidAnswerError } from './errors.ts';
import type { FetchAnswer } from './http-api.ts';

/** Longest line of a stream of lines, in characters. */
const MAX_LINE = 4_194_304;

/** The text of an answer piece by piece; what is not read any more is cancelled. */
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
    // Resolves where it has ended; a stream that broke rejects, which its reader knows already.
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * The lines of a text that comes in pieces, without their ends and without empty ones.
 *
 * @throws InvalidAnswerError when a line does not end.
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
