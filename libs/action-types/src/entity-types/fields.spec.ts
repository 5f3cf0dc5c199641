import { describe, expect, it } from '@jest/globals';
import { email } from './fields.ts';

describe('the e-mail field', () => {
  it.each([
    'a@b.example',
    'ada+tag@exa-mple.co.uk',
    'jürgen@müller.example',
    '用户@例子.广告',
    "o'neil@example.com",
    'x_y@xn--mller-kva.example',
  ])('accepts %s', (text) => {
    expect(email.safeParse(text).success).toBe(true);
  });

  it.each([
    '',
    'nobody',
    '@b.example',
    'a@',
    'a@b',
    'a b@c.example',
    'a@@b.example',
    'a@b..example',
    '.a@b.example',
    'a.@b.example',
    'a@-b.example',
    'a@b-.example',
    'a@b.example\n',
    'a@b.example, c@d.example',
    `${'a'.repeat(250)}@b.example`,
  ])('refuses %j', (text) => {
    expect(email.safeParse(text).success).toBe(false);
  });
});
