import type { ActionView } from '@bulk/contracts';
import type { Screen } from '../../console/screen.ts';

/** The places of everything, and commands to try. */
export interface Farewell {
  readonly intakeUrl: string;
  readonly notifierUrl: string;
  readonly accountId: string;
  readonly action: ActionView;
  /** Folder of the logs, relative to the workspace. */
  readonly logs: string;
}

/** Prints URLs and commands that can be pasted. */
export function sayFarewell(screen: Screen, farewell: Farewell): void {
  const { intakeUrl, notifierUrl, accountId, action, logs } = farewell;
  const header = `-H 'x-account-id: ${accountId}'`;
  const base = `${intakeUrl}/bulk-actions`;
  const body = `{"actionType":"update","config":{"set":{"ownerId":"user-7"}},"entities":[{"id":"contact-1"},{"id":"contact-2","city":"Bonn"}]}`;
  const subscribe = `{"event":"subscribe","data":"${action.actionId}"}`;
  const webSocket =
    `node -e "const w=new(require('ws'))('${notifierUrl}',{headers:{'x-account-id':'${accountId}'}});` +
    `w.on('open',()=>w.send(process.argv[1])).on('message',m=>console.log(String(m)))" '${subscribe}'`;
  screen.line();
  screen.labelled('API', `${intakeUrl}/api`);
  screen.labelled('REST', intakeUrl);
  screen.labelled('WebSocket', notifierUrl);
  screen.labelled('logs', logs);
  screen.line();
  const commands = [
    `curl -s ${header} ${base}/${action.actionId}/stats`,
    `curl -s ${header} '${base}/${action.actionId}/results.csv?type=failure' | head -4`,
    `printf 'id,city\\ncontact-1,Bonn\\n' | curl -s ${header} -H 'content-type: text/csv' --data-binary @- '${base}?actionType=update&dryRun=true'`,
    `curl -s ${header} -H 'content-type: application/json' ${base} -d '${body}'`,
    webSocket,
  ];
  for (const command of commands) screen.line(`  ${command}`);
  screen.line();
  screen.line(screen.styled('dim', '  Ctrl-C ends all of it.'));
}
