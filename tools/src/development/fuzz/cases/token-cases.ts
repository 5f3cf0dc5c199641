import { createHmac } from 'node:crypto';
import { mutated, mutations } from '@bulk/testing/mutated-bytes';
import fc from 'fast-check';
import { CASE_ACCOUNT, type FuzzCase } from '../fuzz-case.ts';
import { requestBytes } from '../http-bytes.ts';
import { changedJson } from './json-values.ts';
import { headerText } from './odd-text.ts';
import { handshakeBytes } from './socket-cases.ts';

/** The secret of the services behind the secured doors. */
export const TOKEN_SECRET = 'a-secret-of-the-fuzz-and-of-nothing-else';
/** 2100-01-01, so that a token is the same whenever a case is repeated. */
const EXPIRES_AT = 4_102_444_800;

const HEADER = { alg: 'HS256', typ: 'JWT' };
const CLAIMS = { account_id: CASE_ACCOUNT, sub: 'fuzz', iat: 1_700_000_000, exp: EXPIRES_AT };
const ALGORITHMS = ['none', 'NONE', 'HS1', 'HS512', 'RS256', 'EdDSA', '', 'dir'];

function signed(header: string, claims: string, secret = TOKEN_SECRET): string {
  const text = `${base64(header)}.${base64(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64url');
}

const token: fc.Arbitrary<string> = fc.oneof(
  fc.constant(signed(JSON.stringify(HEADER), JSON.stringify(CLAIMS))),
  changedJson(CLAIMS).map((claims) => signed(JSON.stringify(HEADER), claims)),
  changedJson(HEADER).map((header) => signed(header, JSON.stringify(CLAIMS))),
  fc
    .constantFrom(...ALGORITHMS)
    .map((alg) => signed(JSON.stringify({ ...HEADER, alg }), JSON.stringify(CLAIMS))),
  fc.constant(signed(JSON.stringify(HEADER), JSON.stringify(CLAIMS), 'x')),
  mutations.map((changes) =>
    mutated(Buffer.from(signed(JSON.stringify(HEADER), JSON.stringify(CLAIMS))), changes)
      .toString('latin1')
      .replace(/[^\t\x20-\x7e\x80-\xff]/g, '.'),
  ),
  fc.integer({ min: 0, max: 14_000 }).map((length) => 'e'.repeat(length)),
  fc.integer({ min: 0, max: 12 }).map((parts) => 'e30.'.repeat(parts)),
);

const authorization = fc.oneof(
  { weight: 5, arbitrary: token.map((text) => `Bearer ${text}`) },
  { weight: 1, arbitrary: token.map((text) => `bearer   ${text}`) },
  { weight: 1, arbitrary: fc.constantFrom('Bearer', 'Bearer ', 'Basic eDp5', 'Bearer a b', 'Digest x="') },
  { weight: 1, arbitrary: headerText },
);

/** Forged, broken and missing tokens, where tokens are checked. */
export const tokenCases: fc.Arbitrary<FuzzCase> = fc
  .record({
    door: fc.constantFrom('intake.secured' as const, 'notifier.secured' as const),
    authorization,
    inQuery: fc.option(token.map(encodeURIComponent), { freq: 4 }),
    account: fc.option(fc.constantFrom(CASE_ACCOUNT, 'other', 'a b')),
  })
  .map(({ door, authorization: given, inQuery, account }): FuzzCase => {
    const named = { authorization: given, ...(account === null ? {} : { 'x-account-id': account }) };
    const isIntake = door === 'intake.secured';
    const bytes = isIntake
      ? requestBytes({ method: 'GET', target: '/bulk-actions', headers: Object.entries(named) })
      : handshakeBytes(inQuery === null ? '/' : `/?access_token=${inQuery}`, {
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          ...named,
        });
    return {
      kind: 'tokens',
      door,
      what: `Authorization: ${given.slice(0, 40)}`,
      steps: [{ bytes }],
      ending: 'read',
      isWhole: true,
    };
  });
