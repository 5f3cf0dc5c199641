import { describe, expect, it } from '@jest/globals';
import { isComplete, readAnswers } from './http-answer.ts';

const read = (text: string) => readAnswers(Buffer.from(text, 'latin1'));

describe('readAnswers', () => {
  it('reads an interim answer, one with a length and one in chunks from the same connection', () => {
    const { answers, fault } = read(
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n',
    );
    expect(fault).toBeUndefined();
    expect(answers.map(({ status, body, isWhole }) => [status, body.toString(), isWhole])).toEqual([
      [100, '', true],
      [200, 'ab', true],
      [404, 'abcd', true],
    ]);
  });

  it.each(['content-length: 9', 'transfer-encoding: chunked', 'x: y'])(
    'accepts an answer to HEAD with %s as complete',
    (header) => {
      const head = `HTTP/1.1 200 OK\r\n${header}\r\n\r\n`;
      expect(read(`${head}${head}`).answers.map(({ isWhole }) => isWhole)).toEqual([true, true]);
    },
  );

  it('separates what follows a 101', () => {
    const { answers, upgraded } = read('HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00');
    expect(answers.map(({ status }) => status)).toEqual([101]);
    expect(upgraded).toEqual(Buffer.from([0x81, 0]));
  });

  it.each([
    ['an incomplete body', 'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab'],
    ['an incomplete chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nab'],
    ['an interim answer alone', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['an empty answer', ''],
  ])('reports %s as incomplete', (_what, text) => {
    const answers = read(text);
    expect(answers.fault).toBeUndefined();
    expect(isComplete(answers)).toBe(false);
  });

  it.each([
    ['other bytes', 'hello\r\n\r\n'],
    ['a header without a colon', 'HTTP/1.1 200 OK\r\nhello\r\n\r\n'],
    ['a header with a zero byte', 'HTTP/1.1 200 OK\r\nx: \0\r\n\r\n'],
    ['headers without an end', 'HTTP/1.1 200 OK\r\n'],
    ['an invalid length', 'HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n'],
    ['a chunk without a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['an answer inside of another', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\naa'],
  ])('reports a fault for %s', (_what, text) => {
    expect(read(text).fault).toBeDefined();
  });
});
