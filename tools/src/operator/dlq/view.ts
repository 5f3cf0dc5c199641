import { topicNamed, type TopicNames } from '@bulk/contracts';
import { CodedError } from '@bulk/domain';
import type { MessageCodec } from '@bulk/kafka';
import type { ListedLetter } from './desk.ts';

/** Returns a dead letter without its message, as `--json` shows it. */
export function summaryOf({ letter, mark }: ListedLetter): Record<string, unknown> {
  const { content, id, actionId, batchNo, generation } = letter;
  const { service, code, message, attempts, topic, partition, offset, failedAt } = content;
  return {
    id,
    failedAt: new Date(failedAt).toISOString(),
    service,
    code,
    message,
    attempts,
    origin: { topic, partition, offset },
    actionId,
    batchNo,
    generation,
    state: mark?.state ?? 'open',
    markedAt: mark?.at.toISOString() ?? null,
  };
}

const COLUMNS = ['ID', 'FAILED AT', 'SERVICE', 'CODE', 'TRIES', 'ORIGIN', 'ACTION:BATCH', 'STATE'] as const;

/**
 * Builds a table of dead letters that arrive some at a time, one per line.
 *
 * A column is as wide as its widest cell so far.
 *
 * @returns a function that formats the next dead letters. The first lines have the names of the
 * columns above them.
 */
export function tableWriter(): (listed: readonly ListedLetter[]) => string[] {
  const widths: number[] = COLUMNS.map((name) => name.length);
  let isFirst = true;
  return (listed) => {
    const rows: (readonly string[])[] = listed.map(rowOf);
    for (const row of rows) {
      row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
    }
    if (isFirst) rows.unshift(COLUMNS);
    isFirst = false;
    return rows.map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  };
}

function rowOf({ letter, mark }: ListedLetter): string[] {
  const { content, id, actionId, batchNo } = letter;
  return [
    id,
    new Date(content.failedAt).toISOString(),
    content.service,
    content.code,
    String(content.attempts),
    `${content.topic}/${content.partition}/${content.offset}`,
    actionId === null ? '-' : `${actionId}:${batchNo ?? '?'}`,
    mark?.state ?? 'open',
  ];
}

/** Returns the decoded original message, or its bytes in hex if it cannot be decoded. */
export async function contentOf(
  { letter }: ListedLetter,
  topics: TopicNames,
  codec: MessageCodec,
): Promise<Record<string, unknown>> {
  const { value, headers, key } = letter.content;
  const common = {
    key: key?.toString() ?? null,
    headers: Object.fromEntries(Object.entries(headers).map(([name, bytes]) => [name, bytes.toString()])),
  };
  const origin = topicNamed(topics, letter.content.topic);
  if (origin === undefined || origin.replay === 'never')
    return { ...common, hex: value?.toString('hex') ?? null };
  try {
    return { ...common, decoded: await codec.decode(origin.message, value) };
  } catch (error) {
    if (!(error instanceof CodedError) || error.retryable) throw error;
    return { ...common, undecodable: error.message, hex: value?.toString('hex') ?? null };
  }
}
