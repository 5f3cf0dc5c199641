/** The introduction of the documentation, above the operations. */
export const INTRODUCTION = `One request changes many CRM records. It is answered at once (202), processed in the background, and every
record gets exactly one outcome: \`success\`, \`failure\` or \`skipped\`.

1. **POST /bulk-actions** starts an action and returns its \`actionId\`.
2. **GET /bulk-actions/{id}/stats** shows its progress. The WebSocket pushes the same figures.
3. **GET /bulk-actions/{id}/logs** lists the outcome of each record.

**Account.** Every request is for one account, named in the header \`x-account-id\` (or \`accountId\` in query or body). On
this page it is filled in: \`demo\`, see *Authorize*. Where the installation authenticates, a bearer token names it.

**Answers** are \`{ "success": true, "data": … }\`, with \`pagination\` for collections, or
\`{ "success": false, "error": { "code", "message", "details"? } }\`. Act on \`code\`; \`details\` of a 400 names every field at
fault and what was expected there. 429 and 503 say in \`Retry-After\` when to try again, as far as that is known. What was never understood as a
request has the same form: 400 \`INVALID_HTTP\`, 404 \`NOT_FOUND\`, 405 \`METHOD_NOT_ALLOWED\`.

**Instants** are ISO 8601; in requests with \`Z\` or an offset, in answers in UTC.

**Messages.** The Kafka topics and the WebSocket are described in AsyncAPI: the link is at the end of this page.
`;
