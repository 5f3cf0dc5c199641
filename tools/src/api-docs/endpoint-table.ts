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
 * The operations of an OpenAPI document as a Markdown table, in the order of the document: what each does, its query
 * parameters, and every status that it answers with.
 *
 * @throws ZodError when the document lacks something of these.
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
