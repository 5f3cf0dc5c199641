import { describe, expect, it } from '@jest/globals';
import { originForm } from './request-target.ts';

describe('originForm', () => {
  it.each([
    ['/a/b?c=d', '/a/b?c=d'],
    ['*', '*'],
    ['http://host/a?b', '/a?b'],
    ['HTTPS://user:secret@host:1/a', '/a'],
    ['http://host', '/'],
    ['http://host?a', '/?a'],
    ['http://xn--mnchen-3ya.example/a', '/a'],
    ['http://[::1]:80/a', '/a'],
    ['/%E0%A4%A', '/%E0%A4%A'],
    ['//a@xn--/b', '//a@xn--/b'],
    // The bytes of "ä", as Node gives them.
    ['/?name=\u00c3\u00a4\u00a0', '/?name=%C3%A4%A0'],
  ])('reads %j as %j', (target, path) => {
    expect(originForm(target)).toBe(path);
  });

  it.each([
    '',
    'http://xn--/',
    'http://XN--a/',
    'http://xn--a-/',
    'http://a.xn--.example/',
    'http://[::1/',
    'a',
    'host:443',
    'ftp://host/',
    '/a#b',
    '//a@xn--#/',
    'http://h/#',
  ])('refuses %j', (target) => {
    expect(originForm(target)).toBeUndefined();
  });
});
