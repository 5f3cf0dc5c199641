import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '@bulk/runtime';
import { z } from 'zod';
import { rateLimitConfigShape } from './rate-limit-config.ts';

const load = (env: Record<string, string>) => loadConfig(z.object(rateLimitConfigShape), env);

describe('rateLimitConfigShape', () => {
  it('allows 10,000 requests a minute by default', () => {
    expect(load({})).toMatchObject({
      RATE_LIMIT_MAX: 10_000,
      RATE_LIMIT_WINDOW_MS: 60_000,
      RATE_LIMIT_WHEN_REDIS_IS_AWAY: 'open',
    });
  });

  it.each(['acme=500,globex=20000', ' acme = 500 , globex = 20000 ', '{"acme":500,"globex":20000}'])(
    'reads the limits of accounts from %p',
    (text) => {
      const limits = new Map([
        ['acme', 500],
        ['globex', 20_000],
      ]);
      expect(load({ RATE_LIMIT_ACCOUNTS: text }).RATE_LIMIT_ACCOUNTS).toEqual(limits);
    },
  );

  it('accepts an account named like a member of every object', () => {
    expect(load({ RATE_LIMIT_ACCOUNTS: '__proto__=5' }).RATE_LIMIT_ACCOUNTS?.get('__proto__')).toBe(5);
    expect(load({ RATE_LIMIT_ACCOUNTS: 'acme=5' }).RATE_LIMIT_ACCOUNTS?.get('constructor')).toBeUndefined();
  });

  it.each([
    'acme',
    'acme=',
    'acme=-1',
    'acme=1.5',
    'acme=0x10',
    'acme=many',
    'acme=1=2',
    'a:b=1',
    '=1',
    'acme=1,,globex=2',
    'acme=1,acme=2',
    '{"acme":"500"}',
    '{"acme":null}',
    '{"acme":5',
    '[["acme",5]]',
    'acme=99999999999',
  ])('refuses %p', (text) => {
    expect(() => load({ RATE_LIMIT_ACCOUNTS: text })).toThrow(
      /RATE_LIMIT_ACCOUNTS: expected acme=500,globex=20000 or a JSON object/,
    );
  });

  it.each(['-1', 'none', '1e9'])('refuses %p requests', (max) => {
    expect(() => load({ RATE_LIMIT_MAX: max })).toThrow(/RATE_LIMIT_MAX: expected a whole number/);
  });
});
