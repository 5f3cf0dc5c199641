import { seedCommand } from './command.ts';

await seedCommand().parseAsync();
