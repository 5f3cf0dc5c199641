import { HOSTILE_REQUESTS } from '@bulk/testing';
import { mutated, mutations } from '@bulk/testing/mutated-bytes';
import fc from 'fast-check';
import { DOORS, type Ending, type FuzzCase, type Step } from '../fuzz-case.ts';
import { clientHello } from './tls-hello.ts';

const GET = 'GET /bulk-actions HTTP/1.1\r\nhost: fuzz\r\nx-account-id: fuzz-case-account\r\n\r\n';
const POST =
  'POST /bulk-actions HTTP/1.1\r\nhost: fuzz\r\nx-account-id: fuzz-case-account\r\ncontent-type: application/json\r\n' +
  'transfer-encoding: chunked\r\n\r\n40\r\n{"actionType":"delete","entityType":"contact","entities":[{"id":"\r\n4\r\nc"}]\r\n1\r\n}\r\n0\r\n\r\n';
const HTTP2_PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00';

/** Pause between the pieces of a case that is sent in pieces, in ms. */
const DRIP_PAUSE_MS = 15;
const MAX_DRIPS = 12;

const hostile = fc
  .constantFrom(...HOSTILE_REQUESTS)
  .map(({ what, bytes }) => ({ what, bytes: Buffer.from(bytes, 'latin1') }));

/** Request lines composed of parts on which parsers disagree. */
const oddTarget = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'POST', 'HEAD', 'OPTIONS'),
    scheme: fc.constantFrom(
      'http://',
      'http://',
      'http://',
      'https://',
      'https://',
      '//',
      'ws://',
      'http:',
      '',
    ),
    host: fc.constantFrom(
      'xn--',
      'xn--a',
      '[::1',
      '[::1]:x',
      '[::1',
      '[',
      'a b',
      '%',
      'h:99999',
      'h:x',
      'a@',
      '\u00fc',
      '0x7f.1',
      '..',
      '',
    ),
    path: fc.constantFrom('/', '/bulk-actions', '', '?', '#', '/%', '/%ff', '/api/..', '/\\', '/?a=%', '*'),
    version: fc.constantFrom(...Array.from({ length: 7 }, () => 'HTTP/1.1'), 'HTTP/1.0', 'HTTP/2', ''),
  })
  .map(({ method, scheme, host, path, version }) => ({
    what: 'a request line with an odd target',
    bytes: Buffer.from(`${method} ${scheme}${host}${path} ${version}\r\nhost: fuzz\r\n\r\n`, 'latin1'),
  }));

const random = fc
  .uint8Array({ minLength: 1, maxLength: 600 })
  .map((bytes) => ({ what: 'random bytes', bytes: Buffer.from(bytes) }));

const cutOff = fc.tuple(fc.constantFrom(GET, POST), fc.nat(300)).map(([text, length]) => ({
  what: 'half a request',
  bytes: Buffer.from(text.slice(0, 1 + (length % text.length))),
}));

const changed = fc.tuple(fc.constantFrom(GET, POST), mutations).map(([text, changes]) => ({
  what: 'a request with changed bytes',
  bytes: mutated(Buffer.from(text), changes),
}));

const hugeHeader = fc.tuple(fc.integer({ min: 1, max: 80_000 }), fc.boolean()).map(([size, isOne]) => ({
  what: 'large headers',
  bytes: Buffer.from(
    `GET / HTTP/1.1\r\nhost: fuzz\r\n${isOne ? `x: ${'x'.repeat(size)}\r\n` : 'x: y\r\n'.repeat(size / 6)}\r\n`,
  ),
}));

const pipelined = fc
  .array(
    fc.oneof(
      fc.constantFrom(GET, POST).map((text) => Buffer.from(text)),
      hostile.map(({ bytes }) => bytes),
    ),
    {
      minLength: 2,
      maxLength: 20,
    },
  )
  .map((requests) => ({ what: 'pipelined requests', bytes: Buffer.concat(requests) }));

const contradiction = fc
  .tuple(
    fc.array(
      fc.constantFrom(
        'content-length: 5',
        'content-length: 0',
        'content-length: 5, 5',
        'content-length: 0x5',
        'content-length: +5',
        'transfer-encoding: chunked',
        'transfer-encoding: chunked, chunked',
        'transfer-encoding: xchunked',
        'transfer-encoding:\x0bchunked',
        'transfer-encoding: identity',
        'trailer: content-length',
      ),
      { minLength: 1, maxLength: 3 },
    ),
    fc.constantFrom(
      '0\r\n\r\n',
      '5\r\nhello\r\n0\r\n\r\n',
      'hello',
      '5;a="\r\n',
      'ffffffffffffffff\r\n',
      '-1\r\n',
      GET,
    ),
  )
  .map(([headers, body]) => ({
    what: 'headers that contradict each other',
    bytes: Buffer.from(
      `POST /bulk-actions HTTP/1.1\r\nhost: fuzz\r\n${headers.join('\r\n')}\r\n\r\n${body}`,
      'latin1',
    ),
  }));

const otherProtocol = fc
  .constantFrom(
    { what: 'a TLS hello', bytes: clientHello('fuzz') },
    { what: 'an HTTP/2 preface', bytes: Buffer.from(HTTP2_PREFACE, 'latin1') },
    { what: 'an SSH banner', bytes: Buffer.from('SSH-2.0-OpenSSH_9.9\r\n') },
    { what: 'a SOCKS request', bytes: Buffer.from([5, 1, 0]) },
    { what: 'a proxy header', bytes: Buffer.from(`PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n${GET}`) },
  )
  .chain(({ what, bytes }) =>
    fc.oneof(
      fc.constant({ what, bytes }),
      mutations.map((changes) => ({ what: `${what}, changed`, bytes: mutated(bytes, changes) })),
    ),
  );

const ending: fc.Arbitrary<Ending> = fc.oneof(
  { weight: 5, arbitrary: fc.constant<Ending>('read') },
  { weight: 3, arbitrary: fc.constantFrom<Ending>('half-close', 'close', 'reset') },
);

/** Bytes that no HTTP client would send, on every port: at once or in pieces. */
export const rawCases: fc.Arbitrary<FuzzCase> = fc
  .record({
    door: fc.oneof(
      { weight: 1, arbitrary: fc.constantFrom('intake' as const, 'notifier' as const) },
      { weight: 1, arbitrary: fc.constantFrom(...DOORS) },
    ),
    attack: fc.oneof(
      { weight: 2, arbitrary: hostile },
      { weight: 4, arbitrary: oddTarget },
      ...[random, cutOff, changed, hugeHeader, pipelined, contradiction, otherProtocol].map((arbitrary) => ({
        weight: 1,
        arbitrary,
      })),
    ),
    pieces: fc.oneof(fc.constant(1), fc.constant(1), fc.integer({ min: 2, max: MAX_DRIPS })),
    ending,
    isLong: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
  })
  .map(({ door, attack, pieces, ending: given, isLong }) => ({
    kind: 'raw bytes',
    door,
    what: pieces > 1 ? `${attack.what}, in ${pieces} pieces` : attack.what,
    steps: cut(attack.bytes, pieces),
    // The admin ports allow their own clients more time than a round has.
    ending: isLong && !door.endsWith('.admin') ? 'wait' : given,
    isWhole: false,
  }));

function cut(bytes: Buffer, pieces: number): Step[] {
  const size = Math.max(1, Math.ceil(bytes.length / pieces));
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => ({
    bytes: bytes.subarray(i * size, (i + 1) * size),
    pauseMs: pieces > 1 ? DRIP_PAUSE_MS : 0,
  }));
}
