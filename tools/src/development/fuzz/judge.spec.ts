import { describe, expect, it } from '@jest/globals';
import type { FuzzCase } from './fuzz-case.ts';
import { judge, type Exchange, type Verdict } from './judge.ts';
import { clientFrame, OPCODES } from './web-socket-bytes.ts';

const CASE: FuzzCase = {
  kind: 'HTTP requests',
  door: 'intake',
  what: 'a request',
  steps: [],
  ending: 'read',
  isWhole: true,
};
const ID = '0193a3c4-5b6f-7c1d-8e2f-a1b2c3d4e5f6';
const REFUSAL = '{"success":false,"error":{"code":"NO","message":"no"}}';

function answer(status: number, body: string, type = 'application/json; charset=utf-8'): string {
  return `HTTP/1.1 ${status} X\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

function judged(received: string | Buffer, more: Partial<FuzzCase & Exchange> = {}): Verdict {
  return judge(
    { ...CASE, ...more },
    { received: Buffer.from(received as string), endedByServer: false, gaveUp: false, ...more },
  );
}

function frames(...texts: string[]): Buffer {
  const bits = { final: true, reserved: 0, isMasked: false, mask: Buffer.alloc(4), opcode: OPCODES.text };
  return Buffer.concat([
    Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
    ...texts.map((text) => clientFrame({ ...bits, payload: Buffer.from(text) })),
  ]);
}

describe('judge', () => {
  it('passes a refusal and an acceptance in the envelope, and returns what was accepted', () => {
    expect(judged(answer(400, REFUSAL))).toEqual({
      breaches: [],
      statuses: [400],
      accepted: [],
      isSettled: true,
    });
    const body = JSON.stringify({ success: true, data: { actionId: ID, total: 3 } });
    expect(judged(answer(202, body))).toMatchObject({ breaches: [], accepted: [{ actionId: ID, total: 3 }] });
  });

  it.each([
    ['a 500', answer(500, REFUSAL), {}],
    ['a 503', answer(503, REFUSAL), {}],
    ['a refusal without the envelope', answer(400, '{"error":"no"}'), {}],
    ['a refusal in plain text', answer(400, 'no', 'text/plain'), {}],
    ['a body that is not JSON', answer(200, '{'), {}],
    ['a success without the envelope', answer(200, '{"a":1}'), {}],
    ['bytes that are no HTTP', 'hello', {}],
    ['an answer that is broken off', answer(200, '{}').slice(0, -1), { endedByServer: true }],
    ['no answer in time', '', { gaveUp: true }],
    ['a connection that is closed without an answer', '', { endedByServer: true }],
    ['a connection that stays open', '', { ending: 'wait', isWhole: false, gaveUp: true } as const],
    ['a frame without the form', frames('{"event":"x"}'), {}],
    ['an invalid WebSocket frame', Buffer.concat([frames(), Buffer.from([0xff, 0xff])]), {}],
    [
      'a frame about a fault of ours',
      frames('{"event":"error","data":{"code":"INTERNAL_ERROR","message":"x"}}'),
      {},
    ],
    [
      'a close for a fault of ours',
      Buffer.concat([frames(), Buffer.from([0x88, 2, 1011 >> 8, 1011 & 0xff])]),
      {},
    ],
  ])('reports a fault for %s', (_what, received, more) => {
    expect(judged(received, more).breaches).not.toEqual([]);
  });

  it('reports no fault for a connection that the client itself cut off', () => {
    for (const ending of ['reset', 'close'] as const) {
      expect(judged('HTTP/1.1 200', { ending, endedByServer: true })).toMatchObject({
        breaches: [],
        isSettled: false,
      });
    }
  });

  it('passes an error frame about a fault of the client', () => {
    expect(judged(frames('{"event":"error","data":{"code":"INVALID_JSON","message":"x"}}')).breaches).toEqual(
      [],
    );
  });
});
