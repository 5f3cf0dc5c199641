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

const DEFAULT_DATABASE = 'bulk';
const DATABASE_NAME = /^[A-Za-z0-9_-]{1,63}$/;
/** The server's own databases. A URI names `admin` as the database of its user. */
const RESERVED_DATABASES: readonly string[] = ['admin', 'config', 'local'];

/** Returns the database to use: MONGODB_DATABASE, else the one that MONGODB_URI names after its hosts, else `bulk`. */
export function databaseNameOf({
  MONGODB_DATABASE,
  MONGODB_URI,
}: Pick<MongoConfig, 'MONGODB_DATABASE' | 'MONGODB_URI'>): string {
  return MONGODB_DATABASE ?? namedByUri(MONGODB_URI) ?? DEFAULT_DATABASE;
}

function namedByUri(uri: string): string | undefined {
  const name = /^mongodb(?:\+srv)?:\/\/[^/]*\/([^?]*)/.exec(uri)?.[1] ?? '';
  return name === '' ? undefined : decodeURIComponent(name);
}

/** Settings of every service that uses MongoDB. */
export const mongoConfigShape = {
  MONGODB_URI: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\//, 'expected a mongodb:// or mongodb+srv:// URI')
    .default('mongodb://127.0.0.1:27017')
    .meta({ description: 'MongoDB connection string; credentials and TLS may be part of it.' }),
  MONGODB_USERNAME: optionalText('User name for MongoDB, if the connection string has none.'),
  MONGODB_PASSWORD: optionalText('Password for MongoDB, if no file contains it.'),
  MONGODB_PASSWORD_FILE: textFile('File with the password for MongoDB, in place of the password itself.'),
  MONGODB_TLS: flag(
    false,
    'Whether to connect to MongoDB by TLS. The connection string can also require it (tls=true).',
  ),
  MONGODB_TLS_CA_FILE: textFile(
    "File with the CA certificates (PEM) that sign MongoDB's certificate. Default: Node's CA certificates.",
  ),
  MONGODB_DATABASE: z
    .string()
    .regex(DATABASE_NAME, 'expected letters, digits, "_" or "-"')
    .optional()
    .meta({
      description: `Database of actions, logs and entities. Default: the database that MONGODB_URI names, else \`${DEFAULT_DATABASE}\`.`,
    }),
  MONGODB_POOL_SIZE: integer(
    { min: 1, max: 1_000 },
    20,
    'Maximum number of connections to MongoDB per process. A higher value allows more operations at the same time.',
  ),
  MONGODB_TIMEOUT_MS: integer(
    { min: 100, max: 600_000 },
    10_000,
    'Maximum wait for a server, a connection or an answer, in ms; then the operation fails and is retried. A higher value tolerates slower answers and notices an outage later.',
  ),
  ENSURE_INDEXES: flag(
    true,
    'Whether a service creates the indexes that do not exist. With false it waits until the installer has created them. Set false in production, so that no starting service makes the primary build an index.',
  ),
  MONGODB_INDEX_TIMEOUT_MS: integer(
    { min: 1_000, max: 2_000_000_000 },
    86_400_000,
    'Maximum wait for the indexes of one collection to be built, in ms; then the request is repeated, and joins the build that continues. A higher value suits larger collections.',
  ),
};

/**
 * Checks the settings together; for `superRefine` of a service's schema. A fault names the variable, never its value.
 */
export function checkMongoConfig(config: MongoConfig, context: z.RefinementCtx): void {
  const fault = faultOf(context);
  const { MONGODB_URI: uri } = config;
  if (!isConnectionString(uri)) fault('MONGODB_URI', 'expected a connection string that can be understood');
  else if (config.MONGODB_DATABASE === undefined) {
    const named = databaseNameOf(config);
    if (!DATABASE_NAME.test(named) || RESERVED_DATABASES.includes(named)) {
      fault('MONGODB_DATABASE', `expected a database; MONGODB_URI names ${named}, which cannot be used`);
    }
  }
  checkCredentials(config, CREDENTIALS, { nameNeeded: true }, fault);
  if (config.MONGODB_USERNAME !== undefined && hasUserInfo(uri)) {
    fault('MONGODB_USERNAME', 'expected no credentials in MONGODB_URI as well');
  }
  const encrypted = config.MONGODB_TLS || /^mongodb\+srv:|[?&](tls|ssl)=true(&|$)/.test(uri);
  checkNeeds(config, ['MONGODB_TLS_CA_FILE'], 'MONGODB_TLS=true', encrypted, fault);
}

/**
 * Returns whether the driver accepts the URI. The driver's error is not reported, because it may contain the password.
 */
function isConnectionString(uri: string): boolean {
  try {
    new MongoClient(uri);
    return true;
  } catch {
    return false;
  }
}

/** The MongoDB settings alone, checked together; for tools. */
export const mongoConfigSchema = z.object(mongoConfigShape).superRefine(checkMongoConfig);

export type MongoConfig = z.infer<z.ZodObject<typeof mongoConfigShape>>;
