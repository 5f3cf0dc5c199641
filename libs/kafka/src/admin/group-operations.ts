import Decoder from 'kafkajs/src/protocol/decoder.js';
import Encoder from 'kafkajs/src/protocol/encoder.js';
import { createErrorFromCode } from 'kafkajs/src/protocol/error.js';
import type { RawCluster } from './raw-cluster.ts';

const DESCRIBE_GROUPS = 15;
/** The first version that says which operations are allowed (Kafka 2.3). kafkajs stops at version 2. */
const VERSION = 3;
/** What a broker returns if it does not say which operations are allowed. */
const UNSAID = -2_147_483_648;

interface Answer {
  readonly error: Error | undefined;
  readonly operations: number | undefined;
}

/**
 * Asks which operations the user may do on a consumer group, which need not exist.
 *
 * @returns a bit field: 0 if the user may not even see the group; undefined if no broker says, for example because the
 *   group's coordinator is unavailable.
 */
export async function groupOperations(cluster: RawCluster, groupId: string): Promise<number | undefined> {
  try {
    const broker = await cluster.findGroupCoordinator({ groupId });
    if ((broker.versions[DESCRIBE_GROUPS]?.maxVersion ?? 0) < VERSION) return undefined;
    const { error, operations } = (await broker.connectionPool.send(request(groupId))) as Answer;
    if (error !== undefined) throw error;
    return operations;
  } catch (error) {
    return error instanceof Error && 'type' in error && error.type === 'GROUP_AUTHORIZATION_FAILED'
      ? 0
      : undefined;
  }
}

function request(groupId: string): object {
  const encode = (): Promise<Encoder> =>
    Promise.resolve(new Encoder().writeInt32(1).writeString(groupId).writeBoolean(true));
  return {
    request: { apiKey: DESCRIBE_GROUPS, apiVersion: VERSION, apiName: 'DescribeGroups', encode },
    response: {
      decode: (bytes: Buffer) => Promise.resolve(decode(bytes)),
      parse: (found: unknown) => Promise.resolve(found),
    },
  };
}

function decode(bytes: Buffer): Answer {
  const decoder = new Decoder(bytes);
  decoder.readInt32(); // throttle time
  decoder.readInt32(); // number of groups: one
  const code = decoder.readInt16();
  // id, state, protocol type, protocol
  for (let field = 0; field < 4; field += 1) decoder.readString();
  for (let members = decoder.readInt32(); members > 0; members -= 1) {
    // id, client id, host, metadata, assignment
    for (let field = 0; field < 3; field += 1) decoder.readString();
    for (let field = 0; field < 2; field += 1) decoder.readBytes();
  }
  const operations = decoder.readInt32();
  return {
    error: code === 0 ? undefined : createErrorFromCode(code),
    operations: operations === UNSAID ? undefined : operations,
  };
}
