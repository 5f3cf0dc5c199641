import { company, contact, lead, type EntityType } from '@bulk/action-types';
import type { Fields } from '@bulk/domain';
import { between, pick, randomFor, type Random } from './random.ts';
import {
  COMPANY_KINDS,
  COMPANY_WORDS,
  FIRST_NAMES,
  INDUSTRIES,
  LAST_NAMES,
  PLACES,
  TAGS,
  TITLES,
} from './vocabulary.ts';

/** Number of companies that contacts belong to, whether these are seeded or not. */
const COMPANIES = 500;
const OWNERS = 25;

/**
 * One kind of sample record. Records are numbered from 1, and the same number always gives the same
 * record.
 */
export interface SampleType {
  readonly type: EntityType;
  readonly idOf: (number: number) => string;
  readonly fieldsOf: (number: number) => Fields;
}

export const SAMPLE_CONTACTS: SampleType = {
  type: contact,
  idOf: (number) => `contact-${number}`,
  fieldsOf: (number) => {
    const random = randomFor(`contact ${number}`);
    const person = personOf(random, number);
    const [city, country, dial] = pick(random, PLACES);
    return {
      ...person,
      phone: phoneOf(random, dial),
      title: pick(random, TITLES),
      companyId: `company-${between(random, 1, COMPANIES)}`,
      ownerId: ownerOf(random),
      status: pick(random, ['active', 'active', 'active', 'inactive', 'bounced', 'unsubscribed']),
      score: between(random, 0, 100),
      city,
      country,
      tags: tagsOf(random),
    };
  },
};

export const SAMPLE_COMPANIES: SampleType = {
  type: company,
  idOf: (number) => `company-${number}`,
  fieldsOf: (number) => {
    const random = randomFor(`company ${number}`);
    const name = `${pick(random, COMPANY_WORDS)} ${pick(random, COMPANY_KINDS)}`;
    const [city, country, dial] = pick(random, PLACES);
    // Skewed: many small companies, a few large ones.
    const employees = Math.ceil(10 ** (1 + 3.5 * random() ** 2));
    return {
      name,
      domain: `${name.toLowerCase().replace(' ', '-')}-${number}.example`,
      industry: pick(random, INDUSTRIES),
      employees,
      annualRevenue: employees * between(random, 60, 240) * 1_000,
      phone: phoneOf(random, dial),
      ownerId: ownerOf(random),
      city,
      country,
      tags: tagsOf(random),
    };
  },
};

export const SAMPLE_LEADS: SampleType = {
  type: lead,
  idOf: (number) => `lead-${number}`,
  fieldsOf: (number) => {
    const random = randomFor(`lead ${number}`);
    const person = personOf(random, number);
    const [, , dial] = pick(random, PLACES);
    return {
      ...person,
      company: `${pick(random, COMPANY_WORDS)} ${pick(random, COMPANY_KINDS)}`,
      phone: phoneOf(random, dial),
      source: pick(random, ['web', 'event', 'referral', 'partner', 'outbound', 'other']),
      stage: pick(random, ['new', 'new', 'contacted', 'qualified', 'unqualified', 'converted']),
      value: between(random, 1, 200) * 500,
      ownerId: ownerOf(random),
      tags: tagsOf(random),
    };
  },
};

function personOf(random: Random, number: number): Fields {
  const firstName = pick(random, FIRST_NAMES);
  const lastName = pick(random, LAST_NAMES);
  return { firstName, lastName, email: `${firstName}.${lastName}.${number}@mail.example`.toLowerCase() };
}

function phoneOf(random: Random, dial: number): string {
  return `+${dial} ${between(random, 20, 99)} ${between(random, 100_000, 9_999_999)}`;
}

function ownerOf(random: Random): string {
  return `user-${between(random, 1, OWNERS)}`;
}

function tagsOf(random: Random): string[] {
  return TAGS.filter(() => random() < 0.25);
}
