import { afterEach, describe, expect, it } from '@jest/globals';
import { givenApi, stopApi } from '../test/api.ts';

afterEach(stopApi);

const record = (id: string) => ({ id, version: 2, createdAt: null, updatedAt: null, city: 'Bonn' });

describe('the records of the client', () => {
  it('are read one by one, with their ids encoded', async () => {
    const { client, asked } = await givenApi(() => ({ body: { success: true, data: record('a/b') } }));
    expect(await client.getEntity('contact', 'a/b')).toEqual(record('a/b'));
    expect(asked[0]!.url.pathname).toBe('/api/entities/contact/a%2Fb');
  });

  it('are listed page by page with the same filter', async () => {
    const { client, asked } = await givenApi(({ url }) => {
      const after = url.searchParams.get('after');
      const next = after === null ? 'cursor' : null;
      return { body: { success: true, data: [record(after ?? 'first')], pagination: { limit: 1, next } } };
    });
    const ids: string[] = [];
    const options = { filter: { city: 'Bonn' }, sort: '-id', limit: 1 } as const;
    for await (const { id } of client.listEntities('contact', options)) ids.push(id);
    expect(ids).toEqual(['first', 'cursor']);
    expect(asked.map(({ url }) => Object.fromEntries(url.searchParams))).toEqual([
      { filter: '{"city":"Bonn"}', sort: '-id', limit: '1' },
      { filter: '{"city":"Bonn"}', sort: '-id', limit: '1', after: 'cursor' },
    ]);
  });

  it('are exported as text with the wanted fields', async () => {
    const { client, asked } = await givenApi(() => (response) => response.end('id,city\n1,Bonn\n'));
    let text = '';
    const options = { format: 'csv', fields: ['city'], exact: true, filter: {} } as const;
    for await (const piece of client.exportEntities('contact', options)) text += piece;
    expect(text).toBe('id,city\n1,Bonn\n');
    expect(asked[0]!.url.pathname).toBe('/api/entities/contact/export.csv');
    expect(Object.fromEntries(asked[0]!.url.searchParams)).toEqual({
      filter: '{}',
      fields: 'city',
      exact: 'true',
    });
  });
});
