import { Buffer } from 'node:buffer';

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A client's frame of which every bit can be chosen. */
export interface ClientBits {
  readonly final: boolean;
  /** RSV1 to RSV3 as a number from 0 to 7. */
  readonly reserved: number;
  readonly opcode: number;
  readonly isMasked: boolean;
  readonly mask: Buffer;
  readonly payload: Buffer;
  /** Length that the frame claims. @default that of the payload */
  readonly claimed?: bigint | undefined;
  /** Bytes of the length on the wire. @default as few as the standard asks for */
  readonly lengthBytes?: 0 | 2 | 8 | undefined;
}

/** Writes a frame exactly as given, whether the standard permits it or not. */
export function clientFrame(bits: ClientBits): Buffer {
  const { final, reserved, opcode, isMasked, mask, payload } = bits;
  const length = bits.claimed ?? BigInt(payload.length);
  const lengthBytes = bits.lengthBytes ?? (length < 126n ? 0 : length < 65_536n ? 2 : 8);
  const flag = isMasked ? 0x80 : 0;
  const first = (final ? 0x80 : 0) | ((reserved & 7) << 4) | (opcode & 15);
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = first;
  if (lengthBytes === 0) head[1] = flag | Number(length & 0x7fn);
  else if (lengthBytes === 2) {
    head[1] = flag | 126;
    head.writeUInt16BE(Number(length & 0xffffn), 2);
  } else {
    head[1] = flag | 127;
    head.writeBigUInt64BE(length & 0xffff_ffff_ffff_ffffn, 2);
  }
  if (!isMasked) return Buffer.concat([head, payload]);
  const masked = Buffer.from(payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)));
  return Buffer.concat([head, mask, masked]);
}

/** A frame of a server. */
export interface ServerBits {
  readonly opcode: number;
  readonly payload: Buffer;
}

/**
 * Parses the frames of a server strictly.
 *
 * Frames must be final, unmasked, without reserved bits, control frames of at most 125 bytes, and
 * nothing may follow a close. The platform's servers fragment nothing.
 *
 * @returns the complete frames, and what is wrong with the bytes. A last frame that is cut off is
 * no fault.
 */
export function readServerFrames(bytes: Buffer): { frames: ServerBits[]; fault: string | undefined } {
  const frames: ServerBits[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const fault = faultOf(bytes, at, frames.at(-1));
    if (fault !== undefined) return { frames, fault };
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const start = at + 2 + lengthBytes;
    if (start > bytes.length) break;
    const length =
      lengthBytes === 0
        ? short
        : lengthBytes === 2
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    if (start + length > bytes.length) break;
    frames.push({ opcode: (bytes[at] ?? 0) & 15, payload: bytes.subarray(start, start + length) });
    at = start + length;
  }
  return { frames, fault: undefined };
}

function faultOf(bytes: Buffer, at: number, before: ServerBits | undefined): string | undefined {
  const first = bytes[at] ?? 0;
  const second = bytes[at + 1] ?? 0;
  const opcode = first & 15;
  if (before?.opcode === OPCODES.close) return 'a frame after a close';
  if ((first & 0xf0) !== 0x80) return `a frame that starts with ${first.toString(16)}`;
  if ((second & 0x80) !== 0) return 'a masked frame of a server';
  if (![OPCODES.text, OPCODES.close, OPCODES.ping, OPCODES.pong].some((known) => known === opcode))
    return `a frame of opcode ${opcode}`;
  if (opcode >= OPCODES.close && (second & 0x7f) > 125) return 'a control frame that is too long';
  return undefined;
}
