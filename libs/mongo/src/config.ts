import { integer } from '@bulk/runtime';
import { z } from 'zod';

/** Variables of every service that talks to MongoDB. */
export const mongoConfigShape = {
  MONGODB_URI: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\//, 'expected a mongodb:// or mongodb+srv:// URI')
    .default('mongodb://127.0.0.1:27017')
    .meta({ description: 'MongoDB connection string; credentials and TLS go here.' }),
  MONGODB_DATABASE: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,63}$/, 'expected letters, digits, "_" or "-"')
    .default('bulk')
    .meta({ description: 'Database of actions, logs and entities.' }),
  MONGODB_POOL_SIZE: integer({ min: 1, max: 1_000 }, 20, 'Connections at most.'),
  MONGODB_TIMEOUT_MS: integer(
    { min: 100, max: 600_000 },
    10_000,
    'Longest wait for a server or an answer before an operation fails and is retried, in ms.',
  ),
};

export type MongoConfig = z.infer<z.ZodObject<typeof mongoConfigShape>>;
