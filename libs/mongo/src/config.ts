import {
  checkCredentials,
  checkNeeds,
  credentialNames,
  faultOf,
  flag,
  hasUserInfo,
  integer,
  optionalText,
  textFile,
} from '@bulk/runtime';
import { MongoClient } from 'mongodb';
import { z } from 'zod';

const CREDENTIALS = credentialNames('MONGODB');

/** Variables of every service that talks to MongoDB. */
export const mongoConfigShape = {
  MONGODB_URI: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\//, 'expected a mongodb:// or mongodb+srv:// URI')
    .default('mongodb://127.0.0.1:27017')
    .meta({ description: 'MongoDB connection string; credentials and TLS may be part of it.' }),
  MONGODB_USERNAME: optionalText('Our name at MongoDB, where MONGODB_URI has none.'),
  MONGODB_PASSWORD: optionalText('Our password at MongoDB; this or MONGODB_PASSWORD_FILE.'),
  MONGODB_PASSWORD_FILE: textFile('A file with our password at MongoDB.'),
  MONGODB_TLS: flag(false, 'Reach MongoDB by TLS; MONGODB_URI may say so, too (tls=true).'),
  MONGODB_TLS_CA_FILE: textFile("Certificates (PEM) of who signs MongoDB's; absent: Node's own."),
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

/** What the variables must be together; for `superRefine` of a service's schema. Names the variable, never its value. */
export function checkMongoConfig(config: MongoConfig, context: z.RefinementCtx): void {
  const fault = faultOf(context);
  const { MONGODB_URI: uri } = config;
  if (!isConnectionString(uri)) fault('MONGODB_URI', 'expected a connection string that can be understood');
  checkCredentials(config, CREDENTIALS, { nameNeeded: true }, fault);
  if (config.MONGODB_USERNAME !== undefined && hasUserInfo(uri)) {
    fault('MONGODB_USERNAME', 'expected no credentials in MONGODB_URI beside it');
  }
  const encrypted = config.MONGODB_TLS || /^mongodb\+srv:|[?&](tls|ssl)=true(&|$)/.test(uri);
  checkNeeds(config, ['MONGODB_TLS_CA_FILE'], 'MONGODB_TLS=true', encrypted, fault);
}

/** Whether the driver takes it. What is wrong with it only the driver's error says, which may tell the password. */
function isConnectionString(uri: string): boolean {
  try {
    new MongoClient(uri);
    return true;
  } catch {
    return false;
  }
}

/** These variables alone, checked together: for tools. */
export const mongoConfigSchema = z.object(mongoConfigShape).superRefine(checkMongoConfig);

export type MongoConfig = z.infer<z.ZodObject<typeof mongoConfigShape>>;
