import { Command } from 'commander';
import { dlqCommand } from '../dlq/command.ts';
import { migratePartitionsCommand, rebuildKafkaCommand } from '../epoch/command.ts';
import { installCommand } from '../install/command.ts';
import { lagCommand } from '../lag/command.ts';
import { reconcileCommand } from '../reconcile/command.ts';
import { restoreCheckCommand } from '../restore/command.ts';
import { seedCommand } from '../seed/command.ts';
import { waitCommand } from '../wait/command.ts';

// The commands of an operator, in a checkout (`npm run ops`) and in an image of their own.
const ops = new Command('ops').description('the commands of an operator').showHelpAfterError();
const commands = [
  installCommand(),
  dlqCommand(),
  reconcileCommand(),
  lagCommand(),
  migratePartitionsCommand(),
  rebuildKafkaCommand(),
  restoreCheckCommand(),
  seedCommand(),
  waitCommand(),
];
for (const command of commands) {
  ops.addCommand(command.copyInheritedSettings(ops));
}
await ops.parseAsync();
