import { z } from 'zod';
import { defineEntityType } from '../../entity-type.ts';
import { email, externalId, longText, phone, reference, shortText, tags } from '../fields.ts';

/** A person or organisation that may become a customer. */
export const lead = defineEntityType({
  name: 'lead',
  collection: 'leads',
  // Each name is stored as it is sent; none is derived from another.
  needsOneOf: [['name', 'lastName']],
  shape: {
    name: shortText.optional(),
    firstName: shortText.optional(),
    lastName: shortText.optional(),
    company: shortText.optional(),
    email: email.optional(),
    phone: phone.optional(),
    source: z.enum(['web', 'event', 'referral', 'partner', 'outbound', 'other']).optional(),
    stage: z.enum(['new', 'contacted', 'qualified', 'unqualified', 'converted']).optional(),
    value: z.number().min(0).optional(),
    ownerId: reference.optional(),
    externalId: externalId.optional(),
    tags: tags.optional(),
    notes: longText.optional(),
  },
  indexes: [{ fields: ['email'] }, { fields: ['ownerId'] }, { fields: ['externalId'], unique: true }],
  matchFields: ['email', 'externalId'],
});
