import { describe, expect, it } from '@jest/globals';
import { prettyLine } from './log-line.ts';

describe('prettyLine', () => {
  it('shows time, level, message and facts', () => {
    const entry = {
      level: 'info',
      time: '2026-11-24T12:00:01.234Z',
      service: 'intake',
      port: 3000,
      to: 'a',
      msg: 'ready',
    };
    expect(prettyLine('intake', JSON.stringify(entry), false)).toBe(
      'intake           12:00:01.234 info  ready  port=3000 to=a',
    );
  });

  it('shows the stack of an error', () => {
    const entry = {
      level: 'fatal',
      time: '2026-11-24T12:00:01.234Z',
      service: 'x',
      msg: 'no',
      err: { stack: 'Error: no\n  at x' },
    };
    expect(prettyLine('x', JSON.stringify(entry), false)).toMatch(/fatal no\nError: no\n {2}at x$/);
  });

  it.each(['not JSON', '42', '{"msg":"no level"}'])('passes on a line that is no log entry: %s', (line) => {
    expect(prettyLine('intake', line, false)).toBe(`intake           ${line}`);
  });
});
