import { describe, expect, it } from '@jest/globals';
import { InvalidInputError } from '@bulk/domain';
import { contact } from '../entity-types/contact/contact.ts';
import { UpdateHandler } from './update-handler.ts';

const handler = new UpdateHandler();

describe('UpdateHandler.validatePayload', () => {
  it('takes fields to set on all', async () => {
    const config = { set: { ownerId: 'u7', city: null } };
    await expect(handler.validatePayload({ entityType: contact, config })).resolves.toEqual(config);
    await expect(handler.validatePayload({ entityType: contact, config: {} })).resolves.toEqual({});
  });

  it.each([
    [{ set: { email: 'nobody' } }, 'config.set.email'],
    [{ set: { shoeSize: 44 } }, 'config.set.shoeSize'],
    [{ set: 'ownerId' }, 'config.set'],
    [{ upsert: true }, 'config.upsert'],
  ])('refuses %j and names %s', async (config, field) => {
    const refusal = await handler
      .validatePayload({ entityType: contact, config })
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(InvalidInputError);
    expect((refusal as InvalidInputError).issues.map((issue) => issue.field)).toEqual([field]);
  });
});
