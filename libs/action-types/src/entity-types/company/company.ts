import { z } from 'zod';
import { defineEntityType } from '../../entity-type.ts';
import { country, externalId, longText, phone, reference, shortText, tags } from '../fields.ts';

/** An organisation. */
export const company = defineEntityType({
  name: 'company',
  collection: 'companies',
  shape: {
    name: shortText,
    domain: z
      .string()
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/, 'expected a domain name, e.g. example.com')
      .optional(),
    industry: shortText.optional(),
    employees: z.int().min(0).optional(),
    annualRevenue: z.number().min(0).optional(),
    phone: phone.optional(),
    ownerId: reference.optional(),
    externalId: externalId.optional(),
    city: shortText.optional(),
    country: country.optional(),
    tags: tags.optional(),
    notes: longText.optional(),
  },
  indexes: [
    { fields: ['domain'], unique: true },
    { fields: ['ownerId'] },
    { fields: ['externalId'], unique: true },
  ],
  matchFields: ['domain', 'externalId'],
});
