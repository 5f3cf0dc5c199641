import { z } from 'zod';
import { defineEntityType } from '../../entity-type.ts';
import { country, email, longText, phone, reference, shortText, tags } from '../fields.ts';

/** A person. */
export const contact = defineEntityType({
  name: 'contact',
  collection: 'contacts',
  shape: {
    firstName: shortText.optional(),
    lastName: shortText,
    email: email.optional(),
    phone: phone.optional(),
    title: shortText.optional(),
    companyId: reference.optional(),
    ownerId: reference.optional(),
    status: z.enum(['active', 'inactive', 'bounced', 'unsubscribed']).optional(),
    score: z.int().min(0).max(100).optional(),
    city: shortText.optional(),
    country: country.optional(),
    tags: tags.optional(),
    notes: longText.optional(),
  },
  indexes: [{ fields: ['email'] }, { fields: ['ownerId'] }],
});
