import { z } from 'zod';

const DAY_MS = 86_400_000;
/** Maximum number of days until the end of an exception. A later end date would be no end. */
export const MAX_EXCEPTION_DAYS = 90;

const advisorySchema = z.object({
  name: z.string(),
  title: z.string(),
  url: z.string(),
  severity: z.string(),
  range: z.string(),
});
/**
 * What `npm audit --json` prints if the registry has answered. `via` names packages, or holds
 * advisories.
 */
const reportSchema = z.object({
  auditReportVersion: z.literal(2),
  vulnerabilities: z.record(z.string(), z.object({ via: z.array(z.union([z.string(), advisorySchema])) })),
});

/** The file of exceptions. */
export const exceptionsSchema = z.array(
  z.strictObject({
    advisory: z
      .string()
      .regex(/^GHSA(-[23456789cfghjmpqrvwx]{4}){3}$/, 'expected the id of an advisory: GHSA-…'),
    package: z.string().min(1),
    reason: z.string().min(20, 'expected a reason, in a sentence'),
    until: z.iso.date('expected a date: 2026-12-31'),
  }),
);
export type AuditException = z.infer<typeof exceptionsSchema>[number];

/**
 * The result of an audit. `faults` is empty if all is well; `unknown` says why there is no result.
 */
export type Verdict =
  | { readonly kind: 'judged'; readonly faults: readonly string[]; readonly excepted: readonly string[] }
  | { readonly kind: 'unknown'; readonly reason: string };

/**
 * Judges the output of `npm audit --omit=dev --json`.
 *
 * Each advisory is a fault unless an exception names it. An exception is a fault if it has ended,
 * ends too far ahead, or no advisory needs it. Any output but a report is no audit, and never
 * clean.
 */
export function judge(output: string, exceptions: readonly AuditException[], today: Date): Verdict {
  const report = reportSchema.safeParse(parsed(output));
  if (!report.success) return { kind: 'unknown', reason: refusalIn(output) };
  const advisories = new Map(
    Object.values(report.data.vulnerabilities)
      .flatMap(({ via }) => via)
      .flatMap((each) => (typeof each === 'string' ? [] : [[each.url, each] as const])),
  );
  const found = [...advisories.values()].map((each) => ({ ...each, id: each.url.split('/').at(-1) ?? '' }));
  const isExcepted = ({ id, name }: { id: string; name: string }): boolean =>
    exceptions.some((each) => each.advisory === id && each.package === name);
  const line = (each: (typeof found)[number]): string =>
    `${each.name} ${each.range}: ${each.title} (${each.severity}, ${each.url})`;
  const unneeded = exceptions.filter(
    (exception) => !found.some(({ id, name }) => exception.advisory === id && exception.package === name),
  );
  return {
    kind: 'judged',
    faults: [
      ...found.filter((each) => !isExcepted(each)).map(line),
      ...exceptions.flatMap((exception) => faultsOf(exception, today)),
      ...unneeded.map((exception) => `${nameOf(exception)} is no longer needed: remove it`),
    ],
    excepted: found.filter(isExcepted).map(line),
  };
}

/** Returns the faults of an exception. It holds through the day that it names. */
function faultsOf(exception: AuditException, today: Date): string[] {
  const end = Date.parse(exception.until) + DAY_MS;
  if (end <= today.getTime()) return [`${nameOf(exception)} has ended on ${exception.until}`];
  if (end > today.getTime() + (MAX_EXCEPTION_DAYS + 1) * DAY_MS) {
    return [`${nameOf(exception)} ends on ${exception.until}, more than ${MAX_EXCEPTION_DAYS} days ahead`];
  }
  return [];
}

function nameOf({ advisory, package: name }: AuditException): string {
  return `the exception ${advisory} of ${name}`;
}

/** Returns why there is no report. npm says that in JSON, too. */
function refusalIn(output: string): string {
  const refusal = z.object({ message: z.string() }).safeParse(parsed(output));
  if (refusal.success) return refusal.data.message;
  return output.trim() === '' ? 'npm audit printed nothing' : 'npm audit printed an unknown report';
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
