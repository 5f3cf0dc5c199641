import { gzipSync } from 'node:zlib';
import { mutated, mutations } from '@bulk/testing/mutated-bytes';
import fc from 'fast-check';
import {
  CASE_ACCOUNT,
  ENDED_ACTION,
  KNOWN_ACCOUNT,
  WAITING_ACTION,
  type Door,
  type FuzzCase,
} from '../fuzz-case.ts';
import { formBody, requestBytes, type Framing } from '../http-bytes.ts';
import { ADMIN_PATHS, DOCUMENTATION_PATHS, type QueryParameter, type Route } from '../routes.ts';
import { changedJson } from './json-values.ts';
import { headerText, inUrl, oddText } from './odd-text.ts';

type Header = readonly [name: string, value: string];

/** Values of parameters for which the document lists none. */
const PLAIN_VALUES = ['1', '10', 'contact', 'update'];

const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'CONNECT',
  'get',
];

/** Headers that services read, with valid and nearly valid values, and values of other headers. */
const HEADER_VALUES: Readonly<Record<string, readonly string[]>> = {
  'x-account-id': [KNOWN_ACCOUNT, CASE_ACCOUNT, 'other', ''],
  'content-type': [
    'application/json',
    'application/json; charset=utf-16',
    'application/json; charset="',
    'text/csv; charset=nothing',
    'application/x-ndjson',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'text/html',
    '/',
  ],
  'content-encoding': ['gzip', 'gzip, gzip', 'br', 'deflate', 'identity', 'x-gzip', 'GZIP'],
  'idempotency-key': ['key-1', CASE_ACCOUNT, 'ä', 'x'.repeat(300)],
  accept: ['*/*', 'text/html', 'application/json;q=0', ';;;'],
  'accept-encoding': ['gzip', 'gzip;q=0', '*', ',,,'],
  'if-none-match': ['*', '"x"', 'W/"'],
  range: ['bytes=0-0', 'bytes=-1', 'bytes=5-1', 'rows=1'],
  expect: ['100-continue', 'nothing'],
  connection: ['close', 'keep-alive', 'upgrade', 'x-account-id'],
  upgrade: ['websocket', 'h2c'],
  'sec-fetch-site': ['cross-site', 'same-origin', 'nothing'],
  origin: ['null', 'http://evil.example', 'http://[::1'],
  'x-request-id': ['r-1', 'ä', 'x'.repeat(500)],
  traceparent: ['00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', '00-', 'ff-x'],
  'x-forwarded-for': ['127.0.0.1'],
  host: ['', 'a b', '[::1'],
  cookie: ['a=b'],
  authorization: ['Bearer x', 'Basic eDp5', 'Bearer'],
};

const header: fc.Arbitrary<Header> = fc.oneof(
  ...Object.entries(HEADER_VALUES).map(([name, values]) =>
    fc
      .oneof({ weight: 3, arbitrary: fc.constantFrom(...values) }, { weight: 1, arbitrary: headerText })
      .map((value): Header => [name, value]),
  ),
);

const account: fc.Arbitrary<Header[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Header[]>([['x-account-id', KNOWN_ACCOUNT]]) },
  { weight: 3, arbitrary: fc.constant<Header[]>([['x-account-id', CASE_ACCOUNT]]) },
  { weight: 1, arbitrary: fc.constant<Header[]>([]) },
);

const actionId: fc.Arbitrary<string> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(ENDED_ACTION, WAITING_ACTION) },
  { weight: 1, arbitrary: fc.tuple(oddText, inUrl).map(([text, write]) => write(text)) },
);

function pathOf(path: string): fc.Arbitrary<string> {
  const plain = actionId.map((id) => path.replace(/\{[^}]+\}/g, () => id));
  const odd = fc
    .tuple(plain, fc.constantFrom('/', '//', '/.', '/%2e%2e/x', '%2f', '.json', ';a=b', '%'))
    .map(([text, more]) => text + more);
  const encoded = fc.tuple(plain, fc.nat(40)).map(([text, at]) => {
    const index = 1 + (at % Math.max(1, text.length - 1));
    return `${text.slice(0, index)}%${text.charCodeAt(index).toString(16).padStart(2, '0')}${text.slice(index + 1)}`;
  });
  return fc.oneof(
    { weight: 6, arbitrary: plain },
    { weight: 1, arbitrary: odd },
    { weight: 1, arbitrary: encoded },
  );
}

type Parameter = readonly [name: string, value: string];

function queryOf(known: readonly QueryParameter[]): fc.Arbitrary<string> {
  const odd = fc.tuple(oddText, oddText);
  const parameters = known.map(({ name, values }) =>
    fc
      .oneof(
        { weight: 3, arbitrary: fc.constantFrom(...(values.length === 0 ? PLAIN_VALUES : values)) },
        { weight: 1, arbitrary: oddText },
      )
      .map((value): Parameter => [name, value]),
  );
  const parameter = fc.oneof(...parameters.map((arbitrary) => ({ weight: 4, arbitrary })), {
    weight: 1,
    arbitrary: odd,
  });
  const query = fc
    .array(fc.tuple(parameter, inUrl), { maxLength: 4 })
    .map((pairs) => pairs.map(([[name, value], write]) => `${write(name)}=${write(value)}`).join('&'));
  return fc.oneof(
    fc.constant(''),
    query.map((text) => (text === '' ? '' : `?${text}`)),
  );
}

interface Body {
  readonly headers: readonly Header[];
  readonly body: Buffer | undefined;
}

const NO_BODY: Body = { headers: [], body: undefined };

/**
 * Generates JSON bodies from the examples: unchanged, changed in structure or in bytes.
 *
 * Some are gzip, whole or broken, or inside a form.
 */
function bodyOf(examples: readonly unknown[]): fc.Arbitrary<Body> {
  const given = examples.length === 0 ? [{}] : examples;
  const text = fc.oneof(
    ...given.map((example) => {
      const whole = Buffer.from(JSON.stringify(example));
      return fc.oneof(
        { weight: 2, arbitrary: fc.constant(whole) },
        { weight: 4, arbitrary: changedJson(example).map((changed) => Buffer.from(changed)) },
        { weight: 3, arbitrary: mutations.map((changes) => mutated(whole, changes)) },
      );
    }),
  );
  const json = text.map((body): Body => ({ headers: [['content-type', 'application/json']], body }));
  return fc.oneof(
    { weight: 6, arbitrary: json },
    {
      weight: 2,
      arbitrary: fc.tuple(json, compression).map(([{ headers, body }, compress]): Body => ({
        headers: [...headers, ['content-encoding', 'gzip']],
        body: compress(body ?? Buffer.alloc(0)),
      })),
    },
    { weight: 1, arbitrary: text.map(inForm) },
    { weight: examples.length === 0 ? 8 : 1, arbitrary: fc.constant(NO_BODY) },
  );
}

/** Compresses a body: whole, cut off, with changed bytes, or with bytes after its end. */
export const compression: fc.Arbitrary<(body: Buffer) => Buffer> = fc.oneof(
  fc.constant((body: Buffer): Buffer => gzipSync(body)),
  fc.nat(400).map((length) => (body: Buffer) => gzipSync(body).subarray(0, length)),
  mutations.map((changes) => (body: Buffer) => mutated(gzipSync(body), changes)),
  fc
    .constantFrom(Buffer.alloc(8), gzipSync('{}'), Buffer.from('x'))
    .map((more) => (body: Buffer) => Buffer.concat([gzipSync(body), more])),
);

function inForm(file: Buffer): Body {
  const boundary = 'fuzz-boundary';
  return {
    headers: [['content-type', `multipart/form-data; boundary=${boundary}`]],
    body: formBody(file, { boundary, name: 'a.json', mediaType: 'application/json' }),
  };
}

const framing: fc.Arbitrary<Framing> = fc.constantFrom(
  'length',
  'length',
  'chunked',
  'chunked',
  'short',
  'long',
);

/**
 * Generates requests of every route and of unknown paths. Each is mutated in its parts, some of
 * them also in their bytes.
 */
export function requestCases(routes: readonly Route[]): fc.Arbitrary<FuzzCase> {
  const beside = [...DOCUMENTATION_PATHS, '/', '/nothing'].map(plainRoute);
  const places: readonly (readonly [Door, Route])[] = [
    ...[...routes, ...routes, ...beside].map((route) => ['intake', route] as const),
    ...routes.map((route) => ['intake.secured', route] as const),
    ...ADMIN_PATHS.flatMap((path) =>
      (['intake.admin', 'notifier.admin'] as const).map((door) => [door, plainRoute(path)] as const),
    ),
    ...['/', '/nothing'].map((path) => ['notifier', plainRoute(path)] as const),
  ];
  return fc.oneof(
    ...places.map(([door, route]) => ({
      // The route with the largest surface.
      weight: route.bodies.length > 0 ? 4 : 1,
      arbitrary: requestCase(door, route),
    })),
  );
}

function plainRoute(path: string): Route {
  return { method: 'GET', path, query: [], bodies: [] };
}

function requestCase(door: Door, route: Route): fc.Arbitrary<FuzzCase> {
  return fc
    .record({
      method: fc.oneof(
        { weight: 6, arbitrary: fc.constant(route.method) },
        { weight: 1, arbitrary: fc.constantFrom(...METHODS) },
      ),
      path: pathOf(route.path),
      // A route with a body has its parameters there, and none in the query.
      query: route.bodies.length > 0 ? fc.oneof(fc.constant(''), queryOf(route.query)) : queryOf(route.query),
      account,
      headers: fc.oneof(fc.constant<Header[]>([]), fc.array(header, { maxLength: 3 })),
      body: bodyOf(route.bodies),
      framing,
      changes: fc.option(mutations, { freq: 8 }),
      ending: fc.constantFrom(
        'read' as const,
        'read' as const,
        'read' as const,
        'read' as const,
        'reset' as const,
        'close' as const,
      ),
    })
    .map(({ method, path, query, account: named, headers, body, framing: framed, changes, ending }) => {
      const bytes = requestBytes({
        method,
        target: path + query,
        headers: [...named, ...body.headers, ...headers],
        body: body.body,
        framing: framed,
      });
      const isFramed = body.body === undefined || framed === 'length' || framed === 'chunked';
      // A second Host, an upgrade or CONNECT is answered before there is a request.
      const isPlain =
        method !== 'CONNECT' && headers.every(([name]) => name !== 'expect' && name !== 'upgrade');
      return {
        kind: 'HTTP requests',
        door,
        what: `${method} ${route.path}${changes === null ? '' : ', with changed bytes'}`,
        steps: [{ bytes: changes === null ? bytes : mutated(bytes, changes) }],
        ending,
        isWhole: isFramed && isPlain && changes === null,
      };
    });
}
