import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { exceptionsSchema, judge, type AuditException } from './judge.ts';

const root = resolve(import.meta.dirname, '../../../..');
const TODAY = new Date('2026-11-24T12:00:00Z');

/** As npm prints it: a package with two advisories, and one that is affected through it. */
const REPORT = JSON.stringify({
  auditReportVersion: 2,
  vulnerabilities: {
    axios: {
      name: 'axios',
      severity: 'high',
      isDirect: false,
      via: [
        advisory('GHSA-8hc4-vh64-cxmj', 'Server-Side Request Forgery in axios', 'high', '>=1.3.2 <=1.7.3'),
        advisory(
          'GHSA-wf5p-g6vw-rhxx',
          'Axios Cross-Site Request Forgery Vulnerability',
          'moderate',
          '>=1.0.0 <1.6.0',
        ),
      ],
      effects: ['some-client'],
      range: '1.0.0 - 1.7.3',
      nodes: ['node_modules/axios'],
      fixAvailable: true,
    },
    'some-client': {
      name: 'some-client',
      severity: 'high',
      isDirect: true,
      via: ['axios'],
      effects: [],
      range: '<=2.0.0',
      nodes: ['node_modules/some-client'],
      fixAvailable: false,
    },
  },
  metadata: { vulnerabilities: { info: 0, low: 0, moderate: 0, high: 2, critical: 0, total: 2 } },
});
const CLEAN = JSON.stringify({ auditReportVersion: 2, vulnerabilities: {}, metadata: {} });

function advisory(id: string, title: string, severity: string, range: string): object {
  const url = `https://github.com/advisories/${id}`;
  return { source: 1, name: 'axios', dependency: 'axios', title, url, severity, cwe: [], cvss: {}, range };
}

function exception(advisoryId: string, until = '2026-12-31'): AuditException {
  return {
    advisory: advisoryId,
    package: 'axios',
    reason: 'Only ever calls addresses that we choose.',
    until,
  };
}

describe('the judgement of an audit', () => {
  it('has one fault for each advisory', () => {
    const verdict = judge(REPORT, [], TODAY);
    expect(verdict).toMatchObject({
      kind: 'judged',
      faults: [
        expect.stringContaining('GHSA-8hc4-vh64-cxmj'),
        expect.stringContaining('GHSA-wf5p-g6vw-rhxx'),
      ],
      excepted: [],
    });
  });

  it('excludes exactly what an exception names', () => {
    expect(judge(REPORT, [exception('GHSA-8hc4-vh64-cxmj')], TODAY)).toMatchObject({
      faults: [expect.stringContaining('GHSA-wf5p-g6vw-rhxx')],
      excepted: [expect.stringContaining('GHSA-8hc4-vh64-cxmj')],
    });
    const another = { ...exception('GHSA-8hc4-vh64-cxmj'), package: 'another' };
    expect(judge(REPORT, [another], TODAY)).toMatchObject({ excepted: [] });
  });

  it.each([
    ['2026-11-23', 'has ended on 2026-11-23'],
    ['2027-02-23', 'more than 90 days ahead'],
  ])('has a fault for an exception until %s', (until, fault) => {
    const exceptions = [exception('GHSA-8hc4-vh64-cxmj', until), exception('GHSA-wf5p-g6vw-rhxx')];
    expect(judge(REPORT, exceptions, TODAY)).toMatchObject({ faults: [expect.stringContaining(fault)] });
  });

  it.each(['2026-11-24', '2027-02-22'])('accepts an exception until %s', (until) => {
    const exceptions = [exception('GHSA-8hc4-vh64-cxmj', until), exception('GHSA-wf5p-g6vw-rhxx')];
    expect(judge(REPORT, exceptions, TODAY)).toMatchObject({ faults: [] });
  });

  it('is clean without advisories and then needs no exception', () => {
    expect(judge(CLEAN, [], TODAY)).toEqual({ kind: 'judged', faults: [], excepted: [] });
    expect(judge(CLEAN, [exception('GHSA-8hc4-vh64-cxmj')], TODAY)).toMatchObject({
      faults: [expect.stringContaining('no longer needed')],
    });
  });

  it.each([
    // As npm 11 prints it if the registry has no such endpoint. The address is invented.
    [
      JSON.stringify({
        message: '405 Method Not Allowed - POST https://registry.example/-/npm/v1/security/advisories/bulk',
        method: 'POST',
        error: { summary: '', detail: '' },
      }),
      '405 Method Not Allowed',
    ],
    ['', 'printed nothing'],
    ['{}', 'printed an unknown report'],
    ['{"auditReportVersion":3,"vulnerabilities":{}}', 'printed an unknown report'],
    ['npm error', 'printed an unknown report'],
  ])('is never clean when the audit did not run: %s', (output, reason) => {
    expect(judge(output, [], TODAY)).toEqual({ kind: 'unknown', reason: expect.stringContaining(reason) });
  });
});

describe('the audit exceptions of this repository', () => {
  it('are valid', () => {
    const text = readFileSync(join(root, 'audit-exceptions.json'), 'utf8');
    expect(exceptionsSchema.safeParse(JSON.parse(text)).error).toBeUndefined();
  });
});
