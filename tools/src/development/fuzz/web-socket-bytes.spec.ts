import { describe, expect, it } from '@jest/globals';
import { clientFrame, OPCODES, readServerFrames } from './web-socket-bytes.ts';

const BITS = {
  final: true,
  reserved: 0,
  opcode: OPCODES.text,
  isMasked: true,
  mask: Buffer.from([1, 2, 3, 4]),
};
const server = (opcode: number, payload: Buffer, final = true): Buffer =>
  clientFrame({ ...BITS, opcode, payload, final, isMasked: false });

describe('clientFrame', () => {
  it('masks the payload, and states a wrong length on request', () => {
    expect(clientFrame({ ...BITS, payload: Buffer.from('abcd') })).toEqual(
      Buffer.from([0x81, 0x84, 1, 2, 3, 4, 0x61 ^ 1, 0x62 ^ 2, 0x63 ^ 3, 0x64 ^ 4]),
    );
    const lie = clientFrame({ ...BITS, reserved: 7, payload: Buffer.alloc(0), claimed: 2n ** 63n });
    expect(lie.subarray(0, 10)).toEqual(Buffer.from([0xf1, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]));
  });
});

describe('readServerFrames', () => {
  it('reads frames with every form of length and omits a frame that is cut off', () => {
    const payloads = [5, 200, 70_000].map((length) => Buffer.alloc(length, 'x'));
    const bytes = Buffer.concat(payloads.map((payload) => server(OPCODES.text, payload)));
    const { frames, fault } = readServerFrames(
      Buffer.concat([bytes, server(OPCODES.text, Buffer.alloc(9)).subarray(0, 5)]),
    );
    expect(fault).toBeUndefined();
    expect(frames.map(({ payload }) => payload.length)).toEqual([5, 200, 70_000]);
  });

  it.each([
    ['is masked', clientFrame({ ...BITS, payload: Buffer.from('x') })],
    ['has a reserved bit', clientFrame({ ...BITS, isMasked: false, reserved: 1, payload: Buffer.from('x') })],
    ['is a fragment', server(OPCODES.text, Buffer.from('x'), false)],
    ['has no known opcode', server(3, Buffer.from('x'))],
    ['is a control frame that is too long', server(OPCODES.ping, Buffer.alloc(126))],
    [
      'follows a close',
      Buffer.concat([server(OPCODES.close, Buffer.alloc(0)), server(OPCODES.text, Buffer.from('x'))]),
    ],
  ])('reports a fault for a frame that %s', (_what, bytes) => {
    expect(readServerFrames(bytes).fault).toBeDefined();
  });
});
