import { mutated, mutations } from '@bulk/testing/mutated-bytes';
import fc from 'fast-check';
import {
  CASE_ACCOUNT,
  ENDED_ACTION,
  KNOWN_ACCOUNT,
  WAITING_ACTION,
  type FuzzCase,
  type Step,
} from '../fuzz-case.ts';
import { clientFrame, OPCODES } from '../web-socket-bytes.ts';
import { changedJson } from './json-values.ts';
import { headerText, inUrl, oddText } from './odd-text.ts';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

const MESSAGES: readonly object[] = [
  { event: 'subscribe', data: ENDED_ACTION },
  { event: 'subscribe', data: WAITING_ACTION },
  { event: 'unsubscribe', data: ENDED_ACTION },
  { event: 'subscribeAccount', data: { since: '2026-01-01T00:00:00Z' } },
  { event: 'subscribeAccount' },
  { event: 'unsubscribeAccount' },
];

const UTF8_FAULTS = [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0x80]];

const message: fc.Arbitrary<Buffer> = fc.oneof(
  ...MESSAGES.map((value) => {
    const whole = Buffer.from(JSON.stringify(value));
    return fc.oneof(
      { weight: 3, arbitrary: fc.constant(whole) },
      { weight: 2, arbitrary: changedJson(value).map((json) => Buffer.from(json)) },
      { weight: 2, arbitrary: mutations.map((changes) => mutated(whole, changes)) },
      { weight: 1, arbitrary: fc.constantFrom(...UTF8_FAULTS).map((bytes) => Buffer.from(bytes)) },
    );
  }),
);

const mask = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes));

/** A valid frame around any message. */
const plainFrame = fc
  .record({
    payload: message,
    mask,
    opcode: fc.constantFrom(OPCODES.text, OPCODES.text, OPCODES.text, OPCODES.binary),
  })
  .map((bits) => clientFrame({ ...bits, final: true, reserved: 0, isMasked: true }));

const controlFrame = fc
  .record({
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 140 }).map((bytes) => Buffer.from(bytes)),
      fc.integer({ min: 0, max: 5_000 }).map((code) => Buffer.from([code >> 8, code & 0xff, 0x78])),
    ),
    mask,
    opcode: fc.constantFrom(OPCODES.close, OPCODES.ping, OPCODES.pong),
    final: fc.constantFrom(true, true, false),
  })
  .map((bits) => clientFrame({ ...bits, reserved: 0, isMasked: true }));

/** A frame with any wrong bit. */
const oddFrame = fc
  .record({
    payload: message,
    mask,
    opcode: fc.integer({ min: 0, max: 15 }),
    final: fc.boolean(),
    reserved: fc.constantFrom(0, 0, 0, 1, 2, 4, 7),
    isMasked: fc.constantFrom(true, true, true, false),
    claimed: fc.option(
      fc.constantFrom(
        0n,
        1n,
        125n,
        126n,
        65_535n,
        65_536n,
        2n ** 31n,
        2n ** 32n,
        2n ** 53n,
        2n ** 63n,
        2n ** 64n - 1n,
      ),
      { nil: undefined },
    ),
    lengthBytes: fc.option(fc.constantFrom(2 as const, 8 as const), { nil: undefined, freq: 3 }),
  })
  .map(clientFrame);

/** A message in fragments, with something between them that may or may not be allowed. */
const fragments = fc
  .record({ payload: message, mask, at: fc.nat(40), between: fc.option(fc.oneof(controlFrame, plainFrame)) })
  .map(({ payload, mask: key, at, between }) => {
    const cut = Math.min(at, payload.length);
    const base = { reserved: 0, isMasked: true, mask: key };
    const first = clientFrame({
      ...base,
      final: false,
      opcode: OPCODES.text,
      payload: payload.subarray(0, cut),
    });
    const second = clientFrame({
      ...base,
      final: true,
      opcode: OPCODES.continuation,
      payload: payload.subarray(cut),
    });
    return Buffer.concat([first, between ?? Buffer.alloc(0), second]);
  });

const frame = fc.oneof(
  { weight: 4, arbitrary: plainFrame },
  { weight: 2, arbitrary: controlFrame },
  { weight: 3, arbitrary: oddFrame },
  { weight: 1, arbitrary: fragments },
);

const HANDSHAKE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': KEY,
};

const ODD_HANDSHAKE: Readonly<Record<string, readonly string[]>> = {
  connection: ['close', 'keep-alive, Upgrade', ''],
  upgrade: ['h2c', 'websocket, websocket', 'WEBSOCKET', ''],
  'sec-websocket-version': ['12', '8', '-1', '13, 13', ''],
  'sec-websocket-key': ['short', `${KEY}${KEY}`, ''],
  'sec-websocket-protocol': ['a', 'a, a', ', ,', '\u00e4'],
  'sec-websocket-extensions': ['permessage-deflate', 'permessage-deflate; x="', ';;', 'x-webkit'],
  origin: ['null', 'http://evil.example', 'http://[', ''],
  'x-account-id': ['a b', '', 'other'],
};

interface Handshake {
  readonly bytes: Buffer;
  readonly what: string;
}

const query = fc.oneof(
  { weight: 4, arbitrary: fc.constant('') },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('accountId', 'access_token', 'x'), oddText, inUrl)
      .map(([name, value, write]) => `?${name}=${write(value)}`),
  },
);

const goodHandshake = fc
  .tuple(fc.constantFrom(KNOWN_ACCOUNT, CASE_ACCOUNT), query)
  .map(([account, search]): Handshake => ({
    what: 'a handshake',
    bytes: handshakeBytes(`/${search}`, { ...HANDSHAKE, 'x-account-id': account }),
  }));

const oddHandshake = fc
  .tuple(
    fc.constantFrom('/', '/', '/x', '//', '/%'),
    fc.oneof(
      ...Object.entries(ODD_HANDSHAKE).map(([name, values]) =>
        fc.oneof(fc.constantFrom(...values), headerText).map((value) => [name, value] as const),
      ),
    ),
    fc.option(mutations, { freq: 4 }),
  )
  .map(([path, [name, value], changes]): Handshake => {
    const bytes = handshakeBytes(path, { ...HANDSHAKE, 'x-account-id': CASE_ACCOUNT, [name]: value });
    return {
      what: `a handshake with an odd ${name}`,
      bytes: changes === null ? bytes : mutated(bytes, changes),
    };
  });

/**
 * WebSockets: invalid handshakes, frames with every bit wrong, and clients that leave in the middle
 * of a frame.
 */
export const socketCases: fc.Arbitrary<FuzzCase> = fc
  .record({
    door: fc.constantFrom('notifier' as const, 'notifier' as const, 'notifier' as const, 'intake' as const),
    handshake: fc.oneof({ weight: 4, arbitrary: goodHandshake }, { weight: 1, arbitrary: oddHandshake }),
    frames: fc.array(frame, { maxLength: 6 }),
    isPatient: fc.constantFrom(true, true, true, false),
    cut: fc.option(fc.nat(60), { freq: 4 }),
    ending: fc.constantFrom(
      'read' as const,
      'read' as const,
      'close' as const,
      'half-close' as const,
      'reset' as const,
    ),
  })
  .map(({ door, handshake, frames, isPatient, cut, ending }) => ({
    kind: 'WebSockets',
    door,
    what: `${handshake.what} and ${frames.length} frames${cut === null ? '' : ', cut off'}`,
    steps: [{ bytes: handshake.bytes, awaitsAnswer: isPatient }, ...framesInSteps(frames, cut)],
    ending,
    isWhole: false,
  }));

function framesInSteps(frames: readonly Buffer[], cut: number | null): Step[] {
  const bytes = Buffer.concat(frames);
  if (bytes.length === 0) return [];
  return [{ bytes: cut === null ? bytes : bytes.subarray(0, Math.max(1, bytes.length - cut)) }];
}

export function handshakeBytes(target: string, headers: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`GET ${target} HTTP/1.1\r\nhost: fuzz\r\n${lines.join('')}\r\n`, 'latin1');
}
