import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@bulk/testing';
import { z } from 'zod';
import { ACCOUNT, InstallationUnderTest, scenario } from './installation-under-test.ts';

const attributeSchema = z.object({
  key: z.string(),
  value: z.object({ stringValue: z.string().optional(), intValue: z.coerce.number().optional() }),
});
/** The parts of OTLP over HTTP in JSON that the test reads. */
const exportSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(attributeSchema) }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().optional(),
              name: z.string(),
              attributes: z.array(attributeSchema).default([]),
            }),
          ),
        }),
      ),
    }),
  ),
});

interface Seen {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string;
  readonly name: string;
  readonly text: string;
  readonly facts: Readonly<Record<string, string | number | undefined>>;
}

const spans: Seen[] = [];
let collector: Server;
let system: InstallationUnderTest;

function factsOf(attributes: z.infer<typeof attributeSchema>[]): Record<string, string | number | undefined> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
}

function collect(body: string): void {
  for (const { resource, scopeSpans } of exportSchema.parse(JSON.parse(body)).resourceSpans) {
    const service = String(factsOf(resource.attributes)['service.name']);
    for (const { traceId, spanId, parentSpanId = '', name, attributes } of scopeSpans.flatMap(
      (s) => s.spans,
    )) {
      const facts = factsOf(attributes);
      spans.push({
        service,
        traceId,
        spanId,
        parent: parentSpanId,
        name,
        text: JSON.stringify(facts),
        facts,
      });
    }
  }
}

beforeAll(async () => {
  collector = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      collect(Buffer.concat(parts).toString('utf8'));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  system = await InstallationUnderTest.start(
    {},
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/`, BATCH_SIZE: '20' },
  );
}, 120_000);
afterAll(async () => {
  await system.dispose();
  await new Promise((resolve) => collector.close(resolve));
});

/** Returns the spans from one up to the first whose parent is not among those received. */
function pathToRoot(from: Seen, all: ReadonlyMap<string, Seen>): Seen[] {
  const parent = all.get(from.parent);
  return parent === undefined ? [from] : [from, ...pathToRoot(parent, all)];
}

describe('tracing', () => {
  it("shows an action from its request to the last progress event in the caller's trace", async () => {
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const caller = '00f067aa0ba902b7';
    const { before, entities } = scenario(200, 'traced');
    await system.givenContacts(before);
    const response = await fetch(`${system.services.intakeUrl}/bulk-actions`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-account-id': ACCOUNT,
        traceparent: `00-${traceId}-${caller}-01`,
      },
      body: JSON.stringify({ actionType: 'update', entities }),
    });
    expect(response.status).toBe(202);
    const { data } = z.object({ data: z.object({ actionId: z.string() }) }).parse(await response.json());
    await system.client().waitForCompletion(data.actionId, { timeoutMs: 60_000 });

    // Each service sends its own spans, every few seconds.
    const trace = (): Map<string, Seen> =>
      new Map(spans.filter((one) => one.traceId === traceId).map((one) => [one.spanId, one]));
    const lastWay = await eventually(
      'the whole way is traced',
      () => {
        const isEnd = ({ name, facts }: Seen): boolean =>
          name === 'publish progress' && facts['bulk.status'] === 'completed';
        const end = [...trace().values()].find(isEnd);
        const way = end === undefined ? [] : pathToRoot(end, trace());
        return way.at(-1)?.parent === caller ? way : undefined;
      },
      { timeoutMs: 30_000 },
    );
    const ours = trace();
    expect(lastWay.map(({ service, name }) => `${service}: ${name}`)).toEqual([
      'notifier: publish progress',
      'stats-aggregator: count results',
      'handler: apply batch',
      'intake: dispatch',
      'intake: POST /bulk-actions',
    ]);
    const batches = [...ours.values()].filter(({ name }) => name === 'apply batch');
    const found = await system.database.actions.findOne({ _id: data.actionId });
    expect(batches).toHaveLength(found!.batchCount);
    // Only names of things, and nothing of the entities.
    for (const { text } of ours.values()) expect(text).not.toMatch(/After|Before|traced-/);
  });
});
