import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { CutOff } from '../http/stopping.ts';
import { BodyReader } from './body-reader.ts';

const LIMIT = 10;
const BODY = 'abcdefghijklmno';

async function read(chunks: readonly string[]): Promise<{ text: string; error: unknown }> {
  const request = Object.assign(Readable.from(chunks.map((text) => Buffer.from(text))), { headers: {} });
  const reader = new BodyReader(
    request as unknown as IncomingMessage,
    { limitBytes: LIMIT, maxRatio: 100, graceBytes: 1_000 },
    { gone: new AbortController().signal, cutOff: new CutOff() },
  );
  let text = '';
  try {
    for await (const chunk of reader.bytes()) text += chunk.toString();
    return { text, error: undefined };
  } catch (error) {
    return { text, error };
  }
}

describe('BodyReader', () => {
  it('accepts a body of exactly the limit', async () => {
    expect(await read([BODY.slice(0, LIMIT)])).toEqual({ text: 'abcdefghij', error: undefined });
  });

  it.each([
    ['at once', [BODY]],
    ['in two parts', [BODY.slice(0, 4), BODY.slice(4)]],
    ['in parts of which one ends at the limit', [BODY.slice(0, LIMIT), BODY.slice(LIMIT)]],
    ['byte by byte', Array.from(BODY)],
  ])('yields the same part of a body over the limit when it arrives %s', async (_how, chunks) => {
    const { text, error } = await read(chunks);
    expect(text).toBe('abcdefghij');
    expect(error).toMatchObject({ status: 413, code: 'PAYLOAD_TOO_LARGE' });
  });
});
