import { z } from 'zod';

const parameterSchema = z.object({ in: z.string(), name: z.string() });
const operationSchema = z.object({
  summary: z.string(),
  parameters: z.array(parameterSchema).default([]),
  requestBody: z.object({ content: z.record(z.string(), z.unknown()) }).optional(),
  responses: z.record(z.string(), z.unknown()),
});
const documentSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), operationSchema)) });

/**
 * Builds a Markdown table of the operations of an OpenAPI document, in the document's order.
 *
 * A row says what an operation does, its query parameters, and every status that it answers with.
 *
 * @throws ZodError if the document lacks one of these.
 */
export function endpointTable(document: object): string {
  const { paths } = documentSchema.parse(document);
  const rows = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { summary, parameters, requestBody, responses }]) => {
      const query = parameters
        .filter((parameter) => parameter.in === 'query')
        .map(({ name }) => `\`${name}\``);
      const bodies = Object.keys(requestBody?.content ?? {}).map((type) => `\`${type}\``);
      const takes = [...query, ...bodies].join(', ');
      const statuses = Object.keys(responses).join(', ');
      return `| \`${method.toUpperCase()} ${path}\` | ${summary} | ${takes} | ${statuses} |`;
    }),
  );
  return ['| method, path | does | query, body | answers |', '|---|---|---|---|', ...rows].join('\n');
}
