import { z } from 'zod';
import { defineEntityType } from '../../entity-type.ts';
import { age, country, email, externalId, longText, phone, reference, shortText, tags } from '../fields.ts';

/** A person. */
export const contact = defineEntityType({
  name: 'contact',
  collection: 'contacts',
  // Each name is stored as it is sent; none is derived from another.
  needsOneOf: [['name', 'lastName']],
  shape: {
    name: shortText.optional(),
    firstName: shortText.optional(),
    lastName: shortText.optional(),
    email: email.optional(),
    phone: phone.optional(),
    title: shortText.optional(),
    companyId: reference.optional(),
    ownerId: reference.optional(),
    externalId: externalId.optional(),
    age: age.optional(),
    status: z.enum(['active', 'inactive', 'bounced', 'unsubscribed']).optional(),
    score: z.int().min(0).max(100).optional(),
    city: shortText.optional(),
    country: country.optional(),
    tags: tags.optional(),
    notes: longText.optional(),
  },
  indexes: [{ fields: ['email'] }, { fields: ['ownerId'] }, { fields: ['externalId'], unique: true }],
  matchFields: ['email', 'externalId'],
});
