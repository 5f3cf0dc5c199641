import { styleText } from 'node:util';
import { z } from 'zod';

const entrySchema = z.looseObject({
  level: z.string(),
  time: z.string(),
  service: z.string(),
  msg: z.string().default(''),
  err: z.looseObject({ stack: z.string() }).optional(),
});

type Style = Parameters<typeof styleText>[0];
const SERVICE_STYLES: Readonly<Record<string, Style>> = {
  intake: 'cyan',
  handler: 'green',
  'stats-aggregator': 'magenta',
  notifier: 'blue',
};
const LEVEL_STYLES: Readonly<Record<string, Style>> = { warn: 'yellow', error: 'red', fatal: 'red' };
const NAME_WIDTH = 16;
/** Fields that have a place of their own in the line. */
const SHOWN = new Set(['level', 'time', 'service', 'msg', 'err']);

/**
 * Formats one line of a service's output for people: `intake 12:00:01.234 info ready port=3000`.
 */
export function prettyLine(instance: string, line: string, colours: boolean): string {
  const paint = (style: Style | undefined, text: string): string =>
    colours && style !== undefined ? styleText(style, text) : text;
  const name = paint(SERVICE_STYLES[instance], instance.padEnd(NAME_WIDTH));
  const entry = entrySchema.safeParse(parse(line));
  if (!entry.success) return `${name} ${line}`;
  const { level, time, msg, err } = entry.data;
  const facts = Object.entries(entry.data)
    .filter(([key]) => !SHOWN.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const text = [msg, paint('dim', facts.join(' '))].filter((part) => part !== '').join('  ');
  const stack = err === undefined ? '' : `\n${err.stack}`;
  return `${name} ${paint('dim', time.slice(11, 23))} ${paint(LEVEL_STYLES[level], level.padEnd(5))} ${text}${stack}`;
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
