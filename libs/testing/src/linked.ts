import { BreakableLink } from './breakable-link.ts';

/** A part that a test can put a link in front of. */
export type LinkedPart = 'kafka' | 'mongodb' | 'redis';

/** The variables with which a service finds each part. */
const VARIABLES = { mongodb: 'MONGODB_URI', redis: 'REDIS_URL' } as const;

export interface Linked {
  readonly link: BreakableLink;
  /** For the environment of a service: the address of the part, through the link. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Opens a link to a part of an environment, for the start of a service.
 *
 * @throws Error if the part has no address there, or is more than one server.
 */
export async function linkTo(part: LinkedPart, env: Readonly<Record<string, string>>): Promise<Linked> {
  if (part === 'kafka') {
    const link = await BreakableLink.toKafka(env['KAFKA_BROKERS'] ?? '');
    return { link, env: { KAFKA_BROKERS: `127.0.0.1:${link.port}` } };
  }
  const url = new URL(env[VARIABLES[part]] ?? '');
  const link = await BreakableLink.to(url.hostname, Number(url.port));
  url.host = `127.0.0.1:${link.port}`;
  return { link, env: { [VARIABLES[part]]: url.href } };
}

/** The ways in which a part becomes unavailable: see BreakableLink. */
export const AWAY = ['break', 'blackHole', 'hang'] as const;
export type Away = (typeof AWAY)[number];
